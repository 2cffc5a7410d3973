//! Writing a trace of what a real guest does.
//!
//! The recorder is on the vCPU's thread, which must not wait for a disk: it writes its lines into a ring of their own, and
//! whoever wants them reads the ring. What the reader has not taken when the ring comes round is lost, and the trace says
//! so in that place.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use vuart_16550::{Config, Uart, spec::Msr};
use vuart_scrollback::{CapacityError, Doorbell, Reader, Scrollback, SleeperError, Writer};

use crate::HEADER;
use crate::operation::{MODEM_INPUTS, PROFILES};

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A trace begins in the reset state: record before the guest has touched the port, or the host a modem line.
    #[error("the port is not in its reset state any more: record before the guest has touched it")]
    NotFresh,
    /// The ring can't have that size.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
}

/// The recorder's end.
#[derive(Debug)]
pub struct Recorder {
    lines: Writer,
    shared: Arc<Shared>,
    interrupt: bool,
    break_out: bool,
    modem_inputs: Msr,
}

#[derive(Debug)]
struct Shared {
    doorbell: Doorbell,
    /// Nothing comes any more, or nobody wants it.
    over: AtomicBool,
}

/// The other end: a trace that grows while the guest runs.
#[derive(Debug)]
pub struct Recording {
    reader: Reader,
    /// A line whose end has not been read yet.
    begun: Vec<u8>,
    shared: Arc<Shared>,
}

impl Recorder {
    /// A recorder for a UART in its reset state, and the recording that it makes.
    ///
    /// # Errors
    ///
    /// When the UART is not in its reset state, or the ring can't have that size.
    pub fn new(uart: &Uart, capacity: usize) -> Result<(Self, Recording), RecordError> {
        let config = uart.config();
        if uart.state() != Uart::new(config).state() {
            return Err(RecordError::NotFresh);
        }
        let (lines, scrollback) = Scrollback::new(capacity)?;
        let doorbell = Doorbell::new();
        let shared = Arc::new(Shared { doorbell, over: AtomicBool::new(false) });
        let reader = scrollback.reader_at(0);
        let mut recorder = Self {
            lines,
            shared: Arc::clone(&shared),
            interrupt: false,
            break_out: false,
            modem_inputs: Msr::CONNECTED,
        };
        recorder.settings(config);
        Ok((recorder, Recording { reader, begun: Vec::new(), shared }))
    }

    fn settings(&mut self, config: Config) {
        self.line(format_args!("{HEADER}"));
        for (name, profile) in PROFILES {
            if profile == config.profile && profile != Config::new().profile {
                self.line(format_args!("profile {name}"));
            }
        }
        if config.out2_gate != Config::new().out2_gate {
            self.line(format_args!("out2-gate {}", if config.out2_gate { "on" } else { "off" }));
        }
    }

    /// The guest has read a register.
    pub fn read(&mut self, register: u8, value: u8) {
        self.line(format_args!("r {register} {value:02x}"));
    }

    /// A write, and what left because of it.
    pub fn write(&mut self, register: u8, value: u8, transmitted: Option<u8>) {
        self.line(format_args!("w {register} {value:02x}"));
        if let Some(byte) = transmitted {
            self.line(format_args!("tx {byte:02x}"));
        }
    }

    /// The receiver has taken a character.
    pub fn received(&mut self, byte: u8) {
        self.line(format_args!("rx {byte:02x}"));
    }

    /// The receiver has taken a break.
    pub fn received_break(&mut self) {
        self.line(format_args!("break"));
    }

    /// The host has set the modem inputs.
    pub fn modem(&mut self, inputs: Msr) {
        let changed = inputs ^ self.modem_inputs;
        self.modem_inputs = inputs;
        for (name, input) in MODEM_INPUTS {
            if changed.contains(input) {
                self.line(format_args!("modem {}{name}", if inputs.contains(input) { '+' } else { '-' }));
            }
        }
    }

    /// After an access: what it has changed on the outside.
    pub fn outputs(&mut self, uart: &Uart) {
        if uart.break_out() != self.break_out {
            self.break_out = uart.break_out();
            self.line(format_args!("tx-break {}", u8::from(self.break_out)));
        }
        if uart.interrupt() != self.interrupt {
            self.interrupt = uart.interrupt();
            self.line(format_args!("irq {}", u8::from(self.interrupt)));
        }
        self.shared.doorbell.ring_if_armed();
    }

    /// Nobody wants more.
    pub fn is_over(&self) -> bool {
        // Relaxed: if it is seen one access later, no harm is done.
        self.shared.over.load(Relaxed)
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // The ring takes everything.
        let _ = Lines(&mut self.lines).write_fmt(format_args!("{line}\n"));
    }
}

struct Lines<'a>(&'a mut Writer);

impl fmt::Write for Lines<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.as_bytes());
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Release: whoever sees it sees all lines.
        self.shared.over.store(true, Release);
        self.shared.doorbell.ring();
    }
}

/// How soon is looked for more while lines come.
const TICK: Duration = Duration::from_millis(1);

impl Recording {
    /// What has been recorded since the last call, or since the beginning.
    pub fn take(&mut self) -> String {
        let mut taken = Vec::new();
        // Into memory nothing fails.
        let _ = self.copy(&mut taken);
        // It is ASCII.
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// Writes all of it to `file` until the port is dropped or [`Saving::finish`] is called, on a thread of its own.
    ///
    /// There is no limit to how much that is: a guest that accesses its port all the time fills a disk, at some seven bytes
    /// an access. It is for looking at a guest, not for production (S7).
    ///
    /// # Errors
    ///
    /// When there are no file descriptors or threads left.
    pub fn save(mut self, mut file: impl Write + Send + 'static) -> io::Result<Saving> {
        let mut sleeper = self.shared.doorbell.sleeper().map_err(|error| match error {
            SleeperError::Eventfd(error) => error,
            error => io::Error::other(error),
        })?;
        let shared = Arc::clone(&self.shared);
        let eighth = self.reader.scrollback().capacity() as u64 / 8;
        let mut run = move || {
            loop {
                // Acquire, and before the copy: what was recorded before the end is copied.
                let over = self.shared.over.load(Acquire);
                let from = self.reader.cursor();
                self.copy(&mut file)?;
                // Before it sleeps, and so also before a crash that is to be looked into.
                file.flush()?;
                if over {
                    return Ok(());
                }
                // The guest pays for a wake-up after a pause, and not for each access.
                match self.reader.cursor() - from {
                    0 => {
                        sleeper.wait(|| self.reader.is_behind() || self.shared.over.load(Acquire), None)?;
                    }
                    copied if copied <= eighth => thread::sleep(TICK),
                    // It may be lapped before the time is up.
                    _ => {}
                }
            }
        };
        let (done, result) = mpsc::sync_channel(1);
        let run = move || {
            // Nobody may be interested any more.
            let _ = done.send(run());
        };
        thread::Builder::new().name("vuart-trace".to_owned()).spawn(run)?;
        Ok(Saving { result, shared })
    }

    /// Whole lines only: the guest may be in the midst of one.
    fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        let mut buffer = [0; 1 << 14];
        loop {
            let read = self.reader.read(&mut buffer);
            if read.missed > 0 {
                self.begun.clear();
                // Read as what it is: an end of what can be replayed.
                writeln!(out, "lost {}", read.missed)?;
            } else if read.is_empty() {
                return Ok(());
            }
            self.begun.extend(&buffer[..read.len()]);
            let whole = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            out.write_all(&self.begun[..whole])?;
            self.begun.drain(..whole);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.shared.over.store(true, Release);
    }
}

/// A thread that writes a trace to a file.
#[derive(Debug)]
pub struct Saving {
    result: Receiver<io::Result<()>>,
    shared: Arc<Shared>,
}

impl Saving {
    /// Ends the recording, and waits until all of it is written: for `patience` at the most.
    ///
    /// # Errors
    ///
    /// What the file has reported, and the trace ends there; [`TimedOut`](io::ErrorKind::TimedOut) when it has not taken all
    /// of it in time, and the thread goes on trying.
    pub fn finish(self, patience: Duration) -> io::Result<()> {
        self.shared.over.store(true, Release);
        self.shared.doorbell.ring();
        match self.result.recv_timeout(patience) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("the thread that writes the trace has panicked"))
            }
        }
    }
}
