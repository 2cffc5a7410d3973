//! Waiting while output is followed: for more output, for a reader that is gone, and for a pause in the output.

use std::io::stdout;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::error::Error;
use crate::wait::wait;

/// How long an incomplete text line is held back.
pub(super) const HELD_BACK: Duration = Duration::from_secs(1);

/// Waits for a file descriptor. Returns whether it is ready, or `None` when the reader of standard output is gone.
pub(super) fn wait_unless_unread(
    source: Option<BorrowedFd<'_>>,
    patience: Duration,
) -> Result<Option<bool>, Error> {
    let stdout = stdout();
    let [ready, shown] = wait(
        "wait for output",
        [source.map(|source| (source, PollFlags::IN)), Some((stdout.as_fd(), PollFlags::empty()))],
        Some(patience),
    )?;
    let unread = shown.intersects(PollFlags::ERR | PollFlags::HUP);
    Ok((!unread).then_some(!ready.is_empty()))
}

/// Measures how long no output has arrived.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    since: Option<Instant>,
}

impl Quiet {
    /// Notes that output has arrived.
    pub(super) fn ended(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Returns `true` once, when no output has arrived for [`HELD_BACK`] after the last.
    pub(super) fn lasts(&mut self) -> bool {
        let lasts = self.since.is_some_and(|since| since.elapsed() >= HELD_BACK);
        if lasts {
            self.since = None;
        }
        lasts
    }
}
