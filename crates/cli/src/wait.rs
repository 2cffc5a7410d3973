//! Waiting for one of several file descriptors.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::Error;

/// A file descriptor and the events to wait for, or `None` to skip this place.
pub(crate) type Source<'a> = Option<(BorrowedFd<'a>, PollFlags)>;

/// Waits for an event, and returns the events of each source in its place. All are empty after `timeout` or a signal.
///
/// `operation` says in the error what could not be done.
pub(crate) fn wait<const N: usize>(
    operation: &'static str,
    sources: [Source<'_>; N],
    timeout: Option<Duration>,
) -> Result<[PollFlags; N], Error> {
    let mut polled: Vec<PollFd<'_>> =
        sources.iter().flatten().map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events)).collect();
    // A timeout that is too long to be expressed means no timeout.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok([PollFlags::empty(); N]),
        Err(error) => return Err(Error::Host { operation, source: error.into() }),
    }
    let mut answers = polled.iter().map(PollFd::revents);
    Ok(sources.map(|source| source.and_then(|_| answers.next()).unwrap_or(PollFlags::empty())))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn each_answer_stands_in_its_place() {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"x").unwrap();
        let [nothing, quiet, ready] = wait(
            "wait for the test",
            [None, Some((near.as_fd(), PollFlags::IN)), Some((far.as_fd(), PollFlags::IN))],
            Some(Duration::ZERO),
        )
        .unwrap();
        assert_eq!((nothing, quiet, ready), (PollFlags::empty(), PollFlags::empty(), PollFlags::IN));
    }
}
