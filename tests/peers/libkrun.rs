//! libkrun's device for x86.

use std::io::Write as _;

use vuart::uart::spec::offset::{DLL, DLM, FCR, IER, IIR, LCR, LSR, MCR, MSR, RBR, SCR, THR};
use vuart_test_support::{Served, until};

use crate::bench::{DLAB, DR, Guest, LOOP};

#[test]
fn single_bytes_leave_in_order() {
    let mut guest = Guest::new();
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!(guest.output(), b"abc");
}

/// libkrun drops it. A PC's bus splits it among neighbouring registers.
#[test]
fn a_wide_write_writes_neighbouring_registers() {
    let mut guest = Guest::new();
    guest.port.write(THR.into(), b"xy");
    assert_eq!((guest.output(), guest.read(IER)), (b"x".to_vec(), b'y' & 0x0F));
}

#[test]
fn input_interrupts_once_and_is_read() {
    let mut guest = Guest::new();
    guest.write(IER, 0x01);
    guest.owner().write(b"abc").unwrap();
    assert_eq!((guest.edges(), guest.read(LSR) & DR), (1, DR));
    assert_eq!(guest.reads(3), b"abc");
}

/// libkrun reads 0 behind the registers, and 0 by a wide read.
#[test]
fn there_is_nothing_behind_the_last_register() {
    let mut guest = Guest::new();
    let mut two = [0; 2];
    guest.port.read(SCR.into(), &mut two);
    assert_eq!((two, guest.read(0xFF)), ([0, 0xFF], 0xFF));
}

/// `test_serial_input`: the event loop reads what the host has sent, and the guest is interrupted.
#[test]
fn the_event_loop_delivers_what_a_client_sends() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x01);
    let served = Served::new(guest.port.console());
    let mut client = served.connect("sock");
    client.write_all(b"abc").unwrap();
    until("the input is there", || guest.port.console().input_waiting() == 3);
    assert!(guest.edges() > 0);
    assert_eq!((guest.read(LSR) & DR, guest.reads(3)), (DR, b"abc".to_vec()));
}

#[test]
fn the_transmitters_interrupt_comes_once_for_a_character() {
    let mut guest = Guest::new();
    guest.write(IER, 0x02);
    guest.write(THR, b'a');
    assert_eq!((guest.edges(), guest.read(IER), guest.read(IIR) & 0x02), (1, 0x02, 0x02));
}

#[test]
fn dlab_maps_the_divisor() {
    let mut guest = Guest::new();
    guest.write(LCR, DLAB);
    guest.write(DLL, 0x12);
    guest.write(DLM, 0x34);
    assert_eq!([LCR, DLL, DLM].map(|register| guest.read(register)), [DLAB, 0x12, 0x34]);
}

/// In libkrun MSR keeps its value, and a receiver without FIFOs holds three characters.
#[test]
fn loopback_returns_what_the_receiver_holds() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(MCR, LOOP);
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!((guest.read(MSR) & 0xF0, guest.read(MCR)), (0, LOOP));
    assert_eq!([RBR; 3].map(|register| guest.read(register)), *b"abc");
}

#[test]
fn scr_reads_back() {
    let mut guest = Guest::new();
    guest.write(SCR, 0x12);
    assert_eq!(guest.read(SCR), 0x12);
}
