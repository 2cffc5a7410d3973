//! What a byte costs that goes to the kernel: one `write(2)` each.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use super::super::register::character;
use super::super::sinks::drain;
use super::writing::Sink;
use crate::measure::time;

/// Writes `bytes` so many times; how many bytes that were, and how long it took.
fn write_each<'a>(mut out: impl Write, pieces: impl Iterator<Item = &'a [u8]>) -> (u64, Duration) {
    let mut written = 0;
    let elapsed = time(|| {
        for piece in pieces {
            // What was not written does not arrive.
            written += out.write(black_box(piece)).unwrap_or(0) as u64;
        }
    });
    (written, elapsed)
}

/// The kernel's shortest way.
pub(super) struct Null {
    file: File,
    arrived: u64,
}

impl Null {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { file: File::options().write(true).open("/dev/null")?, arrived: 0 })
    }
}

impl Sink for Null {
    fn push(&mut self, count: u64) -> Duration {
        self.extend(count, &[character(count)])
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let (written, elapsed) = write_each(&self.file, (0..count).map(|_| bytes));
        self.arrived += written;
        elapsed
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.arrived)
    }
}

/// A pipe that somebody reads as fast as he can.
pub(super) struct Pipe(Option<(PipeWriter, JoinHandle<io::Result<u64>>)>);

impl Pipe {
    pub(super) fn new() -> io::Result<Self> {
        let (output, input) = io::pipe()?;
        Ok(Self(Some((input, drain(output)))))
    }
}

impl Sink for Pipe {
    fn push(&mut self, count: u64) -> Duration {
        self.extend(count, &[character(count)])
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let Some((input, _)) = &self.0 else { return Duration::ZERO };
        write_each(input, (0..count).map(|_| bytes)).1
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        let Some((input, reader)) = self.0.take() else { return Ok(0) };
        // The reader sees the end.
        drop(input);
        Ok(reader.join().map_err(|_| "the reader has panicked")??)
    }
}

/// The kernel's counter: what a wake-up costs at least.
pub(super) struct EventFd(OwnedFd);

impl EventFd {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }
}

impl Sink for EventFd {
    fn push(&mut self, count: u64) -> Duration {
        let one = 1u64.to_ne_bytes();
        time(|| {
            for _ in 0..count {
                // What was not written does not arrive.
                let _ = rustix::io::write(&self.0, black_box(&one));
            }
        })
    }

    /// It takes no bytes; each is a push.
    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        self.push(count * bytes.len() as u64)
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        let mut counter = [0; 8];
        rustix::io::read(&self.0, &mut counter)?;
        Ok(u64::from_ne_bytes(counter))
    }
}
