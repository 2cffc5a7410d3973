//! A pseudo-terminal for programs that open a device: screen, picocom, minicom.
//!
//! The programs that have it open are at the console. The master hangs up when none has it open. The master does not tell when
//! a program opens it, so inotify does. While no program has it open, nothing is written into it: the ring is the queue.
//!
//! ```text
//!            IN_OPEN                refused, evicted, ended: a message is written
//!   Vacant ──────────▶ Occupied ──────────────────────────▶ Leaving
//!     ▲                   │ no program has                    │ the message has been read, or its time is up:
//!     │                   │ it open any more                  │ the master is closed, which hangs up on all programs
//!     └───────────────────┴───────────────────────────────────┘
//!                    another pseudo-terminal takes its place
//! ```
//!
//! Closing the master discards what the programs have not read. So the server waits until they have read the message.
//!
//! # A fresh one for each session
//!
//! A program can leave more behind than settings: with `TIOCEXCL` the device refuses every later user but root, after `tcflow(3)`
//! nothing comes out of it any more, and its window has a size. The master can't undo all of that. So each session has a device
//! that no program has had before. Two cases remain in which a device is used again, after as much of it was set back as can be:
//!
//! * a program has opened it already, before the server has noticed that the last one has closed it;
//! * there can't be another device, because the process is in a jail or the system has none left.

use std::fs::{self, Permissions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{
    Action, LocalModes, OptionalActions, QueueSelector, Winsize, ioctl_tiocnxcl, tcflow, tcflush, tcgetattr,
    tcsetattr, tcsetwinsize,
};

use crate::entry::Entry;
use crate::timer_fd::is_exhaustion;

/// Why a pseudo-terminal can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtyError {
    /// The system has no pseudo-terminals.
    #[error("this system has no pseudo-terminals (/dev/ptmx: {0}); are /dev/ptmx and devpts there?")]
    Unavailable(#[source] io::Error),
    /// A pseudo-terminal was opened, but its device can't be found.
    #[error(
        "the pseudo-terminal's device {} can't be used: {source}; is devpts mounted on /dev/pts?",
        path.display()
    )]
    Device {
        /// The path of the device.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// No file descriptor or pseudo-terminal is left at the moment.
    #[error("no pseudo-terminal is left (see /proc/sys/kernel/pty/max and `ulimit -n`): {0}")]
    Exhausted(#[source] io::Error),
    /// inotify can't watch the device, so a program that opens it would not be noticed.
    #[error("can't watch a pseudo-terminal (see /proc/sys/fs/inotify/max_user_instances): {0}")]
    Watch(#[source] io::Error),
    /// The pseudo-terminal can't be set up.
    #[error("can't set up a pseudo-terminal: {0}")]
    Setup(#[source] io::Error),
    /// The link to the pseudo-terminal can't be created.
    #[error("can't make the link {}: {source}", path.display())]
    Link {
        /// The path of the link.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
}

impl PtyError {
    /// Whether another attempt may succeed.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }
}

/// The pseudo-terminal of a console: a stable link to one device after another. The link goes with the [claim](crate::Claim) of its name.
#[derive(Debug)]
pub(crate) struct Pty {
    link: Option<Entry>,
    watch: OwnedFd,
    device: Option<Device>,
}

/// One pseudo-terminal.
#[derive(Debug)]
struct Device {
    master: Arc<OwnedFd>,
    path: PathBuf,
    /// The number of the device in the watch.
    watched: i32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Vacant,
    Occupied,
    Leaving,
}

/// What programs have done at the device, or may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    opened: bool,
    read: bool,
}

impl Seen {
    /// The watch was not looked at: anything may have happened.
    pub(crate) const UNKNOWN: Self = Self { opened: true, read: true };
}

impl Pty {
    /// How long the programs that must leave have for reading why.
    pub(crate) const LEAVING_TIME: Duration = Duration::from_secs(2);

    /// Opens a pseudo-terminal, and makes the link point to it.
    pub(crate) fn open(link: Option<Entry>) -> Result<Self, PtyError> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| PtyError::Watch(error.into()))?;
        let mut pty = Self { link, watch, device: None };
        pty.renew()?;
        Ok(pty)
    }

    /// The path of the device, while there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.device.as_ref().map(|device| device.path.as_path())
    }

    /// The watch. It is readable when it has [seen](Self::look) something.
    pub(crate) fn watch(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Whether there is no device, because it could not be [renewed](Self::renew).
    pub(crate) fn is_missing(&self) -> bool {
        self.device.is_none()
    }

    /// Whether the programs that have it open must leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.state == State::Leaving)
    }

    /// The server's end of the device. Take it out of the event loop before [`renew`](Self::renew).
    pub(crate) fn master(&self) -> Option<&Arc<OwnedFd>> {
        self.device.as_ref().map(|device| &device.master)
    }

    /// Closes the device, which hangs up on all programs that have it open, and opens another in its place. Use it also when there
    /// is none.
    pub(crate) fn renew(&mut self) -> Result<(), PtyError> {
        // The old device goes first: the new one may have the same number, and must not get the old one's watch.
        self.device = None;
        self.look();
        let device = Device::open(&self.watch)?;
        if let Some(link) = &self.link {
            device.take_the_link(link)?;
        }
        self.device = Some(device);
        Ok(())
    }

    /// Returns what the watch has seen since the last look.
    pub(crate) fn look(&mut self) -> Seen {
        let mut seen = Seen::default();
        let mut buffer = [MaybeUninit::uninit(); 512];
        let mut reader = inotify::Reader::new(&self.watch, &mut buffer);
        while let Ok(event) = reader.next() {
            let (events, watched) = (event.events(), event.wd());
            // After an overflow anything may have happened.
            let all = events.contains(ReadFlags::QUEUE_OVERFLOW);
            if all || self.device.as_ref().is_some_and(|device| device.watched == watched) {
                seen.opened |= all || events.contains(ReadFlags::OPEN);
                seen.read |= all || events.contains(ReadFlags::ACCESS);
            }
        }
        seen
    }

    /// Whether a program has come that has no session yet.
    pub(crate) fn is_awaited(&self, seen: Seen) -> bool {
        let device = self.device.as_ref().filter(|device| seen.opened && device.state == State::Vacant);
        device.is_some_and(|device| !device.is_deserted())
    }

    /// Returns the master to begin a session with.
    pub(crate) fn occupy(&mut self) -> Option<Arc<OwnedFd>> {
        let device = self.device.as_mut()?;
        device.state = State::Occupied;
        Some(Arc::clone(&device.master))
    }

    /// The session is over because no program had the device open. The next session finds nothing of it: another device takes
    /// the place of this one. Take the master out of the event loop before.
    ///
    /// # Errors
    ///
    /// There is no other device, and this one has been set back as far as it can be.
    pub(crate) fn vacate(&mut self) -> Result<(), PtyError> {
        let Some(device) = &mut self.device else { return Ok(()) };
        device.state = State::Vacant;
        let replaced = if device.is_deserted() { self.replace() } else { Ok(false) };
        if !matches!(replaced, Ok(true))
            && let Some(device) = &self.device
        {
            device.set_back();
        }
        replaced.map(|_| ())
    }

    /// Puts another device in the place of the one that no program has open. Returns whether it did.
    fn replace(&mut self) -> Result<bool, PtyError> {
        let Some(link) = &self.link else {
            // Those who know the device by its number find it again if the new one has the same. That is so if the old one is
            // closed first, unless a lower number has become free. In a jail there would then be none.
            if !Path::new("/dev/ptmx").exists() {
                return Ok(false);
            }
            return self.renew().map(|()| true);
        };
        // The new device is there before the link is, and the old one until the link is, so that no program finds neither.
        let device = Device::open(&self.watch)?;
        let Some(old) = self.device.as_ref().filter(|old| old.is_deserted()) else { return Ok(false) };
        device.take_the_link(link)?;
        // A program may have found the old one in the last moment. It would be hung up.
        if !old.is_deserted() {
            old.take_the_link(link)?;
            return Ok(false);
        }
        self.device = Some(device);
        Ok(true)
    }

    /// The session is over, and its programs have been told why. They have [a while](Self::LEAVING_TIME) to read it.
    pub(crate) fn leave(&mut self) {
        if let Some(device) = &mut self.device {
            device.state = State::Leaving;
            // If reading can't be watched, the time runs out.
            let _ = inotify::add_watch(&self.watch, &device.path, WatchFlags::OPEN | WatchFlags::ACCESS);
        }
    }

    /// Whether no program has a session there, or must leave.
    pub(crate) fn is_vacant(&self) -> bool {
        self.device.as_ref().is_none_or(|device| device.state == State::Vacant)
    }

    /// Whether the programs that must leave have read why.
    pub(crate) fn has_told(&self, seen: Seen) -> bool {
        self.device
            .as_ref()
            .is_some_and(|device| device.state == State::Leaving && seen.read && device.is_read())
    }
}

/// How both ends of a pseudo-terminal are opened.
const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);

impl Device {
    /// Makes the link point to this device.
    fn take_the_link(&self, link: &Entry) -> Result<(), PtyError> {
        link.point(&self.path).map_err(|source| match Errno::from_io_error(&source) {
            Some(error) if is_exhaustion(error) => PtyError::Exhausted(source),
            _ => PtyError::Link { path: link.path().to_owned(), source },
        })
    }

    fn open(watch: &OwnedFd) -> Result<Self, PtyError> {
        let failed = |other: fn(io::Error) -> PtyError| {
            move |error| match error {
                // ENOSPC is the error of the limit on pseudo-terminals.
                Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::NOMEM | Errno::AGAIN => {
                    PtyError::Exhausted(error.into())
                }
                _ => other(error.into()),
            }
        };
        let master = openpt(FLAGS).map_err(failed(PtyError::Unavailable))?;
        let setup = |error: Errno| PtyError::Setup(error.into());
        let flags = rustix::fs::fcntl_getfl(&master).map_err(setup)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK).map_err(setup)?;
        let name = ptsname(&master, Vec::new()).map_err(setup)?;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let device = Self { master: Arc::new(master), path, watched: -1, state: State::Vacant };
        // All this happens before the device is unlocked, so before a program can open it.
        device.make_raw(OptionalActions::Now).map_err(setup)?;
        let fail = |source| PtyError::Device { path: device.path.clone(), source };
        fs::set_permissions(&device.path, Permissions::from_mode(0o600)).map_err(fail)?;
        let watched =
            inotify::add_watch(watch, &device.path, WatchFlags::OPEN).map_err(|error| match error {
                Errno::NOSPC | Errno::NOMEM => PtyError::Watch(error.into()),
                _ => fail(error.into()),
            })?;
        unlockpt(&device.master).map_err(setup)?;
        // The master of a device that was never open reports no hang-up, as if a program had it open. So open and close it.
        drop(ioctl_tiocgptpeer(&device.master, FLAGS).map_err(failed(PtyError::Setup))?);
        Ok(Self { watched, ..device })
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
    fn is_deserted(&self) -> bool {
        let seen = ready(&self.master, PollFlags::IN);
        seen.contains(PollFlags::HUP) && !seen.contains(PollFlags::IN)
    }

    /// Whether the programs have read everything that was written to them.
    fn is_read(&self) -> bool {
        // Only the other end knows. If it can't be opened, the time runs out.
        ioctl_tiocgptpeer(&self.master, FLAGS)
            .is_ok_and(|slave| !ready(&slave, PollFlags::IN).contains(PollFlags::IN))
    }

    /// Drops unread output, makes the device raw again, and undoes what else can be undone. If something fails, the next program
    /// may find a trace of another session.
    fn set_back(&self) {
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
