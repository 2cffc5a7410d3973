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
//!
//! # One that the VMM has made
//!
//! An adopted master stays, because the VMM has told its users the path. So nobody can be hung up, and the device is set back after
//! each session:
//!
//! ```text
//!            IN_OPEN               refused, evicted, kicked: a message is written
//!   Vacant ──────────▶ Occupied ──────────────────────────▶ Dismissed
//!     ▲                   │  ▲     after an eviction, or IN_OPEN  │ no program has
//!     │                   │  └────────────────────────────────────┤ it open any more
//!     └───────────────────┴───────────────────────────────────────┘
//! ```
//!
//! Programs that are at it while another session owns the console wait in line: their session watches, and owns the console when that
//! one leaves. After the console's end they have time to read why, in `Leaving`, and stay `Dismissed` until they close it.

mod device;
mod error;

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use vuart_endpoint::Mode;

use crate::entry::Entry;
use crate::raw::RawPolicy;
use device::Device;
pub use error::PtyError;

/// The pseudo-terminal of a console: a stable link to one device after another, or to one that the VMM has made. The link goes with the
/// [claim](crate::Claim) of its name.
#[derive(Debug)]
pub(crate) struct Pty {
    link: Option<Entry>,
    watch: OwnedFd,
    device: Option<Device>,
    state: State,
    /// The VMM has made the device, so it stays.
    adopted: bool,
    /// The session of the programs that have it open was evicted.
    evicted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Vacant,
    Occupied,
    Leaving,
    /// The programs that have it open have no session, and can't be hung up.
    Dismissed {
        /// The console has ended, so no session can begin.
        for_good: bool,
    },
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
        let mut pty = Self::without_device(link)?;
        pty.renew()?;
        Ok(pty)
    }

    /// Takes the master of a pseudo-terminal that is there, and makes the link point to it.
    pub(crate) fn adopt(master: OwnedFd, link: Option<Entry>) -> Result<Self, PtyError> {
        let mut pty = Self::without_device(link)?;
        pty.adopted = true;
        let device = Device::adopt(master, &pty.watch)?;
        if let Some(link) = &pty.link {
            device.take_the_link(link)?;
        }
        pty.device = Some(device);
        Ok(pty)
    }

    fn without_device(link: Option<Entry>) -> Result<Self, PtyError> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| PtyError::Watch(error.into()))?;
        Ok(Self { link, watch, device: None, state: State::Vacant, adopted: false, evicted: false })
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

    /// Whether the VMM has made the device. Then the programs that have it open can't be made to leave.
    pub(crate) fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Whether the programs that have it open must leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }

    /// Whether the programs that have it open have no session, and stay.
    pub(crate) fn is_dismissed(&self) -> bool {
        matches!(self.state, State::Dismissed { .. })
    }

    /// The server's end of the device. Take it out of the event loop before [`renew`](Self::renew).
    pub(crate) fn master(&self) -> Option<&Arc<OwnedFd>> {
        self.device.as_ref().map(|device| &device.master)
    }

    /// The mode of the next session.
    pub(crate) fn mode(&self, policy: RawPolicy) -> Mode {
        match policy {
            _ if !self.adopted => policy.mode(),
            // Not again: two that take the console over by themselves would evict each other for ever.
            RawPolicy::TakeOver if !self.evicted => Mode::TakeOver,
            _ => Mode::Wait,
        }
    }

    /// Closes the device, which hangs up on all programs that have it open, and opens another in its place. Use it also when there
    /// is none.
    pub(crate) fn renew(&mut self) -> Result<(), PtyError> {
        // The old device goes first: the new one may have the same number, and must not get the old one's watch.
        self.device = None;
        self.state = State::Vacant;
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

    /// Whether a program has come that has no session yet, or one is to have another.
    pub(crate) fn is_awaited(&self, seen: Seen) -> bool {
        let free = matches!(self.state, State::Vacant | State::Dismissed { for_good: false });
        seen.opened && free && self.device.as_ref().is_some_and(|device| !device.is_deserted())
    }

    /// Returns the master to begin a session with.
    pub(crate) fn occupy(&mut self) -> Option<Arc<OwnedFd>> {
        let device = self.device.as_ref()?;
        self.state = State::Occupied;
        Some(Arc::clone(&device.master))
    }

    /// Discards what was typed for no session. Returns the number of bytes.
    pub(crate) fn discard_input(&self) -> usize {
        self.device.as_ref().map(Device::discard_input).unwrap_or_default()
    }

    /// The session is over because no program had the device open. The next session finds nothing of it: another device takes
    /// the place of this one. Take the master out of the event loop before.
    ///
    /// # Errors
    ///
    /// There is no other device, and this one has been set back as far as it can be.
    pub(crate) fn vacate(&mut self) -> Result<(), PtyError> {
        let Some(device) = &self.device else { return Ok(()) };
        (self.state, self.evicted) = (State::Vacant, false);
        let replaced = if !self.adopted && device.is_deserted() { self.replace() } else { Ok(false) };
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
        if let Some(device) = &self.device {
            self.state = State::Leaving;
            // If reading can't be watched, the time runs out.
            let _ = inotify::add_watch(&self.watch, &device.path, WatchFlags::OPEN | WatchFlags::ACCESS);
        }
    }

    /// Whether no program has a session there, or must leave. Those that are dismissed have been told why.
    pub(crate) fn is_vacant(&self) -> bool {
        matches!(self.state, State::Vacant | State::Dismissed { .. })
    }

    /// Whether the programs that must leave have read why.
    pub(crate) fn has_told(&self, seen: Seen) -> bool {
        self.state == State::Leaving && seen.read && self.device.as_ref().is_some_and(Device::is_read)
    }

    /// The session of an [adopted](Self::is_adopted) device is over, and its programs stay. `evicted` says that they are to have
    /// another.
    pub(crate) fn dismiss(&mut self, evicted: bool) {
        (self.state, self.evicted) = (State::Dismissed { for_good: false }, evicted);
    }

    /// The console has ended, and the programs at an [adopted](Self::is_adopted) device have had time to read why.
    pub(crate) fn dismiss_for_good(&mut self) {
        self.state = State::Dismissed { for_good: true };
        if let Some(device) = &self.device {
            // What they read is not looked at any more. If that fails, it wakes the server for nothing.
            let _ = inotify::add_watch(&self.watch, &device.path, WatchFlags::OPEN);
        }
    }
}
