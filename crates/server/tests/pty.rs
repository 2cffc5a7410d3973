//! The pseudo-terminal: sessions of programs that open its device.

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
use support::terminal::{occupied, open, served, vacant, wait_for, with};
use support::with_pty;
use vuart_endpoint::{Cause, Console, Mode};
use vuart_scrollback::{Position, Scrollback};
use vuart_server::{
    Claim, Dispatch as _, PtyError, RawPolicy, RuntimeDir, Server, ServerOptions, ServerThread, SocketKind,
    Sockets,
};
use vuart_test_support::{kept_and_lost, part, play, read_to, settle, turn, until};
use vuart_wire::{Client, Event};

#[test]
fn a_program_that_opens_the_terminal_owns_the_console() {
    let mut vm = served();
    let metadata = std::fs::metadata(vm.file("pty")).unwrap();
    assert!(metadata.file_type().is_char_device());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert!(vm.console.sessions().is_empty());
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    let owner = vm.console.owner().unwrap().identity;
    assert_eq!((owner.label(), owner.uid(), owner.pid()), ("pty", rustix::process::geteuid().as_raw(), None));
    let all: Vec<u8> = (0..=255).collect();
    terminal.write_all(&all).unwrap();
    assert_eq!(vm.guest.reads(256), all, "E13");
    vm.guest.writes(&all);
    let mut received = [0; 256];
    terminal.read_exact(&mut received).unwrap();
    assert_eq!(received[..], all);
    drop(terminal);
    vacant(&vm);
    // And again.
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest.writes(b"again");
    assert_eq!(read_to(&mut terminal, "again"), "again");
}

#[test]
fn the_session_lasts_until_the_last_program_closes_the_terminal() {
    let vm = served();
    let first = open(vm.file("pty"));
    occupied(&vm);
    let id = vm.console.owner().unwrap().id;
    let second = open(vm.file("pty"));
    drop(first);
    let third = open(vm.file("pty"));
    drop(second);
    // The server has handled all of that when it answers.
    Client::connect(&vm.file("ctl"), "alice").unwrap().status().unwrap();
    assert_eq!(vm.console.owner().unwrap().id, id);
    drop(third);
    vacant(&vm);
}

#[test]
fn input_of_a_program_that_closes_at_once_arrives() {
    let mut vm = served();
    open(vm.file("pty")).write_all(b"one shot").unwrap();
    assert_eq!(vm.guest.reads(8), b"one shot");
    vacant(&vm);
}

/// Output does not come back as input: neither with a program that sets nothing, nor with one that asks for echo.
#[test]
fn output_is_never_echoed_as_input() {
    let mut vm = served();
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest.writes(b"login: \r\n\x03\x04");
    assert_eq!(read_to(&mut terminal, "\x04"), "login: \r\n\x03\x04");
    let mut termios = tcgetattr(&terminal).unwrap();
    termios.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ECHOCTL;
    tcsetattr(&terminal, OptionalActions::Now, &termios).unwrap();
    vm.guest.writes(b"password: \r\n");
    assert_eq!(read_to(&mut terminal, "\n"), "password: \r\n");
    terminal.write_all(b"typed").unwrap();
    assert_eq!(vm.guest.reads(5), b"typed");
    assert_eq!(vm.console.counters().input_accepted, 5);
}

#[test]
fn each_session_finds_the_terminal_raw() {
    let vm = served();
    for _ in 0..3 {
        let terminal = open(vm.file("pty"));
        occupied(&vm);
        let mut termios = tcgetattr(&terminal).unwrap();
        assert!(!termios.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        assert!(!termios.output_modes.contains(OutputModes::OPOST));
        assert!(!termios.input_modes.intersects(InputModes::ICRNL | InputModes::IXON));
        termios.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        termios.local_modes -= LocalModes::EXTPROC;
        termios.output_modes |= OutputModes::OPOST;
        termios.input_modes |= InputModes::ICRNL | InputModes::IXON;
        tcsetattr(&terminal, OptionalActions::Now, &termios).unwrap();
        drop(terminal);
        vacant(&vm);
    }
}

#[test]
fn a_session_finds_no_output_of_the_last_session() {
    let mut vm = served();
    // Without a session it goes nowhere.
    vm.guest.writes(b"to nobody");
    let terminal = open(vm.file("pty"));
    occupied(&vm);
    // More than the terminal holds, and no program reads it.
    vm.guest.writes(&[b'x'; 10_000]);
    vm.guest.writes(&vec![b'y'; 50_000]);
    wait_for(&terminal, PollFlags::IN);
    drop(terminal);
    vacant(&vm);
    vm.guest.writes(b"to nobody");
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest.writes(b"new");
    assert_eq!(read_to(&mut terminal, "w"), "new");
}

#[test]
fn a_terminal_takes_over_if_that_is_the_policy() {
    let vm = with(ServerOptions::default().with_raw(RawPolicy::TakeOver));
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    let _terminal = open(vm.file("pty"));
    assert!(matches!(
        alice.recv().unwrap(),
        Event::Ended(end) if matches!(&end.cause, Cause::Evicted { by } if by.label() == "pty")
    ));
}

#[test]
fn e14_a_paste_into_a_terminal_waits_for_a_slow_guest() {
    let mut vm = served();
    let paste: Vec<u8> = (0..300_000u32).map(|i| (i / 3).to_le_bytes()[0]).collect();
    let sender = std::thread::spawn({
        let (mut terminal, paste) = (open(vm.file("pty")), paste.clone());
        move || {
            terminal.write_all(&paste).unwrap();
            terminal
        }
    });
    assert!(vm.guest.reads(paste.len()) == paste);
    drop(sender.join().unwrap());
    vacant(&vm);
    let counters = vm.console.counters();
    assert_eq!((counters.input_accepted, counters.input_abandoned), (300_000, 0));
}

#[test]
fn s15_a_terminal_that_is_slow_gets_all_or_is_told_of_a_hole() {
    let mut vm = served();
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    for _ in 0..200 {
        vm.guest.writes(&[b'x'; 4096]);
    }
    vm.guest.writes(b"END");
    let all = read_to(&mut terminal, "END");
    let (kept, lost) = kept_and_lost(&all);
    assert_eq!(kept + lost, 4096 * 200);
    assert!(lost > 0, "the terminal holds some kilobytes, and the ring 64");
}

#[test]
fn the_link_is_removed_with_the_server() {
    let vm = served();
    let link = vm.file("pty");
    assert!(link.is_symlink());
    drop(vm);
    assert!(!link.is_symlink());
}

#[test]
fn without_a_name_there_is_a_device_and_no_link() {
    let sockets = with_pty(Sockets::default());
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let device = server.pty().unwrap().to_owned();
    let _server = ServerThread::start(server).unwrap();
    let _terminal = open(&device);
    until("the session has begun", || console.owner().is_some());
}

/// Several programs open and close the terminal as fast as they can. No session is left over, and the next one works.
#[test]
fn opening_and_closing_without_a_pause_leaves_no_session() {
    let mut vm = served();
    let programs: Vec<_> = (0..4)
        .map(|_| {
            let link = vm.file("pty");
            std::thread::spawn(move || {
                for _ in 0..500 {
                    drop(open(&link));
                }
            })
        })
        .collect();
    for program in programs {
        program.join().unwrap();
    }
    vacant(&vm);
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    terminal.write_all(b"works").unwrap();
    assert_eq!(vm.guest.reads(5), b"works");
    drop(terminal);
    vacant(&vm);
}

/// While no program has the terminal open, its master reports a hang-up all the time. That must not wake the server.
#[test]
fn a_closed_terminal_does_not_wake_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let device = claim.pty_link().to_owned();
    let sockets = with_pty(Sockets::of(claim));
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let mut server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    for _ in 0..3 {
        let terminal = open(&device);
        until("the session has begun", || {
            turn(&mut server, Duration::ZERO);
            console.owner().is_some()
        });
        drop(terminal);
        settle(&mut server);
        assert!(console.owner().is_none());
        assert!(!turn(&mut server, Duration::from_millis(20)));
    }
}

/// The last program leaves, and the server is woken for it. Another program comes before the server has handled that: when it handles the
/// event before that one, which the test sees as it is asked who may connect.
#[test]
fn a_program_that_opens_the_terminal_while_another_leaves_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("raw");
    let sockets = with_pty(Sockets::default().with_raw(UnixListener::bind(&path).unwrap()));
    let (mut writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let second = Arc::new(Mutex::new(None));
    let device = Arc::new(OnceLock::<PathBuf>::new());
    let options = ServerOptions::default().with_authoriser({
        let (second, device) = (Arc::clone(&second), Arc::clone(&device));
        move |peer| {
            if peer.socket == SocketKind::Raw {
                *second.lock().unwrap() = Some(open(device.get().unwrap()));
                return None;
            }
            peer.default_role()
        }
    });
    let mut server = Server::new("vm0", console.clone(), sockets, options).unwrap();
    let device = device.get_or_init(|| server.pty().unwrap().to_owned());
    server.dispatch().unwrap();
    let first = open(device);
    until("the session has begun", || {
        turn(&mut server, Duration::ZERO);
        console.owner().is_some()
    });
    settle(&mut server);
    let id = console.owner().unwrap().id;
    // They are reported in this order: the client, the opening, the hang-up.
    let _client = UnixStream::connect(&path).unwrap();
    drop(open(device));
    drop(first);
    settle(&mut server);
    assert_ne!(console.owner().expect("the second program was not noticed").id, id);
    writer.extend(b"hello");
    console.doorbell().ring_if_armed();
    settle(&mut server);
    assert_eq!(read_to(second.lock().unwrap().as_mut().unwrap(), "o"), "hello");
}

#[test]
fn without_dev_ptmx_the_error_says_so() {
    const TEST: &str = "without_dev_ptmx_the_error_says_so";
    if part().as_deref() == Some("jailed") {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chroot(dir.path()).unwrap();
        let error = Sockets::default().open_pty().unwrap_err();
        assert!(matches!(error, PtyError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains("are /dev/ptmx and devpts there?"), "{error}");
        return std::mem::forget(dir);
    }
    if !rustix::process::geteuid().is_root() {
        return println!("not shown here: only root can change its root");
    }
    let output = play(TEST, "jailed", |command| command);
    assert!(output.status.success(), "{output:?}");
}
