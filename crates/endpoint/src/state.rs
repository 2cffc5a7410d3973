//! The state machine: who owns the console, who waits for it, who watches, and what follows from each change.
//!
//! All of it happens under the console's lock. No vCPU thread ever takes that lock, and nothing here blocks.
//!
//! [`State`] has the verbs: sessions begin and end and ownership passes here, [`traffic`] has input and output, [`timers`] what
//! time asks for, [`hang_up`] the hang-ups, and [`view`] what others see. The parts of the state know only their own rules: the [`Table`] of sessions, the
//! [`WaitQueue`], the [`Ownership`] with its epoch, the [`HangUps`], and the [`Clock`] of the present change.

use std::sync::Arc;

use vuart_scrollback::Scrollback;

use crate::attach::{Attach, Mode};
use crate::carrier::Carrier;
use crate::counters::Counters;
use crate::end::{Cause, End};
use crate::event::{EventKind, Who};
use crate::hold::HoldControl;
use crate::identity::Identity;
use crate::info::{SessionId, SessionInfo};
use crate::input::InputProducer;
use crate::link::{Link, Progress};
use crate::observer::Events;
use crate::policy::{Evicted, Policy};
use crate::refused::Refused;
use crate::standing::{Epoch, Eviction};
use crate::timestamp::Timestamp;

mod clock;
mod hang_up;
mod ownership;
mod table;
mod timers;
mod traffic;
mod view;
mod wait_queue;

use clock::Clock;
use hang_up::HangUps;
use ownership::Ownership;
use table::{Row, Table};
use wait_queue::WaitQueue;

/// A session that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) info: SessionInfo,
    pub(crate) link: Arc<Link>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) evicted: Option<Identity>,
}

/// What the console's lock guards.
#[derive(Debug)]
pub(crate) struct State {
    clock: Clock,
    input: InputProducer,
    carrier: Carrier,
    hold: HoldControl,
    table: Table,
    queue: WaitQueue,
    ownership: Ownership,
    hang_ups: HangUps,
    policy: Policy,
    /// Whether the present change concerns a sleeper: another session, or the thread that
    /// [services](crate::Console::service) the console.
    ring_doorbell: bool,
    ended: Option<End>,
    disabled: Option<Timestamp>,
    counters: Counters,
    events: Events,
}

impl State {
    pub(crate) fn new(
        scrollback: Scrollback,
        input: InputProducer,
        carrier: Carrier,
        hold: HoldControl,
    ) -> Self {
        Self {
            clock: Clock::new(scrollback),
            input,
            carrier,
            hold,
            table: Table::default(),
            queue: WaitQueue::default(),
            ownership: Ownership::default(),
            hang_ups: HangUps::default(),
            policy: Policy::default(),
            ring_doorbell: false,
            ended: None,
            disabled: None,
            counters: Counters::default(),
            events: Events::default(),
        }
    }

    /// Begins a change: each verb below is one.
    pub(crate) fn begin_change(&mut self) {
        self.clock.restart();
        self.ring_doorbell = false;
    }

    /// Ends a change: the port learns how far the owner has read, if output may have to wait for that.
    pub(crate) fn end_change(&mut self) {
        if !self.hold.concerns() {
            return;
        }
        let holds = self.policy.output.deadline().is_some();
        let owner = self.ownership.owner().filter(|_| holds).and_then(|id| {
            let cursor = self.table.get(id)?.cursor();
            Some((self.ownership.epoch_of(id)?, cursor))
        });
        self.hold.publish(owner, self.clock.offset());
    }

    /// Whether the doorbell must ring after the present change.
    pub(crate) fn rings_doorbell(&self) -> bool {
        self.ring_doorbell
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn events_mut(&mut self) -> &mut Events {
        &mut self.events
    }

    /// Begins a session whose output starts at the offset `from`.
    pub(crate) fn attach(&mut self, request: Attach, from: u64) -> Result<Begun, Refused> {
        if let Some(at) = request.at {
            self.clock.set_at(at);
        }
        let owner = self.owner();
        if let Some(reason) = self.reason_to_refuse(request.mode, owner.as_ref()) {
            self.refuse(&request.identity, request.mode, &reason);
            return Err(reason);
        }

        let link = Arc::<Link>::default();
        let id = self.table.add(Row {
            identity: request.identity.clone(),
            since: self.clock.at(),
            window: None,
            returning: request.returning,
            yields: request.mode == Mode::Yield,
            evicted: None,
            from,
            bytes_in: 0,
            link: Arc::clone(&link),
        });
        let who = Who { session: id, identity: request.identity };
        self.counters.attached += 1;
        let mut evicted_owner = None;
        let epoch = match (request.mode, owner) {
            (Mode::Spectate, _) | (Mode::Yield, Some(_)) => None,
            (_, None) => Some(self.own(&who)),
            (_, Some(owner)) if owner.yields => {
                self.give_way(Who { session: owner.id, identity: owner.identity }, &who);
                Some(self.own(&who))
            }
            (Mode::Wait, Some(_)) => {
                self.queue.join(id);
                None
            }
            // A take-over: exclusive mode was refused above.
            (_, Some(owner)) => {
                let owner = Who { session: owner.id, identity: owner.identity };
                self.counters.taken_over += 1;
                self.evict(owner.session, &who);
                evicted_owner = Some(owner);
                Some(self.own(&who))
            }
        };
        let ahead = self.queue.place(id).map(|place| place as u64);
        let info = SessionInfo {
            id,
            identity: who.identity.clone(),
            owner: epoch.is_some(),
            yields: request.mode == Mode::Yield,
            waiting: ahead.is_some(),
            ahead,
            since: self.clock.at(),
            window: None,
        };
        let evicted = evicted_owner.as_ref().map(|owner| owner.identity.clone());
        self.event(EventKind::Attached { who, mode: request.mode, epoch, evicted: evicted_owner, from });
        Ok(Begun { info, link, epoch, evicted })
    }

    fn reason_to_refuse(&self, mode: Mode, owner: Option<&SessionInfo>) -> Option<Refused> {
        if let Some(end) = &self.ended {
            return Some(Refused::Ended { end: end.clone() });
        }
        if let Some(since) = self.disabled {
            return Some(Refused::Disabled { since });
        }
        owner
            .filter(|owner| mode == Mode::Exclusive && !owner.yields)
            .map(|owner| Refused::Held { holder: owner.identity.clone(), since: owner.since })
    }

    pub(crate) fn refuse(&mut self, identity: &Identity, mode: Mode, reason: &Refused) {
        self.counters.refused += 1;
        self.event(EventKind::Refused { identity: identity.clone(), mode, reason: reason.clone() });
    }

    /// Ends a session. If it owned the console, the next in the queue does now. Returns whether there was such a session.
    pub(crate) fn end(&mut self, id: SessionId, cause: Cause) -> bool {
        let owner = self.ownership.owner() == Some(id);
        let person = owner && self.ownership.is_by_person();
        if owner {
            self.ownership.end();
        }
        let there = self.remove(id, cause, owner);
        if there && owner {
            self.vacated(person);
        }
        there
    }

    /// Ends the console for good, and every session.
    pub(crate) fn over(&mut self, cause: &Cause) {
        if self.ended.is_none() {
            self.ended = Some(End { cause: cause.clone(), at: self.clock.at() });
            self.event(EventKind::Over { cause: cause.clone() });
        }
        self.hang_ups.cancel();
        self.end_all(cause);
    }

    pub(crate) fn disable(&mut self) {
        if self.ended.is_some() || self.disabled.is_some() {
            return;
        }
        self.disabled = Some(self.clock.at());
        self.event(EventKind::Disabled);
        let person = self.ownership.is_by_person();
        self.end_all(&Cause::Disabled);
        if person {
            self.vacated(person);
        }
    }

    pub(crate) fn enable(&mut self) {
        if self.disabled.take().is_some() {
            self.event(EventKind::Enabled);
            // For those who wait for it to attach again.
            self.ring_doorbell = true;
        }
    }

    /// Ends every session, without a new owner.
    fn end_all(&mut self, cause: &Cause) {
        self.queue.clear();
        let owner = self.ownership.end();
        let ids: Vec<_> = self.table.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.remove(id, cause.clone(), owner == Some(id));
        }
    }

    /// Removes a session from table and queue, and tells it why. Returns whether there was such a session.
    fn remove(&mut self, id: SessionId, cause: Cause, owner: bool) -> bool {
        let Some(row) = self.table.remove(id) else { return false };
        if let Some(place) = self.queue.leave(id) {
            self.tell_queue(place);
        }
        // A session that detaches knows it already.
        self.ring_doorbell |= cause != Cause::Detached;
        self.counters.ended += 1;
        self.counters.kicked += u64::from(matches!(cause, Cause::Kicked { .. }));
        let Progress { read, missed, lost_before } = row.link.progress();
        // The session may read on while this is counted. What is from behind the event's offset is not part of it.
        let left = self.clock.offset().saturating_sub(row.from);
        let lost_before = lost_before.min(left);
        let missed = missed.min(left - lost_before);
        let bytes_out = read.min(left - lost_before - missed);
        let unread = left - lost_before - missed - bytes_out;
        self.event(EventKind::Ended {
            who: row.who(id),
            cause: cause.clone(),
            owner,
            since: row.since,
            bytes_in: row.bytes_in,
            bytes_out,
            missed,
            lost_before,
            unread,
        });
        // `close` is called once for a session: it is no longer in the table.
        row.link.close(End { cause, at: self.clock.at() }, self.clock.offset());
        true
    }

    /// Begins a new ownership of a console that has no owner. Input that an earlier owner queued never reaches the guest: it is
    /// discarded here, under the lock. An earlier owner needs the lock to queue more, and then its epoch is not the present one.
    fn own(&mut self, who: &Who) -> Epoch {
        let yields = self.table.get(who.session).is_some_and(|row| row.yields);
        let epoch = self.ownership.begin(who.session, yields, self.clock.instant());
        let symbols = self.input.take_discarded_late() + self.input.discard();
        if symbols > 0 {
            self.counters.input_discarded += symbols;
            self.event(EventKind::InputDiscarded { symbols });
        }
        if let Some(row) = self.table.get_mut(who.session) {
            row.evicted = None;
        }
        if !yields {
            self.person_came(who.session);
        }
        // There is a new deadline, also for a server that sleeps while somebody in this process attaches.
        self.ring_doorbell |= self.policy.idle.is_some();
        epoch
    }

    /// Takes the console from an owner that yields, for the session `by`, which is about to own it. It watches from now on.
    fn give_way(&mut self, who: Who, by: &Who) {
        self.ownership.end();
        self.tell(who.session);
        self.counters.yielded += 1;
        self.event(EventKind::Yielded { who, by: by.clone() });
    }

    /// Takes the console from its owner, for the session `by`, which is about to own it.
    fn evict(&mut self, id: SessionId, by: &Who) {
        self.ownership.end();
        if self.policy.evicted == Evicted::Disconnected {
            self.remove(id, Cause::Evicted { by: by.identity.clone() }, true);
            return;
        }
        let eviction = Eviction { by: by.identity.clone(), at: self.clock.at() };
        let Some(row) = self.table.get_mut(id) else { return };
        row.evicted = Some(eviction);
        let who = row.who(id);
        if row.returning {
            self.queue.join_first(id);
        }
        self.tell(id);
        self.tell_queue(0);
        self.counters.demoted += 1;
        self.event(EventKind::Demoted { who, by: by.clone() });
    }

    /// Gives the console, which has lost its owner, to the next in the queue. If none waits and a person has left, the grace time begins,
    /// and a session that yields has the console meanwhile, if there is one.
    fn vacated(&mut self, person: bool) {
        if let Some(who) = self.queue.next().and_then(|id| self.table.who(id)) {
            self.promote(who);
            self.tell_queue(0);
            return;
        }
        if let Some(who) = self.table.oldest_yielding().and_then(|id| self.table.who(id)) {
            self.promote(who);
        }
        if person
            && self.ended.is_none()
            && self.hang_ups.owner_left(self.policy.hang_up, self.clock.instant())
        {
            // There is a new deadline.
            self.ring_doorbell = true;
            self.end_grace();
        }
    }

    /// Makes a session the owner of the console, which has none.
    fn promote(&mut self, who: Who) {
        let epoch = self.own(&who);
        self.counters.promoted += 1;
        self.tell(who.session);
        self.event(EventKind::Promoted { who, epoch });
    }

    /// Tells a session that its standing has changed.
    fn tell(&mut self, id: SessionId) {
        if let Some(row) = self.table.get(id) {
            row.link.tell();
            self.ring_doorbell = true;
        }
    }

    /// Tells the sessions in the queue from a place on that they have another place.
    fn tell_queue(&mut self, place: usize) {
        for row in self.queue.iter_from(place).filter_map(|id| self.table.get(id)) {
            row.link.tell();
            self.ring_doorbell = true;
        }
    }

    fn event(&mut self, kind: EventKind) {
        self.events.add(self.clock.at(), self.clock.offset(), kind);
    }
}
