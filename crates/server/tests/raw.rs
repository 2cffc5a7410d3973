//! The raw socket.

use std::io::{Read as _, Write as _};

use vuart_endpoint::Mode;
use vuart_scrollback::Position;
use vuart_test_support::{Vm, kept_and_lost, read_to};

#[test]
fn raw_one_byte_is_one_byte() {
    let mut vm = Vm::new(1 << 16);
    let mut client = vm.connect("sock");
    let all: Vec<u8> = (0..=255).collect();
    client.write_all(&all).unwrap();
    assert_eq!(vm.guest.reads(256), all, "E13");
    vm.guest.writes(&all);
    let mut received = [0; 256];
    client.read_exact(&mut received).unwrap();
    assert_eq!(received[..], all);
}

#[test]
fn raw_clients_are_refused_and_evicted_with_one_text_line() {
    let mut vm = Vm::new(1 << 16);
    let mut first = vm.connect("sock");
    first.write_all(b"x").unwrap();
    vm.guest.reads(1);
    let line = read_to(&mut vm.connect("sock"), "]\r\n");
    assert!(line.starts_with("\r\n[vuart: the console is held by "), "{line:?}");

    let mut bob = vm.client("bob");
    bob.attach(Mode::TakeOver, Position::End).unwrap();
    let line = read_to(&mut first, "]\r\n");
    assert!(line.starts_with("\r\n[vuart: the console was taken over by bob (uid "), "{line:?}");
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "and closed");
}

#[test]
fn raw_client_that_closes_its_sending_half_still_gets_output() {
    let mut vm = Vm::new(1 << 16);
    let mut client = vm.connect("sock");
    client.write_all(b"script").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(vm.guest.reads(6), b"script");
    vm.guest.writes(b"answer");
    assert_eq!(read_to(&mut client, "answer"), "answer");
}

#[test]
fn raw_input_of_a_client_that_has_closed_already_arrives() {
    let mut vm = Vm::new(1 << 16);
    vm.connect("sock").write_all(b"one shot").unwrap();
    assert_eq!(vm.guest.reads(8), b"one shot");
}

#[test]
fn raw_a_hole_is_declared() {
    let mut vm = Vm::new(1 << 14);
    let mut client = vm.connect("sock");
    // Until it is attached.
    while vm.console.owner().is_none() {
        std::thread::yield_now();
    }
    for _ in 0..1_000 {
        vm.guest.writes(&[b'x'; 4096]);
    }
    vm.guest.writes(b"END");
    let all = read_to(&mut client, "END");
    let (kept, lost) = kept_and_lost(&all);
    assert_eq!(kept + lost, 4096 * 1_000);
}
