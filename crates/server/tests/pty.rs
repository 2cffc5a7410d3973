//! The pseudo-terminal: sessions of programs that open its device.

mod support;

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::rc::Rc;

use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberOps as _};
use rustix::event::PollFlags;
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
use support::terminal::{occupied, open, served, vacant, wait_for, with};
use support::with_pty;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vuart_endpoint::{Cause, Console, Mode};
use vuart_scrollback::{Position, Scrollback};
use vuart_server::{Claim, PtyError, RawPolicy, RuntimeDir, Server, ServerOptions, ServerThread, Sockets};
use vuart_test_support::{kept_and_lost, part, play, read_to, until};
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
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let mut events = EventManager::<Server>::new().unwrap();
    events.add_subscriber(server);
    for _ in 0..3 {
        let terminal = open(&device);
        until("the session has begun", || {
            events.run_with_timeout(0).unwrap();
            console.owner().is_some()
        });
        drop(terminal);
        until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
        assert!(console.owner().is_none());
        assert_eq!(events.run_with_timeout(20).unwrap(), 0);
    }
}

/// Shares the server's event loop, and does something after the loop wakes up and before the server is called.
struct Meddler {
    ready: EventFd,
    meddle: Box<dyn FnMut()>,
}

impl MutEventSubscriber for Meddler {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        ops.add(Events::new(&self.ready, EventSet::IN)).unwrap();
    }

    fn process(&mut self, _events: Events, _ops: &mut EventOps<'_>) {
        self.ready.read().unwrap();
        (self.meddle)();
    }
}

/// The server wakes up because the last program has left. Another program comes before the server has handled that.
#[test]
fn a_program_that_opens_the_terminal_while_another_leaves_is_noticed() {
    let sockets = with_pty(Sockets::default());
    let (mut writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let device = server.pty().unwrap().to_owned();
    let second = Rc::new(RefCell::new(None));
    let ready = EventFd::new(EFD_NONBLOCK).unwrap();
    let meddler = Meddler {
        ready: ready.try_clone().unwrap(),
        meddle: Box::new({
            let (second, device) = (Rc::clone(&second), device.clone());
            move || *second.borrow_mut() = Some(open(&device))
        }),
    };
    let mut events = EventManager::<Box<dyn MutEventSubscriber>>::new().unwrap();
    events.add_subscriber(Box::new(server));
    events.add_subscriber(Box::new(meddler));
    let first = open(&device);
    until("the session has begun", || {
        events.run_with_timeout(0).unwrap();
        console.owner().is_some()
    });
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    let id = console.owner().unwrap().id;
    // They are reported in this order: the meddler's event, the opening, the hang-up.
    ready.write(1).unwrap();
    drop(open(&device));
    drop(first);
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    assert_ne!(console.owner().expect("the second program was not noticed").id, id);
    writer.extend(b"hello");
    console.doorbell().ring_if_armed();
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    assert_eq!(read_to(second.borrow_mut().as_mut().unwrap(), "o"), "hello");
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
