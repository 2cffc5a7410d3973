//! A pseudo-terminal that the VMM has made before: its path stays, and nobody is hung up.

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::event::PollFlags;
use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, OutputModes, Winsize, tcflow, tcgetattr, tcgetwinsize,
    tcsetattr, tcsetwinsize,
};
use support::adopted::{made, readable, works};
use support::terminal::{occupied, open};
use support::{attach, end, mode};
use vuart_endpoint::{Cause, Console, Evicted, Mode, Policy};
use vuart_scrollback::Scrollback;
use vuart_server::{RawPolicy, RawReplay, Server, ServerOptions, Sockets};
use vuart_test_support::{Vm, open_files, part, play, read_to, until};
use vuart_wire::{Client, DetachRequest, Event, Request};

/// A console with a control socket and such a pseudo-terminal, whose path is the second value.
fn served(options: ServerOptions) -> (Vm, PathBuf) {
    let (master, path) = made();
    let vm = Vm::with(options, |claim| Sockets::bind(claim).unwrap().with_pty(master).unwrap());
    (vm, path)
}

fn vacant(vm: &Vm) {
    vm.until("the session is over", |console| console.owner().is_none());
    // The terminal is set back a moment after the end of the session. A server that answers has done that.
    vm.client("probe").status().unwrap();
}

fn detach(client: &mut Client) {
    client.send(&Request::Detach(DetachRequest::default())).unwrap();
    while !matches!(client.recv().unwrap(), Event::Ended(_)) {}
}

#[test]
fn cloud_hypervisor_s_terminal_has_one_path_for_all_sessions() {
    let (mut vm, path) = served(ServerOptions::default());
    assert_eq!(std::fs::read_link(vm.file("pty")).unwrap(), path, "the link points to it, too");
    let number = std::fs::metadata(&path).unwrap().rdev();
    for round in 0..20 {
        let mut terminal = open(&path);
        occupied(&vm);
        assert_eq!(vm.console.owner().unwrap().identity.label(), "pty");
        let all: Vec<u8> = (0..=255).collect();
        terminal.write_all(&all).unwrap();
        assert_eq!(vm.guest.reads(256), all, "E13");
        vm.guest.writes(&all);
        let mut received = [0; 256];
        terminal.read_exact(&mut received).unwrap();
        assert_eq!(received[..], all);
        // Unread: the next session does not find it.
        vm.guest.writes(b"unread");
        drop(terminal);
        vacant(&vm);
        assert_eq!(std::fs::metadata(&path).unwrap().rdev(), number, "{round}");
    }
    assert_eq!(vm.console.counters().attached, 20);
}

#[test]
fn the_server_tells_the_path_and_leaves_the_permissions() {
    let (master, path) = made();
    let before = std::fs::metadata(&path).unwrap().permissions().mode();
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let sockets = Sockets::default().with_pty(master).unwrap();
    let server = Server::new("vm0", console, sockets, ServerOptions::default()).unwrap();
    assert_eq!(server.pty(), Some(path.as_path()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode(), before);
}

/// A program may have opened it before the console is served.
#[test]
fn a_program_that_was_there_before_the_server_is_served() {
    let (master, path) = made();
    let mut terminal = open(&path);
    terminal.write_all(b"early").unwrap();
    let mut vm =
        Vm::with(ServerOptions::default(), |claim| Sockets::bind(claim).unwrap().with_pty(master).unwrap());
    assert_eq!(vm.guest.reads(5), b"early");
    works(&mut vm, &mut terminal, "late");
}

#[test]
fn one_shot_input_arrives() {
    let (mut vm, path) = served(ServerOptions::default());
    for _ in 0..10 {
        open(&path).write_all(b"one shot").unwrap();
        assert_eq!(vm.guest.reads(8), b"one shot");
        vacant(&vm);
    }
}

#[test]
fn what_one_session_sets_is_set_back_for_the_next() {
    let (mut vm, path) = served(ServerOptions::default());
    let terminal = open(&path);
    occupied(&vm);
    let mut termios = tcgetattr(&terminal).unwrap();
    termios.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    termios.local_modes -= LocalModes::EXTPROC;
    termios.output_modes |= OutputModes::OPOST;
    termios.input_modes |= InputModes::ICRNL | InputModes::IXON;
    tcsetattr(&terminal, OptionalActions::Now, &termios).unwrap();
    let size = Winsize { ws_row: 43, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    tcflow(&terminal, Action::OOff).unwrap();
    drop(terminal);
    vacant(&vm);
    let mut terminal = open(&path);
    occupied(&vm);
    let termios = tcgetattr(&terminal).unwrap();
    assert!(!termios.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    assert!(!termios.output_modes.contains(OutputModes::OPOST));
    assert!(!termios.input_modes.intersects(InputModes::ICRNL | InputModes::IXON));
    assert_eq!(tcgetwinsize(&terminal).unwrap().ws_col, 0);
    works(&mut vm, &mut terminal, "login: ");
}

/// Somebody takes the console over: the program is told, watches, and has the console back. It is never hung up.
#[test]
fn an_evicted_program_watches_and_has_the_console_back() {
    for policy in [Evicted::Disconnected, Evicted::Spectates] {
        let (mut vm, path) = served(ServerOptions::default());
        vm.console.set_policy(Policy::default().with_evicted(policy));
        let mut terminal = open(&path);
        occupied(&vm);
        works(&mut vm, &mut terminal, "mine");
        for _ in 0..3 {
            let (mut bob, attached) = attach(&vm, "bob", mode(Mode::TakeOver));
            assert_eq!(attached.evicted.unwrap().label(), "pty");
            let told = read_to(&mut terminal, "]\r\n");
            assert!(told.contains("[vuart: the console was taken over by bob (uid "), "{told}");
            let told = read_to(&mut terminal, "]\r\n");
            assert!(told.starts_with("\r\n[vuart: the console is held by bob (uid "), "{told}");
            assert!(told.ends_with("; you watch, and wait for it]\r\n"), "{told}");
            // It watches, and what it types goes nowhere: neither now nor later.
            terminal.write_all(b"never").unwrap();
            vm.guest.writes(b"for both");
            assert_eq!(read_to(&mut terminal, "both"), "for both");
            bob.send(&Request::Input(b"bob".to_vec())).unwrap();
            assert_eq!(vm.guest.reads(3), b"bob");
            detach(&mut bob);
            let told = read_to(&mut terminal, "]\r\n");
            assert_eq!(told, "\r\n[vuart: the console is yours now]\r\n");
            works(&mut vm, &mut terminal, "again");
        }
        drop(terminal);
        vacant(&vm);
        works(&mut vm, &mut open(&path), "and anew");
    }
}

#[test]
fn a_program_that_comes_while_another_session_owns_the_console_waits_in_line() {
    let (mut vm, path) = served(ServerOptions::default());
    let (mut alice, _) = attach(&vm, "alice", mode(Mode::Exclusive));
    let mut terminal = open(&path);
    let told = read_to(&mut terminal, "]\r\n");
    assert!(told.starts_with("\r\n[vuart: the console is held by alice (uid "), "{told}");
    assert!(vm.console.sessions().iter().any(|session| session.waiting));
    vm.guest.writes(b"seen");
    assert_eq!(read_to(&mut terminal, "seen"), "seen");
    detach(&mut alice);
    assert_eq!(read_to(&mut terminal, "]\r\n"), "\r\n[vuart: the console is yours now]\r\n");
    works(&mut vm, &mut terminal, "mine");
}

#[test]
fn with_take_over_a_program_takes_the_console_and_does_not_fight_for_it() {
    let (mut vm, path) = served(ServerOptions::default().with_raw(RawPolicy::TakeOver));
    let (mut alice, _) = attach(&vm, "alice", mode(Mode::Exclusive));
    let mut terminal = open(&path);
    assert!(matches!(end(&mut alice), Cause::Evicted { by } if by.label() == "pty"));
    works(&mut vm, &mut terminal, "mine");
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    // Before a read that could wait for ever.
    vm.until("it waits in line", |console| console.sessions().iter().any(|session| session.waiting));
    read_to(&mut terminal, "wait for it]\r\n");
    assert!(bob.status().unwrap().sessions[0].identity.label() == "bob", "he keeps it");
    assert_eq!(vm.console.counters().taken_over, 2);
    detach(&mut bob);
    read_to(&mut terminal, "yours now]\r\n");
    works(&mut vm, &mut terminal, "again");
}

/// A kick is not undone by the server: somebody has to open the device again.
#[test]
fn a_kicked_program_comes_back_by_opening_the_device_again() {
    let (mut vm, path) = served(ServerOptions::default());
    let mut kicked = open(&path);
    occupied(&vm);
    vm.client("admin").kick(vm.console.owner().unwrap().id).unwrap();
    let told = read_to(&mut kicked, "]\r\n");
    assert!(told.contains("[vuart: "), "{told}");
    vacant(&vm);
    assert!(vm.console.sessions().is_empty());
    kicked.write_all(b"never run").unwrap();
    assert_eq!(readable(&kicked), PollFlags::empty(), "it is not hung up");
    // Another program opens it. Both are at the console, and what was typed before is gone.
    let mut another = open(&path);
    occupied(&vm);
    works(&mut vm, &mut another, "hello");
    assert_eq!(vm.console.counters().input_abandoned, 9);
    drop((kicked, another));
    vacant(&vm);
    works(&mut vm, &mut open(&path), "and anew");
}

#[test]
fn what_a_dismissed_program_typed_before_it_left_never_runs() {
    let (mut vm, path) = served(ServerOptions::default());
    let mut kicked = open(&path);
    occupied(&vm);
    vm.client("admin").kick(vm.console.owner().unwrap().id).unwrap();
    read_to(&mut kicked, "]\r\n");
    kicked.write_all(b"rm -rf /\n").unwrap();
    drop(kicked);
    vm.until("it is counted", |console| console.counters().input_abandoned == 9);
    works(&mut vm, &mut open(&path), "clean");
}

/// With replay, without notices: Cloud Hypervisor's terminal gets what was kept when a program opens it, and no other byte.
#[test]
fn cloud_hypervisor_flushes_its_buffer_when_a_program_opens_the_terminal() {
    let options = ServerOptions::default().with_raw_replay(RawReplay::All).with_raw_notices(false);
    let (mut vm, path) = served(options);
    vm.guest.writes(b"booted\r\n");
    let mut terminal = open(&path);
    occupied(&vm);
    assert_eq!(read_to(&mut terminal, "\n"), "booted\r\n");
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    vm.until("it waits in line", |console| console.sessions().iter().any(|session| session.waiting));
    detach(&mut bob);
    vm.until("it has the console back", |console| {
        console.owner().is_some_and(|owner| owner.identity.label() == "pty")
    });
    vm.guest.writes(b"END");
    assert_eq!(read_to(&mut terminal, "END"), "booted\r\nEND", "the replay, and no word of the server's");
}

/// Output that nobody reads is for the ring; the guest, the other clients and the next program have nothing of it.
#[test]
fn a_program_that_stops_reading_harms_nobody() {
    let (mut vm, path) = served(ServerOptions::default());
    let stopped = open(&path);
    occupied(&vm);
    let (mut watcher, _) = attach(&vm, "watcher", mode(Mode::Spectate));
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        while seen < 1 << 20 {
            match watcher.recv().unwrap() {
                Event::Output { bytes, .. } => seen += bytes.len() as u64,
                Event::Hole(hole) => seen += hole.to - hole.from,
                other => panic!("{other:?}"),
            }
        }
    });
    for _ in 0..256 {
        vm.guest.writes(&[b'x'; 4096]);
    }
    reader.join().unwrap();
    // It is taken over while its terminal is full. It has five seconds for the message, and then its session is another.
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    bob.send(&Request::Input(b"bob".to_vec())).unwrap();
    assert_eq!(vm.guest.reads(3), b"bob");
    drop(bob);
    drop(stopped);
    vacant(&vm);
    let mut terminal = open(&path);
    occupied(&vm);
    works(&mut vm, &mut terminal, "fresh");
}

/// Garbage, programs that die, many that open and close at once: the next one is served.
#[test]
fn hostile_programs_harm_nobody() {
    const TEST: &str = "hostile_programs_harm_nobody";
    // In a process of its own, so that other tests do not change what is open.
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let (mut vm, path) = served(ServerOptions::default());
    let (mut watcher, _) = attach(&vm, "watcher", mode(Mode::Spectate));
    let before = open_files();
    let storm = |path: &Path| {
        for n in 0..200_u32 {
            let mut terminal = open(path);
            if n % 3 == 0 {
                // The guest does not read. What has room is written.
                rustix::io::ioctl_fionbio(&terminal, true).unwrap();
                let _ = terminal.write(&[0xff; 4096]);
                let _ = terminal.read(&mut [0; 100]);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| storm(&path));
        scope.spawn(|| storm(&path));
    });
    vm.guest.writes(b"alive");
    assert_eq!(support::output(&mut watcher, 5).1, b"alive");
    // The input of the last one that got in may wait for the guest; a take-over discards it.
    drop(attach(&vm, "bob", mode(Mode::TakeOver)));
    vacant(&vm);
    let mut terminal = open(&path);
    vm.until("a session has begun", |console| {
        console.owner().is_some_and(|owner| owner.identity.label() == "pty")
    });
    vm.guest.writes(b"END");
    read_to(&mut terminal, "END");
    drop(terminal);
    until("nothing stays open", || open_files() <= before);
}
