//! The file descriptor that a connection's bytes go through: a socket, or the master of a pseudo-terminal.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

#[derive(Debug)]
pub(crate) enum Transport {
    Socket(UnixStream),
    /// Non-blocking, and shared with the [`Pty`](crate::pty::Pty), which outlives the session.
    Pty(Arc<OwnedFd>),
}

/// What came of an attempt to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// At least one byte.
    Bytes(usize),
    /// Nothing has arrived.
    Nothing,
    /// The peer sends nothing more.
    End,
}

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Closed;

impl Transport {
    /// Receives into `buffer`, without blocking.
    ///
    /// A pseudo-terminal that no program has open has failed ([`Closed`]) rather than ended: it is not a half of a connection,
    /// since no program is left to read either.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<Received, Closed> {
        let received = retry_on_intr(|| match self {
            Self::Socket(stream) => {
                rustix::net::recv(stream, &mut *buffer, RecvFlags::DONTWAIT).map(|(_, received)| received)
            }
            Self::Pty(master) => rustix::io::read(master, &mut *buffer),
        });
        match received {
            Ok(0) => Ok(Received::End),
            Ok(count) => Ok(Received::Bytes(count)),
            Err(Errno::AGAIN) => Ok(Received::Nothing),
            // The client is gone (S14). That is its own affair.
            Err(_) => Err(Closed),
        }
    }

    /// Sends as much as there is room for, without blocking. Returns the number of bytes, 0 when there is no room.
    pub(crate) fn send(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Closed> {
        let sent = retry_on_intr(|| match self {
            // NOSIGNAL: the VMM that embeds this may not ignore SIGPIPE.
            Self::Socket(stream) => {
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                rustix::net::sendmsg(stream, pieces, &mut SendAncillaryBuffer::default(), flags)
            }
            Self::Pty(master) => rustix::io::writev(master, pieces),
        });
        match sent {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN) => Ok(0),
            Err(_) => Err(Closed),
        }
    }

    pub(crate) fn is_pty(&self) -> bool {
        matches!(self, Self::Pty(_))
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(stream) => stream.as_fd(),
            Self::Pty(master) => master.as_fd(),
        }
    }
}
