//! What time and the guest's modem lines ask for.

use std::time::Instant;

use super::State;
use crate::end::Cause;
use crate::event::EventKind;
use crate::policy::{HangUp, Policy};

impl State {
    /// Does what time and the guest's modem lines ask for at the time `now`.
    pub(crate) fn service(&mut self, now: Instant) {
        self.clock.set_instant(now);
        self.hear_guest();
        self.hold.expire(now);
        if let (Some(at), Some(owner)) = (self.ownership.idle_at(self.policy.idle), self.ownership.holder())
            && at <= now
        {
            self.end(owner, Cause::Idle);
        }
        self.end_grace();
    }

    /// Looks at what the guest has done to its modem lines.
    fn hear_guest(&mut self) {
        let breaks = self.carrier.guest_breaks();
        if breaks > 0 {
            self.counters.guest_breaks += breaks;
            self.event(EventKind::GuestBreak { count: breaks });
        }
        self.hear_resets();
        // In this order: see `Carrier::drop_was_seen`.
        let hung_up = self.carrier.guest_hung_up();
        if self.carrier.drop_was_seen() {
            self.hang_ups.seen(self.clock.instant());
        }
        if hung_up {
            self.counters.guest_hang_ups += 1;
            self.event(EventKind::GuestHungUp);
            // Linux drops DTR when the last process has closed the port, also when a hang-up of the console made it do so. Then
            // it is not meant for the present owner.
            let answer = self.hang_ups.guest_hung_up(self.clock.instant());
            if let (true, false, Some(owner)) = (self.policy.detach_on_dtr, answer, self.ownership.holder()) {
                self.end(owner, Cause::GuestHungUp);
            }
        }
    }

    /// Looks whether the guest was reset.
    fn hear_resets(&mut self) {
        let resets = self.carrier.guest_resets();
        if resets.count == 0 {
            return;
        }
        self.counters.guest_resets += resets.count;
        self.event(EventKind::GuestReset { count: resets.count });
        self.hang_ups.guest_reset(self.ownership.is_by_person());
        if let (true, true, Some(owner)) =
            (resets.dropped_dtr, self.policy.detach_on_reset, self.ownership.holder())
        {
            self.end(owner, Cause::GuestHungUp);
        }
    }

    /// The time at which [`service`](Self::service) has something to do if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let idle = self.ownership.idle_at(self.policy.idle);
        [self.hang_ups.deadline(), idle, self.hold.deadline()].into_iter().flatten().min()
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    pub(crate) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.hold.set_policy(policy.output);
        if !matches!(policy.hang_up, HangUp::OnDetach { .. }) {
            self.hang_ups.cancel();
        }
        // There may be a new deadline.
        self.ring_doorbell = true;
    }
}
