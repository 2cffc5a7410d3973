//! Standard output, for what a guest has written: a terminal is shown what the [filter](Filter) passes, everything else gets
//! every byte.

use std::borrow::Cow;
use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::AsFd as _;

use rustix::io::Errno;

use crate::filter::Filter;
use crate::screen;

/// Where output goes.
#[derive(Debug)]
pub(crate) struct Outlet {
    terminal: bool,
    filter: Option<Filter>,
    /// A terminal shows standard error, too.
    same_screen: bool,
    inside_line: bool,
}

impl Outlet {
    /// With `verbatim`, a terminal, too, gets every byte.
    pub(crate) fn new(verbatim: bool) -> Self {
        let terminal = stdout().is_terminal();
        let filter = (terminal && !verbatim).then(Filter::new);
        let same_screen = terminal && stderr().is_terminal();
        Self { terminal, filter, same_screen, inside_line: false }
    }

    /// Whether it is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes what passes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let shown = match &mut self.filter {
            Some(filter) => Cow::Owned(filter.pass(bytes)),
            None => Cow::Borrowed(bytes),
        };
        if let Some(last) = shown.last() {
            self.inside_line = self.same_screen && *last != b'\n';
        }
        if self.terminal { screen::show(&shown) } else { screen::write(stdout().as_fd(), &shown) }
    }

    /// Output is missing here: what was begun is never completed.
    pub(crate) fn cut(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.cut();
        }
    }

    /// Whether output stopped inside a line, on the terminal that shows standard error too, which is to end it now.
    pub(crate) fn take_inside_line(&mut self) -> bool {
        std::mem::take(&mut self.inside_line)
    }
}
