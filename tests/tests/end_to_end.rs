//! A real guest on each available engine, with clients at its console over real sockets.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart_test_support::{read_to, until};
use vuart_tests::{Vm, engines};
use vuart_vmm::Engine;

/// Runs a test on each engine.
fn on_each(test: impl Fn(Vm)) {
    for engine in engines() {
        eprintln!("on {engine}");
        test(Vm::boot(engine));
    }
}

#[test]
fn attach_take_over_and_read_history_until_the_guest_halts() {
    on_each(|vm| {
        let mut alice = vm.attach("alice", Mode::Exclusive, Position::Oldest);
        let boot = alice.until("> ");
        alice.types("echo hello\r");
        let hello = alice.until("hello\r\nhello\r\n> ");

        let mut bob = vm.attach("bob", Mode::TakeOver, Position::End);
        assert!(matches!(alice.end(), Cause::Evicted { by } if by.label() == "bob"));
        bob.types("echo bob\r");
        let bobs = bob.until("echo bob\r\nbob\r\n> ");
        bob.types("halt\r");
        let halt = bob.until("halting\r\n");
        let console = vm.console().clone();
        vm.halted();
        assert_eq!(bob.end(), Cause::VmEnded);
        assert_eq!(bob.rest(), b"", "nothing after the last words");

        // The output that the two clients saw is one stream, and equals the history.
        let mut history = vec![0; 1 << 20];
        let read = console.scrollback().read_at(0, &mut history);
        let seen = [boot, hello, bobs, halt].concat();
        assert_eq!(String::from_utf8_lossy(&history[..read.len()]), seen);
    });
}

#[test]
fn a_paste_of_4_kib_comes_back_whole() {
    on_each(|vm| {
        let mut alice = vm.attach("alice", Mode::Exclusive, Position::Oldest);
        alice.until("> ");
        // In one line, and in many.
        let line: String = ('a'..='z').cycle().take(4096).collect();
        alice.types(&format!("echo {line}\r"));
        assert_eq!(alice.until("\r\n> "), format!("echo {line}\r\n{line}\r\n> "));

        let words: Vec<String> = (0..100).map(|n| format!("word-{n:035}")).collect();
        let paste = words.iter().fold(String::new(), |paste, word| paste + "echo " + word + "\r");
        assert!(paste.len() > 4096);
        alice.types(&paste);
        for word in words {
            assert_eq!(alice.until("\r\n> "), format!("echo {word}\r\n{word}\r\n> "));
        }
    });
}

#[test]
fn s15_eight_spectators_that_never_read_disturb_neither_the_guest_nor_the_owner() {
    on_each(|vm| {
        let mut alice = vm.attach("alice", Mode::Exclusive, Position::Oldest);
        let watchers: Vec<_> =
            (0..8).map(|_| vm.attach("watcher", Mode::Spectate, Position::Oldest)).collect();
        alice.until("> ");
        // More than the socket of each spectator holds.
        alice.types("print 4000\r");
        let printed = alice.until("\r\n> ");
        assert_eq!(printed.lines().filter(|line| line.starts_with("line ")).count(), 4000);
        drop(watchers);
    });
}

#[test]
fn e4_queued_input_of_an_evicted_owner_never_runs() {
    on_each(|vm| {
        let mut alice = vm.attach("alice", Mode::Exclusive, Position::Oldest);
        alice.until("> ");
        // The guest is busy for longer than a take-over takes, and its own buffer is small.
        let lines = if vm.engine() == Engine::Kvm { 2_000 } else { 10_000 };
        alice.types(&format!("print {lines}\r"));
        alice.until("line 00010");
        let poison = "echo POISON\r".repeat(20_000);
        alice.types(&poison[..100_000]);
        until("input waits", || vm.console().input_waiting() > 0);
        let mut bob = vm.attach("bob", Mode::TakeOver, Position::End);
        // The guest may still run the input of Alice's that it had read. Bob's input follows, with nothing in between.
        bob.types("\recho BOB IS HERE\r");
        bob.until("\r\nBOB IS HERE\r\n> ");
        let counters = vm.console().counters();
        assert!(counters.input_discarded > 0, "{counters:?}");
        bob.types("echo END\r");
        assert_eq!(bob.until("\r\nEND\r\n> "), "echo END\r\nEND\r\n> ");
    });
}

#[test]
fn a_raw_socket_client_can_use_the_console() {
    on_each(|vm| {
        vm.attach("watcher", Mode::Spectate, Position::Oldest).until("> ");
        let mut socket = UnixStream::connect(vm.raw()).unwrap();
        socket.write_all(b"echo over a raw socket\r").unwrap();
        read_to(&mut socket, "\r\nover a raw socket\r\n> ");
    });
}

#[test]
fn the_history_of_an_unwatched_guest_can_be_read_afterwards() {
    on_each(|vm| {
        vm.attach("watcher", Mode::Spectate, Position::Oldest).until("> ");
        let mut socket = UnixStream::connect(vm.raw()).unwrap();
        socket.write_all(b"print 100\rhalt\r").unwrap();
        drop(socket);
        let console = vm.console().clone();
        vm.halted();
        let mut history = vec![0; 1 << 20];
        let read = console.scrollback().read_at(0, &mut history);
        let history = String::from_utf8_lossy(&history[..read.len()]).into_owned();
        assert_eq!(history.lines().filter(|line| line.starts_with("line ")).count(), 100);
        assert!(history.ends_with("halting\r\n"), "{history:?}");
    });
}
