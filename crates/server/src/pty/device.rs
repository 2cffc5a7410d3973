//! One pseudo-terminal: opening it, taking one that is there, and setting it back.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, WatchFlags};
use rustix::fs::{OFlags, fstat};
use rustix::io::{Errno, retry_on_intr};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{
    Action, LocalModes, OptionalActions, QueueSelector, Winsize, ioctl_tiocnxcl, tcflow, tcflush, tcgetattr,
    tcsetattr, tcsetwinsize,
};

use super::error::PtyError;
use crate::entry::Entry;
use crate::error::is_exhaustion;

/// The most bytes of stale input that are discarded. More than a pseudo-terminal holds.
const STALE: usize = 1 << 20;

/// One pseudo-terminal.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) master: Arc<OwnedFd>,
    pub(super) path: PathBuf,
    /// The number of the device in the watch.
    pub(super) watched: i32,
}

/// How both ends of a pseudo-terminal are opened.
const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);

/// The error of an attempt to open something.
fn failed(other: fn(io::Error) -> PtyError) -> impl Fn(Errno) -> PtyError {
    move |error| match error {
        // ENOSPC is the error of the limit on pseudo-terminals.
        Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::NOMEM | Errno::AGAIN => {
            PtyError::Exhausted(error.into())
        }
        _ => other(error.into()),
    }
}

fn setup(error: Errno) -> PtyError {
    PtyError::Setup(error.into())
}

impl Device {
    /// Makes the link point to this device.
    pub(super) fn take_the_link(&self, link: &Entry) -> Result<(), PtyError> {
        link.point(&self.path).map_err(|source| match Errno::from_io_error(&source) {
            Some(error) if is_exhaustion(error) => PtyError::Exhausted(source),
            _ => PtyError::Link { path: link.path().to_owned(), source },
        })
    }

    /// Opens a new pseudo-terminal.
    pub(super) fn open(watch: &OwnedFd) -> Result<Self, PtyError> {
        let device = Self::of(openpt(FLAGS).map_err(failed(PtyError::Unavailable))?).map_err(setup)?;
        // All this happens before the device is unlocked, so before a program can open it.
        device.make_raw(OptionalActions::Now).map_err(setup)?;
        fs::set_permissions(&device.path, Permissions::from_mode(0o600))
            .map_err(|error| device.lost(error))?;
        let device = device.watched_by(watch)?;
        unlockpt(&device.master).map_err(setup)?;
        // The master of a device that was never open reports no hang-up, as if a program had it open. So open and close it.
        drop(ioctl_tiocgptpeer(&device.master, FLAGS).map_err(failed(PtyError::Setup))?);
        Ok(device)
    }

    /// Takes a pseudo-terminal that is there. Its permissions stay, and programs may have it open.
    pub(super) fn adopt(master: OwnedFd, watch: &OwnedFd) -> Result<Self, PtyError> {
        let device = Self::of(master).map_err(|error| PtyError::NotAMaster(error.into()))?;
        unlockpt(&device.master).map_err(setup)?;
        // It is opened and closed for the same reason as a new one.
        let slave = ioctl_tiocgptpeer(&device.master, FLAGS).map_err(failed(PtyError::Setup))?;
        let number = fstat(&slave).map_err(setup)?.st_rdev;
        drop(slave);
        // The kernel tells the number in the master's own devpts. Here that may be the path of another device, or of none.
        let found = fs::metadata(&device.path).map_err(|error| device.lost(error))?;
        if found.rdev() != number {
            let elsewhere = io::Error::new(io::ErrorKind::NotFound, "it is of another devpts than this one");
            return Err(device.lost(elsewhere));
        }
        device.make_raw(OptionalActions::Now).map_err(setup)?;
        device.watched_by(watch)
    }

    /// The pseudo-terminal of a master, which becomes non-blocking.
    fn of(master: OwnedFd) -> rustix::io::Result<Self> {
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        Ok(Self { master: Arc::new(master), path, watched: -1 })
    }

    fn watched_by(self, watch: &OwnedFd) -> Result<Self, PtyError> {
        let watched =
            inotify::add_watch(watch, &self.path, WatchFlags::OPEN).map_err(|error| match error {
                Errno::NOSPC | Errno::NOMEM => PtyError::Watch(error.into()),
                _ => self.lost(error.into()),
            })?;
        Ok(Self { watched, ..self })
    }

    /// The device can't be used by its path.
    fn lost(&self, source: io::Error) -> PtyError {
        PtyError::Device { path: self.path.clone(), source }
    }

    /// Makes the device raw: bytes are not changed in either direction, and output does not come back as input. `EXTPROC` keeps
    /// the kernel from echoing, even if a program asks for echo.
    fn make_raw(&self, when: OptionalActions) -> rustix::io::Result<()> {
        let mut termios = tcgetattr(&self.master)?;
        termios.make_raw();
        termios.local_modes |= LocalModes::EXTPROC;
        tcsetattr(&self.master, when, &termios)
    }

    /// Whether no program has it open, and no input of an earlier program waits.
    pub(super) fn is_deserted(&self) -> bool {
        let seen = ready(&self.master, PollFlags::IN);
        seen.contains(PollFlags::HUP) && !seen.contains(PollFlags::IN)
    }

    /// Whether the programs have read everything that was written to them.
    pub(super) fn is_read(&self) -> bool {
        // Only the other end knows. If it can't be opened, the time runs out.
        ioctl_tiocgptpeer(&self.master, FLAGS)
            .is_ok_and(|slave| !ready(&slave, PollFlags::IN).contains(PollFlags::IN))
    }

    /// Discards the input that no session has read. Returns the number of bytes.
    pub(super) fn discard_input(&self) -> usize {
        let (mut buffer, mut discarded) = ([0; 4096], 0);
        while discarded < STALE {
            match retry_on_intr(|| rustix::io::read(&self.master, &mut buffer)) {
                Ok(count @ 1..) => discarded += count,
                // Nothing is left, or no program has it open.
                _ => break,
            }
        }
        discarded
    }

    /// Drops unread output, makes the device raw again, and undoes what else can be undone. If something fails, the next program
    /// may find a trace of another session.
    pub(super) fn set_back(&self) {
        let _ = tcsetwinsize(&self.master, Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 });
        // The program's side. Of a device that is exclusive, only root gets it.
        if let Ok(slave) = ioctl_tiocgptpeer(&self.master, FLAGS) {
            let _ = ioctl_tiocnxcl(&slave);
            let _ = tcflow(&slave, Action::OOn);
        }
        // Output is dropped in both places: on its way, and where it has arrived.
        let _ = tcflush(&self.master, QueueSelector::OFlush);
        let _ = self.make_raw(OptionalActions::Flush);
    }
}

/// Which of `events` are ready at this moment. A hang-up is always reported.
fn ready(fd: &OwnedFd, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), events)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&now)) {
        Ok(1..) => fds[0].revents(),
        _ => PollFlags::empty(),
    }
}
