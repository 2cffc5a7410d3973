//! The pseudo-terminal, with programs that open its device.

mod support;

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberOps as _};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
use support::{HANG, Served, part, play, read_to, until, with_pty};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vuart_endpoint::{Cause, Console, Mode, Replay};
use vuart_scrollback::Scrollback;
use vuart_server::{Claim, PtyError, RawPolicy, Server, ServerOptions, ServerThread, Sockets};
use vuart_wire::{Client, DetachRequest, Event, Request, RuntimeDir};

fn served() -> Served {
    with(ServerOptions::default())
}

fn with(options: ServerOptions) -> Served {
    Served::start(options, |claim| with_pty(Sockets::bind(claim).unwrap()))
}

/// A program that opens the device and sets nothing.
fn open(path: impl AsRef<Path>) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(path)
        .unwrap()
}

fn device(vm: &Served) -> PathBuf {
    std::fs::read_link(vm.file("pty")).unwrap()
}

fn occupied(vm: &Served) {
    vm.until("the session has begun", |console| console.owner().is_some());
}

fn vacant(vm: &Served) {
    vm.until("the session is over", |console| console.owner().is_none());
}

/// Waits for events at a terminal, of which a hang-up is always one.
fn wait_for(terminal: &File, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(terminal.as_fd(), events)];
    let patience = Timespec::try_from(HANG).unwrap();
    assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "waited in vain");
    fds[0].revents()
}

/// Everything up to the hang-up.
fn last_words(terminal: &mut File) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match terminal.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => all.extend_from_slice(&buffer[..read]),
            // Which of the two depends on the moment.
            Err(error) => break assert_eq!(error.raw_os_error(), Some(5), "{error}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn whoever_opens_it_owns_the_console() {
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
    assert_eq!(vm.guest_reads(256), all, "E13");
    vm.guest_writes(&all);
    let mut received = [0; 256];
    terminal.read_exact(&mut received).unwrap();
    assert_eq!(received[..], all);
    drop(terminal);
    vacant(&vm);
    // And again, by the same device.
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest_writes(b"again");
    assert_eq!(read_to(&mut terminal, "again"), "again");
}

#[test]
fn the_session_lasts_until_the_last_has_closed_it() {
    let vm = served();
    let first = open(vm.file("pty"));
    occupied(&vm);
    let id = vm.console.owner().unwrap().id;
    let second = open(vm.file("pty"));
    drop(first);
    let third = open(vm.file("pty"));
    drop(second);
    // Whatever the server makes of it, it has made by now.
    Client::connect(&vm.file("ctl"), "alice").unwrap().status().unwrap();
    assert_eq!(vm.console.owner().unwrap().id, id);
    drop(third);
    vacant(&vm);
}

#[test]
fn one_shot() {
    let mut vm = served();
    open(vm.file("pty")).write_all(b"one shot").unwrap();
    assert_eq!(vm.guest_reads(8), b"one shot");
    vacant(&vm);
}

/// What the guest writes never comes back as its input: neither to a program that sets nothing, nor to one that asks for echo.
#[test]
fn no_echo() {
    let mut vm = served();
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest_writes(b"login: \r\n\x03\x04");
    assert_eq!(read_to(&mut terminal, "\x04"), "login: \r\n\x03\x04");
    let mut termios = tcgetattr(&terminal).unwrap();
    termios.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ECHOCTL;
    tcsetattr(&terminal, OptionalActions::Now, &termios).unwrap();
    vm.guest_writes(b"password: \r\n");
    assert_eq!(read_to(&mut terminal, "\n"), "password: \r\n");
    terminal.write_all(b"typed").unwrap();
    assert_eq!(vm.guest_reads(5), b"typed");
    assert_eq!(vm.console.counters().input_accepted, 5);
}

#[test]
fn each_finds_it_raw_whatever_the_last_one_set() {
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
        // The session is over a moment before the terminal is raw again.
        Client::connect(&vm.file("ctl"), "alice").unwrap().status().unwrap();
    }
}

#[test]
fn the_next_one_finds_nothing_of_the_last() {
    let mut vm = served();
    // With nobody there it goes nowhere.
    vm.guest_writes(b"to nobody");
    let terminal = open(vm.file("pty"));
    occupied(&vm);
    // More than the terminal holds, and nobody reads it.
    vm.guest_writes(&[b'x'; 10_000]);
    vm.guest_writes(&vec![b'y'; 50_000]);
    wait_for(&terminal, PollFlags::IN);
    drop(terminal);
    vacant(&vm);
    Client::connect(&vm.file("ctl"), "alice").unwrap().status().unwrap();
    vm.guest_writes(b"to nobody");
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest_writes(b"new");
    assert_eq!(read_to(&mut terminal, "w"), "new");
}

#[test]
fn who_is_refused_reads_why_and_is_hung_up() {
    let mut vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    for _ in 0..3 {
        let before = device(&vm);
        let mut terminal = open(&before);
        let told = last_words(&mut terminal);
        assert!(told.starts_with("\r\n[vuart: the console is held by alice (uid "), "{told:?}");
        assert!(told.ends_with("]\r\n"), "{told:?}");
        // Ours is still open, so that the new one is another.
        until("another has taken its place", || device(&vm) != before);
    }
    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    vacant(&vm);
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest_writes(b"mine");
    assert_eq!(read_to(&mut terminal, "e"), "mine");
}

/// Piece by piece: the terminal is not closed while a part of the line has not been read.
#[test]
fn who_reads_slowly_reads_all_of_it() {
    let vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    let mut terminal = open(vm.file("pty"));
    assert!(read_to(&mut terminal, "]\r\n").starts_with("\r\n[vuart: the console is held by alice"));
    assert_eq!(last_words(&mut terminal), "");
}

#[test]
fn who_never_reads_why_is_hung_up_all_the_same() {
    let vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    let terminal = open(vm.file("pty"));
    assert!(wait_for(&terminal, PollFlags::empty()).contains(PollFlags::HUP));
    // The line went with it.
    let mut terminal = terminal;
    assert_eq!(last_words(&mut terminal), "");
    // And the next is told by a new one.
    until("another has taken its place", || std::fs::metadata(vm.file("pty")).is_ok());
    assert!(last_words(&mut open(vm.file("pty"))).contains("held by alice"));
}

#[test]
fn who_goes_before_being_told_leaves_it_as_it_was() {
    let mut vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    for _ in 0..20 {
        drop(open(vm.file("pty")));
    }
    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert!(matches!(alice.recv().unwrap(), Event::Ended(_)));
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest_writes(b"clean");
    assert_eq!(read_to(&mut terminal, "n"), "clean");
}

#[test]
fn e2_an_evicted_terminal_is_told_by_whom() {
    let mut vm = served();
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    terminal.write_all(b"x").unwrap();
    vm.guest_reads(1);
    let mut bob = Client::connect(&vm.file("ctl"), "bob").unwrap();
    let attached = bob.attach(Mode::TakeOver, Replay::None).unwrap();
    assert_eq!(attached.evicted.unwrap().label(), "pty");
    let told = last_words(&mut terminal);
    assert!(told.contains("[vuart: the console was taken over by bob (uid "), "{told:?}");
    // What it types now goes nowhere.
    assert_ne!(terminal.write(b"late").map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
    bob.send(&Request::Input(b"bob".to_vec())).unwrap();
    assert_eq!(vm.guest_reads(3), b"bob");
}

#[test]
fn a_terminal_takes_over_where_that_is_the_policy() {
    let vm = with(ServerOptions::default().with_raw(RawPolicy::TakeOver));
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
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
    assert!(vm.guest_reads(paste.len()) == paste);
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
        vm.guest_writes(&[b'x'; 4096]);
    }
    vm.guest_writes(b"END");
    let all = read_to(&mut terminal, "END");
    let kept = all.matches('x').count();
    let lost: usize = all
        .split("[vuart: ")
        .skip(1)
        .map(|notice| notice.split(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(kept + lost, 4096 * 200);
    assert!(lost > 0, "the terminal holds some kilobytes, and the ring 64");
}

#[test]
fn the_end_is_told_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let link = claim.pty_link().to_owned();
    let sockets = with_pty(Sockets::of(claim));
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    assert_eq!(server.pty().unwrap(), std::fs::read_link(&link).unwrap());
    let server = ServerThread::start(server).unwrap();
    let mut terminal = open(&link);
    until("the session has begun", || console.owner().is_some());
    writer.extend(b"halted.");
    console.end(&Cause::VmEnded);
    let reader = std::thread::spawn(move || last_words(&mut terminal));
    assert!(server.finish(HANG));
    let told = reader.join().unwrap();
    assert!(told.starts_with("halted.\r\n[vuart: the guest has ended at "), "{told:?}");
    assert!(!link.is_symlink());
}

#[test]
fn the_link_goes_with_the_server() {
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

/// Opened and closed as fast as can be, by several at once: no session stays that nobody has, and the next one works.
#[test]
fn opened_and_closed_without_pause() {
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
    assert_eq!(vm.guest_reads(5), b"works");
    drop(terminal);
    vacant(&vm);
}

/// While nobody is there, the master's lasting hang-up wakes nobody.
#[test]
fn a_terminal_that_nobody_has_open_costs_nothing() {
    let sockets = with_pty(Sockets::default());
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let device = server.pty().unwrap().to_owned();
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

/// Shares the server's event loop, and does something between its waking up and the server's turn.
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

/// The server wakes up for the last one's leaving, and somebody else comes before it has seen to that.
#[test]
fn who_comes_while_the_last_one_is_seen_off_is_not_overlooked() {
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
    // In this order they are reported: the meddler's, that somebody has opened it, the hang-up.
    ready.write(1).unwrap();
    drop(open(&device));
    drop(first);
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    assert_ne!(console.owner().expect("the second has been overlooked").id, id);
    writer.extend(b"hello");
    console.doorbell().ring_if_armed();
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    assert_eq!(read_to(second.borrow_mut().as_mut().unwrap(), "o"), "hello");
}

#[test]
fn where_there_is_no_pseudo_terminal() {
    const TEST: &str = "where_there_is_no_pseudo_terminal";
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

/// A pseudo-terminal that can't be replaced for want of a file descriptor is replaced when there is one.
#[test]
fn replaced_when_there_is_a_descriptor_again() {
    const TEST: &str = "replaced_when_there_is_a_descriptor_again";
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let vm = served();
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    // The timer is made before it is needed here.
    let _mute = std::os::unix::net::UnixStream::connect(vm.file("ctl")).unwrap();
    alice.status().unwrap();
    alice.status().unwrap();
    let mut terminal = open(vm.file("pty"));
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    // As it is hung up, a descriptor becomes free; we are as fast as the server to take it, or slower.
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

/// Not a test of time: with the handshake's deadline and the terminal's, the timer serves both.
#[test]
fn one_timer_for_all() {
    let vm = with(ServerOptions::default().with_handshake(Duration::from_millis(50)));
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    let mut mute = std::os::unix::net::UnixStream::connect(vm.file("ctl")).unwrap();
    let terminal = open(vm.file("pty"));
    let mut answer = Vec::new();
    mute.read_to_end(&mut answer).unwrap();
    assert!(!answer.is_empty());
    assert!(wait_for(&terminal, PollFlags::empty()).contains(PollFlags::HUP));
}
