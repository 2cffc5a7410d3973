//! What the tests of this package share: a guest that runs, and its console, served; a device to compare; and what real
//! drivers do, as traces.

#![allow(
    clippy::missing_panics_doc,
    reason = "a test that can't go on has nothing better to do, anywhere here"
)]

pub mod conformance;
mod device;

/// The examples of the guide and of the repository's README, so that they compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../docs/guide/coming-from-cloud-hypervisor.md")]
#[doc = include_str!("../../docs/guide/coming-from-vm-superio.md")]
#[doc = include_str!("../../docs/guide/embedding.md")]
#[doc = include_str!("../../docs/guide/fuzzing.md")]
#[doc = include_str!("../../docs/guide/operating.md")]
#[doc = include_str!("../../docs/guide/testing-drivers.md")]
struct Guide;

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vuart::endpoint::{Cause, Console, Mode};
use vuart::scrollback::Position;
use vuart::server::Claim;
use vuart::wire::{Client, Event, Request, RuntimeDir};
use vuart_vmm::{Engine, Exit, ServedMachine, choose};

pub use device::{Passing, Registers, config};

/// A hang becomes a failure after this long; nothing is measured with it.
const HANG: Duration = Duration::from_mins(5);

/// The engines that this machine has, with a word on the one that it has not.
pub fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::Software];
    match choose(Some(Engine::Kvm)) {
        Ok(_) => engines.push(Engine::Kvm),
        Err(error) => eprintln!("NOT TESTED with KVM: {error}"),
    }
    engines
}

/// A guest and its console.
#[derive(Debug)]
pub struct Vm {
    engine: Engine,
    machine: ServedMachine,
    _dir: tempfile::TempDir,
}

impl Vm {
    /// Boots the guest and serves its console in a directory of its own.
    pub fn boot(engine: Engine) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).expect("a directory"), "vm0")
            .expect("a name");
        let machine = ServedMachine::boot(engine, claim).expect("a machine");
        Self { engine, machine, _dir: dir }
    }

    /// What runs the guest.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The console itself.
    pub fn console(&self) -> &Console {
        self.machine.console()
    }

    /// The path of the raw socket.
    pub fn raw(&self) -> &Path {
        self.machine.raw_socket()
    }

    /// A client that is attached, and has seen nothing yet.
    pub fn attach(&self, label: &str, mode: Mode, replay: Position) -> Screen {
        let mut client = self.connect(label);
        client.attach(mode, replay).expect("a session");
        Screen { client, seen: Vec::new() }
    }

    /// A client that is not attached.
    pub fn connect(&self, label: &str) -> Client {
        Client::connect(self.machine.control_socket(), label).expect("a connection")
    }

    /// Waits for the guest to halt, and for every client to have got everything.
    pub fn halted(self) {
        let over = PollFd::new(&self.machine, PollFlags::IN);
        let timeout = Timespec { tv_sec: HANG.as_secs().cast_signed(), tv_nsec: 0 };
        assert_eq!(poll(&mut [over], Some(&timeout)), Ok(1), "the guest has not halted");
        assert_eq!(self.machine.finish(HANG).expect("a good end"), Exit::Halted);
    }
}

/// What an attached client sees.
#[derive(Debug)]
pub struct Screen {
    client: Client,
    seen: Vec<u8>,
}

impl Screen {
    /// Types.
    pub fn types(&mut self, input: &str) {
        self.client.send(&Request::Input(input.as_bytes().to_vec())).expect("a connection");
    }

    /// Reads until `end` has been seen since the last time, and gives all of that.
    pub fn until(&mut self, end: &str) -> String {
        let deadline = Instant::now() + HANG;
        // What has been searched already, less what may be the beginning of `end`.
        let mut from = 0;
        loop {
            let found = self.seen[from..].windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found.map(|at| from + at) {
                let seen = self.seen.drain(..at + end.len()).collect();
                return String::from_utf8(seen).expect("ASCII");
            }
            from = self.seen.len().saturating_sub(end.len());
            assert!(Instant::now() < deadline, "no {end:?} in {:?}", String::from_utf8_lossy(&self.seen));
            match self.client.recv().expect("a connection") {
                Event::Output { bytes, .. } => self.seen.extend(bytes),
                // A test that wants an exact stream does not find it with this in it.
                Event::Hole(hole) => self.seen.extend(format!("[hole {}..{}]", hole.from, hole.to).bytes()),
                other => panic!("{other:?} before {end:?}, after {:?}", String::from_utf8_lossy(&self.seen)),
            }
        }
    }

    /// Reads until the session ends, and says how.
    pub fn end(&mut self) -> Cause {
        loop {
            match self.client.recv().expect("a connection") {
                Event::Output { bytes, .. } => self.seen.extend(bytes),
                Event::Ended(end) => return end.cause,
                other => panic!("{other:?}"),
            }
        }
    }

    /// What has been read and not been looked at.
    pub fn rest(&self) -> &[u8] {
        &self.seen
    }
}
