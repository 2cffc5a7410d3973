//! Standard output for a guest's output: a terminal gets what the [filter](Filter) passes, anything else gets every byte.

use std::borrow::Cow;
use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::AsFd as _;

use rustix::io::Errno;

use super::screen::{self, write_all};
use crate::terminal::filter::Filter;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Outlet {
    /// Whether it is a terminal.
    terminal: bool,
    /// The filter, if output is filtered.
    filter: Option<Filter>,
    /// Whether standard error is shown on a terminal as well.
    same_screen: bool,
    /// Whether the output stopped inside a text line on that terminal.
    inside_line: bool,
}

impl Outlet {
    /// Standard output. With `verbatim`, a terminal gets every byte too.
    pub(crate) fn new(verbatim: bool) -> Self {
        let terminal = stdout().is_terminal();
        let filter = (terminal && !verbatim).then(Filter::new);
        let same_screen = terminal && stderr().is_terminal();
        Self { terminal, filter, same_screen, inside_line: false }
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes what passes the filter.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let shown = match &mut self.filter {
            Some(filter) => Cow::Owned(filter.pass(bytes)),
            None => Cow::Borrowed(bytes),
        };
        if let Some(last) = shown.last() {
            self.inside_line = self.same_screen && *last != b'\n';
        }
        if self.terminal { screen::show(&shown) } else { write_all(stdout().as_fd(), &shown) }
    }

    /// Drops an incomplete sequence, because output is missing at this point.
    pub(crate) fn cut(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.cut();
        }
    }

    /// Returns and clears whether the output stopped inside a text line, on a terminal that also shows standard error. The
    /// caller then ends that line.
    pub(crate) fn take_inside_line(&mut self) -> bool {
        std::mem::take(&mut self.inside_line)
    }
}
