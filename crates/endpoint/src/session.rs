//! A person's stay at a console: how it is asked for, and what it can do.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use vuart_scrollback::{Position, Read, Reader, Scrollback};

use crate::console::Console;
use crate::end::{End, Timestamp};
use crate::identity::Identity;
use crate::input::Symbol;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// What a session wants of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Mode {
    /// To own it, unless somebody does.
    #[default]
    Exclusive,
    /// To own it, whoever does; the present owner is evicted and told so.
    TakeOver,
    /// To watch. Spectators never type, and nobody is disturbed by them.
    Spectate,
    /// To own it as soon as nobody does: until then it waits in line, and watches.
    Wait,
}

/// Where a session's output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Replay {
    /// With what the guest writes from now on.
    #[default]
    None,
    /// With the oldest byte that is kept.
    All,
    /// With this many of the newest bytes.
    Last(u64),
    /// With this many of the newest lines: see [`Position::NewestLines`].
    Lines(u64),
    /// With the beginning of the newest boot, or a hole if that is gone.
    Boot,
    /// At this offset.
    From(u64),
}

impl Replay {
    /// The offset at this moment. That of [`From`](Self::From) is as it was given: gone, there, or still to come.
    pub fn offset(self, scrollback: &Scrollback) -> u64 {
        scrollback.offset(self.into())
    }

    /// Whether the history is searched for the offset, which takes time.
    pub fn searches(self) -> bool {
        matches!(self, Self::Lines(_))
    }
}

impl From<Replay> for Position {
    fn from(replay: Replay) -> Self {
        match replay {
            Replay::None => Self::End,
            Replay::All => Self::Oldest,
            Replay::Last(bytes) => Self::Newest(bytes),
            Replay::Lines(lines) => Self::NewestLines(lines),
            Replay::Boot => Self::Boot,
            Replay::From(offset) => Self::Offset(offset),
        }
    }
}

/// What becomes of a session that reads so slowly that the ring laps it. What was gone when it began is no lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum OnLag {
    /// It goes on behind the hole, and the embedder is told.
    #[default]
    Note,
    /// It goes on behind the hole, which is counted.
    Ignore,
    /// It ends, with [`Cause::Lagged`](crate::Cause::Lagged): for whoever must have every byte or know that it has not.
    Disconnect,
}

/// A request to begin a session.
#[derive(Debug, Clone)]
pub struct Attach {
    pub(crate) identity: Identity,
    pub(crate) mode: Mode,
    pub(crate) replay: Replay,
    pub(crate) on_lag: OnLag,
    pub(crate) returning: bool,
    pub(crate) at: Option<SystemTime>,
}

impl Attach {
    /// To own the console if nobody does, from what the guest writes next.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            mode: Mode::default(),
            replay: Replay::default(),
            on_lag: OnLag::default(),
            returning: false,
            at: None,
        }
    }

    /// The attach mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Sets the attach mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Sets where replay starts.
    #[must_use]
    pub fn with_replay(self, replay: Replay) -> Self {
        Self { replay, ..self }
    }

    /// Sets what happens when the session reads so slowly that the ring laps it.
    #[must_use]
    pub fn with_on_lag(self, on_lag: OnLag) -> Self {
        Self { on_lag, ..self }
    }

    /// If it is evicted and [watches on](crate::Evicted::Spectates), it wants the console back when the taker leaves: it goes to the
    /// head of the line.
    #[must_use]
    pub fn with_returning(self, returning: bool) -> Self {
        Self { returning, ..self }
    }

    /// Overrides the reported time (default: now).
    #[must_use]
    pub fn with_time(self, at: SystemTime) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// Names a session of one console; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct SessionId(pub(crate) u64);

impl SessionId {
    /// The session of this number, as a peer or a file names it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Names an ownership of one console: they follow one another, and each has the next number. What was typed in one never reaches
/// the guest in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Epoch(pub(crate) u64);

impl Epoch {
    /// The ownership of this number, as a peer or a file names it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The size of a terminal, in characters. A serial line has none: it is for people, and for programs that ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// What a session is at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "standing", rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Standing {
    /// It owns the console.
    Owner {
        /// Its ownership.
        epoch: Epoch,
    },
    /// It watches.
    Spectator,
    /// It watches, and comes to own the console in its turn.
    Waiting {
        /// How many come before it, the present owner not among them.
        ahead: u64,
    },
}

/// A change of what a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Change {
    /// What it is now.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub standing: Standing,
    /// The ownership that it has lost to somebody, and when, if that is why.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub evicted: Option<Eviction>,
}

/// By whom an owner was evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Eviction {
    /// Who owns the console since.
    pub by: Identity,
    /// Since when.
    pub at: Timestamp,
}

/// A session as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub identity: Identity,
    /// Whether it owns the console; it spectates otherwise.
    pub owner: bool,
    /// Whether it waits in line to own it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub waiting: bool,
    /// How many come before it in line, the present owner not among them, if it waits.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ahead: Option<u64>,
    /// When it began.
    pub since: Timestamp,
    /// The size of its terminal, if it has told it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub window: Option<Window>,
}

/// What a session and the console's table share: the session reads it without the lock.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) end: OnceLock<Last>,
    /// Grows when the session's standing changes, or the number of those ahead of it in line.
    pub(crate) changes: AtomicU64,
    /// Bytes of output that the session has read, and has missed. Only the session stores to them.
    pub(crate) read: AtomicU64,
    pub(crate) missed: AtomicU64,
}

impl Shared {
    /// The number of the changes is raised: see [`changed`](Session::changed).
    pub(crate) fn tell(&self) {
        // Release: whoever sees the number finds in the table what it is about; and under the console's lock, so that the count
        // is exact.
        self.changes.fetch_add(1, Release);
    }
}

/// The end of a session, and the offset of the output that it came at.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) end: End,
    pub(crate) offset: u64,
}

/// A stay at a console: reads output, and writes input as long as it owns it. Dropping it detaches.
#[derive(Debug)]
pub struct Session {
    pub(crate) console: Console,
    pub(crate) info: SessionInfo,
    pub(crate) shared: Arc<Shared>,
    pub(crate) evicted: Option<Identity>,
    /// The ownership that the holder of this session knows that it has.
    pub(crate) epoch: Option<Epoch>,
    /// The changes that it knows of.
    pub(crate) changes: u64,
    pub(crate) on_lag: OnLag,
    /// What is before this offset was gone, in part at least, when the session began.
    pub(crate) gone: u64,
    pub(crate) reader: Reader,
}

impl Session {
    /// The session as others saw it when it began.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// Whom this session has evicted.
    pub fn evicted(&self) -> Option<&Identity> {
        self.evicted.as_ref()
    }

    /// How the session has ended; `None` while it goes on.
    pub fn end(&self) -> Option<&End> {
        self.shared.end.get().map(|last| &last.end)
    }

    /// The offset at which the session has ended: what the guest writes from there on is not its business. `None` while it
    /// goes on.
    pub fn end_offset(&self) -> Option<u64> {
        self.shared.end.get().map(|last| last.offset)
    }

    /// Whether the session owns the console, as far as its holder has been told by [`changed`](Self::changed).
    pub fn is_owner(&self) -> bool {
        self.epoch.is_some()
    }

    /// Its ownership, as far as its holder has been told.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// How many come before it in line at this moment, the present owner not among them, if it waits.
    pub fn ahead(&self) -> Option<u64> {
        match self.console.change_of(self.info.id)?.standing {
            Standing::Waiting { ahead } => Some(ahead),
            _ => None,
        }
    }

    /// The session has become something else since it began or was last asked: it has come to own the console, was evicted and
    /// watches on, or has moved up in the line. The [doorbell](Console::doorbell) rings then. Costs a load when nothing has changed.
    ///
    /// A session that has come to own the console can type from here on: what its holder offered before it could know belongs to
    /// nobody's ownership.
    pub fn changed(&mut self) -> Option<Change> {
        // Acquire: what the table says is at least as new.
        let changes = self.shared.changes.load(Acquire);
        if changes == self.changes {
            return None;
        }
        self.changes = changes;
        let change = self.console.change_of(self.info.id)?;
        self.epoch = match change.standing {
            Standing::Owner { epoch } => Some(epoch),
            _ => None,
        };
        Some(change)
    }

    /// The guest's output from the session's cursor on.
    pub fn output(&self) -> &Reader {
        &self.reader
    }

    /// Reads output into `buf` and moves the cursor; see [`Reader::read`]. An ended session still reads what there is.
    ///
    /// A session that is to be [disconnected](OnLag::Disconnect) when it lags has ended when this returns with a hole of that kind.
    pub fn read(&mut self, buf: &mut [u8]) -> Read {
        let read = self.peek(buf);
        self.advance(read.len());
        read
    }

    /// The same without moving the cursor over what was read: see [`Reader::peek`].
    pub fn peek(&mut self, buf: &mut [u8]) -> Read {
        let read = self.reader.peek(buf);
        let from = (read.start - read.missed).max(self.gone);
        if read.missed > 0 && from < read.start && self.end().is_none() {
            let missed = &self.shared.missed;
            missed.store(missed.load(Relaxed) + (read.start - from), Relaxed);
            self.console.lagged(self.info.id, self.on_lag, from, read.start);
        }
        read
    }

    /// So much of what was peeked at is taken.
    pub fn advance(&mut self, count: usize) {
        self.reader.advance(count);
        // A load and a store: nobody else stores. Relaxed: a count orders nothing.
        let read = &self.shared.read;
        read.store(read.load(Relaxed) + count as u64, Relaxed);
    }

    /// Types. The answer is how many bytes the console has taken, which is less than was offered, 0 even, while the
    /// guest does not read: offer the rest again when the [doorbell](Console::doorbell) rings. A spectator's are never
    /// taken.
    ///
    /// # Errors
    ///
    /// When the session has ended, how.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, End> {
        self.console.publish(self, bytes.iter().copied().map(Symbol::Byte), false)
    }

    /// Sends a break; `false` while there is no room for it, or from a spectator.
    ///
    /// # Errors
    ///
    /// When the session has ended, how.
    pub fn send_break(&mut self) -> Result<bool, End> {
        self.console.publish(self, [Symbol::Break].into_iter(), true).map(|taken| taken == 1)
    }

    /// How many symbols wait that this session's ownership has typed and the guest has not taken. While there are some, the
    /// [doorbell](Console::doorbell) rings when the guest has taken more: for whoever wants to leave without taking anything along.
    pub fn input_left(&mut self) -> u64 {
        self.console.input_left(self)
    }

    /// Tells others the size of this session's terminal.
    pub fn set_window(&mut self, window: Window) {
        self.console.resized(self.info.id, window);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.console.detach(self.info.id);
    }
}
