//! Cloud Hypervisor: its bus, its thread with an epoll loop, its `Snapshottable`.

mod serial;
mod serial_manager;
mod stand_ins;

use std::fs::File;
use std::io::{Read as _, Write as _, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread::yield_now;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use vuart::PortState;
use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, ServerThread, Sockets};
use vuart::wire::{Client, Request, RuntimeDir};

use crate::{Guest, MOST_LINES, expect, expect_output, last_words, lines_of_code};
use serial::Serial;
use serial_manager::start_thread;
use stand_ins::{BpfProgram, Bus, ConsoleTransport, Edges, Snapshot, Snapshottable as _, put_stdin};

/// COM1.
const BASE: u64 = 0x3f8;

/// The lines of its `devices/src/legacy/serial.rs` that stay as they are.
const STAYS: &[&str] = &[
    "use std::sync::{Arc, Barrier};",
    "pub struct Serial {",
    "}",
    "impl Serial {",
    "pub fn new(",
    "id: String,",
    "interrupt: Arc<dyn InterruptSourceGroup>,",
    "}",
    "}",
    "}",
    "impl BusDevice for Serial {",
    "fn read(&mut self, _base: u64, offset: u64, data: &mut [u8]) {",
    "}",
    "fn write(&mut self, _base: u64, offset: u64, data: &[u8]) -> Option<Arc<Barrier>> {",
    "None",
    "}",
    "}",
];

/// A VM: what of Cloud Hypervisor a serial device meets.
struct Vm {
    bus: Bus,
    serial: Arc<Mutex<Serial>>,
    interrupts: Arc<Edges>,
    /// The name of the thread that has applied its filter.
    filtered: Arc<Mutex<Option<String>>>,
    thread: Option<ServerThread>,
    dir: tempfile::TempDir,
}

impl Vm {
    fn new(transport: &ConsoleTransport, snapshot: Option<&Snapshot>) -> Self {
        let interrupts = Arc::new(Edges::default());
        let state: Option<PortState> = snapshot.map(|snapshot| snapshot.to_state().unwrap());
        let serial = Serial::new("__serial".to_owned(), interrupts.clone(), state.as_ref()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let sockets = Sockets::of(claim).bind_control().unwrap();
        let filtered = Arc::default();
        let thread = start_thread(&serial, transport, sockets, BpfProgram(Arc::clone(&filtered))).unwrap();
        let serial = Arc::new(Mutex::new(serial));
        let bus = Bus::new(serial.clone(), BASE, 8);
        Self { bus, serial, interrupts, filtered, thread: Some(thread), dir }
    }

    fn client(&self) -> Client {
        RuntimeDir::create(self.dir.path().join("run")).unwrap().connect("vm0", "alice").unwrap()
    }

    /// The guest waits for this input.
    fn expect_input(&self, text: &str) {
        let mut input = String::new();
        while input.len() < text.len() {
            input += &self.input();
            yield_now();
        }
        assert_eq!(input, text);
    }

    /// `DeviceManager`'s drop, in a VM whose guest has reset.
    fn shut_down(mut self) {
        self.serial.lock().unwrap().port.end(&Cause::VmEnded);
        drop(self.thread.take());
    }
}

impl Guest for Vm {
    fn out(&self, register: u8, value: u8) {
        self.bus.write(BASE + u64::from(register), &[value]);
    }

    fn inb(&self, register: u8) -> u8 {
        let mut data = [0];
        self.bus.read(BASE + u64::from(register), &mut data);
        data[0]
    }
}

fn file(end: impl Into<OwnedFd>) -> Arc<File> {
    Arc::new(File::from(end.into()))
}

#[test]
fn tty_a_guest_writes_and_reads_and_a_client_takes_over() {
    let ((stdin, mut typing), (mut shown, stdout)) = (pipe().unwrap(), pipe().unwrap());
    put_stdin(stdin);
    let vm = Vm::new(&ConsoleTransport::Tty(file(stdout)), None);
    vm.enable_interrupts();
    vm.print("login: ");
    expect(&mut shown, "login: ");
    typing.write_all(b"root\n").unwrap();
    vm.expect_input("root\r");
    assert!(vm.interrupts.count() > 0);
    assert_eq!(vm.filtered.lock().unwrap().as_deref(), Some("serial-manager"));

    let mut alice = vm.client();
    alice.attach(Mode::Exclusive, Position::Oldest).unwrap();
    expect_output(&mut alice, 0, "login: ");
    typing.write_all(b"tty").unwrap(); // it waits
    alice.send(&Request::Input(b"alice".to_vec())).unwrap();
    vm.expect_input("alice");
    drop(alice);
    vm.expect_input("tty");
    vm.print("bye");
    expect(&mut shown, "bye");
}

#[test]
fn file_has_everything_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let vm = Vm::new(&ConsoleTransport::File(file(File::create(&path).unwrap())), None);
    vm.print("boot\npanic\n");
    vm.shut_down();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "boot\npanic\n");
}

#[test]
fn socket_replays_to_who_comes_late_and_the_newest_client_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serial");
    let listener = UnixListener::bind(&path).unwrap();
    let vm = Vm::new(&ConsoleTransport::Socket(Arc::new(listener)), None);
    vm.print("boot ");
    let mut first = UnixStream::connect(&path).unwrap();
    expect(&mut first, "boot ");
    first.write_all(b"one").unwrap();
    vm.expect_input("one");

    let mut second = UnixStream::connect(&path).unwrap();
    expect(&mut second, "boot "); // it is not used up
    let mut rest = String::new();
    first.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "the guest's bytes, and nothing else");
    second.write_all(b"two").unwrap();
    vm.expect_input("two");

    vm.print("panic");
    vm.shut_down();
    second.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "panic", "the last words of a guest that resets");
}

#[test]
fn pty_keeps_its_path() {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let vm = Vm::new(&ConsoleTransport::Pty(file(master)), None);
    vm.print("boot "); // replayed
    let mut pty = File::options().read(true).write(true).open(path).unwrap();
    expect(&mut pty, "boot ");
    pty.write_all(b"ls\r").unwrap();
    vm.expect_input("ls\r");
}

#[test]
fn null_is_still_a_console_for_clients() {
    for transport in [ConsoleTransport::Null, ConsoleTransport::Off] {
        let vm = Vm::new(&transport, None);
        vm.print("hidden");
        let mut alice = vm.client();
        alice.attach(Mode::Exclusive, Position::Oldest).unwrap();
        vm.shut_down();
        assert_eq!(last_words(&mut alice), ("hidden".to_owned(), Cause::VmEnded));
    }
}

#[test]
fn a_snapshot_goes_on_at_the_same_offset() {
    let vm = Vm::new(&ConsoleTransport::Null, None);
    vm.out(7, 0x5a);
    vm.print("before ");
    let snapshot = vm.serial.lock().unwrap().snapshot().unwrap();
    assert_eq!(vm.serial.lock().unwrap().id(), "__serial");
    vm.shut_down();

    let vm = Vm::new(&ConsoleTransport::Null, Some(&snapshot));
    assert_eq!(vm.inb(7), 0x5a);
    vm.print("after");
    let mut alice = vm.client();
    alice.attach(Mode::Spectate, Position::Oldest).unwrap();
    expect_output(&mut alice, 7, "after");
}

#[test]
fn it_takes_at_most_forty_lines() {
    let source = include_str!("cloud_hypervisor/serial.rs");
    for line in STAYS {
        assert!(source.lines().any(|it| it.trim().replace("pub(crate)", "pub") == *line), "{line}");
    }
    let serial = lines_of_code(source) - STAYS.len();
    let manager = lines_of_code(include_str!("cloud_hypervisor/serial_manager.rs"));
    println!("serial.rs: {serial} lines; serial_manager.rs: {manager}");
    assert!(serial + manager <= MOST_LINES, "{serial} + {manager} lines");
}
