//! Standard output for a guest's output, in the [form](Form) that is safe there.

use std::borrow::Cow;
use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::AsFd as _;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::screen::{self, write_all};
use crate::terminal::filter::Filter;
use crate::terminal::plain::Plain;

/// The form in which a guest's output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Every byte.
    Exact,
    /// What is safe to show a terminal.
    Filtered,
    /// Text without any sequence.
    Plain,
}

impl Form {
    /// The form for standard output, unless the user asks for another. A file gets every byte, and a terminal what is safe to
    /// show it. Whatever reads from a pipe or a socket will as a rule show it on a terminal (`tail`, `less`, `ssh`), where
    /// nothing looks at it again: it gets text.
    fn of_stdout() -> Self {
        let kind = fstat(stdout()).map(|stat| FileType::from_raw_mode(stat.st_mode));
        match kind {
            Ok(FileType::RegularFile | FileType::BlockDevice) => Self::Exact,
            _ if stdout().is_terminal() => Self::Filtered,
            _ => Self::Plain,
        }
    }
}

/// What the bytes pass on their way.
#[derive(Debug)]
enum Sieve {
    Nothing,
    Filter(Filter),
    Plain(Plain),
}

/// Standard output.
#[derive(Debug)]
pub(crate) struct Outlet {
    sieve: Sieve,
    /// Whether what the guest turns on in a terminal is noted, to turn it off at the end.
    screen: bool,
    /// Whether standard error is shown on the same terminal.
    same_screen: bool,
    /// Whether the output stopped inside a text line on that terminal.
    inside_line: bool,
    /// How many bytes were left out.
    left_out: u64,
}

impl Outlet {
    /// Standard output, in this form or else in the one that is safe there.
    pub(crate) fn new(form: Option<Form>) -> Self {
        let terminal = stdout().is_terminal();
        let form = form.unwrap_or_else(Form::of_stdout);
        let sieve = match form {
            Form::Exact => Sieve::Nothing,
            Form::Filtered => Sieve::Filter(Filter::new()),
            Form::Plain => Sieve::Plain(Plain::new()),
        };
        Self {
            sieve,
            // Filtered output will come to a terminal one day, wherever it goes now.
            screen: terminal || form == Form::Filtered,
            same_screen: terminal && stderr().is_terminal(),
            inside_line: false,
            left_out: 0,
        }
    }

    /// Whether [`screen::restore`] must be called at the end.
    pub(crate) fn is_screen(&self) -> bool {
        self.screen
    }

    /// How many bytes were left out of the output.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Writes what passes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let shown = match &mut self.sieve {
            Sieve::Nothing => Cow::Borrowed(bytes),
            Sieve::Filter(filter) => Cow::Owned(filter.pass(bytes)),
            Sieve::Plain(plain) => Cow::Owned(plain.pass(bytes)),
        };
        // A sequence that is held now is counted now, and counts less when it is written.
        self.left_out = self.left_out.saturating_add(bytes.len() as u64).saturating_sub(shown.len() as u64);
        if let Some(last) = shown.last() {
            self.inside_line = self.same_screen && *last != b'\n';
        }
        if self.screen { screen::show(&shown) } else { write_all(stdout().as_fd(), &shown) }
    }

    /// Drops an incomplete sequence, because output is missing at this point.
    pub(crate) fn cut(&mut self) {
        match &mut self.sieve {
            Sieve::Nothing => {}
            Sieve::Filter(filter) => filter.cut(),
            Sieve::Plain(plain) => plain.cut(),
        }
    }

    /// Returns and clears whether the output stopped inside a text line, on a terminal that also shows standard error. The
    /// caller then ends that line.
    pub(crate) fn take_inside_line(&mut self) -> bool {
        std::mem::take(&mut self.inside_line)
    }
}
