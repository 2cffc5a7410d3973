//! The state machine: who owns the console, who watches, and what each may do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use vuart_scrollback::{Doorbell, Position, Read, Reader, Scrollback};

use crate::carrier::{self, Carrier, GuestLines};
use crate::end::{Cause, End, Refused, Timestamp};
use crate::identity::Identity;
use crate::input::{Input, InputQueue, Symbol};

/// What a session wants of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mode {
    /// To own it, unless somebody does.
    #[default]
    Exclusive,
    /// To own it, whoever does; the present owner is evicted and told so.
    TakeOver,
    /// To watch. Spectators never type, and nobody is disturbed by them.
    Spectate,
}

/// Where a session's output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    pub(crate) fn offset(self, scrollback: &Scrollback) -> u64 {
        scrollback.offset(self.into())
    }

    /// Whether the history is searched for the offset, which takes time.
    pub(crate) fn searches(self) -> bool {
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

/// A request to begin a session.
#[derive(Debug, Clone)]
pub struct Attach {
    identity: Identity,
    mode: Mode,
    replay: Replay,
    at: Option<SystemTime>,
}

impl Attach {
    /// To own the console if nobody does, from what the guest writes next.
    pub fn new(identity: Identity) -> Self {
        Self { identity, mode: Mode::default(), replay: Replay::default(), at: None }
    }

    /// How.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// From where.
    #[must_use]
    pub fn replay(self, replay: Replay) -> Self {
        Self { replay, ..self }
    }

    /// When: the moment that others are told of. The present one unless said.
    #[must_use]
    pub fn at(self, at: SystemTime) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// Names a session of one console; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(u64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A session as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub identity: Identity,
    /// Whether it owns the console; it spectates otherwise.
    pub owner: bool,
    /// When it began.
    pub since: Timestamp,
}

/// What has happened at a console since it was made. All of them only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes that the guest has written: the offset of the next one.
    pub bytes_out: u64,
    /// Symbols (bytes and breaks) that owners have sent and the console has taken.
    pub input_accepted: u64,
    /// Of these, what a new ownership discarded before the guest's receiver took it.
    pub input_discarded: u64,
    /// Bytes of input that were dropped before the console had taken them: the client had gone, been evicted, or had no
    /// session. A spectator's are not counted while its session goes on. Of a client that has gone, what is counted is
    /// bounded.
    pub input_abandoned: u64,
    /// Sessions begun.
    pub attached: u64,
    /// Of these, the ones that evicted somebody.
    pub taken_over: u64,
    /// Sessions refused.
    pub refused: u64,
}

#[derive(Debug)]
struct Record {
    info: SessionInfo,
    /// Shared with the session, which reads it without the lock.
    end: Arc<OnceLock<Last>>,
}

/// The end of a session, and the offset of the output that it came at.
#[derive(Debug)]
struct Last {
    end: End,
    offset: u64,
}

/// What the lock guards. No vCPU thread ever takes it.
#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<SessionId, Record>,
    owner: Option<SessionId>,
    next_id: u64,
    ended: Option<End>,
    counters: Counters,
}

#[derive(Debug)]
struct Shared {
    scrollback: Scrollback,
    input: Arc<InputQueue>,
    carrier: Carrier,
    doorbell: Doorbell,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can panic half-way through a change; if it ever does, a console is worth more than a
        // poisoned one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guest's console: a handle, cheap to clone, that any thread may use except a vCPU's.
#[derive(Debug, Clone)]
pub struct Console(Arc<Shared>);

impl Console {
    /// A console on a ring of output, and the [`Input`] that its owner's typing comes out of.
    ///
    /// `announce` is called on the owner's thread when input comes that the guest [waits for](Input::want): it raises
    /// the guest's interrupt. It must not block.
    pub fn new(scrollback: Scrollback, announce: impl Fn() + Send + Sync + 'static) -> (Self, Input) {
        let (console, input, _) = Self::with_waiting(scrollback, announce, &[], Doorbell::new());
        (console, input)
    }

    /// The same, with input that waits already, as it did where a snapshot was made: the first
    /// [`CAPACITY`](Input::CAPACITY) symbols of `waiting`. It is nobody's, and whoever comes to own the console has what is
    /// left of it discarded. And with a doorbell of the caller's making, and the port's end of the [carrier](Self::carrier),
    /// which calls `announce` as well.
    pub fn with_waiting(
        scrollback: Scrollback,
        announce: impl Fn() + Send + Sync + 'static,
        waiting: &[Symbol],
        doorbell: Doorbell,
    ) -> (Self, Input, GuestLines) {
        let room = doorbell.clone();
        let room = move || {
            // If nobody sleeps, whoever is awake looks before sleeping.
            room.ring_if_armed();
        };
        let announce = Arc::new(announce);
        let announce_drop = Arc::clone(&announce);
        let (carrier, lines) = carrier::pair(Box::new(move || announce_drop()), Box::new(room.clone()));
        let input = Arc::new(InputQueue::new(Box::new(move || announce()), Box::new(room)));
        input.publish(waiting.iter().copied());
        let taker = Input::new(Arc::clone(&input));
        let shared = Shared { scrollback, input, carrier, doorbell, state: Mutex::default() };
        (Self(Arc::new(shared)), taker, lines)
    }

    /// The output: for readers that are nobody's session, such as a log.
    pub fn scrollback(&self) -> &Scrollback {
        &self.0.scrollback
    }

    /// What passes between the console and the guest's port besides bytes: hanging up.
    pub fn carrier(&self) -> &Carrier {
        &self.0.carrier
    }

    /// Rings when a session may have something to do: more output, room for input, an end. Whoever waits for that has a
    /// [`Sleeper`](vuart_scrollback::Sleeper) of it: the server has one, and a log may have its own.
    pub fn doorbell(&self) -> &Doorbell {
        &self.0.doorbell
    }

    /// Begins a session. A take-over is done when this returns: the old owner's input that the guest's receiver has not
    /// taken is discarded, and none follows. It waits for nobody.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] in exclusive mode when somebody owns the console, with who and since when; [`Refused::Ended`]
    /// when it has ended.
    pub fn attach(&self, request: Attach) -> Result<Session, Refused> {
        let shared = &self.0;
        let offset = shared.scrollback.end();
        let at = Timestamp::from(request.at.unwrap_or_else(SystemTime::now));
        let mut state = shared.state();
        if let Some(end) = &state.ended {
            let end = end.clone();
            state.counters.refused += 1;
            return Err(Refused::Ended { end });
        }
        let holder = state.owner.and_then(|id| state.sessions.get(&id)).map(|record| record.info.clone());
        let mut evicted = None;
        if request.mode != Mode::Spectate {
            match holder {
                Some(holder) if request.mode == Mode::Exclusive => {
                    state.counters.refused += 1;
                    return Err(Refused::Held { holder: holder.identity, since: holder.since });
                }
                Some(holder) => {
                    state.end(holder.id, Cause::Evicted { by: request.identity.clone() }, at, offset);
                    state.counters.taken_over += 1;
                    evicted = Some(holder.identity);
                }
                None => {}
            }
            // A new ownership begins: what any earlier one queued never reaches the guest. Under the lock nobody
            // publishes, and the old owner finds itself ended before it can again.
            state.counters.input_discarded += shared.input.discard();
        }
        let id = SessionId(state.next_id);
        state.next_id += 1;
        let owner = request.mode != Mode::Spectate;
        let info = SessionInfo { id, identity: request.identity, owner, since: at };
        let end = Arc::default();
        state.sessions.insert(id, Record { info: info.clone(), end: Arc::clone(&end) });
        if owner {
            state.owner = Some(id);
        }
        state.counters.attached += 1;
        drop(state);
        if evicted.is_some() {
            shared.doorbell.ring();
        }
        // A session begins with what there is: not in a future that a client has made up.
        let from = request.replay.offset(&shared.scrollback).min(shared.scrollback.end());
        let reader = shared.scrollback.reader_at(from);
        Ok(Session { console: self.clone(), info, end, evicted, reader })
    }

    /// Ends the console and every session on it; later ones are refused. Output that is there stays readable.
    pub fn end(&self, cause: &Cause) {
        let at = Timestamp::from(SystemTime::now());
        let offset = self.0.scrollback.end();
        let mut state = self.0.state();
        if state.ended.is_none() {
            state.ended = Some(End { cause: cause.clone(), at });
        }
        let ids: Vec<_> = state.sessions.keys().copied().collect();
        for id in ids {
            state.end(id, cause.clone(), at, offset);
        }
        drop(state);
        self.0.doorbell.ring();
    }

    /// How the console has ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.0.state().ended.clone()
    }

    /// Who owns the console.
    pub fn owner(&self) -> Option<SessionInfo> {
        let state = self.0.state();
        state.owner.and_then(|id| state.sessions.get(&id)).map(|record| record.info.clone())
    }

    /// Everybody at the console, the longest there first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.0.state().sessions.values().map(|record| record.info.clone()).collect()
    }

    /// The counters at this moment.
    pub fn counters(&self) -> Counters {
        Counters { bytes_out: self.0.scrollback.end(), ..self.0.state().counters }
    }

    /// Counts input that was on its way when its owner went.
    pub(crate) fn abandon(&self, bytes: u64) {
        if bytes > 0 {
            self.0.state().counters.input_abandoned += bytes;
        }
    }

    /// Symbols of input that wait for the guest's receiver.
    pub fn input_waiting(&self) -> u64 {
        self.0.input.len()
    }

    /// Symbols of input that the guest's receiver has taken.
    pub fn input_taken(&self) -> u64 {
        // The lock keeps a discard from falling between the two.
        let state = self.0.state();
        self.0.input.gone() - state.counters.input_discarded
    }
}

impl State {
    /// The session leaves the table and learns why.
    fn end(&mut self, id: SessionId, cause: Cause, at: Timestamp, offset: u64) {
        if let Some(record) = self.sessions.remove(&id) {
            // Only a session in the table can be ended, and it leaves the table here: this is the first time.
            let _ = record.end.set(Last { end: End { cause, at }, offset });
        }
        if self.owner == Some(id) {
            self.owner = None;
        }
    }
}

/// Somebody's presence at a console. Dropping it detaches.
#[derive(Debug)]
pub struct Session {
    console: Console,
    info: SessionInfo,
    end: Arc<OnceLock<Last>>,
    evicted: Option<Identity>,
    reader: Reader,
}

impl Session {
    /// Whose session this is, and since when.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// Whom this session's take-over has evicted.
    pub fn evicted(&self) -> Option<&Identity> {
        self.evicted.as_ref()
    }

    /// How the session has ended; `None` while it goes on.
    pub fn end(&self) -> Option<&End> {
        self.end.get().map(|last| &last.end)
    }

    /// The offset at which the session has ended: what the guest writes from there on is not its business. `None` while it
    /// goes on.
    pub fn end_offset(&self) -> Option<u64> {
        self.end.get().map(|last| last.offset)
    }

    /// The guest's output from the session's cursor on. An ended session still reads what there is.
    pub fn output(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Reads output into `buf` and moves the cursor; see [`Reader::read`].
    pub fn read(&mut self, buf: &mut [u8]) -> Read {
        self.reader.read(buf)
    }

    /// Types. The answer is how many bytes the console has taken, which is less than was offered, 0 even, while the
    /// guest does not read: offer the rest again when the [doorbell](Console::doorbell) rings. A spectator's are never
    /// taken.
    ///
    /// # Errors
    ///
    /// When the session has ended, how.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, End> {
        self.publish(bytes.iter().copied().map(Symbol::Byte))
    }

    /// Sends a break; `false` while there is no room for it, or from a spectator.
    ///
    /// # Errors
    ///
    /// When the session has ended, how.
    pub fn send_break(&mut self) -> Result<bool, End> {
        self.publish([Symbol::Break].into_iter()).map(|taken| taken == 1)
    }

    fn publish(&mut self, symbols: impl ExactSizeIterator<Item = Symbol>) -> Result<usize, End> {
        let shared = &self.console.0;
        let mut state = shared.state();
        // Under the lock: a take-over comes wholly before or wholly after.
        if let Some(end) = self.end() {
            return Err(end.clone());
        }
        if state.owner != Some(self.info.id) {
            return Ok(0);
        }
        let taken = shared.input.publish(symbols);
        state.counters.input_accepted += taken as u64;
        Ok(taken)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let at = Timestamp::from(SystemTime::now());
        let offset = self.console.0.scrollback.end();
        self.console.0.state().end(self.info.id, Cause::Detached, at, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> (vuart_scrollback::Writer, Console, Input) {
        let (writer, scrollback) = Scrollback::new(1 << 16).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        (writer, console, input)
    }

    fn who(label: &str) -> Attach {
        Attach::new(Identity::new(label, 1000, None))
    }

    fn typed(input: &mut Input) -> Vec<u8> {
        let mut symbols = [Symbol::Break; 64];
        let count = input.take(&mut symbols);
        symbols[..count]
            .iter()
            .map(|symbol| match symbol {
                Symbol::Byte(byte) => *byte,
                Symbol::Break => b'^',
            })
            .collect()
    }

    #[test]
    fn e1_a_second_client_is_refused_and_told_by_whom_and_since_when() {
        let (_writer, console, _input) = console();
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5);
        let first = console.attach(who("alice").at(at)).unwrap();
        let refused = console.attach(who("bob")).unwrap_err();
        assert_eq!(refused, Refused::Held { holder: first.info().identity.clone(), since: at.into() });
        assert_eq!(refused.to_string(), "the console is held by alice (uid 1000) since 1970-01-01T00:00:05Z");
        assert_eq!(console.counters().refused, 1);
    }

    #[test]
    fn e2_e3_the_evicted_one_is_told_by_whom_and_when_with_a_cause_of_its_own() {
        let (_writer, console, _input) = console();
        let mut first = console.attach(who("alice")).unwrap();
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(7);
        let second = console.attach(who("bob").mode(Mode::TakeOver).at(at)).unwrap();
        let end = End { cause: Cause::Evicted { by: second.info().identity.clone() }, at: at.into() };
        assert_eq!(first.end(), Some(&end));
        assert_eq!(first.write(b"x"), Err(end));
        assert_eq!(second.evicted().unwrap().label(), "alice");
        assert_eq!(console.owner().unwrap().id, second.info().id);
    }

    #[test]
    fn e4_what_the_old_owner_queued_is_discarded_and_counted() {
        let (_writer, console, mut input) = console();
        let mut first = console.attach(who("alice")).unwrap();
        assert_eq!(first.write(b"sudo reboot"), Ok(11));
        let mut second = console.attach(who("bob").mode(Mode::TakeOver)).unwrap();
        second.write(b"ls").unwrap();
        assert_eq!(typed(&mut input), b"ls");
        let counters = console.counters();
        assert_eq!((counters.input_accepted, counters.input_discarded, console.input_taken()), (13, 11, 2));
    }

    #[test]
    fn what_was_typed_before_a_detach_reaches_the_guest_unless_a_new_owner_comes_first() {
        let (_writer, console, mut input) = console();
        let mut first = console.attach(who("alice")).unwrap();
        first.write(b"halt").unwrap();
        first.send_break().unwrap();
        drop(first);
        assert_eq!(typed(&mut input), b"halt^");

        console.attach(who("alice")).unwrap().write(b"left behind").unwrap();
        let _second = console.attach(who("bob")).unwrap();
        assert_eq!(typed(&mut input), b"");
    }

    #[test]
    fn e5_one_cursor_from_replay_to_live() {
        let (mut writer, console, _input) = console();
        writer.extend(b"booted\n");
        let mut session = console.attach(who("alice").mode(Mode::Spectate).replay(Replay::Last(3))).unwrap();
        writer.extend(b"login:");
        let mut buf = [0; 64];
        let read = session.read(&mut buf);
        assert_eq!((&buf[..read.len()], read.start, read.missed), (&b"ed\nlogin:"[..], 4, 0));
    }

    #[test]
    fn e15_ownership_ends_with_the_session() {
        let (_writer, console, _input) = console();
        drop(console.attach(who("alice")).unwrap());
        assert!(console.owner().is_none());
        assert!(console.attach(who("bob")).is_ok());
    }

    #[test]
    fn spectators_never_type_and_disturb_nobody() {
        let (_writer, console, mut input) = console();
        let owner = console.attach(who("alice")).unwrap();
        let mut spectator = console.attach(who("eve").mode(Mode::Spectate)).unwrap();
        assert_eq!(spectator.write(b"rm"), Ok(0));
        assert_eq!(spectator.send_break(), Ok(false));
        assert_eq!(typed(&mut input), b"");
        assert!(owner.end().is_none());
        assert_eq!(console.sessions().len(), 2);
        // One that leaves takes nothing from the owner.
        drop(spectator);
        assert_eq!(console.owner().unwrap().id, owner.info().id);
    }

    #[test]
    fn the_end_of_the_vm_ends_everybody_and_refuses_newcomers() {
        let (mut writer, console, _input) = console();
        let mut owner = console.attach(who("alice")).unwrap();
        writer.extend(b"halting");
        console.end(&Cause::VmEnded);
        console.end(&Cause::ShutDown);
        assert_eq!(owner.end().unwrap().cause, Cause::VmEnded);
        let mut buf = [0; 64];
        assert_eq!(owner.read(&mut buf).len(), 7, "the last words are readable");
        assert!(matches!(
            console.attach(who("bob")),
            Err(Refused::Ended { end: End { cause: Cause::VmEnded, .. } })
        ));
    }

    #[test]
    fn an_offset_from_the_future_begins_now() {
        let (mut writer, console, _input) = console();
        writer.extend(b"abc");
        let mut session = console.attach(who("alice").replay(Replay::From(u64::MAX))).unwrap();
        assert_eq!(session.output().cursor(), 3);
        let mut session2 =
            console.attach(who("bob").mode(Mode::Spectate).replay(Replay::Last(u64::MAX))).unwrap();
        assert_eq!(session2.output().cursor(), 0);
    }
}
