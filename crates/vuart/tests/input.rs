//! Input as a guest gets it: edges, what waits behind the FIFO, breaks.

mod support;

use support::{Edges, owner, port};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, SerialPort};

/// Opens the port: FIFOs on, trigger level 8, received-data interrupt on, OUT2.
fn open(port: &mut SerialPort<Edges>) {
    port.write_register(FCR, 0x87);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x01);
}

/// An interrupt handler: drains while there is data, and leaves when there is no interrupt.
fn handler(port: &mut SerialPort<Edges>) -> Vec<u8> {
    let mut read = Vec::new();
    while port.read_register(IIR) & 0x01 == 0 {
        while port.read_register(LSR) & 0x01 != 0 {
            read.push(port.read_register(RBR));
        }
    }
    read
}

#[test]
fn one_key_is_one_interrupt() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    for key in b"hello" {
        assert_eq!(owner.write(&[*key]), Ok(1));
        assert_eq!(edges.take(), 1);
        assert_eq!(handler(&mut port), [*key]);
        assert_eq!(edges.take(), 0, "no second one for the same key");
    }
}

#[test]
fn a_guest_that_does_not_answer_is_not_interrupted_again() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    for _ in 0..100 {
        owner.write(b"x").unwrap();
    }
    assert_eq!(edges.take(), 1);
    assert_eq!(handler(&mut port).len(), 100);
}

#[test]
fn a_paste_comes_whole_and_in_order() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    let paste: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let (mut sent, mut received) = (0, Vec::new());
    while received.len() < paste.len() {
        sent += owner.write(&paste[sent..]).unwrap();
        assert!(edges.take() > 0, "a guest that sleeps is woken");
        received.extend(handler(&mut port));
    }
    assert!(received == paste);
}

#[test]
fn s1_a_guest_that_never_reads_costs_no_memory() {
    let (mut port, _) = port();
    open(&mut port);
    let mut owner = owner(&port);
    let chunk = vec![b'x'; 1 << 16];
    let taken: usize = (0..(1 << 14)).map(|_| owner.write(&chunk).unwrap()).sum();
    assert_eq!(taken, 4096, "1 GiB was offered");
    port.read_register(IIR);
    assert_eq!(owner.write(&chunk), Ok(16), "a FIFO's worth has moved up");
    port.write_register(IER, 0);
    while port.console().input_waiting() > 0 {
        port.read_register(LSR);
        port.read_register(RBR);
    }
    assert_eq!(port.console().input_taken(), 4096 + 16, "and nothing else was kept");
}

#[test]
fn a_polling_guest_sees_input_without_an_interrupt() {
    let (mut port, edges) = port();
    let mut owner = owner(&port);
    owner.write(b"xy").unwrap();
    assert_eq!(port.read_register(LSR), 0x61);
    assert_eq!(port.read_register(RBR), b'x');
    assert_eq!(port.read_register(LSR), 0x61);
    assert_eq!(port.read_register(RBR), b'y');
    assert_eq!(port.read_register(LSR), 0x60);
    assert_eq!(edges.take(), 0);
}

#[test]
fn s20_input_that_came_before_the_driver_is_announced() {
    let (mut port, edges) = port();
    owner(&port).write(b"early").unwrap();
    assert_eq!(edges.take(), 0);
    port.write_register(IER, 0x01);
    assert_eq!(edges.take(), 1);
    assert_eq!(handler(&mut port), b"early");
}

#[test]
fn s20_linux_console_write_loses_no_input() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    port.write_register(IER, 0);
    owner.write(b"x").unwrap();
    assert_eq!(edges.take(), 0, "masked");
    port.write(0, b"p");
    port.write_register(IER, 0x01);
    assert_eq!(edges.take(), 1);
    assert_eq!(handler(&mut port), b"x");
}

#[test]
fn f3_an_fcr_reset_takes_nothing_that_was_typed() {
    let (mut port, _) = port();
    open(&mut port);
    let mut owner = owner(&port);
    owner.write(&(0..40).collect::<Vec<u8>>()).unwrap();
    port.read_register(LSR);
    port.write_register(FCR, 0x87);
    assert_eq!(handler(&mut port), (0..40).collect::<Vec<u8>>());
}

#[test]
fn f3_what_was_typed_too_early_waits_behind_the_fifo() {
    let (mut port, _) = port();
    let mut owner = owner(&port);
    owner.write(b"0123456789").unwrap();
    // The kernel's early console, with the FIFOs that the firmware left on: it polls LSR for THRE.
    port.write_register(FCR, 0x01);
    for byte in b"Linux version" {
        while port.read_register(LSR) & 0x20 == 0 {}
        port.write_register(THR, *byte);
    }
    // Linux' serial8250_do_startup and set_termios.
    for fcr in [0x01, 0x07, 0x00] {
        port.write_register(FCR, fcr);
    }
    for register in [LSR, RBR, IIR, MSR] {
        port.read_register(register);
    }
    port.write_register(FCR, 0x01);
    port.write_register(FCR, 0x87);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x05);
    // Neither the resets nor the reads of RBR took any of it.
    assert_eq!(handler(&mut port), b"0123456789");
}

#[test]
fn f3_linux_set_termios_costs_no_early_character() {
    let (mut port, _) = port();
    port.write_register(FCR, 0x01);
    let mut owner = owner(&port);
    owner.write(&(0..20).collect::<Vec<u8>>()).unwrap();
    // IER comes before the FIFOs are set up: serial8250_do_set_termios.
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x05);
    for (register, value) in [(LCR, 0x83), (DLL, 1), (DLM, 0), (LCR, 0x03), (FCR, 0x01), (FCR, 0x87)] {
        port.write_register(register, value);
    }
    assert_eq!(handler(&mut port), (0..20).collect::<Vec<u8>>());
}

#[test]
fn s20_a_key_during_a_console_write_while_the_transmitter_runs() {
    let (mut port, edges) = port();
    open(&mut port);
    port.write_register(IER, 0x07);
    edges.take();
    port.read_register(IIR);
    port.write_register(IER, 0);
    owner(&port).write(b"x").unwrap();
    port.write_register(IER, 0x07);
    assert_eq!(edges.take(), 1, "THRE and the key rise together");
    assert_eq!(handler(&mut port), b"x");
}

#[test]
fn s20_early_input_does_not_swallow_the_edge_of_thre() {
    let (mut port, edges) = port();
    let mut owner = owner(&port);
    owner.write(b"early").unwrap();
    port.write_register(IER, 0x03);
    assert_eq!(edges.take(), 1);
    port.write_register(MCR, 0x03); // OUT2 off
    edges.take();
    port.write_register(MCR, 0x0B);
    assert_eq!(edges.take(), 1, "the gate opens on a line that is high");
}

#[test]
fn e4_a_take_over_before_the_guest_has_answered_leaves_it_listening() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut alice = owner(&port);
    alice.write(b"a").unwrap();
    assert_eq!(edges.take(), 1);
    let mut bob = owner(&port);
    assert_eq!(port.read_register(IIR), 0xC1, "what it was interrupted for is gone");
    bob.write(b"b").unwrap();
    assert_eq!(edges.take(), 1);
    assert_eq!(handler(&mut port), b"b");
}

#[test]
fn a_handler_that_reads_rbr_first_gets_what_it_was_interrupted_for() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    for key in b"abc" {
        owner.write(&[*key]).unwrap();
        assert_eq!(edges.take(), 1);
        assert_eq!(port.read_register(RBR), *key);
    }
}

#[test]
fn a_break_interrupts_a_guest_that_listens_to_line_status_alone() {
    let (mut port, edges) = port();
    open(&mut port);
    port.write_register(IER, 0x04);
    assert_eq!(owner(&port).send_break(), Ok(true));
    assert_eq!(edges.take(), 1);
    assert_eq!(port.read_register(IIR), 0xC6);
}

#[test]
fn r10_input_is_held_back_in_loopback() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    port.write_register(MCR, 0x1B);
    owner.write(b"host").unwrap();
    edges.take();
    port.write_register(THR, b'l');
    assert_eq!(handler(&mut port), b"l");
    edges.take();
    port.write_register(MCR, 0x0B);
    assert_eq!(edges.take(), 1);
    assert_eq!(handler(&mut port), b"host");
}

#[test]
fn a_break_comes_as_a_break() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    assert_eq!(owner.send_break(), Ok(true));
    assert_eq!(edges.take(), 1);
    assert_eq!(port.read_register(LSR), 0xF1);
    assert_eq!(port.read_register(RBR), 0);
}

#[test]
fn r3_s21_each_fifo_full_brings_the_next_interrupt() {
    let (mut port, edges) = port();
    open(&mut port);
    // FreeBSD: sixteen characters first, then the interrupt enabled.
    for _ in 0..16 {
        port.write_register(THR, b'x');
    }
    port.write_register(IER, 0x03);
    for _ in 0..10 {
        assert_eq!(edges.take(), 1);
        assert_eq!(port.read_register(IIR), 0xC2);
        for _ in 0..16 {
            port.write_register(THR, b'x');
        }
    }
}

#[test]
fn r4_a_handler_that_looks_at_lsr_alone_is_interrupted_again() {
    let (mut port, edges) = port();
    open(&mut port);
    port.write_register(IER, 0x02);
    for _ in 0..10 {
        assert_eq!(edges.take(), 1);
        assert_eq!(port.read_register(LSR) & 0x20, 0x20);
        port.write_register(THR, b'x');
    }
}

#[test]
fn a_handler_that_reads_one_fifo_full_is_interrupted_for_the_next() {
    let (mut port, edges) = port();
    open(&mut port);
    let mut owner = owner(&port);
    owner.write(&[b'x'; 64]).unwrap();
    for _ in 0..4 {
        assert!(edges.take() >= 1);
        port.read_register(IIR);
        for _ in 0..16 {
            assert_eq!(port.read_register(RBR), b'x');
        }
    }
}

/// A 16750 with 64-byte FIFOs takes as many characters at once as its driver expects.
#[test]
fn a_16750_gets_as_much_as_its_fifo_holds() {
    use vuart::uart::{Config, Profile};
    for (fcr, trigger) in [(0x21, 1), (0x61, 16), (0xA1, 32), (0xE1, 56)] {
        let edges = Edges::default();
        let config = Config::new().with_profile(Profile::Uart16750);
        let mut port = PortBuilder::new().with_uart(config).build(edges.clone());
        port.write_register(LCR, 0x80);
        port.write_register(FCR, fcr);
        port.write_register(LCR, 0x03);
        port.write_register(IER, 0x01);
        let typed: Vec<u8> = (0..200).collect();
        assert_eq!(owner(&port).write(&typed).unwrap(), 200);
        assert_eq!(edges.take(), 1);
        assert_eq!(port.read_register(IIR), 0xE4, "trigger {trigger}");
        // What Linux' handler does.
        assert_eq!(handler(&mut port), typed, "trigger {trigger}");
    }
}
