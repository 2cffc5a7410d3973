//! The clients that wait to be admitted, because clients of their user have come [too often](super::users).

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use nix::sys::socket::UnixCredentials;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The most clients of one user that wait.
const EACH: usize = 8;

/// The most clients that wait.
const ALL: usize = 32;

/// A client that has been accepted and not admitted.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) stream: UnixStream,
    pub(super) credentials: UnixCredentials,
    /// The listener that it has come through.
    pub(super) listener: usize,
}

impl Newcomer {
    /// Whether the client has closed its connection.
    fn is_gone(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::from_borrowed_fd(self.stream.as_fd(), PollFlags::empty())];
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

/// The clients that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<Newcomer>);

impl Waiting {
    /// Lets a client wait. One that is gone does not: a client that comes and goes in a loop takes nobody's place here. Returns
    /// the client if there is no room.
    pub(super) fn enter(&mut self, newcomer: Newcomer) -> Result<(), Newcomer> {
        if newcomer.is_gone() {
            return Ok(());
        }
        if !self.has_room(&newcomer) {
            self.0.retain(|waiting| !waiting.is_gone());
        }
        if !self.has_room(&newcomer) {
            return Err(newcomer);
        }
        self.0.push_back(newcomer);
        Ok(())
    }

    fn has_room(&self, newcomer: &Newcomer) -> bool {
        let uid = newcomer.credentials.uid();
        let of_user = self.0.iter().filter(|waiting| waiting.credentials.uid() == uid).count();
        self.0.len() < ALL && of_user < EACH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The user of each client that waits.
    pub(super) fn users(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|waiting| waiting.credentials.uid())
    }

    /// Takes the first client that `may` be admitted. `may` is asked about a user once for each client that it is given.
    pub(super) fn next(&mut self, mut may: impl FnMut(u32) -> bool) -> Option<Newcomer> {
        self.0.retain(|waiting| !waiting.is_gone());
        let index = self.0.iter().position(|waiting| may(waiting.credentials.uid()))?;
        self.0.remove(index)
    }
}
