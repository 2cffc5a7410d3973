//! Where the tour takes place: waiting for what must happen, and saying what has.

use std::io::{self, Write as _, stdout};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart::wire::ClientError;

use super::visitor::Visitor;
use crate::error::Error;
use crate::signals::{Pending, Signal, Signals};
use crate::wait::wait;

/// How long something may take to happen. It is a guard against hanging, far beyond what a slow machine needs.
const GUARD: Duration = Duration::from_secs(60);

/// How much of something is shown when it is not what it should be, in bytes.
const EXCERPT: usize = 160;

/// Why the tour has not gone on.
#[derive(Debug)]
pub(super) enum Fault {
    /// Something is not as it should be.
    Check { expected: String, got: String },
    /// A signal came.
    Signal(Signal),
    /// It could not be tried.
    Error(Error),
}

impl Fault {
    pub(super) fn check(expected: String, got: String) -> Self {
        Self::Check { expected, got }
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Error(error.into())
    }
}

/// Waits for things to happen, or for a signal to end the tour.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    signals: &'a mut Signals,
}

impl<'a> Stage<'a> {
    pub(super) fn new(signals: &'a mut Signals) -> Self {
        Self { signals }
    }

    /// Waits until `ready` finds what it looks for at a visitor. `expected` says what that is.
    pub(super) fn until<T>(
        &mut self,
        visitor: &mut Visitor,
        expected: &str,
        mut ready: impl FnMut(&mut Visitor) -> Option<T>,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + GUARD;
        loop {
            visitor.exchange()?;
            if let Some(found) = ready(visitor) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let got = format!("{} after {} s", excerpt(visitor.screen()), GUARD.as_secs());
                return Err(Fault::check(expected.to_owned(), got));
            }
            let mut events = PollFlags::IN;
            events.set(PollFlags::OUT, visitor.has_unsent());
            let [signal, _] = wait(
                [Some((self.signals.as_fd(), PollFlags::IN)), Some((visitor.as_fd(), events))],
                Some(left),
            )
            .map_err(|source| Fault::Error(Error::Host { operation: "wait for the guest", source }))?;
            if !signal.is_empty()
                && let Pending::Leave(signal) = self.signals.pending()
            {
                return Err(Fault::Signal(signal));
            }
        }
    }
}

/// Tells of a step that went as it should.
pub(super) fn ok(what: &str) -> Result<(), Fault> {
    line("ok", what)
}

/// Writes a line.
pub(super) fn line(mark: &str, what: &str) -> Result<(), Fault> {
    let mut stdout = stdout().lock();
    let written = writeln!(stdout, "{mark:<7} {what}").and_then(|()| stdout.flush());
    written.map_err(|error: io::Error| Fault::Error(Error::Stdout(error)))
}

/// The bytes as a string literal, cut in the middle when they are many.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    match bytes.len().checked_sub(EXCERPT) {
        None | Some(0) => format!("\"{}\"", bytes.escape_ascii()),
        Some(_) => {
            let (head, tail) = (&bytes[..EXCERPT / 2], &bytes[bytes.len() - EXCERPT / 2..]);
            format!("\"{}\" ... \"{}\" ({} bytes)", head.escape_ascii(), tail.escape_ascii(), bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_things_are_cut() {
        assert_eq!(excerpt(b"a\r\n"), r#""a\r\n""#);
        let cut = excerpt(&[b'x'; 4096]);
        assert!(cut.len() < 200 && cut.ends_with("(4096 bytes)"), "{cut}");
    }
}
