//! The emulated machine, and a client that owns its console.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsemu::machine::{BuildOptions, Machine, build, catalog};
use vuart::endpoint::{Attach, Identity, Session};
use vuart::scrollback::Position;
use vuart::{MmioPort, SerialPort};

use crate::device::{Accesses, CLASS, Unwired, Vuart};

/// The limit for the guest, in milliseconds of its time. It needs some 600 in all.
const QUANTA: u32 = 10_000;

/// The limit for a test. It only guards against hanging.
const HANG: Duration = Duration::from_mins(10);

/// A machine with the firmware in its memory.
pub(crate) struct Board {
    machine: Machine,
    uart: Arc<Vuart>,
    person: Session,
    /// The output that has not been looked at.
    seen: Vec<u8>,
    /// All output so far.
    transcript: Vec<u8>,
    quanta: u32,
    deadline: Instant,
}

impl Board {
    /// A machine that has just been switched on. The UART's registers are `1 << shift` bytes apart, and the device tree tells
    /// the firmware to access `width` bytes of a register.
    pub(crate) fn new(firmware: Vec<u8>, shift: u8, width: u8) -> Self {
        let port = MmioPort::new(SerialPort::new(Unwired), shift);
        let person = port
            .port()
            .console()
            .attach(Attach::new(Identity::new("test", 0, None)).with_replay(Position::Oldest))
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

    /// Types. Input that does not fit waits while the guest runs, as in a terminal.
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

    /// Runs the guest until `end` is in the output after the last wait. Returns the output up to the end of it.
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

    /// Types a command at U-Boot's prompt, and returns what it prints.
    pub(crate) fn command(&mut self, command: &str) -> String {
        self.types(format!("{command}\r"));
        let printed = self.until("\n=> ");
        // U-Boot echoes the command.
        let printed = printed.strip_prefix(command).unwrap_or_else(|| panic!("not {command:?}: {printed:?}"));
        printed.trim_start_matches("\r\n").trim_end_matches("=> ").to_owned()
    }

    /// How often the guest has accessed the UART, and how many interrupts the port has raised.
    pub(crate) fn counts(&self) -> (Accesses, u64) {
        self.uart.counts()
    }

    /// All output since the machine was switched on.
    pub(crate) fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// The console's history.
    pub(crate) fn history(&mut self) -> Vec<u8> {
        let scrollback = self.person.output().scrollback();
        let mut history = vec![0; scrollback.capacity()];
        let read = scrollback.read_at(0, &mut history);
        history.truncate(read.len());
        history
    }

    /// Runs the guest for one millisecond of its time, and reads the output.
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
