//! Rows F3 and F9: nothing that was typed is lost when the guest clears its receiver, and a read of RBR takes what waits.
//!
//! `unread_random.rs` has random guests and hosts.

mod support;

use support::{Edges, owner, port};
use vuart::endpoint::Session;
use vuart::uart::spec::{Msr, offset::*};
use vuart::uart::{Config, Profile};
use vuart::{PortBuilder, SerialPort};

/// What an interrupt handler reads: Linux'.
fn handler(port: &mut SerialPort<Edges>, edges: &Edges) -> Vec<u8> {
    let mut read = Vec::new();
    while edges.take() > 0 {
        while port.read_register(IIR) & 0x01 == 0 {
            while port.read_register(LSR) & 0x01 != 0 {
                read.push(port.read_register(RBR));
            }
            port.read_register(MSR);
        }
    }
    read
}

/// What a guest reads that polls, until it has looked in vain twice.
fn poll(port: &mut SerialPort<Edges>) -> Vec<u8> {
    let (mut read, mut in_vain) = (Vec::new(), 0);
    while in_vain < 2 {
        if port.read_register(LSR) & 0x01 == 0 {
            in_vain += 1;
        } else {
            read.push(port.read_register(RBR));
            in_vain = 0;
        }
    }
    read
}

fn typed(text: &[u8]) -> (SerialPort<Edges>, Edges, Session) {
    let (port, edges) = port();
    let mut owner = owner(&port);
    assert_eq!(owner.write(text), Ok(text.len()));
    (port, edges, owner)
}

fn set(port: &mut SerialPort<Edges>, writes: &[(u8, u8)]) {
    for (register, value) in writes {
        port.write_register(*register, *value);
    }
}

/// What `serial8250_do_startup` writes and reads (Linux 6.12): trace `linux/startup`.
fn linux_startup(port: &mut SerialPort<Edges>) {
    set(port, &[(FCR, 0x01), (FCR, 0x07), (FCR, 0x00)]);
    for register in [LSR, RBR, IIR, MSR, LSR, LSR] {
        port.read_register(register);
    }
    for ier in [0x02, 0x00, 0x02] {
        port.write_register(IER, ier);
        port.read_register(IIR);
    }
    set(port, &[(IER, 0x00), (LCR, 0x03), (MCR, 0x08), (IER, 0x02)]);
    for register in [LSR, IIR] {
        port.read_register(register);
    }
    port.write_register(IER, 0x00);
    // "Clear the interrupt registers again for luck."
    for register in [LSR, RBR, IIR, MSR] {
        port.read_register(register);
    }
}

/// What `serial8250_do_set_termios` writes: trace `linux/set-termios`.
fn linux_set_termios(port: &mut SerialPort<Edges>) {
    set(port, &[(IER, 0x05), (LCR, 0x93), (DLL, 0x01), (DLM, 0x00), (LCR, 0x13)]);
    set(port, &[(FCR, 0x01), (FCR, 0x87), (MCR, 0x08), (MCR, 0x0B)]);
}

#[test]
fn f3_what_was_typed_before_linux_opens_the_port_is_the_ttys() {
    // The firmware has looked at LSR or not, and has left the FIFOs on or off.
    for (fcr, looks) in [(0x00, 0), (0x01, 0), (0x01, 1), (0x00, 30), (0x01, 30)] {
        let (mut port, edges, _owner) = typed(b"abcde");
        port.write_register(FCR, fcr);
        for _ in 0..looks {
            // The early console.
            port.read_register(LSR);
            port.write_register(THR, b'.');
        }
        linux_startup(&mut port);
        linux_set_termios(&mut port);
        assert_eq!(handler(&mut port, &edges), b"abcde", "FCR {fcr:#x}, {looks} looks");
        // A second open.
        port.console()
            .attach(vuart::endpoint::Attach::new(vuart::endpoint::Identity::new("b", 0, None)))
            .unwrap_err();
    }
}

#[test]
fn f3_an_open_while_interrupts_are_on_loses_nothing_either() {
    let (mut port, edges, mut owner) = typed(b"abc");
    linux_startup(&mut port);
    linux_set_termios(&mut port);
    // Some of it has moved up when the settings change again.
    assert_eq!(port.read_register(IIR), 0xCC);
    assert_eq!(port.read_register(RBR), b'a');
    edges.take();
    linux_set_termios(&mut port);
    assert!(edges.count() > 0, "the line has fallen and risen");
    owner.write(b"def").unwrap();
    assert_eq!(handler(&mut port, &edges), b"bcdef");
}

/// A handler that reads nothing but RBR, as a beginner's kernel has it. Its driver has cleared the receiver and looked at LSR, perhaps
/// for whether there is a port at all. One read finds nothing, as a read that clears the receiver does.
#[test]
fn f3_a_handler_that_reads_rbr_alone_gets_its_input_after_a_reset() {
    let (mut port, edges, _owner) = typed(b"abc");
    set(&mut port, &[(FCR, 0x06), (MCR, 0x0B), (IER, 0x01)]);
    assert_eq!(port.read_register(LSR), 0x60);
    let mut read = Vec::new();
    while edges.take() > 0 {
        read.push(port.read_register(RBR));
        assert!(read.len() < 10, "interrupted again and again, and reads {read:?}");
    }
    assert_eq!(read, b"\0abc");
}

/// Some versions of Linux enable the interrupt, and then clear the receiver once more, "for luck".
#[test]
fn f3_what_waits_is_not_cleared_by_a_driver_that_enables_the_interrupt_first() {
    let (mut port, edges, _owner) = typed(b"abc");
    set(&mut port, &[(FCR, 0x07), (FCR, 0x00), (FCR, 0x81), (MCR, 0x0B), (IER, 0x05)]);
    let seen = [LSR, RBR, IIR].map(|register| port.read_register(register));
    assert_eq!(seen, [0x60, 0x00, 0xCC]);
    assert_eq!(handler(&mut port, &edges), b"abc");
}

/// Trace `freebsd/attach`, with three characters.
#[test]
fn f3_freebsd_sees_that_fcr_works() {
    let (mut port, edges, _owner) = typed(b"abc");
    set(&mut port, &[(LCR, 0x03), (IER, 0x00), (FCR, 0x00), (MCR, 0x0B)]);
    port.read_register(MCR);
    set(&mut port, &[(FCR, 0x81), (FCR, 0x07)]);
    assert_eq!(port.read_register(LSR), 0x60, "otherwise: \"UART FCR is broken\"");
    port.write_register(FCR, 0x81);
    port.read_register(MSR);
    assert_eq!(port.read_register(IIR), 0xC1);
    assert_eq!(edges.count(), 0);
    port.write_register(IER, 0x0D);
    assert_eq!(handler(&mut port, &edges), b"abc");
}

/// Trace `openbsd/open`, with a queue that is full.
#[test]
fn f3_openbsd_opens_in_one_turn() {
    let text: Vec<u8> = (0..4096_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut port, edges, _owner) = typed(&text);
    set(&mut port, &[(LCR, 0x03), (IER, 0x00), (FCR, 0x00)]);
    let mut turns = 0;
    loop {
        port.write_register(FCR, 0x00);
        port.read_register(RBR);
        port.write_register(FCR, 0x87);
        turns += 1;
        if port.read_register(LSR) & 0x01 == 0 {
            break;
        }
    }
    // "Flush any pending I/O."
    while port.read_register(LSR) & 0x01 != 0 {
        port.read_register(RBR);
    }
    assert_eq!(turns, 1);
    set(&mut port, &[(MCR, 0x0B), (IER, 0x0D)]);
    let read = handler(&mut port, &edges);
    assert!(read == text, "{} characters", read.len());
}

/// Trace `device/fcr`, for a guest that polls.
#[test]
fn f3_a_guest_that_polls_sees_the_reset_once_and_then_its_input() {
    for clearing in [&[(FCR, 0x03)][..], &[(FCR, 0x00)], &[(FCR, 0x00), (FCR, 0x01)], &[(FCR, 0x07)]] {
        let (mut port, _, mut owner) = typed(b"abc");
        port.write_register(FCR, 0x01);
        assert_eq!(poll(&mut port), b"abc", "a change of bit 0 loses nothing");
        owner.write(b"abc").unwrap();
        assert_eq!(port.read_register(LSR), 0x61);
        set(&mut port, clearing);
        assert_eq!((port.read_register(LSR), port.read_register(LSR)), (0x60, 0x61), "{clearing:x?}");
        assert_eq!(port.read_register(RBR), b'a');
        assert_eq!(poll(&mut port), b"bc", "{clearing:x?}");
    }
    // Nothing waits: what comes after the reset is there at once.
    let (mut port, _) = port();
    port.write_register(FCR, 0x07);
    owner(&port).write(b"x").unwrap();
    assert_eq!(port.read_register(LSR), 0x61);
}

#[test]
fn f3_a_break_comes_back_as_a_break() {
    let (mut port, _, mut owner) = typed(b"a");
    owner.send_break().unwrap();
    owner.write(b"b").unwrap();
    set(&mut port, &[(FCR, 0x01), (IER, 0x01)]);
    assert_eq!([IIR, RBR, LSR].map(|register| port.read_register(register)), [0xC4, b'a', 0xF1]);
    port.write_register(FCR, 0x03);
    assert_eq!(port.console().input_waiting(), 2);
    assert_eq!([IIR, LSR, RBR, RBR].map(|register| port.read_register(register)), [0xC4, 0xF1, 0x00, b'b']);
}

/// What the guest sent itself in loopback is not typed into the queue, and what was typed is not lost to it.
#[test]
fn f3_r10_loopback_and_input_are_kept_apart() {
    // Linux' size_fifo, and the receiver cleared in loopback or after it.
    for end in [&[(FCR, 0x07), (MCR, 0x0B)][..], &[(MCR, 0x0B), (FCR, 0x07)]] {
        let (mut port, edges, _owner) = typed(b"host");
        set(&mut port, &[(FCR, 0x01), (MCR, 0x0B), (IER, 0x01)]);
        assert_eq!(port.read_register(IIR), 0xC4);
        assert_eq!(port.read_register(RBR), b'h');
        port.write_register(MCR, 0x1B);
        port.write_string(THR.into(), b"its own, and more of it than fits");
        assert_eq!(port.read_register(RBR), b'o', "as on a chip");
        set(&mut port, end);
        assert_eq!(handler(&mut port, &edges), b"st", "{end:x?}");
    }
    // All of the host's was read, and some of the guest's own is left.
    let (mut port, edges, mut owner) = typed(b"ab");
    set(&mut port, &[(FCR, 0x01), (MCR, 0x0B), (IER, 0x01)]);
    port.read_register(IIR);
    port.write_register(MCR, 0x1B);
    port.write_string(THR.into(), b"own");
    assert_eq!([(); 3].map(|()| port.read_register(RBR)), *b"abo");
    let state = port.state();
    port.write_register(MCR, 0x0B);
    owner.write(b"c").unwrap();
    port.write_register(FCR, 0x03);
    assert_eq!(handler(&mut port, &edges), b"c");
    // In a snapshot too.
    let edges = Edges::default();
    let mut port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
    set(&mut port, &[(MCR, 0x0B), (FCR, 0x03)]);
    assert_eq!((handler(&mut port, &edges), port.console().input_waiting()), (vec![], 0));
}

#[test]
fn f3_r10_without_fifos_loopback_overwrites_nothing_that_was_typed() {
    for write in [(THR, b'l'), (LCR, 0x43)] {
        let (mut port, edges, _owner) = typed(b"ab");
        set(&mut port, &[(LCR, 0x03), (MCR, 0x0B), (IER, 0x01), (MCR, 0x1B), write]);
        assert_eq!(port.read_register(RBR), if write.0 == THR { b'l' } else { 0 });
        set(&mut port, &[(LCR, 0x03), (MCR, 0x0B)]);
        assert_eq!(handler(&mut port, &edges), b"ab");
    }
}

#[test]
fn f3_another_depth_of_a_16750_loses_nothing() {
    let edges = Edges::default();
    let config = Config::new().with_profile(Profile::Uart16750);
    let mut port = PortBuilder::new().with_uart(config).build(edges.clone());
    let text: Vec<u8> = (1..=100).collect();
    owner(&port).write(&text).unwrap();
    set(&mut port, &[(LCR, 0x80), (FCR, 0x21), (LCR, 0x03), (MCR, 0x0B), (IER, 0x01)]);
    port.read_register(IIR);
    assert_eq!(port.console().input_waiting(), 100 - 64);
    set(&mut port, &[(LCR, 0x80), (FCR, 0x01), (LCR, 0x03)]);
    assert_eq!(port.console().input_waiting(), 100);
    assert!(handler(&mut port, &edges) == text);
}

/// E4: what goes back waits again, so a take-over discards it; and it does not go back after a take-over.
#[test]
fn f3_e4_unread_input_of_an_old_owner_goes_nowhere() {
    for over_first in [false, true] {
        let (mut port, edges, _alice) = typed(b"alice");
        set(&mut port, &[(FCR, 0x01), (MCR, 0x0B), (IER, 0x01)]);
        port.read_register(IIR);
        assert_eq!(port.read_register(RBR), b'a');
        let mut bob = None;
        for step in [over_first, !over_first] {
            if step {
                bob = Some(owner(&port));
            } else {
                port.write_register(FCR, 0x03);
            }
        }
        bob.unwrap().write(b"bob").unwrap();
        assert_eq!(handler(&mut port, &edges), b"bob");
        let counters = port.console().counters();
        assert_eq!((counters.input_accepted, counters.input_discarded), (8, 4), "{over_first}");
        assert_eq!(port.console().input_taken(), 4);
    }
}

#[test]
fn f9_a_read_of_rbr_takes_what_waits() {
    for (register, value) in [(IER, 0x00), (MCR, 0x00), (IER, 0x02)] {
        let (mut port, _, mut owner) = typed(b"abcdef");
        set(&mut port, &[(register, value)]);
        assert_eq!((port.read_register(RBR), port.read_register(RBR)), (b'a', b'b'));
        let mut string = [0; 2];
        port.read_string(RBR.into(), &mut string);
        let mut wide = [0; 2];
        port.read(RBR.into(), &mut wide);
        assert_eq!((&string, wide[0]), (b"cd", b'e'));
        port.read_register(IIR);
        assert_eq!(port.read_register(RBR), b'f', "a read of IIR changes nothing");
        assert_eq!(port.read_register(RBR), 0);
        // LSR has shown that there is nothing. Then something comes.
        assert_eq!(port.read_register(LSR), 0x60);
        owner.write(b"g").unwrap();
        assert_eq!(port.read_register(RBR), b'g');
    }
}

#[test]
fn f9_a_port_starts_with_the_lines_that_it_is_given() {
    for inputs in [Msr::empty(), Msr::CTS, Msr::CTS | Msr::DSR, Msr::INPUTS] {
        let edges = Edges::default();
        let mut port = PortBuilder::new().with_modem_inputs(inputs).build(edges.clone());
        port.write_register(IER, 0x08);
        assert_eq!((edges.take(), port.read_register(MSR)), (0, inputs.bits()), "no delta");
        port.set_modem_inputs(inputs);
        assert_eq!(edges.take(), 0);
        // DCD was low from the beginning, so a hang-up changes nothing.
        port.console().hang_up();
        assert_eq!(port.read_register(MSR) & 0x08, u8::from(inputs.contains(Msr::DCD)) << 3);
        port.set_modem_inputs(inputs ^ Msr::CTS);
        assert_eq!(port.read_register(MSR) & 0x11, (inputs ^ Msr::CTS).bits() & 0x10 | 0x01);
    }
}

#[test]
fn f3_what_goes_back_interrupts_a_guest_that_sleeps_without_a_look() {
    let (mut port, edges, _owner) = typed(b"abc");
    set(&mut port, &[(FCR, 0x01), (IER, 0x01)]);
    assert_eq!(edges.take(), 1);
    set(&mut port, &[(FCR, 0x03)]);
    assert_eq!(handler(&mut port, &edges), b"abc");
}
