//! The emulated machine, and a person who owns its console.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsemu::machine::{BuildOptions, Machine, build, catalog};
use vuart::endpoint::{Attach, Identity, Replay, Session};
use vuart::{MmioPort, SerialPort};

use crate::device::{Accesses, CLASS, Unwired, Vuart};

/// What the guest may do before it counts as lost, in milliseconds of its time: it needs some 600 in all.
const QUANTA: u32 = 10_000;

/// A hang becomes a failure after this long; nothing is measured with it.
const HANG: Duration = Duration::from_mins(10);

/// A machine with the firmware in its memory, just switched on.
pub(crate) struct Board {
    machine: Machine,
    uart: Arc<Vuart>,
    person: Session,
    /// What the person has seen and not looked at.
    seen: Vec<u8>,
    /// All that the person has seen.
    transcript: Vec<u8>,
    quanta: u32,
    deadline: Instant,
}

impl Board {
    /// The UART's registers are `1 << shift` bytes apart, and the firmware is told to access `width` bytes of one.
    pub(crate) fn new(firmware: Vec<u8>, shift: u8, width: u8) -> Self {
        let port = MmioPort::new(SerialPort::new(Unwired).expect("a port"), shift);
        let person = port
            .port()
            .console()
            .attach(Attach::new(Identity::new("test", 0, None)).with_replay(Replay::All))
            .expect("a session");
        let length = port.len();
        let uart = Arc::new(Vuart::new(port, shift, width));

        let mut bindings = catalog::bindings().expect("the emulator's own devices");
        let device = Arc::clone(&uart);
        bindings.bind(CLASS.name, move |_| Ok(Arc::clone(&device) as _)).expect("a new name");
        let mut registry = catalog::registry().expect("the emulator's own devices");
        registry.add(&CLASS).expect("a new name");
        let options = BuildOptions::new()
            .with_bindings(bindings)
            .with_media("firmware", firmware)
            .with_param("uart_length", length.to_string());
        let machine = build("virt.machine", include_str!("virt.machine"), &registry, &options)
            .unwrap_or_else(|error| panic!("{error}"));
        let deadline = Instant::now() + HANG;
        Self { machine, uart, person, seen: Vec::new(), transcript: Vec::new(), quanta: QUANTA, deadline }
    }

    /// The person types. What does not fit waits, as in a terminal, while the guest runs.
    pub(crate) fn types(&mut self, input: impl AsRef<[u8]>) {
        let mut rest = input.as_ref();
        while !rest.is_empty() {
            let taken = self.person.write(rest).expect("a session");
            rest = &rest[taken..];
            if !rest.is_empty() {
                self.run("room for input");
            }
        }
    }

    /// Lets the guest run until the person has seen `end` since the last time, and gives all of that.
    pub(crate) fn until(&mut self, end: impl AsRef<[u8]>) -> String {
        let end = end.as_ref();
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|window| window == end) {
                let seen: Vec<u8> = self.seen.drain(..at + end.len()).collect();
                return String::from_utf8_lossy(&seen).into_owned();
            }
            self.run(&String::from_utf8_lossy(end));
        }
    }

    /// Types a command at U-Boot's prompt, and gives what it prints.
    pub(crate) fn command(&mut self, command: &str) -> String {
        self.types(format!("{command}\r"));
        let printed = self.until("\n=> ");
        // U-Boot echoes, a character at a time.
        let printed = printed.strip_prefix(command).unwrap_or_else(|| panic!("not {command:?}: {printed:?}"));
        printed.trim_start_matches("\r\n").trim_end_matches("=> ").to_owned()
    }

    /// How often the guest has accessed the UART, and how many interrupts the port has raised.
    pub(crate) fn counts(&self) -> (Accesses, u64) {
        self.uart.counts()
    }

    /// All that the person has seen since the machine was switched on.
    pub(crate) fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// All that is in the console's history.
    pub(crate) fn history(&mut self) -> Vec<u8> {
        let scrollback = self.person.output().scrollback();
        let mut history = vec![0; scrollback.capacity()];
        let read = scrollback.read_at(0, &mut history);
        history.truncate(read.len());
        history
    }

    /// One millisecond of the guest's time.
    fn run(&mut self, awaited: &str) {
        let goes_on = self.quanta > 0 && Instant::now() < self.deadline;
        assert!(goes_on, "no {awaited:?} in {:?}", String::from_utf8_lossy(&self.transcript));
        self.quanta -= 1;
        self.machine.run_quantum().unwrap_or_else(|error| panic!("{error}"));
        let mut bytes = [0; 4096];
        loop {
            let read = self.person.read(&mut bytes);
            assert_eq!(read.missed, 0);
            if read.is_empty() {
                break;
            }
            self.seen.extend(&bytes[..read.len()]);
            self.transcript.extend(&bytes[..read.len()]);
        }
    }
}
