//! The clients that wait to be admitted, because clients of their user have come [too often](super::users).

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use vuart_peer::Credentials;

use crate::access::Door;

/// The most clients of one user that wait.
const EACH: usize = 8;

/// The most clients that wait.
const ALL: usize = 32;

/// A client that has been accepted and not admitted.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) stream: UnixStream,
    pub(super) credentials: Credentials,
    pub(super) door: Door,
}

impl Newcomer {
    /// Whether the client has closed its connection: then it fails to send nothing. (`poll(2)` would be another system call, which
    /// a filter may not know.)
    fn is_gone(&self) -> bool {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.stream, &[], &mut SendAncillaryBuffer::default(), flags) == Err(Errno::PIPE)
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
        let uid = newcomer.credentials.uid;
        let of_user = self.0.iter().filter(|waiting| waiting.credentials.uid == uid).count();
        self.0.len() < ALL && of_user < EACH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The user of each client that waits.
    pub(super) fn users(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|waiting| waiting.credentials.uid)
    }

    /// Takes the first client that `may` be admitted. `may` is asked about a user once for each client that it is given.
    pub(super) fn next(&mut self, mut may: impl FnMut(u32) -> bool) -> Option<Newcomer> {
        self.0.retain(|waiting| !waiting.is_gone());
        let index = self.0.iter().position(|waiting| may(waiting.credentials.uid))?;
        self.0.remove(index)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::access::SocketKind;

    fn newcomer() -> (Newcomer, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let credentials = Credentials::of(&ours).unwrap();
        (Newcomer { stream: ours, credentials, door: Door { kind: SocketKind::Raw, group: None } }, theirs)
    }

    #[test]
    fn f27_a_client_that_is_gone_takes_no_place_and_one_that_waits_keeps_its_own() {
        let mut waiting = Waiting::default();
        let (first, honest) = newcomer();
        waiting.enter(first).unwrap();
        // Most leave before they are seen, and some a moment later.
        for n in 0..1000 {
            let (newcomer, mut theirs) = newcomer();
            theirs.write_all(b"something unread").unwrap();
            if n % 10 > 0 {
                drop(theirs);
                waiting.enter(newcomer).unwrap();
            } else {
                waiting.enter(newcomer).unwrap();
                drop(theirs);
            }
            assert!(waiting.0.len() <= EACH, "{n}");
        }
        assert_eq!(waiting.users().count(), waiting.0.len());
        let mut asked = 0;
        let admitted = waiting.next(|_| {
            asked += 1;
            true
        });
        assert_eq!(asked, 1);
        drop(honest);
        assert!(admitted.unwrap().is_gone(), "the first one that waited, and nobody who had gone");
        assert!(waiting.next(|_| true).is_none() && waiting.is_empty());
    }

    #[test]
    fn f27_so_many_of_a_user_wait_and_no_more() {
        let mut waiting = Waiting::default();
        let mut theirs = Vec::new();
        for n in 0..2 * EACH {
            let (newcomer, their) = newcomer();
            theirs.push(their);
            assert_eq!(waiting.enter(newcomer).is_ok(), n < EACH, "{n}");
        }
        assert!(waiting.next(|_| false).is_none(), "the budget is spent");
        assert_eq!(waiting.users().count(), EACH);
    }
}
