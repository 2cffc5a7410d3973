//! A person's input: what of it is text, and when an escape in it counts. The clock is an argument.

use std::time::{Duration, Instant};

use crate::terminal::escape::{Action, EscapeScanner};
use crate::terminal::keys::Keys;

/// How long nothing must come behind an escape. A held key repeats after 30 ms, and what is pasted comes faster.
const QUIET: Duration = Duration::from_millis(20);

/// How long a pause in a paste is at most. After that, it is over.
const PAUSE: Duration = Duration::from_secs(1);

/// The input of a person at a terminal.
#[derive(Debug)]
pub(super) struct Typist {
    scanner: EscapeScanner,
    /// When the last input came.
    last: Option<Instant>,
}

impl Typist {
    /// A person who has typed nothing yet.
    pub(super) fn new(keys: Keys) -> Self {
        Self { scanner: EscapeScanner::new(keys), last: None }
    }

    /// Takes the bytes of a read, and returns those that are text for the guest.
    pub(super) fn text(&mut self, typed: &[u8], now: Instant) -> Vec<u8> {
        let last = self.last.replace(now);
        if last.is_some_and(|last| now.saturating_duration_since(last) >= PAUSE) {
            self.scanner.pause();
        }
        self.scanner.text(typed)
    }

    /// When the escape that was typed last counts, if nothing comes before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.last.filter(|_| self.scanner.has_escape()).map(|last| last + QUIET)
    }

    /// The escape that counts now. Call it when there is nothing to read.
    pub(super) fn escape(&mut self, now: Instant) -> Option<Action> {
        if self.deadline().is_some_and(|deadline| deadline <= now) { self.scanner.settle() } else { None }
    }

    /// What comes next starts a text line.
    pub(super) fn start_line(&mut self) {
        self.scanner.start_line();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f11_an_escape_counts_after_a_moment_without_input() {
        let mut typist = Typist::new(Keys::default());
        let begin = Instant::now();
        assert_eq!(typist.text(b"ls\r~.", begin), b"ls\r");
        assert_eq!(typist.deadline(), Some(begin + QUIET));
        assert_eq!(typist.escape(begin + QUIET / 2), None);
        // More comes, so it was no escape.
        assert_eq!(typist.text(b"x\r~.", begin + QUIET / 2), b"~.x\r");
        assert_eq!(typist.escape(begin + QUIET), None);
        assert_eq!(typist.escape(begin + QUIET / 2 + QUIET), Some(Action::Detach));
        assert_eq!(typist.deadline(), None);
    }

    #[test]
    fn f11_escapes_work_again_after_a_paste_that_has_no_end() {
        let mut typist = Typist::new(Keys::default());
        let begin = Instant::now();
        typist.text(b"\x1b[200~\r", begin);
        let soon = begin + PAUSE / 2;
        assert_eq!(typist.text(b"~.", soon), b"~.");
        assert_eq!(typist.deadline(), None);
        let late = soon + PAUSE;
        assert_eq!(typist.text(b"\x1d", late), b"");
        assert_eq!(typist.escape(late + QUIET), Some(Action::Detach));
    }
}
