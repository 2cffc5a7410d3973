//! What the tests share: a guest, its console on something, and an event loop of poll(2).

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod terminal;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::pipe;
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::{Attach, Console, Identity, Input, Mode, Session, Symbol};
use vuart_local::{Local, LocalBuilder};
use vuart_scrollback::{Scrollback, Writer};

/// What has not come after this time never comes. Nothing is measured with it.
const LOST: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

pub(crate) struct Rig {
    pub(crate) writer: Writer,
    pub(crate) console: Console,
    pub(crate) input: Input,
    pub(crate) local: Local,
    /// How often the loop has called `dispatch`.
    pub(crate) dispatches: u64,
}

impl Rig {
    pub(crate) fn new(capacity: usize, what: impl FnOnce(LocalBuilder) -> LocalBuilder) -> Self {
        let (writer, scrollback) = Scrollback::new(capacity).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        let local = what(Local::builder(&console)).build().unwrap();
        let mut rig = Self { writer, console, input, local, dispatches: 0 };
        // As `Dispatch` says: once before the first wait.
        rig.local.dispatch().unwrap();
        rig.settle();
        rig
    }

    /// The guest writes. Returns whether that has woken somebody.
    pub(crate) fn writes(&mut self, bytes: &[u8]) -> bool {
        self.writer.extend(bytes);
        self.console.doorbell().ring_if_armed()
    }

    /// Takes what waits for the guest.
    pub(crate) fn takes(&mut self) -> Vec<u8> {
        let mut symbols = [Symbol::Break; 256];
        let count = self.input.take(&mut symbols);
        symbols[..count]
            .iter()
            .map(|symbol| if let Symbol::Byte(byte) = symbol { *byte } else { b'^' })
            .collect()
    }

    pub(crate) fn attach(&self, mode: Mode) -> Session {
        self.console.attach(Attach::new(Identity::new("alice", 1000, None)).with_mode(mode)).unwrap()
    }

    pub(crate) fn is_readable(&self) -> bool {
        readable(&self.local, &NOW)
    }

    /// Waits until there is something to do, and does it.
    pub(crate) fn turn(&mut self) {
        assert!(readable(&self.local, &LOST), "waited in vain");
        self.local.dispatch().unwrap();
        self.dispatches += 1;
    }

    pub(crate) fn until(&mut self, mut so: impl FnMut(&mut Self) -> bool) {
        while !so(self) {
            self.turn();
        }
    }

    /// Drives it until its file descriptor stays unreadable, however long one waits for its timer.
    pub(crate) fn settle(&mut self) {
        let longer_than_a_tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        while readable(&self.local, &longer_than_a_tick) {
            self.local.dispatch().unwrap();
            self.dispatches += 1;
        }
    }

    /// Reads `count` bytes from what it writes to.
    pub(crate) fn reads(&mut self, from: &mut (impl Read + AsFd), count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        self.until(|_| {
            let mut buf = vec![0; 1 << 16];
            while all.len() < count && readable(&*from, &NOW) {
                let most = buf.len().min(count - all.len());
                match from.read(&mut buf[..most]).unwrap() {
                    0 => panic!("it has ended after {} bytes", all.len()),
                    read => all.extend_from_slice(&buf[..read]),
                }
            }
            all.len() == count
        });
        all
    }
}

pub(crate) fn readable(fd: impl AsFd, timeout: &Timespec) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(timeout)).unwrap() > 0
}

/// A pipe: its reader and its writer.
pub(crate) fn a_pipe() -> (std::fs::File, std::fs::File) {
    let (reader, writer): (OwnedFd, OwnedFd) = pipe().unwrap();
    (reader.into(), writer.into())
}

/// So many bytes that are not all the same.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| b"0123456789abcdefghijklmnopqrstuvwxyz\n"[n % 37]).collect()
}

/// A writer that never waits.
pub(crate) fn fill(to: &mut impl Write, bytes: &[u8]) {
    to.write_all(bytes).unwrap();
}
