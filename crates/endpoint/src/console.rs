//! A guest's console: what people attach to.

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Instant;

use vuart_scrollback::{Doorbell, Position, Scrollback};

use crate::carrier::{self, Carrier, GuestLines};
use crate::changes::Changes;
use crate::counters::Counters;
use crate::end::{Cause, End, Refused, Timestamp};
use crate::event::{ConsoleEvent, Observers};
use crate::identity::Identity;
use crate::input::{Input, InputQueue, Symbol};
use crate::policy::Policy;
use crate::session::{Attach, Change, Mode, OnLag, Session, SessionId, SessionInfo, Window};
use crate::state::{Moment, Parts, State};
use crate::sync::{Mutex, MutexGuard};

#[derive(Debug)]
struct Shared {
    parts: Parts,
    doorbell: Doorbell,
    /// No vCPU thread ever takes this lock.
    state: Mutex<State>,
    /// Taken by whoever delivers events, and waited for only by a new observer.
    observers: Mutex<Observers>,
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
        let (room, lines_changed) = (doorbell.clone(), doorbell.clone());
        let room = move || {
            // If nobody sleeps, whoever is awake looks before sleeping.
            room.ring_if_armed();
        };
        // This is rare, and for whoever drives the console, also while nobody is at it.
        let lines_changed = move || lines_changed.ring();
        let announce = Arc::new(announce);
        let announce_drop = Arc::clone(&announce);
        let changes = Changes::default();
        let (carrier, lines) =
            carrier::pair(changes.clone(), Box::new(move || announce_drop()), Box::new(lines_changed));
        let input = Arc::new(InputQueue::new(changes, Box::new(move || announce()), Box::new(room)));
        input.publish(waiting.iter().copied());
        let taker = Input::new(Arc::clone(&input));
        let parts = Parts { scrollback, input, carrier };
        let (state, observers) = (Mutex::new(State::default()), Mutex::new(Observers::default()));
        (Self(Arc::new(Shared { parts, doorbell, state, observers })), taker, lines)
    }

    /// The output: for readers that are nobody's session, such as a log.
    pub fn scrollback(&self) -> &Scrollback {
        &self.0.parts.scrollback
    }

    /// What passes between the console and the guest's port besides bytes. The [policy](Policy) says when it hangs up by itself.
    pub fn carrier(&self) -> &Carrier {
        &self.0.parts.carrier
    }

    /// Rings when a session may have something to do: more output, room for input, another standing, an end. Whoever waits for
    /// that has a [`Sleeper`](vuart_scrollback::Sleeper) of it: the server has one, and a log may have its own.
    pub fn doorbell(&self) -> &Doorbell {
        &self.0.doorbell
    }

    /// What is done about evicted owners, hang-ups and idle owners from now on. At first, the [default](Policy::default).
    pub fn set_policy(&self, policy: Policy) {
        self.change(|state, _, _| state.set_policy(policy));
    }

    /// What is done about evicted owners, hang-ups and idle owners.
    pub fn policy(&self) -> Policy {
        self.state().policy()
    }

    /// Tells `observer` of everything that happens from now on, in order.
    ///
    /// It is called by the thread whose doing an event is, after the fact and without the console's lock: it may use the console.
    /// While it does not return, the console goes on: what happens is kept for it, up to a bound; beyond that it is
    /// [counted](Counters::events_lost), and the events' numbers show the gap. Only that one thread waits for it; so
    /// that this is not the server's, an observer should hand over what it is told rather than work on it. It stays as long as the
    /// console: one that uses the console should not own a handle of it, or neither ever goes.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use vuart_endpoint::{Attach, Console, EventKind, Identity};
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// let (console, _input) = Console::new(scrollback, || ());
    /// let (sender, events) = mpsc::channel();
    /// console.observe(move |event| drop(sender.send(event.clone())));
    ///
    /// drop(console.attach(Attach::new(Identity::new("alice", 1000, None)))?);
    /// assert!(matches!(events.recv()?.kind, EventKind::Attached { .. }));
    /// assert!(matches!(events.recv()?.kind, EventKind::Ended { bytes_in: 0, .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe(&self, observer: impl FnMut(&ConsoleEvent) + Send + 'static) {
        self.state().events.observe(Box::new(observer));
    }

    /// Begins a session. A take-over is done when this returns: the old owner's input that the guest's receiver has not
    /// taken is discarded, and none follows. It waits for nobody.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] in exclusive mode when somebody owns the console, with who and since when;
    /// [`Refused::Disabled`] when it is switched off; [`Refused::Ended`] when it has ended.
    pub fn attach(&self, request: Attach) -> Result<Session, Refused> {
        let scrollback = self.scrollback();
        // A session begins with what there is: not in a future that a client has made up. (Lines may have to be searched for,
        // which is nothing for the time under the lock.)
        let from = request.replay.offset(scrollback).min(scrollback.end());
        let (on_lag, at) = (request.on_lag, request.at);
        let gone = scrollback.offset(Position::Newest(u64::MAX));
        let begun =
            self.change(|state, parts, moment| state.attach(request, from, parts, moment.told(at)))?;
        Ok(Session {
            console: self.clone(),
            info: begun.info,
            shared: begun.shared,
            evicted: begun.evicted,
            epoch: begun.epoch,
            changes: 0,
            on_lag,
            gone,
            reader: scrollback.reader_at(from),
        })
    }

    /// Counts a session that somebody had no right to, or that there was no room for, before it came to [`attach`](Self::attach).
    pub fn refuse(&self, identity: &Identity, mode: Mode, reason: &Refused) {
        self.change(|state, _, moment| state.refuse(identity, mode, reason, moment));
    }

    /// Ends somebody's session, for whoever has the right to do so; `false` when there is none of that name.
    pub fn kick(&self, session: SessionId, by: &Identity) -> bool {
        let cause = Cause::Kicked { by: by.clone() };
        self.change(|state, parts, moment| state.end(session, cause, parts, moment))
    }

    /// Switches the console off: every session ends with [`Cause::Disabled`], and nobody can attach until it is
    /// [switched on](Self::enable). The guest writes on, and its output is kept.
    pub fn disable(&self) {
        self.change(State::disable);
    }

    /// Switches the console on again. (It is on at first.)
    pub fn enable(&self) {
        self.change(|state, _, moment| state.enable(moment));
    }

    /// Ends the console and every session on it; later ones are refused. Output that is there stays readable.
    pub fn end(&self, cause: &Cause) {
        self.change(|state, _, moment| state.over(cause, moment));
    }

    /// Does what time and the guest's modem lines ask for, and says when it wants to be called again if nothing else happens: when
    /// a time of [grace](crate::HangUp::OnDetach) or an owner's [idle](Policy::idle) time will be over. Whoever drives the console calls
    /// it then, and whenever the [doorbell](Self::doorbell) rings. `vuart-server` does.
    #[must_use = "nothing else calls it at the deadline"]
    pub fn service(&self, now: Instant) -> Option<Instant> {
        self.change(|state, parts, moment| {
            state.service(parts, moment.of_timer(now));
            state.deadline()
        })
    }

    /// Since when the console is [switched off](Self::disable), if it is.
    pub fn disabled(&self) -> Option<Timestamp> {
        self.state().disabled()
    }

    /// How the console has ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.state().ended().cloned()
    }

    /// Who owns the console.
    pub fn owner(&self) -> Option<SessionInfo> {
        self.state().owner().cloned()
    }

    /// Everybody at the console, the longest there first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.state().sessions().collect()
    }

    /// The counters at this moment.
    pub fn counters(&self) -> Counters {
        let state = self.state();
        Counters { bytes_out: self.scrollback().end(), events_lost: state.events.lost, ..state.counters }
    }

    /// Counts input that was on its way when its owner went.
    pub fn abandon(&self, bytes: u64) {
        if bytes > 0 {
            self.change(|state, _, moment| state.abandon(bytes, moment));
        }
    }

    /// Symbols of input that wait for the guest's receiver.
    pub fn input_waiting(&self) -> u64 {
        self.0.parts.input.len()
    }

    /// Symbols of input that the guest's receiver has taken.
    pub fn input_taken(&self) -> u64 {
        // The lock keeps a discard from falling between the two.
        let state = self.state();
        self.0.parts.input.gone() - state.counters.input_discarded
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can panic half-way through a change; if it ever does, a console is worth more than a
        // poisoned one.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and [settles](Self::settle) it.
    fn change<R>(&self, change: impl FnOnce(&mut State, &Parts, Moment) -> R) -> R {
        let parts = &self.0.parts;
        let mut state = self.state();
        // Within the lock: so moments and offsets are in the events' order.
        let result = change(&mut state, parts, Moment::new(parts));
        self.settle(state);
        result
    }

    /// After a change: rings for those who may have to do with it, and tells the observers.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let (stirred, quiet) = (state.take_stir(), state.events.is_empty());
        drop(state);
        if stirred {
            self.0.doorbell.ring();
        }
        if !quiet {
            self.deliver();
        }
    }

    /// Tells the observers what they do not know yet, unless another thread is about it: that one looks again when it is done.
    fn deliver(&self) {
        loop {
            let mut observers = match self.0.observers.try_lock() {
                Ok(observers) => observers,
                Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(std::sync::TryLockError::WouldBlock) => return,
            };
            loop {
                // A statement of its own: the lock is not held while the observers are called.
                let next = self.state().events.take();
                let Some((event, arrived)) = next else { break };
                observers.tell(arrived, &event);
            }
            drop(observers);
            if self.state().events.is_empty() {
                return;
            }
        }
    }
}

/// For [`Session`].
impl Console {
    pub(crate) fn publish(
        &self,
        session: &Session,
        symbols: impl ExactSizeIterator<Item = Symbol>,
        is_break: bool,
    ) -> Result<usize, End> {
        let mut state = self.state();
        // Under the lock: a take-over comes wholly before or wholly after.
        if let Some(end) = session.end() {
            return Err(end.clone());
        }
        let taken = state.publish(session.info.id, session.epoch, symbols, is_break, &self.0.parts);
        self.settle(state);
        Ok(taken)
    }

    pub(crate) fn input_left(&self, session: &Session) -> u64 {
        // Under the lock: another's input can't come in between.
        let state = self.state();
        if state.owns(session.info.id, session.epoch) { self.0.parts.input.left() } else { 0 }
    }

    pub(crate) fn change_of(&self, id: SessionId) -> Option<Change> {
        self.state().change_of(id)
    }

    pub(crate) fn lagged(&self, id: SessionId, on_lag: OnLag, from: u64, to: u64) {
        self.change(|state, parts, moment| state.lagged(id, on_lag, (from, to), parts, moment));
    }

    pub(crate) fn resized(&self, id: SessionId, window: Window) {
        self.change(|state, _, moment| state.resized(id, window, moment));
    }

    pub(crate) fn detach(&self, id: SessionId) {
        self.change(|state, parts, moment| state.end(id, Cause::Detached, parts, moment));
    }
}

#[cfg(all(test, loom))]
mod model;
