//! Cloud Hypervisor's device, the buffer behind it, and its integration tests of terminal and socket.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use vuart::scrollback::Position;
use vuart::server::{ServerOptions, Sockets};
use vuart::uart::spec::offset::{DLL, DLM, FCR, IER, IIR, LCR, LSR, MCR, MSR, RBR, SCR, THR};
use vuart_test_support::{Served, read_to, until};

use crate::bench::{DLAB, DR, Guest, LOOP, OE, output};

#[test]
fn output_leaves_in_order() {
    let mut guest = Guest::new();
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!(guest.output(), b"abc");
}

/// Cloud Hypervisor drops it. A PC's bus splits it among neighbouring registers.
#[test]
fn a_wide_write_writes_neighbouring_registers() {
    let mut guest = Guest::new();
    guest.port.write(THR.into(), b"xy");
    assert_eq!(guest.output(), b"x");
    assert_eq!(guest.read(IER), b'y' & 0x0F);
}

#[test]
fn input_interrupts_once_and_is_read() {
    let mut guest = Guest::new();
    guest.write(IER, 0x01);
    guest.owner().write(b"abc").unwrap();
    assert_eq!(guest.edges(), 1);
    assert_eq!(guest.read(LSR) & DR, DR);
    assert_eq!(guest.reads(3), b"abc");
}

/// Cloud Hypervisor drops a wide read, and reads 0 behind the registers.
#[test]
fn a_wide_read_reads_neighbouring_registers_and_ff_behind_them() {
    let mut guest = Guest::new();
    guest.write(IER, 0x01);
    guest.owner().write(b"a").unwrap();
    let mut two = [0; 2];
    guest.port.read(RBR.into(), &mut two);
    assert_eq!(two, [b'a', 0x01]);
    assert_eq!(guest.read(0xFF), 0xFF);
}

#[test]
fn the_transmitters_interrupt_comes_once_for_a_character() {
    let mut guest = Guest::new();
    guest.write(IER, 0x02);
    guest.write(THR, b'a');
    assert_eq!(guest.edges(), 1);
    assert_eq!((guest.read(IER), guest.read(IIR) & 0x02), (0x02, 0x02));
}

#[test]
fn dlab_maps_the_divisor() {
    let mut guest = Guest::new();
    guest.write(LCR, DLAB);
    guest.write(DLL, 0x12);
    guest.write(DLM, 0x34);
    assert_eq!([LCR, DLL, DLM].map(|register| guest.read(register)), [DLAB, 0x12, 0x34]);
}

/// There, MSR keeps its value in loopback, and a receiver without FIFOs holds three characters.
#[test]
fn loopback_cuts_the_modem_lines_and_a_receiver_without_fifos_holds_one() {
    let mut guest = Guest::new();
    guest.write(MCR, LOOP);
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!((guest.read(MSR) & 0xF0, guest.read(MCR)), (0x00, LOOP));
    assert_eq!(guest.read(LSR) & (DR | OE), DR | OE);
    assert_eq!(guest.drains(), b"c");
    guest.write(FCR, 0x01);
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!(guest.drains(), b"abc");
}

#[test]
fn scr_reads_back() {
    let mut guest = Guest::new();
    guest.write(SCR, 0x12);
    assert_eq!(guest.read(SCR), 0x12);
}

#[test]
fn what_was_written_before_the_first_client_is_replayed_in_order() {
    let mut guest = Guest::new();
    guest.port.write_string(THR.into(), b"boot: hello\n");
    guest.port.write_string(THR.into(), b"login: ");
    assert_eq!(output(&mut guest.watch(Position::Oldest)), b"boot: hello\nlogin: ");
}

#[test]
fn an_attached_client_sees_what_is_written() {
    let mut guest = Guest::new();
    let mut client = guest.watch(Position::End);
    guest.port.write_string(THR.into(), b"live");
    assert_eq!(output(&mut client), b"live");
}

#[test]
fn a_client_that_knows_its_place_gets_what_came_while_nobody_was_there() {
    let mut guest = Guest::new();
    let mut first = guest.watch(Position::End);
    guest.port.write_string(THR.into(), b"early\n");
    assert_eq!(output(&mut first), b"early\n");
    let place = first.output().cursor();
    drop(first);
    guest.port.write_string(THR.into(), b"while-away\n");
    assert_eq!(output(&mut guest.watch(Position::Offset(place))), b"while-away\n");
}

/// There, a byte goes to one client and is gone. Here reading takes nothing away, and who wants nothing old begins at the end.
#[test]
fn reading_takes_nothing_from_the_next_client() {
    let mut guest = Guest::new();
    guest.port.write_string(THR.into(), b"boot log\n");
    for _ in 0..2 {
        assert_eq!(output(&mut guest.watch(Position::Oldest)), b"boot log\n");
    }
    assert_eq!(output(&mut guest.watch(Position::End)), b"");
}

/// `test_serial_null`: the port is there and interrupts although nobody reads.
#[test]
fn without_a_client_the_driver_gets_its_interrupts() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x02);
    for _ in 0..100 {
        assert_eq!(guest.edges(), 1);
        assert_eq!(guest.read(IIR), 0xC2);
        (0..16).for_each(|_| guest.write(THR, b'x'));
    }
}

/// `test_serial_socket_interaction`, with the login played by the test.
#[test]
fn a_login_over_the_socket() {
    let mut guest = Guest::new();
    let served = Served::new(guest.port.console());
    let mut client = served.connect("sock");
    until("the client owns the console", || guest.port.console().owner().is_some());
    for (prompt, answer) in [("login: ", "cloud\n"), ("Password: ", "cloud123\n"), ("$ ", "echo test\n")] {
        guest.port.write_string(THR.into(), prompt.as_bytes());
        guest.port.console().doorbell().ring();
        read_to(&mut client, prompt);
        client.write_all(answer.as_bytes()).unwrap();
        let mut typed = Vec::new();
        until("the guest has read the line", || {
            typed.extend(guest.drains());
            typed.ends_with(b"\n")
        });
        assert_eq!(typed, answer.as_bytes());
    }
}

/// `test_pty_interaction`: the terminal keeps what was printed, echoes nothing itself, and carries what is typed.
#[test]
fn a_login_over_the_pseudo_terminal() {
    let mut guest = Guest::new();
    let served = Served::with(guest.port.console(), ServerOptions::default(), |claim| {
        let mut sockets = Sockets::of(claim);
        sockets.open_pty().unwrap();
        sockets
    });
    let mut terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(served.file("pty"))
        .unwrap();
    until("the client owns the console", || guest.port.console().owner().is_some());
    terminal.write_all(b"cloud\r").unwrap();
    let mut typed = Vec::new();
    until("the guest has read the line", || {
        typed.extend(guest.drains());
        typed.ends_with(b"\r")
    });
    assert_eq!(typed, b"cloud\r");
    guest.port.write_string(THR.into(), b"Password: ");
    let mut prompt = [0; 10];
    terminal.read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"Password: ");
}
