//! The state machine: who owns the console, who waits for it, who watches, and what follows from each change.
//!
//! All of it happens under the console's lock, which no vCPU thread ever takes, and none of it waits for anybody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use vuart_scrollback::Scrollback;

use crate::carrier::Carrier;
use crate::counters::Counters;
use crate::end::{Cause, End, Refused, Timestamp};
use crate::event::{EventKind, Events, HangUpReason, Who};
use crate::identity::Identity;
use crate::input::{InputQueue, Symbol};
use crate::policy::{Evicted, HangUp, Policy};
use crate::session::{
    Attach, Change, Epoch, Eviction, Last, Mode, OnLag, SessionId, SessionInfo, Shared, Standing, Window,
};
use crate::sync::Ordering::Relaxed;

/// How long a guest may take to drop DTR because it was hung up on.
const ANSWER: Duration = Duration::from_secs(10);

/// What the state machine acts on.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) scrollback: Scrollback,
    pub(crate) input: Arc<InputQueue>,
    pub(crate) carrier: Carrier,
}

/// When something happens, for people, for timers, and in the guest's output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    at: Timestamp,
    now: Instant,
    offset: u64,
}

impl Moment {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self { at: SystemTime::now().into(), now: Instant::now(), offset: parts.scrollback.end() }
    }

    /// The same moment, if others are told of another.
    pub(crate) fn told(self, at: Option<SystemTime>) -> Self {
        Self { at: at.map_or(self.at, Timestamp::from), ..self }
    }

    pub(crate) fn of_timer(self, now: Instant) -> Self {
        Self { now, ..self }
    }
}

#[derive(Debug)]
struct Record {
    info: SessionInfo,
    shared: Arc<Shared>,
    returning: bool,
    /// By whom it was evicted, if it watches on.
    evicted: Option<Eviction>,
    bytes_in: u64,
}

impl Record {
    fn who(&self) -> Who {
        Who { session: self.info.id, identity: self.info.identity.clone() }
    }
}

/// A session that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) info: SessionInfo,
    pub(crate) shared: Arc<Shared>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) evicted: Option<Identity>,
}

/// What the console's lock guards.
#[derive(Debug, Default)]
pub(crate) struct State {
    sessions: BTreeMap<SessionId, Record>,
    owner: Option<SessionId>,
    /// The present ownership, or the last one.
    epoch: Epoch,
    /// Who comes next. Empty while nobody owns the console.
    line: VecDeque<SessionId>,
    /// Whose session there may be at the guest.
    last_owner: Option<Identity>,
    hang_up_at: Option<Instant>,
    /// When a guest that listens was hung up on.
    hung_up_at: Option<Instant>,
    /// When the owner has typed last, or has come to own the console.
    typed_at: Option<Instant>,
    policy: Policy,
    /// Other sessions, or whoever [services](crate::Console::service) the console, have to look at what has become of them.
    stirred: bool,
    next_id: u64,
    ended: Option<End>,
    disabled: Option<Timestamp>,
    pub(crate) counters: Counters,
    pub(crate) events: Events,
}

impl State {
    pub(crate) fn attach(
        &mut self,
        request: Attach,
        from: u64,
        parts: &Parts,
        moment: Moment,
    ) -> Result<Begun, Refused> {
        let holder = self.owner.and_then(|id| self.sessions.get(&id)).map(|record| record.info.clone());
        let refused = if let Some(end) = &self.ended {
            Some(Refused::Ended { end: end.clone() })
        } else if let Some(since) = self.disabled {
            Some(Refused::Disabled { since })
        } else {
            match &holder {
                Some(holder) if request.mode == Mode::Exclusive => {
                    Some(Refused::Held { holder: holder.identity.clone(), since: holder.since })
                }
                _ => None,
            }
        };
        if let Some(reason) = refused {
            self.refuse(&request.identity, request.mode, &reason, moment);
            return Err(reason);
        }

        let id = SessionId(self.next_id);
        self.next_id += 1;
        let info = SessionInfo {
            id,
            identity: request.identity,
            owner: false,
            waiting: false,
            ahead: None,
            since: moment.at,
            window: None,
        };
        let shared = Arc::<Shared>::default();
        let record = Record {
            info,
            shared: Arc::clone(&shared),
            returning: request.returning,
            evicted: None,
            bytes_in: 0,
        };
        let who = record.who();
        self.sessions.insert(id, record);
        self.counters.attached += 1;

        let mut evicted = None;
        let epoch = match (request.mode, holder) {
            (Mode::Spectate, _) => None,
            (Mode::Wait, Some(_)) => {
                self.wait(id);
                None
            }
            (_, holder) => {
                if let Some(holder) = holder {
                    evicted = Some(Who { session: holder.id, identity: holder.identity });
                    self.counters.taken_over += 1;
                    self.evict(holder.id, &who, moment);
                }
                Some(self.own(id, parts, moment))
            }
        };
        let identity = evicted.as_ref().map(|evicted| evicted.identity.clone());
        self.event(moment, EventKind::Attached { who, mode: request.mode, epoch, evicted, from });
        let info = self.sessions[&id].info.clone();
        Ok(Begun { info, shared, epoch, evicted: identity })
    }

    pub(crate) fn refuse(&mut self, identity: &Identity, mode: Mode, reason: &Refused, moment: Moment) {
        self.counters.refused += 1;
        let (identity, reason) = (identity.clone(), reason.clone());
        self.event(moment, EventKind::Refused { identity, mode, reason });
    }

    /// A new ownership begins, of a console that nobody owns: what any earlier one queued never reaches the guest. Under the lock
    /// nobody publishes, and the old owner finds itself without the ownership before it can again.
    fn own(&mut self, id: SessionId, parts: &Parts, moment: Moment) -> Epoch {
        self.epoch.0 += 1;
        self.owner = Some(id);
        self.typed_at = Some(moment.now);
        let symbols = parts.input.discard();
        if symbols > 0 {
            self.counters.input_discarded += symbols;
            self.event(moment, EventKind::InputDiscarded { symbols });
        }
        let identity = self.sessions.get_mut(&id).map(|record| {
            record.info.owner = true;
            record.info.waiting = false;
            record.evicted = None;
            record.info.identity.clone()
        });
        self.hang_up_at = None;
        if let Some(identity) = identity {
            let last = self.last_owner.replace(identity);
            let other = last.filter(|last| {
                self.last_owner.as_ref().is_some_and(|identity| !identity.is_same_person(last))
            });
            if let (Some(person), HangUp::OnDetach { .. } | HangUp::OnTakeover) = (other, self.policy.hang_up)
            {
                self.hang_up(HangUpReason::OtherPerson, person, parts, moment);
            }
        }
        self.epoch
    }

    /// The owner loses the console to the session `by`, which is about to own it.
    fn evict(&mut self, id: SessionId, by: &Who, moment: Moment) {
        self.owner = None;
        if self.policy.evicted == Evicted::Disconnected {
            self.remove(id, Cause::Evicted { by: by.identity.clone() }, true, moment);
            return;
        }
        let Some(record) = self.sessions.get_mut(&id) else { return };
        record.info.owner = false;
        record.evicted = Some(Eviction { by: by.identity.clone(), at: moment.at });
        let who = record.who();
        if record.returning {
            record.info.waiting = true;
            self.line.push_front(id);
        }
        record.shared.tell();
        self.stirred = true;
        self.line_moved(0);
        self.counters.demoted += 1;
        self.event(moment, EventKind::Demoted { who, by: by.clone() });
    }

    fn wait(&mut self, id: SessionId) {
        self.line.push_back(id);
        if let Some(record) = self.sessions.get_mut(&id) {
            record.info.waiting = true;
        }
    }

    /// Those in line from that place on are told that they have another one.
    fn line_moved(&mut self, from: usize) {
        for record in self.line.iter().skip(from).filter_map(|id| self.sessions.get(id)) {
            record.shared.tell();
            self.stirred = true;
        }
    }

    /// The session is over, and whoever comes next owns the console if it has.
    pub(crate) fn end(&mut self, id: SessionId, cause: Cause, parts: &Parts, moment: Moment) -> bool {
        let owner = self.owner == Some(id);
        if owner {
            self.owner = None;
        }
        if !self.remove(id, cause, owner, moment) {
            return false;
        }
        if owner {
            self.vacated(parts, moment);
        }
        true
    }

    /// The session leaves the table and learns why.
    fn remove(&mut self, id: SessionId, cause: Cause, owner: bool, moment: Moment) -> bool {
        let Some(record) = self.sessions.remove(&id) else { return false };
        if let Some(place) = self.line.iter().position(|waiting| *waiting == id) {
            self.line.remove(place);
            self.line_moved(place);
        }
        // Whoever detaches knows.
        self.stirred |= cause != Cause::Detached;
        self.counters.ended += 1;
        self.counters.kicked += u64::from(matches!(cause, Cause::Kicked { .. }));
        let kind = EventKind::Ended {
            who: record.who(),
            cause: cause.clone(),
            owner,
            since: record.info.since,
            bytes_in: record.bytes_in,
            // Relaxed: as much as it has told.
            bytes_out: record.shared.read.load(Relaxed),
            missed: record.shared.missed.load(Relaxed),
        };
        self.event(moment, kind);
        // Only a session in the table can be ended, and it leaves the table here: this is the first time.
        let _ = record.shared.end.set(Last { end: End { cause, at: moment.at }, offset: moment.offset });
        true
    }

    /// Nobody owns the console any more: the next in line does, or else the time of grace begins.
    fn vacated(&mut self, parts: &Parts, moment: Moment) {
        self.typed_at = None;
        if let Some(id) = self.line.pop_front() {
            let epoch = self.own(id, parts, moment);
            self.counters.promoted += 1;
            self.stirred = true;
            if let Some(record) = self.sessions.get(&id) {
                record.shared.tell();
                let who = record.who();
                self.event(moment, EventKind::Promoted { who, epoch });
            }
            self.line_moved(0);
            return;
        }
        if let HangUp::OnDetach { grace } = self.policy.hang_up
            && self.ended.is_none()
        {
            // A moment that can't be expressed never comes.
            self.hang_up_at = moment.now.checked_add(grace);
            self.stirred = true;
            self.grace(parts, moment);
        }
    }

    /// Hangs up when the time of grace is over.
    fn grace(&mut self, parts: &Parts, moment: Moment) {
        if self.hang_up_at.is_some_and(|at| at <= moment.now) {
            self.hang_up_at = None;
            if let Some(person) = self.last_owner.take() {
                self.hang_up(HangUpReason::Left, person, parts, moment);
            }
        }
    }

    fn hang_up(&mut self, because: HangUpReason, person: Identity, parts: &Parts, moment: Moment) {
        let heard = parts.carrier.hang_up();
        self.hung_up_at = heard.then_some(moment.now);
        self.counters.hang_ups += 1;
        self.counters.hang_ups_unheard += u64::from(!heard);
        self.event(moment, EventKind::HangUp { because, person, heard });
    }

    /// The console is over, for good.
    pub(crate) fn over(&mut self, cause: &Cause, moment: Moment) {
        if self.ended.is_none() {
            self.ended = Some(End { cause: cause.clone(), at: moment.at });
            self.event(moment, EventKind::Over { cause: cause.clone() });
        }
        self.hang_up_at = None;
        self.end_all(cause, moment);
    }

    pub(crate) fn disable(&mut self, parts: &Parts, moment: Moment) {
        if self.ended.is_some() || self.disabled.is_some() {
            return;
        }
        self.disabled = Some(moment.at);
        self.event(moment, EventKind::Disabled);
        if self.end_all(&Cause::Disabled, moment) {
            self.vacated(parts, moment);
        }
    }

    pub(crate) fn enable(&mut self, moment: Moment) {
        if self.disabled.take().is_some() {
            self.event(moment, EventKind::Enabled);
        }
    }

    /// Every session ends, and nobody comes to own the console by that. Whether somebody had.
    fn end_all(&mut self, cause: &Cause, moment: Moment) -> bool {
        self.line.clear();
        self.typed_at = None;
        let owner = self.owner.take();
        let ids: Vec<_> = self.sessions.keys().copied().collect();
        for id in ids {
            self.remove(id, cause.clone(), owner == Some(id), moment);
        }
        owner.is_some()
    }

    /// What time and the guest's modem lines ask for.
    pub(crate) fn service(&mut self, parts: &Parts, moment: Moment) {
        let breaks = parts.carrier.guest_breaks();
        if breaks > 0 {
            self.counters.guest_breaks += breaks;
            self.event(moment, EventKind::GuestBreak { count: breaks });
        }
        if parts.carrier.guest_hung_up() {
            self.counters.guest_hang_ups += 1;
            self.event(moment, EventKind::GuestHungUp);
            // Linux drops DTR when the last process has closed the port, as it does because of a hang-up of ours: that is not
            // meant for whoever owns the console now.
            let answer = self.hung_up_at.take().is_some_and(|at| moment.now.duration_since(at) < ANSWER);
            if let (true, false, Some(owner)) = (self.policy.detach_on_dtr, answer, self.owner) {
                self.end(owner, Cause::GuestHungUp, parts, moment);
            }
        }
        if let (Some(at), Some(owner)) = (self.idle_at(), self.owner)
            && at <= moment.now
        {
            self.end(owner, Cause::Idle, parts, moment);
        }
        self.grace(parts, moment);
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    pub(crate) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        if !matches!(policy.hang_up, HangUp::OnDetach { .. }) {
            self.hang_up_at = None;
        }
        // There may be another deadline.
        self.stirred = true;
    }

    pub(crate) fn take_stir(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// When there is something to do again, if only time passes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.hang_up_at, self.idle_at()].into_iter().flatten().min()
    }

    fn idle_at(&self) -> Option<Instant> {
        self.typed_at?.checked_add(self.policy.idle?)
    }

    /// Input of an ownership: how much of it was taken, which is nothing when the console has another by now.
    pub(crate) fn publish(
        &mut self,
        id: SessionId,
        epoch: Option<Epoch>,
        symbols: impl ExactSizeIterator<Item = Symbol>,
        is_break: bool,
        parts: &Parts,
    ) -> usize {
        if self.owner != Some(id) || epoch != Some(self.epoch) {
            return 0;
        }
        let taken = parts.input.publish(symbols);
        self.counters.input_accepted += taken as u64;
        // Also while nobody asks, for the policy may change; and not for what is only offered again.
        if taken > 0 {
            self.typed_at = Some(Instant::now());
        }
        let Some(record) = self.sessions.get_mut(&id) else { return taken };
        record.bytes_in += taken as u64;
        if is_break && taken > 0 {
            let who = record.who();
            self.counters.breaks += 1;
            self.event(Moment::new(parts), EventKind::Break { who });
        }
        taken
    }

    pub(crate) fn lagged(
        &mut self,
        id: SessionId,
        on_lag: OnLag,
        (from, to): (u64, u64),
        parts: &Parts,
        moment: Moment,
    ) {
        let Some(record) = self.sessions.get(&id) else { return };
        let who = record.who();
        self.counters.lags += 1;
        self.counters.lagged_bytes += to - from;
        if on_lag != OnLag::Ignore {
            self.event(moment, EventKind::Lagged { who, from, to });
        }
        if on_lag == OnLag::Disconnect {
            self.end(id, Cause::Lagged { from, to }, parts, moment);
        }
    }

    pub(crate) fn abandon(&mut self, bytes: u64, moment: Moment) {
        self.counters.input_abandoned += bytes;
        self.event(moment, EventKind::InputAbandoned { bytes });
    }

    pub(crate) fn resized(&mut self, id: SessionId, window: Window, moment: Moment) {
        if let Some(record) = self.sessions.get_mut(&id)
            && record.info.window.replace(window) != Some(window)
        {
            let who = record.who();
            self.event(moment, EventKind::Resized { who, window });
        }
    }

    pub(crate) fn owns(&self, id: SessionId, epoch: Option<Epoch>) -> bool {
        self.owner == Some(id) && epoch == Some(self.epoch)
    }

    pub(crate) fn disabled(&self) -> Option<Timestamp> {
        self.disabled
    }

    pub(crate) fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    pub(crate) fn owner(&self) -> Option<&SessionInfo> {
        self.owner.and_then(|id| self.sessions.get(&id)).map(|record| &record.info)
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionInfo> {
        // One pass over the line, rather than one for each who waits in it.
        let places: BTreeMap<SessionId, u64> = self.line.iter().copied().zip(0..).collect();
        self.sessions.values().map(move |record| {
            let ahead = places.get(&record.info.id).copied();
            SessionInfo { ahead, ..record.info.clone() }
        })
    }

    /// What a session is now, and by whom it was evicted if it watches since.
    pub(crate) fn change_of(&self, id: SessionId) -> Option<Change> {
        let record = self.sessions.get(&id)?;
        let standing = if self.owner == Some(id) {
            Standing::Owner { epoch: self.epoch }
        } else if record.info.waiting {
            let ahead = self.line.iter().position(|waiting| *waiting == id).unwrap_or_default();
            Standing::Waiting { ahead: ahead as u64 }
        } else {
            Standing::Spectator
        };
        Some(Change { standing, evicted: record.evicted.clone() })
    }

    fn event(&mut self, moment: Moment, kind: EventKind) {
        self.events.add(moment.at, moment.offset, kind);
    }
}
