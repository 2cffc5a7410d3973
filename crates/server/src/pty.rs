//! A pseudo-terminal for programs that open a device: screen, picocom, minicom.
//!
//! Whoever has it open is at the console. The master's hang-up says that nobody has; that somebody opens it is learnt from
//! inotify, since the master does not tell. While nobody is there, nothing is written into it: the ring is the queue.
//!
//! ```text
//!            IN_OPEN                refused, evicted, ended: a line is written
//!   Vacant ──────────▶ Occupied ──────────────────────────▶ Leaving
//!     ▲                   │ hang-up: flushed                  │ the line has been read, or its time is up:
//!     └───────────────────┴───────────────────────────────────┘ the master is closed, which hangs up on the rest,
//!                                                               and another pseudo-terminal takes its place
//! ```
//!
//! Closing the master takes what has not been read from those who have not read it, so the line is waited for.

use std::fs::{self, Permissions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

/// Why there is no pseudo-terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtyError {
    /// There are none here.
    #[error("this system has no pseudo-terminals (/dev/ptmx: {0}); are /dev/ptmx and devpts there?")]
    Unavailable(#[source] io::Error),
    /// One was made, and its device is not to be found.
    #[error(
        "the pseudo-terminal's device {} can't be used: {source}; is devpts mounted on /dev/pts?",
        path.display()
    )]
    Device {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no file descriptor or pseudo-terminal left, for now.
    #[error("no pseudo-terminal is left (see /proc/sys/kernel/pty/max and `ulimit -n`): {0}")]
    Exhausted(#[source] io::Error),
    /// Nobody would be noticed who opens it.
    #[error("can't watch a pseudo-terminal (see /proc/sys/fs/inotify/max_user_instances): {0}")]
    Watch(#[source] io::Error),
    /// It can't be set up.
    #[error("can't set up a pseudo-terminal: {0}")]
    Setup(#[source] io::Error),
    /// The link to it can't be made.
    #[error("can't make the link {}: {source}", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PtyError {
    /// It is worth another try.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }
}

/// How long those who are sent away have for reading why.
const LINGER: Duration = Duration::from_secs(2);

/// The stable path, over the generations of pseudo-terminals.
#[derive(Debug)]
pub(crate) struct Pty {
    link: Option<PathBuf>,
    watch: OwnedFd,
    device: Option<Device>,
}

/// One pseudo-terminal.
#[derive(Debug)]
struct Device {
    master: Arc<OwnedFd>,
    path: PathBuf,
    /// What the watch calls it.
    watched: i32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Vacant,
    Occupied,
    Leaving(Instant),
}

/// What has been seen at the device, or may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    opened: bool,
    read: bool,
}

impl Seen {
    /// Nobody has looked for a while.
    pub(crate) const UNKNOWN: Self = Self { opened: true, read: true };
}

impl Pty {
    /// Makes one, and has the link point at it.
    pub(crate) fn open(link: Option<PathBuf>) -> Result<Self, PtyError> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| PtyError::Watch(error.into()))?;
        let mut pty = Self { link, watch, device: None };
        pty.renew()?;
        Ok(pty)
    }

    /// The device, while there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.device.as_ref().map(|device| device.path.as_path())
    }

    /// Readable when something has been [seen](Self::look).
    pub(crate) fn watch_fd(&self) -> RawFd {
        self.watch.as_raw_fd()
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.device.is_none()
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.deadline().is_some()
    }

    /// When those who have not read why they are sent away are sent away all the same.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.device.as_ref()?.state {
            State::Leaving(until) => Some(until),
            State::Vacant | State::Occupied => None,
        }
    }

    /// The end of ours. To be taken out of an event loop before [`renew`](Self::renew).
    pub(crate) fn master(&self) -> Option<&Arc<OwnedFd>> {
        self.device.as_ref().map(|device| &device.master)
    }

    /// Closes the present one, which hangs up on everybody who has it open, and puts another in its place.
    pub(crate) fn renew(&mut self) -> Result<(), PtyError> {
        // The new one may have the same number, and its watch must not be the one that goes with the old device.
        self.device = None;
        self.look();
        let device = Device::open(&self.watch)?;
        if let Some(link) = &self.link {
            point(link, &device.path).map_err(|source| PtyError::Link { path: link.clone(), source })?;
        }
        self.device = Some(device);
        Ok(())
    }

    /// What the watch has seen since the last look.
    pub(crate) fn look(&mut self) -> Seen {
        let mut seen = Seen::default();
        let mut buffer = [MaybeUninit::uninit(); 512];
        let mut reader = inotify::Reader::new(&self.watch, &mut buffer);
        while let Ok(event) = reader.next() {
            let (events, watched) = (event.events(), event.wd());
            // Of what has overflowed nothing is known: look.
            let all = events.contains(ReadFlags::QUEUE_OVERFLOW);
            if all || self.device.as_ref().is_some_and(|device| device.watched == watched) {
                seen.opened |= all || events.contains(ReadFlags::OPEN);
                seen.read |= all || events.contains(ReadFlags::ACCESS);
            }
        }
        seen
    }

    /// Somebody has come: the master, to begin a session with.
    pub(crate) fn occupy(&mut self, seen: Seen) -> Option<Arc<OwnedFd>> {
        let device = self.device.as_mut()?;
        if !seen.opened || device.state != State::Vacant || device.is_deserted() {
            return None;
        }
        device.state = State::Occupied;
        Some(Arc::clone(&device.master))
    }

    /// The session is over because nobody is left: the next one finds nothing of it.
    pub(crate) fn vacate(&mut self) {
        if let Some(device) = &mut self.device {
            device.flush();
            device.state = State::Vacant;
        }
    }

    /// The session is over, and whoever is there has been told why; they have until then to read it.
    pub(crate) fn leave(&mut self, now: Instant) {
        if let Some(device) = &mut self.device {
            device.state = State::Leaving(now.checked_add(LINGER).unwrap_or(now));
            // Failing that, the time runs out.
            let _ = inotify::add_watch(&self.watch, &device.path, WatchFlags::OPEN | WatchFlags::ACCESS);
        }
    }

    /// Whether those who are sent away have read why, or have no more time for it.
    pub(crate) fn has_left(&self, seen: Seen, now: Instant) -> bool {
        let Some(device) = &self.device else { return false };
        match device.state {
            State::Leaving(until) => now >= until || (seen.read && device.is_read()),
            State::Vacant | State::Occupied => false,
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let (Some(link), Some(device)) = (&self.link, &self.device)
            && fs::read_link(link).is_ok_and(|path| path == device.path)
        {
            let _ = fs::remove_file(link);
        }
    }
}

impl Device {
    fn open(watch: &OwnedFd) -> Result<Self, PtyError> {
        let exhausted = |error| {
            // ENOSPC is what the limit on pseudo-terminals gives.
            matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::NOMEM | Errno::AGAIN)
        };
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).map_err(|error| {
                if exhausted(error) {
                    PtyError::Exhausted(error.into())
                } else {
                    PtyError::Unavailable(error.into())
                }
            })?;
        let setup = |error: Errno| PtyError::Setup(error.into());
        let flags = rustix::fs::fcntl_getfl(&master).map_err(setup)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK).map_err(setup)?;
        let name = ptsname(&master, Vec::new()).map_err(setup)?;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let device = Self { master: Arc::new(master), path, watched: -1, state: State::Vacant };
        // All this before it is unlocked, which is before anybody can open it.
        device.make_raw(OptionalActions::Now).map_err(setup)?;
        let fail = |source| PtyError::Device { path: device.path.clone(), source };
        fs::set_permissions(&device.path, Permissions::from_mode(0o600)).map_err(fail)?;
        let watched =
            inotify::add_watch(watch, &device.path, WatchFlags::OPEN).map_err(|error| match error {
                Errno::NOSPC | Errno::NOMEM => PtyError::Watch(error.into()),
                _ => fail(error.into()),
            })?;
        unlockpt(&device.master).map_err(setup)?;
        // Of one that was never open the master says no hang-up: as if somebody were there.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        drop(ioctl_tiocgptpeer(&device.master, flags).map_err(|error| {
            if exhausted(error) { PtyError::Exhausted(error.into()) } else { setup(error) }
        })?);
        Ok(Self { watched, ..device })
    }

    /// One byte is one byte, in both directions, and what the guest writes does not come back as its input. `EXTPROC` keeps the
    /// kernel from echoing even if a program that has it open asks for echo.
    fn make_raw(&self, when: OptionalActions) -> rustix::io::Result<()> {
        let mut termios = tcgetattr(&self.master)?;
        termios.make_raw();
        termios.local_modes |= LocalModes::EXTPROC;
        tcsetattr(&self.master, when, &termios)
    }

    /// Nobody has it open, and of those who had it nothing waits.
    fn is_deserted(&self) -> bool {
        let seen = ready(&self.master, PollFlags::IN);
        seen.contains(PollFlags::HUP) && !seen.contains(PollFlags::IN)
    }

    /// Whether everything that was written to the slave has been read there.
    fn is_read(&self) -> bool {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        // Only the slave's end knows. If it can't be had, the time runs out.
        ioctl_tiocgptpeer(&self.master, flags)
            .is_ok_and(|slave| !ready(&slave, PollFlags::IN).contains(PollFlags::IN))
    }

    /// Drops what nobody has read, and makes it raw again, as programs leave it otherwise.
    fn flush(&self) {
        // On its way, and where it had arrived. If it fails, somebody may see the end of another's session twice.
        let _ = tcflush(&self.master, QueueSelector::OFlush);
        let _ = self.make_raw(OptionalActions::Flush);
    }
}

/// What of `events` is so at this moment.
fn ready(fd: &OwnedFd, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), events)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&now)) {
        Ok(1..) => fds[0].revents(),
        _ => PollFlags::empty(),
    }
}

/// Has a link point at a device, in one step: nobody finds none.
fn point(link: &Path, device: &Path) -> io::Result<()> {
    // No console's name has a tilde in it.
    let mut new = link.as_os_str().to_owned();
    new.push("~");
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(device, &new)?;
    fs::rename(&new, link)
}
