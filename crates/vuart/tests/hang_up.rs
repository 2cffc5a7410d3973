//! The carrier: the console hangs up on the guest, and the guest on the console.
//!
//! The guest is modelled on Linux (`serial8250_handle_irq`, `serial8250_modem_status`, `uart_handle_dcd_change`): it runs its
//! handler when it is interrupted and at no other time, and hangs its session up when DCD falls.

mod support;

use proptest::prelude::*;
use support::linux_modem::{CLOCAL, LISTENS, Linux, PROBE};
use support::{Edges, port};
use vm_superio::Trigger;
use vuart::SerialPort;
use vuart::endpoint::{Attach, Console, Identity, Mode, Session};
use vuart::trace::{Board, Mode as Time, Settings, Trace};
use vuart::uart::spec::{Ier, Msr, offset::*};
use vuart::uart::{Config, Instant, Uart};

fn open(ier: u8) -> (Linux<Edges>, Edges) {
    let (port, edges) = port();
    let linux = Linux::open(port, ier);
    edges.take();
    (linux, edges)
}

fn take_over<T: Trigger>(port: &SerialPort<T>, who: usize) -> Session {
    let identity = Identity::new(&format!("client {who}"), 0, None);
    port.console().attach(Attach::new(identity).with_mode(Mode::TakeOver)).unwrap()
}

#[test]
fn e18_each_hang_up_hangs_up_once() {
    let (mut linux, edges) = open(LISTENS);
    let console = linux.port.console().clone();
    for count in 1..=5 {
        assert!(console.hang_up());
        assert_eq!(edges.take(), 1, "a guest that sleeps is woken");
        linux.interrupted();
        assert_eq!(
            (linux.hang_ups, linux.carriers),
            (count, count),
            "DCD has come back, for the next one to open it"
        );
        assert_eq!(edges.take(), 1, "that of the return: a driver that reads MSR once needs it");
        linux.interrupted();
        assert_eq!((linux.hang_ups, linux.carriers, edges.take()), (count, count, 0));
    }
}

/// A driver that serves one interrupt at a time.
#[test]
fn e18_the_drop_and_the_return_are_two_interrupts() {
    let (mut port, edges) = port();
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x08);
    port.console().hang_up();
    assert_eq!(edges.take(), 1);
    assert_eq!([IIR, MSR].map(|register| port.read_register(register)), [0x00, 0x38]);
    assert_eq!(edges.take(), 1);
    assert_eq!([IIR, MSR].map(|register| port.read_register(register)), [0x00, 0xB8]);
    assert_eq!([IIR, MSR].map(|register| port.read_register(register)), [0x01, 0xB0]);
    assert_eq!(edges.take(), 0);
}

#[test]
fn e18_requests_before_the_guest_has_seen_the_first_are_one() {
    let (mut linux, edges) = open(LISTENS);
    let mut owners = Vec::new();
    for who in 0..1000 {
        owners.push(take_over(&linux.port, who));
        assert!(linux.port.console().hang_up());
    }
    assert_eq!(edges.take(), 1);
    // The guest has looked, but not yet at MSR.
    assert_eq!(linux.port.read_register(IIR), 0xC0);
    linux.port.console().hang_up();
    linux.interrupted();
    assert_eq!((linux.hang_ups, linux.carriers), (1, 1));
    assert!(edges.take() <= 2, "one for the request, one for the return");
}

#[test]
fn a_guest_that_does_not_listen_is_not_interrupted() {
    let (mut linux, edges) = open(CLOCAL);
    assert!(!linux.port.console().hang_up());
    assert_eq!(edges.take(), 0);
    assert_eq!(linux.port.read_register(LSR), 0x60);
    assert_eq!([MSR, MSR, MSR].map(|register| linux.port.read_register(register)), [0x38, 0xB8, 0xB0]);
    assert_eq!((linux.port.read_register(IIR), edges.take()), (0xC1, 0));

    // Linux reads MSR in every interrupt, and ignores the drop.
    linux.port.console().hang_up();
    take_over(&linux.port, 0).write(b"k").unwrap();
    linux.interrupted();
    linux.set_ier(LISTENS);
    linux.interrupted();
    assert_eq!((linux.hang_ups, linux.carriers), (0, 1), "the drop went by unseen");
}

#[test]
fn e18_a_guest_that_begins_to_listen_finds_an_earlier_hang_up() {
    let (mut linux, edges) = open(CLOCAL);
    assert!(!linux.port.console().hang_up());
    linux.set_ier(LISTENS);
    assert_eq!(edges.take(), 1);
    linux.interrupted();
    assert_eq!((linux.hang_ups, edges.take()), (1, 1));
}

/// R12: OUT2 gates the interrupt, whichever thread raises it.
#[test]
fn r12_no_interrupt_while_out2_is_off() {
    let (mut linux, edges) = open(LISTENS);
    linux.port.write_register(MCR, 0x03);
    assert!(!linux.port.console().hang_up());
    assert_eq!(edges.take(), 0);
    linux.port.write_register(MCR, 0x0B);
    assert_eq!(edges.take(), 1);
    linux.interrupted();
    assert_eq!(linux.hang_ups, 1);
}

/// R10: in loopback MSR shows the guest's own outputs, so a drop waits for its end.
#[test]
fn r10_a_drop_in_loopback_is_seen_after_it() {
    let (mut linux, edges) = open(LISTENS);
    linux.port.write_register(MCR, 0x1B);
    for register in [IIR, MSR, MSR] {
        linux.port.read_register(register);
    }
    edges.take();
    assert!(!linux.port.console().hang_up());
    assert_eq!((linux.port.read_register(MSR), linux.port.read_register(IIR)), (0xB0, 0xC1));
    assert_eq!(edges.take(), 0);
    linux.port.write_register(MCR, 0x0B);
    assert_eq!(edges.take(), 1);
    linux.interrupted();
    assert_eq!((linux.hang_ups, linux.carriers), (1, 1));
}

#[test]
fn a_modem_line_that_the_vmm_holds_low_stays_low() {
    let (mut linux, edges) = open(LISTENS);
    linux.port.set_modem_inputs(Msr::CTS | Msr::DSR);
    linux.interrupted();
    assert_eq!((linux.hang_ups, edges.take()), (1, 1));
    // A hang-up changes nothing meanwhile, whether the guest looks or not.
    for looks in [true, false] {
        assert!(!linux.port.console().hang_up(), "there is nothing to interrupt it for");
        if looks {
            linux.interrupted();
        }
        assert_eq!((linux.hang_ups, linux.carriers, linux.port.read_register(MSR)), (1, 0, 0x30));
    }
    linux.port.set_modem_inputs(Msr::CONNECTED);
    linux.interrupted();
    assert_eq!((linux.hang_ups, linux.carriers), (1, 1));
    assert_eq!([MSR, IIR].map(|register| linux.port.read_register(register)), [0xB0, 0xC1]);

    // The VMM drops DCD while it is low for a hang-up.
    linux.port.console().hang_up();
    linux.port.read_register(IIR);
    linux.port.set_modem_inputs(Msr::CTS | Msr::DSR);
    linux.interrupted();
    assert_eq!((linux.hang_ups, linux.carriers, linux.port.read_register(MSR)), (2, 1, 0x30));

    // The VMM may drive the other lines meanwhile.
    linux.port.set_modem_inputs(Msr::CONNECTED);
    linux.interrupted();
    linux.port.console().hang_up();
    linux.port.read_register(IIR);
    linux.port.set_modem_inputs(Msr::CONNECTED | Msr::RI);
    assert_eq!([MSR, MSR, MSR].map(|register| linux.port.read_register(register)), [0x78, 0xF8, 0xF0]);
}

/// How often the guest has hung up, as far as it was told.
fn guest_hang_ups(console: &Console) -> u64 {
    let _ = console.service(std::time::Instant::now());
    console.counters().guest_hang_ups
}

#[test]
fn the_console_is_told_once_that_the_guest_has_hung_up() {
    let (mut linux, _) = open(CLOCAL);
    let console = linux.port.console().clone();
    let mut sleeper = console.doorbell().sleeper().unwrap();
    sleeper.arm_at_once();
    linux.port.write_register(MCR, 0x0B);
    linux.port.write_register(MCR, 0x09); // RTS
    assert!(!sleeper.acknowledge());
    assert_eq!(guest_hang_ups(&console), 0);
    sleeper.arm_at_once();
    linux.port.write_register(MCR, 0x00);
    assert!(sleeper.acknowledge(), "a server that sleeps is woken");
    assert_eq!(guest_hang_ups(&console), 1);
    linux.port.write_register(MCR, 0x00);
    linux.port.write_register(MCR, 0x0B);
    assert_eq!(guest_hang_ups(&console), 1);
}

/// R10: MCR.DTR drives no line in loopback.
#[test]
fn r10_a_loopback_test_is_no_hang_up_and_sends_no_break() {
    let (mut linux, _) = open(CLOCAL);
    let console = linux.port.console().clone();
    for mcr in [0x1A, 0x1B, 0x10] {
        linux.port.write_register(MCR, mcr);
        linux.port.write_register(LCR, 0x53);
        linux.port.write_register(LCR, 0x13);
    }
    linux.port.write_register(MCR, 0x0B);
    assert_eq!((guest_hang_ups(&console), console.counters().guest_breaks), (0, 0));
    // The guest leaves loopback without DTR: now it has hung up.
    linux.port.write_register(MCR, 0x10);
    linux.port.write_register(MCR, 0x08);
    assert_eq!(guest_hang_ups(&console), 1);
}

#[test]
fn the_console_is_told_of_each_break_that_the_guest_sends() {
    let (mut linux, _) = open(CLOCAL);
    let console = linux.port.console().clone();
    let mut sleeper = console.doorbell().sleeper().unwrap();
    sleeper.arm_at_once();
    for _ in 0..3 {
        linux.port.write_register(LCR, 0x53);
        linux.port.write_register(LCR, 0xD3); // the divisor, in the midst of it
        linux.port.write_register(LCR, 0x13);
    }
    assert!(sleeper.acknowledge());
    for _ in 0..2 {
        let _ = console.service(std::time::Instant::now());
        assert_eq!(console.counters().guest_breaks, 3);
    }
}

/// A recorded hang-up is an action of the host, and replays.
#[test]
fn e18_a_recorded_hang_up_replays() {
    let (mut port, _) = port();
    let mut recording = port.record(1 << 16).unwrap();
    let mut linux = Linux::open(port, LISTENS);
    linux.port.console().hang_up();
    linux.interrupted();
    let text = recording.take();
    assert!(text.contains("modem -dcd\nr 2 c0\nirq 1\n"), "{text}");
    assert!(text.contains("r 6 38\nmodem +dcd\n"), "{text}");
    let trace: Trace = text.parse().unwrap();
    assert_eq!(trace.replay(&mut Board::new(Settings::new(Time::Instant, Config::new()))), []);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    HangUp,
    Type,
    /// The host drives RI and DCD.
    Modem(bool),
    Ier(u8),
    Meanwhile(u8),
    /// The guest reads a register without an interrupt.
    Look(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::HangUp),
        2 => Just(Step::Type),
        1 => any::<bool>().prop_map(Step::Modem),
        2 => prop::sample::select(vec![CLOCAL, LISTENS, 0]).prop_map(Step::Ier),
        3 => (0_u8..6).prop_map(Step::Meanwhile),
        3 => prop::sample::select(vec![IIR, LSR]).prop_map(Step::Look),
    ]
}

proptest! {
    /// A guest that runs its handler exactly when it is interrupted has served everything, and has seen each drop that it listens for,
    /// whatever is done in whatever order.
    #[test]
    fn e18_no_interrupt_is_lost_beside_others(steps in prop::collection::vec((step(), any::<bool>()), 1..60)) {
        let (mut linux, edges) = open(LISTENS);
        let mut session = take_over(&linux.port, 0);
        let console = linux.port.console().clone();
        let (mut drops, mut latched, mut carrier) = (0, false, true);
        for (step, interruptible) in steps {
            match step {
                Step::HangUp => {
                    console.hang_up();
                    drops += 1;
                }
                Step::Type => {
                    session.write(b"k").unwrap();
                }
                Step::Modem(level) => {
                    carrier = level;
                    let mut inputs = Msr::CONNECTED;
                    inputs.set(Msr::DCD, carrier);
                    linux.port.set_modem_inputs(inputs);
                    drops += usize::from(!carrier);
                }
                Step::Ier(ier) => linux.set_ier(ier),
                Step::Meanwhile(what) => {
                    linux.meanwhile(what);
                    // After a loopback test DCD may fall again, because it showed OUT2 there.
                    drops += usize::from(what == PROBE);
                }
                Step::Look(register) => {
                    linux.port.read_register(register);
                }
            }
            latched |= edges.take() > 0;
            if !interruptible {
                continue;
            }
            while latched {
                linux.interrupted();
                latched = edges.take() > 0;
            }
            let state = linux.port.state().latest();
            prop_assert!(!Uart::<Instant>::restore(&state.uart).unwrap().interrupt(), "the guest sleeps");
            if linux.ier & Ier::EDSSI.bits() != 0 {
                // One that came while the VMM held DCD low changes nothing.
                let unseen = state.drop_due && carrier || state.dropped;
                prop_assert!(!unseen, "the guest sleeps, and has not seen it");
            }
        }
        prop_assert!(linux.hang_ups <= drops, "{} of {drops}", linux.hang_ups);
    }
}
