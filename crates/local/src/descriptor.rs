//! A descriptor that is read and written without ever waiting, whoever else uses it.
//!
//! `O_NONBLOCK` belongs to the open file description, which a VMM shares with the shell that started it, and with all that the shell starts
//! afterwards. So it is not changed there. What is done instead depends on what the descriptor is:
//!
//! | kind | how it does not wait |
//! |---|---|
//! | its description has `O_NONBLOCK` already | as it is |
//! | socket | `MSG_DONTWAIT`, and `MSG_NOSIGNAL` |
//! | pipe, FIFO, terminal | opened anew through `/proc/self/fd`: the same pipe, and a description of our own, with `O_NONBLOCK` |
//! | the same, where it can't be opened anew: no `/proc`, or it belongs to another user | `poll` before each call, and no more than fits then: 4,096 bytes (`PIPE_BUF`) for a pipe, one for a terminal. For a pipe that others write too, the room may be gone by then, and the call waits |
//! | master of a pseudo-terminal | can't be opened anew, and is the VMM's own: it gets `O_NONBLOCK` |
//! | regular file | never waits for a reader; a write may wait for the disk |
//! | other devices (`/dev/null`) | `poll` before each call |

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, open};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, isatty, tcgetattr, tcgetpgrp};

/// What a pipe takes as a whole if it has any room.
const PIPE_BUF: usize = 4096;

/// Whether it is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Input,
    Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A call never waits.
    Nonblocking,
    Socket,
    /// `poll` first, and no more than so many bytes.
    Poll(usize),
}

#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: OwnedFd,
    way: Way,
    terminal: bool,
    /// The controlling terminal of this process, whose shell stops those that use it from the background.
    job_control: bool,
    master: bool,
}

impl Descriptor {
    /// Takes a copy of the VMM's descriptor.
    pub(crate) fn new(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<Self> {
        let fd = fd.try_clone_to_owned()?;
        let kind = FileType::from_raw_mode(fstat(&fd)?.st_mode);
        let flags = fcntl_getfl(&fd)?;
        let terminal = kind == FileType::CharacterDevice && isatty(&fd);
        let master = terminal && rustix::pty::ptsname(&fd, Vec::new()).is_ok();
        let (mut fd, mut way) = (fd, Way::Nonblocking);
        if kind == FileType::Socket {
            way = Way::Socket;
        } else if flags.contains(OFlags::NONBLOCK) || kind == FileType::RegularFile {
        } else if master {
            fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        } else if (terminal || kind == FileType::Fifo)
            && let Ok(own) = open_anew(&fd, access(flags, kind, direction))
        {
            fd = own;
        } else {
            way = Way::Poll(if terminal { 1 } else { PIPE_BUF });
        }
        let job_control = terminal && tcgetpgrp(&fd).is_ok();
        Ok(Self { fd, way, terminal, job_control, master })
    }

    /// Whether people or their terminal programs are at the other end, so that what is typed is meant for now.
    pub(crate) fn is_interactive(&self) -> bool {
        self.terminal || self.way == Way::Socket
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal && !self.master
    }

    /// Whether it stays in use when nobody has its other end open: the master of a pseudo-terminal, which a program opens again.
    pub(crate) fn is_master(&self) -> bool {
        self.master
    }

    /// Whether the shell would stop this process if it read the terminal now.
    pub(crate) fn is_in_background(&self) -> bool {
        self.job_control && tcgetpgrp(&self.fd).is_ok_and(|foreground| foreground != getpgrp())
    }

    /// Whether the shell would stop this process if it wrote to the terminal now.
    fn may_not_write(&self) -> bool {
        self.is_in_background()
            && tcgetattr(&self.fd).is_ok_and(|settings| settings.local_modes.contains(LocalModes::TOSTOP))
    }

    /// Reads what is there. `AGAIN` if nothing is.
    pub(crate) fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        retry_on_intr(|| match self.way {
            Way::Socket => Ok(recv(&self.fd, &mut *buf, RecvFlags::DONTWAIT)?.0),
            Way::Poll(_) if !self.is_ready(PollFlags::IN)? => Err(Errno::AGAIN),
            Way::Poll(_) | Way::Nonblocking => rustix::io::read(&self.fd, &mut *buf),
        })
    }

    /// Writes what there is room for. `AGAIN` if there is none, `PERM` if this process may not write at the moment.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.terminal && self.may_not_write() {
            return Err(Errno::PERM);
        }
        retry_on_intr(|| match self.way {
            Way::Socket => send(&self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::Poll(_) if !self.is_ready(PollFlags::OUT)? => Err(Errno::AGAIN),
            Way::Poll(most) => rustix::io::write(&self.fd, bytes.get(..most).unwrap_or(bytes)),
            Way::Nonblocking => rustix::io::write(&self.fd, bytes),
        })
    }

    fn is_ready(&self, wanted: PollFlags) -> Result<bool, Errno> {
        let mut fds = [PollFd::new(&self.fd, wanted)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        // Errors and hang-ups are for the call itself to tell.
        Ok(!fds[0].revents().is_empty())
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How a description is opened anew: for its direction, or for both if that is how the VMM keeps a FIFO open without another end.
fn access(flags: OFlags, kind: FileType, direction: Direction) -> OFlags {
    match direction {
        _ if kind == FileType::Fifo && flags & OFlags::RWMODE == OFlags::RDWR => OFlags::RDWR,
        Direction::Input => OFlags::RDONLY,
        Direction::Output => OFlags::WRONLY,
    }
}

/// Opens a pipe or a terminal again, so that the new description is this process's own.
fn open_anew(fd: &OwnedFd, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use rustix::pipe::pipe;

    use super::*;

    /// A pipe that can't be opened anew, so that only `poll` says whether a call would wait.
    fn polled(fd: OwnedFd, direction: Direction) -> Descriptor {
        let shared = Descriptor::new(fd.as_fd(), direction).unwrap();
        assert_eq!(shared.way, Way::Nonblocking, "opened anew");
        Descriptor { fd, way: Way::Poll(PIPE_BUF), ..shared }
    }

    #[test]
    fn without_a_description_of_its_own_a_pipe_is_polled_and_never_waited_for() {
        let (reader, writer) = pipe().unwrap();
        let mut other = File::from(writer.try_clone().unwrap());
        let (input, output) = (polled(reader, Direction::Input), polled(writer, Direction::Output));
        let mut buf = vec![0; 1 << 16];
        assert_eq!(input.read(&mut buf), Err(Errno::AGAIN));
        let mut written = 0;
        let full = loop {
            match output.write(&[b'x'; 10_000]) {
                Ok(some) => written += some,
                Err(errno) => break errno,
            }
        };
        assert_eq!((full, written), (Errno::AGAIN, 1 << 16), "a pipe's size");
        let mut read = 0;
        while let Ok(some) = input.read(&mut buf) {
            read += some;
        }
        assert_eq!(read, written);
        other.write_all(b"y").unwrap();
        assert_eq!(input.read(&mut buf), Ok(1));
        drop((output, other));
        assert_eq!(input.read(&mut buf), Ok(0), "the end");
    }

    #[test]
    fn without_a_reader_there_is_an_error_and_no_wait() {
        let (reader, writer) = pipe().unwrap();
        let output = polled(writer, Direction::Output);
        drop(reader);
        assert_eq!(output.write(b"x"), Err(Errno::PIPE));
    }

    #[test]
    fn a_device_that_never_waits_is_used_as_it_is() {
        let (zero, null) = (File::open("/dev/zero").unwrap(), File::create("/dev/null").unwrap());
        let input = Descriptor::new(zero.as_fd(), Direction::Input).unwrap();
        assert_eq!(input.read(&mut [1; 10]), Ok(10));
        let output = Descriptor::new(null.as_fd(), Direction::Output).unwrap();
        assert_eq!(output.write(b"0123456789"), Ok(10));
        assert!(!input.is_interactive() && !output.is_interactive());
        let mut zero = zero;
        assert_eq!(zero.read(&mut [1]).unwrap(), 1);
    }
}
