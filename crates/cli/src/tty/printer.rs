//! A thread that writes the guest's output to standard output, and notes to standard error, in one order.
//!
//! A write can block: on a pipe whose reader does not read, or on a terminal behind a slow line. The session goes on
//! meanwhile, so that it sees escapes and signals. The session also bounds what waits to be written: it takes no more from the
//! server while the [backlog](Printer::backlog) is large.
//!
//! The thread also restores the terminal when the session requests it, after the output that was submitted before.

use std::collections::VecDeque;
use std::io::{self, stderr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use vuart_endpoint::Printable;

use super::outlet::{Form, Outlet};
use super::screen::{self, write_all};

/// Writes output and notes. Its file descriptor is readable when something has been written, or writing has failed.
#[derive(Debug)]
pub(crate) struct Printer {
    channel: Arc<Channel>,
    /// What ends the lines of notes: a raw terminal needs CR and LF.
    pub(crate) newline: &'static str,
}

/// What the printer and its thread share.
#[derive(Debug)]
struct Channel {
    backlog: Mutex<Backlog>,
    /// Signalled when there is something to write, or when the printer is dropped.
    filled: Condvar,
    /// Readable when something has been written.
    written: OwnedFd,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Backlog {
    pieces: VecDeque<Piece>,
    /// The number of bytes that are not written yet, including the piece that the thread is writing.
    bytes: usize,
    /// The error of standard output. Nothing more is written there.
    failure: Option<Errno>,
    /// Whether the printer has been dropped.
    closed: bool,
    /// Whether the thread is writing a piece.
    busy: bool,
}

/// Something for the printer to do.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Write this output of the guest to standard output.
    Output(Vec<u8>),
    /// Note that output is missing at this point.
    Cut,
    /// Turn off what the guest has turned on in the terminal, for the time that the shell has it.
    Suspend,
    /// Turn it on again.
    Resume,
    /// Turn off for good what the guest has left on.
    Restore,
    /// Write whole text lines to standard error. `newline` first ends an incomplete line of output.
    Note { text: String, newline: &'static str },
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Output(bytes) => bytes.len(),
            Self::Note { text, .. } => text.len(),
            Self::Cut | Self::Suspend | Self::Resume | Self::Restore => 0,
        }
    }
}

impl Backlog {
    /// Drops the output that waits.
    fn skip_output(&mut self) {
        let skipped = |piece: &Piece| matches!(piece, Piece::Output(_));
        self.bytes -= self.pieces.iter().filter(|piece| skipped(piece)).map(Piece::len).sum::<usize>();
        self.pieces.retain(|piece| !skipped(piece));
    }
}

impl Channel {
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // No code under this lock can panic in the middle of a change, so poisoning does not matter.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Printer {
    /// Starts the thread. Notes end with `newline`. With `verbatim`, every byte of the output is written, wherever it goes.
    pub(crate) fn new(newline: &'static str, verbatim: bool) -> io::Result<Self> {
        let written = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let channel = Arc::new(Channel { backlog: Mutex::default(), filled: Condvar::new(), written });
        let printer = Self { channel: Arc::clone(&channel), newline };
        thread::Builder::new()
            .name("vuart-printer".to_owned())
            .spawn(move || write_pieces(&channel, verbatim))?;
        Ok(printer)
    }

    /// Drops the output that waits.
    ///
    /// Notes are kept.
    pub(crate) fn skip_output(&self) {
        self.channel.backlog().skip_output();
    }

    /// Writes a note of one or more text lines. It starts on a new line.
    pub(crate) fn note(&self, text: &str) {
        // The last gate before the terminal: the text may contain the path of a file that somebody else has named.
        let lines: Vec<String> = text.lines().map(|line| Printable(line).to_string()).collect();
        let text = format!("[vuart: {}]{}", lines.join(self.newline), self.newline);
        self.push(Piece::Note { text, newline: self.newline });
    }

    /// Ends an incomplete line, so that the next message on standard error starts on a new line.
    pub(crate) fn fresh_line(&self) {
        self.push(Piece::Note { text: String::new(), newline: self.newline });
    }

    /// Appends a piece to what waits to be written.
    pub(crate) fn push(&self, piece: Piece) {
        let mut backlog = self.channel.backlog();
        if backlog.failure.is_some() && matches!(piece, Piece::Output(_)) {
            return;
        }
        backlog.bytes += piece.len();
        backlog.pieces.push_back(piece);
        drop(backlog);
        self.channel.filled.notify_one();
    }

    /// The number of bytes that are not written yet.
    pub(crate) fn backlog(&self) -> usize {
        self.channel.backlog().bytes
    }

    /// Whether everything is written. The answer can change only after the file descriptor has become readable.
    pub(crate) fn is_idle(&self) -> bool {
        self.acknowledge();
        let backlog = self.channel.backlog();
        !backlog.busy && backlog.pieces.is_empty()
    }

    /// The error of standard output, if writing has failed.
    pub(crate) fn failure(&self) -> Option<Errno> {
        self.channel.backlog().failure
    }

    /// Makes the file descriptor unreadable until something more is written.
    pub(crate) fn acknowledge(&self) {
        // EAGAIN means that it was not readable.
        let _ = rustix::io::read(&self.channel.written, &mut [0; 8]);
    }
}

impl AsFd for Printer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.written.as_fd()
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        // The thread is not joined, because it may be in a write that never ends.
        self.channel.backlog().closed = true;
        self.channel.filled.notify_one();
    }
}

/// Writes the pieces until the printer is dropped. This is the thread's function.
fn write_pieces(channel: &Channel, verbatim: bool) {
    let mut outlet = Outlet::new(verbatim.then_some(Form::Exact));
    loop {
        let piece = {
            let mut backlog = channel.backlog();
            loop {
                if let Some(piece) = backlog.pieces.pop_front() {
                    backlog.busy = true;
                    break piece;
                }
                if backlog.closed {
                    return;
                }
                backlog = channel.filled.wait(backlog).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let mut failure = None;
        match &piece {
            Piece::Output(bytes) => failure = outlet.write(bytes).err(),
            Piece::Cut => outlet.cut(),
            Piece::Suspend => screen::suspend(),
            Piece::Resume => screen::resume(),
            Piece::Restore => screen::restore(),
            Piece::Note { text, newline } => {
                // A failure of standard error can't be reported anywhere.
                if outlet.take_inside_line() {
                    let _ = write_all(stderr().as_fd(), newline.as_bytes());
                }
                let _ = write_all(stderr().as_fd(), text.as_bytes());
            }
        }
        let mut backlog = channel.backlog();
        backlog.busy = false;
        backlog.bytes -= piece.len();
        if failure.is_some() {
            backlog.failure = failure;
            backlog.skip_output();
        }
        drop(backlog);
        // It fails only when the counter is full. The file descriptor is readable then.
        let _ = rustix::io::write(&channel.written, &1_u64.to_ne_bytes());
    }
}
