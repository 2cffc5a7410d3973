//! What is shown: the guest's output on standard output, notes on standard error, in one order.
//!
//! A thread writes, because a write can wait: for a reader of a pipe that does not read, for a terminal at the other end
//! of a slow line. The session goes on meanwhile, so that escapes and signals are seen. What waits to be written is
//! bounded by the session, which takes no more from the server while there is a [backlog](Printer::backlog).
//!
//! A terminal is restored by the thread too, when the session asks for it: behind the output that was written before.

use std::collections::VecDeque;
use std::io::{self, stderr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::outlet::Outlet;
use crate::screen::{self, write};

/// Shows output and notes. Readable when some of what waited has been written, or writing has failed.
#[derive(Debug)]
pub(crate) struct Printer {
    shared: Arc<Shared>,
    newline: &'static str,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write, or never will be again.
    filled: Condvar,
    /// Something has been written.
    written: OwnedFd,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes that are not written yet, the piece in the writer's hands included.
    bytes: usize,
    /// Standard output takes nothing any more.
    failure: Option<Errno>,
    closed: bool,
    /// A piece is in the writer's hands.
    busy: bool,
}

#[derive(Debug)]
enum Piece {
    /// For standard output.
    Output(Vec<u8>),
    /// Output is missing here.
    Cut,
    /// What is on in the terminal is turned off, on again, off for good.
    Pause,
    Again,
    Restore,
    /// For standard error: whole lines, with what ends the line before them if there is one.
    Note {
        text: String,
        newline: &'static str,
    },
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Output(bytes) => bytes.len(),
            Self::Note { text, .. } => text.len(),
            Self::Cut | Self::Pause | Self::Again | Self::Restore => 0,
        }
    }
}

impl Queue {
    fn skip_output(&mut self) {
        let skipped = |piece: &Piece| matches!(piece, Piece::Output(_));
        self.bytes -= self.pieces.iter().filter(|piece| skipped(piece)).map(Piece::len).sum::<usize>();
        self.pieces.retain(|piece| !skipped(piece));
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock can panic half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Printer {
    /// A printer whose notes end in `newline`: a raw terminal needs CR and LF. With `verbatim`, a terminal, too, gets every
    /// byte of the output.
    pub(crate) fn new(newline: &'static str, verbatim: bool) -> io::Result<Self> {
        let written = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { queue: Mutex::default(), filled: Condvar::new(), written });
        let printer = Self { shared: Arc::clone(&shared), newline };
        thread::Builder::new()
            .name("vuart-printer".to_owned())
            .spawn(move || write_all(&shared, verbatim))?;
        Ok(printer)
    }

    /// The terminal has been given back: it makes CR and LF of LF again.
    pub(crate) fn set_newline(&mut self, newline: &'static str) {
        self.newline = newline;
    }

    /// Shows output of the guest.
    pub(crate) fn output(&self, bytes: Vec<u8>) {
        self.push(Piece::Output(bytes));
    }

    /// Output is missing between what was shown last and what comes next.
    pub(crate) fn cut(&self) {
        self.push(Piece::Cut);
    }

    /// Turns off what the guest has turned on in the terminal, for the time that somebody else has it.
    pub(crate) fn pause(&self) {
        self.push(Piece::Pause);
    }

    /// Turns it on again.
    pub(crate) fn again(&self) {
        self.push(Piece::Again);
    }

    /// Turns off what the guest has left on in the terminal.
    pub(crate) fn restore(&self) {
        self.push(Piece::Restore);
    }

    /// Shows nothing any more of the output that waits.
    pub(crate) fn skip_output(&self) {
        self.shared.queue().skip_output();
    }

    /// Shows a note of one or more lines, on a line of its own.
    pub(crate) fn note(&self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        let text = format!("[vuart: {}]{}", lines.join(self.newline), self.newline);
        self.push(Piece::Note { text, newline: self.newline });
    }

    /// Makes sure that what is written next to standard error by others begins a line.
    pub(crate) fn fresh_line(&self) {
        self.push(Piece::Note { text: String::new(), newline: self.newline });
    }

    fn push(&self, piece: Piece) {
        let mut queue = self.shared.queue();
        if queue.failure.is_some() && matches!(piece, Piece::Output(_)) {
            return;
        }
        queue.bytes += piece.len();
        queue.pieces.push_back(piece);
        drop(queue);
        self.shared.filled.notify_one();
    }

    /// How many bytes are not written yet.
    pub(crate) fn backlog(&self) -> usize {
        self.shared.queue().bytes
    }

    /// Whether everything is written. The answer may change once the printer has become readable.
    pub(crate) fn is_idle(&self) -> bool {
        self.acknowledge();
        let queue = self.shared.queue();
        !queue.busy && queue.pieces.is_empty()
    }

    /// Why standard output takes nothing any more, if that is so.
    pub(crate) fn failure(&self) -> Option<Errno> {
        self.shared.queue().failure
    }

    /// Takes note of being readable.
    pub(crate) fn acknowledge(&self) {
        // EAGAIN: it was not.
        let _ = rustix::io::read(&self.shared.written, &mut [0; 8]);
    }
}

impl AsFd for Printer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.written.as_fd()
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        // The thread is not waited for: it may be in a write that never ends.
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
    }
}

/// The thread's work.
fn write_all(shared: &Shared, verbatim: bool) {
    let mut outlet = Outlet::new(verbatim);
    loop {
        let piece = {
            let mut queue = shared.queue();
            loop {
                if let Some(piece) = queue.pieces.pop_front() {
                    queue.busy = true;
                    break piece;
                }
                if queue.closed {
                    return;
                }
                queue = shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let mut failure = None;
        match &piece {
            Piece::Output(bytes) => failure = outlet.write(bytes).err(),
            Piece::Cut => outlet.cut(),
            Piece::Pause => screen::pause(),
            Piece::Again => screen::again(),
            Piece::Restore => screen::restore(),
            Piece::Note { text, newline } => {
                // Nobody can be told that standard error fails.
                if outlet.take_inside_line() {
                    let _ = write(stderr().as_fd(), newline.as_bytes());
                }
                let _ = write(stderr().as_fd(), text.as_bytes());
            }
        }
        let mut queue = shared.queue();
        queue.busy = false;
        queue.bytes -= piece.len();
        if failure.is_some() {
            queue.failure = failure;
            queue.skip_output();
        }
        drop(queue);
        // It fails only when the counter is full, and then it is as readable as can be.
        let _ = rustix::io::write(&shared.written, &1_u64.to_ne_bytes());
    }
}
