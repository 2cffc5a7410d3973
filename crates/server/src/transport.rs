//! What a connection's bytes go through: a socket or the master of a pseudo-terminal.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

#[derive(Debug)]
pub(crate) enum Transport {
    Socket(UnixStream),
    /// Non-blocking, and shared with the [`Pty`](crate::pty::Pty) that goes on after the session.
    Pty(Arc<OwnedFd>),
}

impl Transport {
    /// What has been received; 0 at its end. Of a pseudo-terminal that all have closed the end is `EIO`: it is no half of a
    /// connection, as there is nobody left to read either.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Socket(stream) => {
                rustix::net::recv(stream, buffer, RecvFlags::DONTWAIT).map(|(_, received)| received)
            }
            Self::Pty(master) => rustix::io::read(master, buffer),
        }
    }

    /// How much of it has been taken, from the first piece on.
    pub(crate) fn send(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        match self {
            // NOSIGNAL: the VMM that embeds us may not ignore SIGPIPE.
            Self::Socket(stream) => {
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                rustix::net::sendmsg(stream, pieces, &mut SendAncillaryBuffer::default(), flags)
            }
            Self::Pty(master) => rustix::io::writev(master, pieces),
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

impl AsRawFd for Transport {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
