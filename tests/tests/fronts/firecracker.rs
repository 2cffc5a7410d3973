//! Firecracker: its bus, its event loop (event-manager), its `Persist`.

mod metrics;
mod serial;
mod stand_ins;

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Sockets};
use vuart::wire::{Client, RuntimeDir};
use vuart::{Metrics, PortState};

use crate::{Guest, MOST_LINES, expect, expect_output, last_words, lines_of_code};
use metrics::count;
use serial::{SerialDevice, setup_serial_device};
use stand_ins::{Bus, EventManager, METRICS, SharedIncMetric, TokenBucket, put_stdio};

/// COM1.
const BASE: u64 = 0x3f8;

/// A microVM: what of Firecracker a serial device meets. Its event loop runs when the test says so.
struct Vmm {
    bus: Bus,
    serial: Arc<Mutex<SerialDevice>>,
    events: EventManager,
    dir: tempfile::TempDir,
}

impl Vmm {
    fn new(output: Option<&PathBuf>, state: Option<&PortState>, limiter: Option<TokenBucket>) -> Self {
        let mut events = EventManager::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let sockets = Sockets::bind(claim).unwrap();
        let serial = setup_serial_device(&mut events, output, state, limiter, sockets).unwrap();
        let bus = Bus::new(serial.clone(), BASE, 8);
        Self { bus, serial, events, dir }
    }

    /// With pipes for standard input and output: the VMM's, and the ends of who started it.
    fn with_stdio(state: Option<&PortState>) -> (Self, PipeWriter, PipeReader) {
        let ((stdin, typing), (shown, stdout)) = (pipe().unwrap(), pipe().unwrap());
        put_stdio(stdin, stdout);
        let vmm = Self::new(None, state, None);
        put_stdio(pipe().unwrap().0, pipe().unwrap().1);
        (vmm, typing, shown)
    }

    /// Runs the event loop until this is so.
    fn run_until(&mut self, mut so: impl FnMut(&Self) -> bool) {
        while !so(self) {
            self.events.run_with_timeout(1).unwrap();
        }
    }

    /// Runs the event loop until there is something to read.
    fn run_until_shown(&mut self, shown: &PipeReader) {
        self.run_until(|_| {
            let mut fds = [PollFd::new(shown, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
        });
    }

    /// Does with a client what waits for an answer, while the event loop runs here.
    fn with_client<R: Send>(&mut self, work: impl FnOnce(Client) -> R + Send) -> R {
        let run = RuntimeDir::create(self.dir.path().join("run")).unwrap();
        std::thread::scope(|scope| {
            let client = scope.spawn(move || work(run.connect("vm0", "alice").unwrap()));
            while !client.is_finished() {
                self.events.run_with_timeout(1).unwrap();
            }
            client.join().unwrap()
        })
    }

    /// `Persist::save`, of the device manager.
    fn save(&self) -> Vec<u8> {
        let state = self.serial.lock().expect("Poisoned lock").state();
        postcard::to_stdvec(&state).unwrap()
    }

    /// `Vmm::stop`, for a guest that has reset. Then the event loop ends, and everything is dropped.
    fn stop(self) {
        self.serial.lock().expect("Poisoned lock").end(&Cause::VmEnded);
    }
}

impl Guest for Vmm {
    fn out(&self, register: u8, value: u8) {
        self.bus.write(BASE + u64::from(register), &[value]);
    }

    fn inb(&self, register: u8) -> u8 {
        let mut data = [0];
        self.bus.read(BASE + u64::from(register), &mut data);
        data[0]
    }
}

#[test]
fn a_guest_writes_and_reads_by_stdin_and_stdout() {
    let (mut vmm, mut typing, mut shown) = Vmm::with_stdio(None);
    vmm.enable_interrupts();
    vmm.print("login: ");
    vmm.run_until_shown(&shown);
    expect(&mut shown, "login: ");

    typing.write_all(b"root\r").unwrap();
    vmm.run_until(|vmm| vmm.inb(5) & 1 != 0);
    assert_eq!(vmm.input(), "root\r");
    let irq = vmm.serial.lock().unwrap().with(|port| port.trigger().read().unwrap());
    assert!(irq > 0, "the guest is interrupted");
}

#[test]
fn a_client_takes_over_and_stdin_has_the_console_back() {
    let (mut vmm, mut typing, mut shown) = Vmm::with_stdio(None);
    vmm.print("boot ");
    let mut alice = vmm.with_client(|mut client| {
        client.attach(Mode::Exclusive, Position::Oldest).unwrap();
        expect_output(&mut client, 0, "boot ");
        client
    });
    typing.write_all(b"stdin").unwrap(); // it waits
    alice.send(&vuart::wire::Request::Input(b"alice".to_vec())).unwrap();
    let mut input = String::new();
    while input.len() < 5 {
        vmm.events.run_with_timeout(1).unwrap();
        input += &vmm.input();
    }
    assert_eq!(input, "alice");

    drop(alice);
    while input.len() < 10 {
        vmm.events.run_with_timeout(1).unwrap();
        input += &vmm.input();
    }
    assert_eq!(input, "alicestdin");
    vmm.run_until_shown(&shown);
    expect(&mut shown, "boot ");
}

#[test]
fn a_snapshot_goes_on_at_the_same_offset() {
    let (vmm, ..) = Vmm::with_stdio(None);
    vmm.out(7, 0x5a);
    vmm.print("before ");
    let saved = vmm.save();
    drop(vmm);

    let state = postcard::from_bytes(&saved).unwrap();
    let (mut vmm, _typing, mut shown) = Vmm::with_stdio(Some(&state));
    assert_eq!(vmm.inb(7), 0x5a);
    vmm.print("after");
    vmm.with_client(|mut client| {
        client.attach(Mode::Spectate, Position::Oldest).unwrap();
        expect_output(&mut client, 7, "after");
    });
    vmm.stop();
    let mut all = String::new();
    shown.read_to_string(&mut all).unwrap();
    assert_eq!(all, "after", "what is lost with the old process is not told as a hole");
}

#[test]
fn the_last_words_of_a_guest_that_resets_arrive() {
    let (mut vmm, _typing, mut shown) = Vmm::with_stdio(None);
    let mut alice = vmm.with_client(|mut client| {
        client.attach(Mode::Exclusive, Position::Oldest).unwrap();
        client
    });
    vmm.print("panic\n");
    vmm.stop();
    assert_eq!(last_words(&mut alice), ("panic\n".to_owned(), Cause::VmEnded));
    let mut all = String::new();
    shown.read_to_string(&mut all).unwrap();
    assert_eq!(all, "panic\n");
}

#[test]
fn a_file_is_written_within_its_limit_and_has_all_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serial.log");
    // So slow that the rest is not due within the test.
    let mut vmm = Vmm::new(Some(&path), None, Some(TokenBucket { size: 10, refill_time_ms: 3_600_000 }));
    let length = || std::fs::metadata(&path).unwrap().len();
    vmm.print("more than the bucket has");
    vmm.run_until(|_| length() > 0);
    assert_eq!(length(), 10);
    vmm.stop();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "more than the bucket has", "nothing is dropped");
}

#[test]
fn the_metrics_keep_their_names() {
    let (mut vmm, mut typing, _shown) = Vmm::with_stdio(None);
    let (meter, mut last) = (vmm.serial.lock().unwrap().with(|port| port.meter()), Metrics::default());
    vmm.print("four");
    typing.write_all(b"x").unwrap();
    vmm.run_until(|vmm| vmm.input() == "x");
    vmm.bus.write(BASE, &[0; 9]);
    vmm.bus.read(BASE, &mut [0; 9]);
    count(&meter, &mut last);
    count(&meter, &mut last); // nothing is counted twice
    let counts = [&METRICS.write_count, &METRICS.read_count, &METRICS.missed_write_count];
    assert_eq!(counts.map(SharedIncMetric::count), [4, 1, 1]);
    assert_eq!([&METRICS.missed_read_count, &METRICS.error_count].map(SharedIncMetric::count), [1, 0]);
}

#[test]
fn it_takes_at_most_forty_lines() {
    let serial = lines_of_code(include_str!("firecracker/serial.rs"));
    let metrics = lines_of_code(include_str!("firecracker/metrics.rs"));
    println!("serial.rs: {serial} lines; the names of the metrics: {metrics}");
    assert!(serial <= MOST_LINES, "{serial} lines");
}
