//! Replaying traces, and filling in their answers.

mod support;

use proptest::prelude::*;
use support::{fill, parse, replay};
use vuart_trace::{Device, Unsupported};

#[test]
fn mismatches_say_what_was_expected() {
    assert_eq!(
        replay("r 5 61\nr 5 60\nirq 1\ntx 41\ntx-break 1\nw 0 42\nw 0 43\ntx\n"),
        [
            "1: r 5: expected 61, got 60",
            "3: irq: expected 1, got 0",
            "4: tx: expected 41, got nothing",
            "5: tx-break: expected 1, got 0",
            "8: tx: expected nothing, got 42 43",
        ]
    );
}

#[test]
fn characters_wait_behind_the_fifo() {
    assert_eq!(
        replay(
            "rx 41 42 43\nr 5 61\nr 0 41\nr 5 61\nr 0 42\nr 0 43\nr 5 60\n\
             w 4 10  # loopback: the host holds back\nrx 44\nr 5 60\nw 4 00\nr 0 44\n\
             rx 45 46\nw 2 01\nr 0 46 # 45 was in the receiver when the FIFOs went on\n"
        ),
        [""; 0]
    );
}

#[test]
fn in_timed_mode_the_host_does_not_wait_for_room() {
    assert_eq!(
        replay(
            "mode timed\nw 3 83\nw 0 1\nw 1 0\nw 3 3\n\
             rx 41 42 43\nr 5 61\nt 86805\nr 5 61\nt 1\nr 5 63\nr 0 42\nt 86806\nr 0 43\n\
             t 1000000\nrx 44\nt 1\nrx 45\nt 86804\nr 0 44\nr 5 60\nt 1\nr 0 45\n"
        ),
        [""; 0]
    );
}

#[test]
fn f5_a_reset_empties_the_receiver_and_not_what_waits_behind_it() {
    assert_eq!(
        replay(
            "w 1 0f\nw 3 43\nw 4 1b\nirq 1\nmodem -dcd\nreset\nirq 0\ntx-break 0\nr 3 00\nr 4 08\nr 6 30\n\
             rx 41 42\nr 5 61\nreset\nr 5 61\nr 0 42\nr 5 60\nw 0 43\ntx 43\n"
        ),
        [""; 0]
    );
}

#[test]
fn f5_in_timed_mode_time_goes_on_across_a_reset() {
    assert_eq!(
        replay(
            "mode timed\nw 3 83\nw 0 1\nw 1 0\nw 3 3\nrx 41 42\nr 5 61\nt 50000\nw 0 43\nreset\nr 5 60\n\
             t 36805\nr 5 60\nt 1\nr 5 61\nr 0 42\nt 1000000\ntx\n"
        ),
        [""; 0]
    );
}

#[test]
fn automatic_flow_control_holds_the_sender() {
    assert_eq!(
        replay(
            "mode timed\nprofile 16750\nw 3 83\nw 0 1\nw 1 0\nw 3 3\nw 2 41 # trigger 4\nw 4 22\n\
             rx 1 2 3 4 5 6\nt 10000000\nr 0 1\nr 0 2\nr 0 3\nr 0 4\nr 0 5\nt 86806\nr 0 6\nr 5 60\n"
        ),
        [""; 0]
    );
}

#[test]
fn filling_keeps_what_the_author_wrote() {
    assert_eq!(
        fill("# a\n\nw 0 0x41   # as it was\n  r 5      # LSR\nr 5 00\ntx\ntx-break 0\nirq 1#x\n"),
        "# a\n\nw 0 0x41   # as it was\n  r 5 60   # LSR\nr 5 60\ntx 41\ntx-break 0\nirq 0 #x\n"
    );
    assert_eq!(fill("tx # much\n w 0 41"), "tx # much\n w 0 41\n");
}

/// A device with nothing but what it must have.
struct Poor;

impl Device for Poor {
    fn name(&self) -> &'static str {
        "Poor"
    }
    fn read(&mut self, _register: u8) -> u8 {
        0xFF
    }
    fn write(&mut self, _register: u8, _value: u8) {}
    fn receive(&mut self, _data: u8) {}
    fn transmitted(&mut self) -> Vec<u8> {
        Vec::new()
    }
    fn interrupt(&self) -> bool {
        false
    }
}

#[test]
fn an_operation_that_a_device_lacks_is_a_mismatch() {
    let trace = parse("mode timed\nbreak\nrx-err pe 1\nmodem +ri\ntx-break 0\nt 1\nreset\n");
    let mismatches: Vec<_> = trace.replay(&mut Poor).iter().map(ToString::to_string).collect();
    assert_eq!(
        mismatches,
        [
            "2: break: not there: a break from the host",
            "3: rx-err pe 01: not there: characters with errors",
            "4: modem +ri: not there: modem inputs",
            "5: tx-break 0: not there: the guest's break",
            "6: t 1: not there: virtual time",
            "7: reset: not there: a reset",
        ]
    );
    let error = trace.fill(&mut Poor).unwrap_err();
    assert_eq!((error.line, error.unsupported), (2, Unsupported("a break from the host")));
    let device: &mut dyn Device = &mut Poor;
    assert_eq!(trace.replay(device).len(), 6);
}

proptest! {
    /// A filled trace replays, and filling it again changes nothing.
    #[test]
    fn a_filled_trace_holds(lines in prop::collection::vec(line(), 0..60)) {
        let text = format!("mode timed\n{}\n", lines.join("\n"));
        let filled = fill(&text);
        prop_assert_eq!(replay(&filled), [""; 0], "{}", filled);
        prop_assert_eq!(fill(&filled), filled);
    }
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..8_u8, any::<u8>()).prop_map(|(register, value)| format!("w {register} {value:x}")),
        (0..8_u8).prop_map(|register| format!("r {register} # why")),
        (0..8_u8, any::<u8>()).prop_map(|(register, value)| format!("r {register} {value:x}")),
        any::<[u8; 3]>().prop_map(|[a, b, c]| format!("rx {a:x} {b:x} {c:x}")),
        Just("tx".to_owned()),
        Just("irq 1".to_owned()),
        Just("tx-break 1".to_owned()),
        Just("break".to_owned()),
        Just("reset".to_owned()),
        Just("rx-err pe+fe 41".to_owned()),
        Just("modem -cts +ri".to_owned()),
        (0..10_000_000_u32).prop_map(|nanoseconds| format!("t {nanoseconds}")),
    ]
}
