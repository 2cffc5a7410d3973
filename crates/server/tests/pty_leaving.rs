//! The pseudo-terminal, when the programs that have it open must leave: they read why, are hung up, and another terminal takes
//! its place.

mod support;

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::PollFlags;
use support::terminal::{hears_the_end, last_words, occupied, open, served, vacant, wait_for, with};
use support::with_pty;
use vuart_endpoint::{Console, Mode};
use vuart_scrollback::{Position, Scrollback};
use vuart_server::{Claim, Server, ServerOptions, ServerThread, Sockets};
use vuart_test_support::{Vm, part, play, read_to, until};
use vuart_wire::{Client, DetachRequest, Event, Request, RuntimeDir};

fn device(vm: &Vm) -> PathBuf {
    std::fs::read_link(vm.file("pty")).unwrap()
}

#[test]
fn a_refused_program_reads_why_and_is_hung_up() {
    let mut vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    for _ in 0..3 {
        let before = device(&vm);
        let mut terminal = open(&before);
        let told = last_words(&mut terminal);
        assert!(told.starts_with("\r\n[vuart: the console is held by alice (uid "), "{told:?}");
        assert!(told.ends_with("]\r\n"), "{told:?}");
        // The old one is still open, so the new one has another name.
        until("another has taken its place", || device(&vm) != before);
    }
    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    vacant(&vm);
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest.writes(b"mine");
    assert_eq!(read_to(&mut terminal, "e"), "mine");
}

/// The terminal is not closed while a part of the message has not been read.
#[test]
fn a_slow_reader_reads_the_whole_message() {
    let vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    let mut terminal = open(vm.file("pty"));
    assert!(read_to(&mut terminal, "]\r\n").starts_with("\r\n[vuart: the console is held by alice"));
    assert_eq!(last_words(&mut terminal), "");
}

#[test]
fn a_program_that_does_not_read_why_is_hung_up_anyway() {
    let vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    let terminal = open(vm.file("pty"));
    assert!(wait_for(&terminal, PollFlags::empty()).contains(PollFlags::HUP));
    // The message is gone with it.
    let mut terminal = terminal;
    assert_eq!(last_words(&mut terminal), "");
    // The next program is told on a new terminal.
    until("another has taken its place", || std::fs::metadata(vm.file("pty")).is_ok());
    assert!(last_words(&mut open(vm.file("pty"))).contains("held by alice"));
}

#[test]
fn a_refused_program_that_leaves_early_leaves_the_terminal_usable() {
    let mut vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    for _ in 0..20 {
        drop(open(vm.file("pty")));
    }
    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert!(matches!(alice.recv().unwrap(), Event::Ended(_)));
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest.writes(b"clean");
    assert_eq!(read_to(&mut terminal, "n"), "clean");
}

#[test]
fn e2_an_evicted_terminal_is_told_by_whom() {
    let mut vm = served();
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    terminal.write_all(b"x").unwrap();
    vm.guest.reads(1);
    let mut bob = Client::connect(&vm.file("ctl"), "bob").unwrap();
    let attached = bob.attach(Mode::TakeOver, Position::End).unwrap();
    assert_eq!(attached.evicted.unwrap().label(), "pty");
    let told = last_words(&mut terminal);
    assert!(told.contains("[vuart: the console was taken over by bob (uid "), "{told:?}");
    // What it types after that goes nowhere.
    assert_ne!(terminal.write(b"late").map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
    bob.send(&Request::Input(b"bob".to_vec())).unwrap();
    assert_eq!(vm.guest.reads(3), b"bob");
}

#[test]
fn finish_waits_until_the_terminal_has_been_read() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let link = claim.pty_link().to_owned();
    let sockets = with_pty(Sockets::of(claim));
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    assert_eq!(server.pty().unwrap(), std::fs::read_link(&link).unwrap());
    let server = ServerThread::start(server).unwrap();
    hears_the_end(open(&link), &mut writer, &console, server);
    assert!(!link.is_symlink());
}

/// Without a file descriptor a pseudo-terminal can't be replaced. It is replaced when there is one again.
#[test]
fn a_terminal_is_replaced_when_there_is_a_descriptor_again() {
    const TEST: &str = "a_terminal_is_replaced_when_there_is_a_descriptor_again";
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    // A client with a deadline, so that the timer is armed.
    let _mute = std::os::unix::net::UnixStream::connect(vm.file("ctl")).unwrap();
    alice.status().unwrap();
    alice.status().unwrap();
    let mut terminal = open(vm.file("pty"));
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    // The hang-up frees a descriptor. Either the server takes it, or this test does.
    let told = last_words(&mut terminal);
    assert!(told.contains("held by alice"), "{told:?}");
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    alice.status().unwrap();
    drop(hoard);
    until("there is another", || {
        alice.status().unwrap();
        std::fs::metadata(vm.file("pty")).is_ok()
    });
    let mut terminal = open(vm.file("pty"));
    assert!(last_words(&mut terminal).contains("held by alice"));
}

/// The timer serves the deadlines of the handshake and of the terminal.
#[test]
fn one_timer_serves_all_deadlines() {
    let vm = with(ServerOptions::default().with_handshake(Duration::from_millis(50)));
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    let mut mute = std::os::unix::net::UnixStream::connect(vm.file("ctl")).unwrap();
    let terminal = open(vm.file("pty"));
    let mut answer = Vec::new();
    mute.read_to_end(&mut answer).unwrap();
    assert!(!answer.is_empty());
    assert!(wait_for(&terminal, PollFlags::empty()).contains(PollFlags::HUP));
}
