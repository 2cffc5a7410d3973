//! A session: the handle by which a person or program uses a console.

use std::sync::Arc;

use vuart_scrollback::{Position, Read, Reader};

use crate::attach::{Attach, OnLag};
use crate::console_core::ConsoleCore;
use crate::end::{Cause, End};
use crate::identity::Identity;
use crate::info::{SessionInfo, Window};
use crate::link::Link;
use crate::refused::Refused;
use crate::standing::{Change, Epoch, Standing};
use crate::symbol::{LineError, Symbol};

/// A session at a console. It reads the guest's output, and writes input while it owns the console. Dropping it detaches.
#[derive(Debug)]
pub struct Session {
    core: Arc<ConsoleCore>,
    info: SessionInfo,
    link: Arc<Link>,
    evicted: Option<Identity>,
    /// The ownership that the holder of this session knows of.
    epoch: Option<Epoch>,
    /// The number of changes that the holder knows of.
    changes: u64,
    on_lag: OnLag,
    /// Output before this offset was lost, at least in part, when the session began.
    lost_before: u64,
    reader: Reader,
    /// The cursor that the console was last told.
    told: u64,
}

impl Session {
    /// Begins a session: see [`Console::attach`](crate::Console::attach).
    pub(crate) fn begin(core: &Arc<ConsoleCore>, request: Attach) -> Result<Self, Refused> {
        let scrollback = core.scrollback();
        // Not beyond the end, which a client may ask for. Outside the lock, because a search for text lines takes time.
        let from = scrollback.offset(request.replay).min(scrollback.end());
        let lost_before = scrollback.offset(Position::Newest(u64::MAX));
        let on_lag = request.on_lag;
        let (begun, untold) = core.change_untold(|state| state.attach(request, from));
        let session = begun.map(|begun| Self {
            core: Arc::clone(core),
            info: begun.info,
            link: begun.link,
            evicted: begun.evicted,
            epoch: begun.epoch,
            changes: 0,
            on_lag,
            lost_before,
            reader: scrollback.reader_at(from),
            told: from,
        });
        // Now that there is a session to drop, if an observer panics. Otherwise nobody could end it.
        core.tell(untold);
        session
    }

    /// The session as others saw it when it began.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// The owner that this session evicted when it began, if any.
    pub fn evicted(&self) -> Option<&Identity> {
        self.evicted.as_ref()
    }

    /// Why and when the session has ended. `None` while it goes on.
    pub fn end(&self) -> Option<&End> {
        self.hear_port();
        self.link.end()
    }

    /// The offset of the output at which the session has ended: later output is not for it. `None` while it goes on.
    pub fn end_offset(&self) -> Option<u64> {
        self.hear_port();
        self.link.end_offset()
    }

    /// Lets a dropped port end the session before anybody asks whether it has ended.
    fn hear_port(&self) {
        if self.link.end().is_none() {
            self.core.hear_port();
        }
    }

    /// Whether the session owns the console, as far as [`changed`](Self::changed) has told its holder.
    pub fn is_owner(&self) -> bool {
        self.epoch.is_some()
    }

    /// The session's ownership, as far as [`changed`](Self::changed) has told its holder.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The number of sessions before this one in the queue at this moment, if it waits. The present owner does not count.
    pub fn ahead(&self) -> Option<u64> {
        match self.standing()?.standing {
            Standing::Waiting { ahead } => Some(ahead),
            _ => None,
        }
    }

    /// Returns the new standing if it has changed since the session began or since the last call: the session has become the
    /// owner, was evicted and stays as a spectator, or has moved up in the queue. The
    /// [doorbell](crate::Console::doorbell) rings for it. If nothing has changed, a call costs one load.
    ///
    /// A session that has become the owner can type after this call. What its holder offers before that is not taken, because
    /// the holder typed it without knowing that it owns the console.
    pub fn changed(&mut self) -> Option<Change> {
        let changes = self.link.changes();
        if changes == self.changes {
            return None;
        }
        self.changes = changes;
        let change = self.standing()?;
        self.epoch = match change.standing {
            Standing::Owner { epoch } => Some(epoch),
            _ => None,
        };
        Some(change)
    }

    fn standing(&self) -> Option<Change> {
        self.core.look(|state| state.change_of(self.info.id))
    }

    /// The reader of the guest's output, at the session's cursor.
    pub fn output(&self) -> &Reader {
        &self.reader
    }

    /// Reads output into `buf` and moves the cursor: see [`Reader::read`]. An ended session still reads what the ring has.
    ///
    /// If a lag [disconnects](OnLag::Disconnect) the session, it has ended when this returns with a hole.
    pub fn read(&mut self, buf: &mut [u8]) -> Read {
        let read = self.peek(buf);
        self.advance(read.len());
        read
    }

    /// Reads output into `buf` without moving the cursor past it: see [`Reader::peek`]. Otherwise as [`read`](Self::read).
    pub fn peek(&mut self, buf: &mut [u8]) -> Read {
        let read = self.reader.peek(buf);
        let at = read.start - read.missed;
        let from = at.max(self.lost_before);
        if read.missed > 0 && at < from {
            self.link.add_lost_before(from.min(read.start) - at);
        }
        if read.missed > 0 && from < read.start && self.end().is_none() {
            self.link.add_missed(read.start - from);
            self.core.change(|state| state.lagged(self.info.id, self.on_lag, from, read.start));
        }
        self.tell_cursor();
        read
    }

    /// Moves the cursor past `count` bytes that were [peeked](Self::peek) at, and never beyond the end of the output.
    pub fn advance(&mut self, count: usize) {
        let left = self.reader.scrollback().end().saturating_sub(self.reader.cursor());
        let count = usize::try_from(left).map_or(count, |left| count.min(left));
        self.reader.advance(count);
        self.link.add_read(count as u64);
        self.tell_cursor();
    }

    /// Tells the console how far this session has read, if output may have to wait for that. It looks whether it has to after each move of
    /// the cursor, and before: the policy may have changed since.
    fn tell_cursor(&mut self) {
        let cursor = self.reader.cursor();
        if cursor != self.told && self.core.holds_output() {
            self.told = cursor;
            // Each change ends with a look at the owner's cursor.
            self.core.change(|_| ());
        }
    }

    /// Types. Returns how many bytes the console has taken: fewer than offered, even 0, while the guest does not read. Offer the
    /// rest again when the [doorbell](crate::Console::doorbell) rings. The console takes none from a spectator.
    ///
    /// # Errors
    ///
    /// If the session has ended: why and when.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, End> {
        self.core.change(|state| {
            // Under the lock, so that a take-over comes wholly before or wholly after.
            self.must_go_on()?;
            Ok(state.publish(self.info.id, self.epoch, bytes.iter().copied().map(Symbol::Byte)))
        })
    }

    /// Sends a break. Returns `false` if there is no room for it, or if the session is a spectator.
    ///
    /// # Errors
    ///
    /// If the session has ended: why and when.
    pub fn send_break(&mut self) -> Result<bool, End> {
        self.core.change(|state| {
            // Under the lock: see `write`.
            self.must_go_on()?;
            Ok(state.send_break(self.info.id, self.epoch))
        })
    }

    /// Sends a character that a serial line has damaged: the guest gets it with a parity error, a framing error or both. Use it to pass
    /// on what a real line has brought, and to test how a guest takes it. Returns `false` if there is no room for it, or if the session
    /// is a spectator.
    ///
    /// There is no overrun to send: input that has no room is refused here, and not lost at the guest.
    ///
    /// # Errors
    ///
    /// If the session has ended: why and when.
    pub fn send_damaged(&mut self, byte: u8, error: LineError) -> Result<bool, End> {
        self.core.change(|state| {
            // Under the lock: see `write`.
            self.must_go_on()?;
            Ok(state.publish(self.info.id, self.epoch, [Symbol::Damaged(byte, error)].into_iter()) == 1)
        })
    }

    fn must_go_on(&self) -> Result<(), End> {
        self.link.end().map_or(Ok(()), |end| Err(end.clone()))
    }

    /// The number of symbols that this session's ownership has typed and the guest has not taken. While it is not 0, the
    /// [doorbell](crate::Console::doorbell) rings when the guest takes more. Use it to leave without losing input.
    pub fn input_left(&mut self) -> u64 {
        // Under the lock, so that no other owner's input can come in between.
        self.core.change(|state| state.input_left(self.info.id, self.epoch))
    }

    /// Tells others the size of this session's terminal.
    pub fn set_window(&mut self, window: Window) {
        self.core.change(|state| state.resized(self.info.id, window));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.core.change(|state| state.end(self.info.id, Cause::Detached));
    }
}
