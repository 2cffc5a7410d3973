//! When the console hangs up on the guest.

use std::time::{Duration, Instant};

use super::State;
use crate::event::{EventKind, HangUpReason, Who};
use crate::identity::Identity;
use crate::info::SessionId;
use crate::policy::HangUp;

/// How long a guest may take to drop DTR in answer to a hang-up.
const ANSWER: Duration = Duration::from_secs(10);

/// Decides when to hang up on the guest, by the person whose login session may be open there.
#[derive(Debug, Default)]
pub(crate) struct HangUps {
    /// The person whose login session may be open at the guest.
    last_owner: Option<Identity>,
    /// The end of the grace time, while the console has no owner.
    grace_ends: Option<Instant>,
    /// The time at which the guest learned of the last hang-up, if it has not answered.
    unanswered: Option<Instant>,
    /// The last hang-up interrupted the guest. If not, the guest learns of it when it sees DCD low.
    heard: bool,
}

impl HangUps {
    /// Notes that a person has become the owner, or that an owner who was nobody has become a person. Returns the person whose login session must be hung up now, if any.
    pub(crate) fn owner_came(&mut self, person: &Identity, policy: HangUp) -> Option<Identity> {
        self.grace_ends = None;
        let last = self.last_owner.replace(person.clone())?;
        let wanted = matches!(policy, HangUp::OnDetach { .. } | HangUp::OnTakeover);
        (wanted && !person.is_same_person(&last)).then_some(last)
    }

    /// Notes that the owner has left. Returns whether a grace time begins.
    pub(crate) fn owner_left(&mut self, policy: HangUp, now: Instant) -> bool {
        let HangUp::OnDetach { grace } = policy else { return false };
        // A time that can't be expressed never comes.
        self.grace_ends = now.checked_add(grace);
        true
    }

    /// Returns the person whose login session must be hung up because the grace time is over, if it is.
    pub(crate) fn grace_over(&mut self, now: Instant) -> Option<Identity> {
        self.grace_ends.take_if(|end| *end <= now)?;
        self.last_owner.take()
    }

    /// The person whose login session may be open at the guest.
    pub(crate) fn last_owner(&self) -> Option<Identity> {
        self.last_owner.clone()
    }

    /// Notes that no login session is open at the guest: nobody's needs to be hung up.
    pub(crate) fn no_login(&mut self) {
        (self.last_owner, self.grace_ends) = (None, None);
    }

    /// Notes a hang-up, and whether the guest was interrupted for it. If not, the guest may still answer an earlier one.
    pub(crate) fn hung_up(&mut self, heard: bool, now: Instant) {
        self.heard = heard;
        if heard {
            self.unanswered = Some(now);
        }
    }

    /// Notes that the guest has seen DCD low for a hang-up.
    pub(crate) fn seen(&mut self, now: Instant) {
        // A guest that was interrupted has learned of it then.
        if !std::mem::replace(&mut self.heard, true) {
            self.unanswered = Some(now);
        }
    }

    /// Notes that the guest has hung up. Returns whether that answers a hang-up of the console.
    pub(crate) fn guest_hung_up(&mut self, now: Instant) -> bool {
        self.unanswered.take().is_some_and(|at| now.duration_since(at) < ANSWER)
    }

    /// Notes that the guest was reset: login sessions are gone, and a hang-up that was not answered never will be. The present owner, if
    /// any, may log in at the new boot.
    pub(crate) fn guest_reset(&mut self, owned: bool) {
        (self.unanswered, self.heard) = (None, false);
        if !owned {
            self.no_login();
        }
    }

    /// Ends the grace time without a hang-up.
    pub(crate) fn cancel(&mut self) {
        self.grace_ends = None;
    }

    /// The time at which a grace time ends, if one has begun.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.grace_ends
    }
}

impl State {
    /// Notes that the owner is a person, and hangs up on the login session of another person.
    pub(super) fn person_came(&mut self, id: SessionId) {
        let Some(Who { identity, .. }) = self.table.who(id) else { return };
        if let Some(person) = self.hang_ups.owner_came(&identity, self.policy.hang_up) {
            self.hang_up(HangUpReason::OtherPerson, Some(person));
        }
    }

    /// Hangs up if the grace time is over.
    pub(super) fn end_grace(&mut self) {
        if let Some(person) = self.hang_ups.grace_over(self.clock.instant()) {
            self.hang_up(HangUpReason::Left, Some(person));
        }
    }

    /// Hangs up because the VMM asks for it. Returns whether the guest is interrupted for it.
    pub(crate) fn hang_up_for_vmm(&mut self) -> bool {
        let heard = self.hang_up(HangUpReason::Vmm, self.hang_ups.last_owner());
        // The login session has ended. Its person, if still the owner, may log in again.
        if heard && !self.ownership.is_by_person() {
            self.hang_ups.no_login();
        }
        heard
    }

    /// The one place where the console hangs up on the guest, for whatever reason. Returns whether the guest is interrupted for it.
    fn hang_up(&mut self, because: HangUpReason, person: Option<Identity>) -> bool {
        let heard = self.carrier.hang_up();
        self.hang_ups.hung_up(heard, self.clock.instant());
        self.counters.hang_ups += 1;
        self.counters.hang_ups_unheard += u64::from(!heard);
        self.event(EventKind::HangUp { because, person, heard });
        heard
    }
}
