//! A served console, and the clients that are attached to it.

use std::error::Error;
use std::thread;

use vuart::endpoint::{Console, Mode};
use vuart::wire::Client;

use super::slow_disk::SlowLog;
use crate::readers::ClientReader;
use crate::served::Served;
use crate::verify::expect;

/// Who is attached.
#[derive(Clone, Copy)]
pub(super) struct Attached {
    pub(super) owner: Owner,
    /// The number of spectators that read their output.
    pub(super) spectators: usize,
    /// Whether a log writer on a slow disk reads the ring.
    pub(super) slow_log: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    None,
    /// Reads its output.
    Reads,
    /// Never reads anything.
    Stopped,
    /// Never reads anything, and dies halfway through the slot. Each slot has a new one.
    Dies,
}

impl Attached {
    pub(super) const NOBODY: Self = Self { owner: Owner::None, spectators: 0, slow_log: false };
}

pub(super) struct Scene {
    console: Console,
    served: Served,
    readers: Vec<ClientReader>,
    /// The owner that never reads.
    stopped: Option<Client>,
    log: Option<SlowLog>,
    owner_dies: bool,
    /// The owner that dies halfway, while it lives.
    dying: Option<Client>,
}

impl Scene {
    /// Serves the console, and attaches the clients.
    pub(super) fn new(console: &Console, attached: Attached) -> Result<Self, Box<dyn Error>> {
        let served = Served::new(console)?;
        let mut readers = Vec::new();
        if attached.owner == Owner::Reads {
            readers.push(ClientReader::start(served.attach(Mode::Exclusive)?));
        }
        let stopped =
            if attached.owner == Owner::Stopped { Some(served.attach(Mode::Exclusive)?) } else { None };
        for _ in 0..attached.spectators {
            readers.push(ClientReader::start(served.attach(Mode::Spectate)?));
        }
        let log = if attached.slow_log { Some(SlowLog::start(console)?) } else { None };
        Ok(Self {
            console: console.clone(),
            served,
            readers,
            stopped,
            log,
            owner_dies: attached.owner == Owner::Dies,
            dying: None,
        })
    }

    /// Attaches the owner that dies in this slot.
    pub(super) fn before_slot(&mut self) -> Result<(), Box<dyn Error>> {
        if self.owner_dies {
            // A take-over, because the server may not know yet that the owner before is dead.
            self.dying = Some(self.served.attach(Mode::TakeOver)?);
        }
        Ok(())
    }

    /// Lets the owner die. A killed process leaves the server the same: a closed socket.
    pub(super) fn halfway(&mut self) {
        self.dying = None;
    }

    /// Waits until all readers have read everything.
    pub(super) fn wait_for_readers(&mut self) -> Result<(), Box<dyn Error>> {
        let end = self.console.scrollback().end();
        while !self.readers.iter().all(|reader| reader.cursor() == end) {
            if self.readers.iter().any(ClientReader::is_finished) {
                return Err("a reader's session ended too early".into());
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// Ends the console, to which the guest has written `written` bytes. Checks that each reader was given all of them, or told which
    /// are lost.
    pub(super) fn finish(self, written: u64) -> Result<(), Box<dyn Error>> {
        drop((self.stopped, self.dying));
        self.served.end();
        for reader in self.readers {
            expect("a reader", reader.join()?, written)?;
        }
        if let Some(log) = self.log {
            expect("the log", log.finish()?, written)?;
        }
        self.served.finish()
    }
}
