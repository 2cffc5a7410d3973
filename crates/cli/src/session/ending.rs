//! The end of a script's input: when the session may end as well. The clock is an argument.
//!
//! The guest has to take all of the input first. Then it usually answers, and that is what the script is there for: so the
//! session waits until the guest has written nothing for a moment. It may also end meanwhile, and then its last words are
//! still shown.

use std::time::{Duration, Instant};

/// How long the guest writes nothing before the session ends.
const QUIET: Duration = Duration::from_millis(200);

/// How long the session waits for a quiet moment at most: a guest may write for ever.
const MOST: Duration = Duration::from_secs(2);

/// How long after an answer the server is asked again what the guest has not taken.
const ASKING: Duration = Duration::from_millis(20);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the server how much input waits for the guest.
    Ask,
    /// End the session.
    Detach,
}

/// The time from the end of the input to that of the session.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Whether the server's answer has not come.
    asked: bool,
    /// When the server is asked again.
    ask: Option<Instant>,
    /// Since when the guest has taken everything.
    taken: Option<Instant>,
    /// When the guest has written last.
    written: Option<Instant>,
}

impl Ending {
    /// What is to be done now, once all of the input is sent.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let is_due = !self.asked && self.deadline().is_none_or(|deadline| deadline <= now);
        let due = if self.taken.is_some() { Due::Detach } else { Due::Ask };
        self.asked |= is_due;
        is_due.then_some(due)
    }

    /// When something is to be done, if time alone decides.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Some(taken) = self.taken else { return self.ask.filter(|_| !self.asked) };
        let quiet = self.written.map_or(taken, |written| written.max(taken)) + QUIET;
        Some(quiet.min(taken + MOST))
    }

    /// The server has answered how much input waits for the guest.
    pub(super) fn input_waits(&mut self, bytes: u64, now: Instant) {
        self.asked = false;
        if bytes == 0 {
            self.taken.get_or_insert(now);
        } else {
            self.ask = Some(now + ASKING);
        }
    }

    /// The guest has written.
    pub(super) fn written(&mut self, now: Instant) {
        self.written = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_a_script_leaves_when_its_input_is_taken_and_the_answer_has_come() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut ending = Ending::default();
        assert_eq!((ending.due(at(0)), ending.due(at(0))), (Some(Due::Ask), None));
        ending.written(at(5));
        ending.input_waits(3, at(10));
        assert_eq!((ending.due(at(10)), ending.deadline()), (None, Some(at(30))));
        assert_eq!((ending.due(at(30)), ending.deadline()), (Some(Due::Ask), None));
        ending.input_waits(0, at(40));
        assert_eq!(ending.deadline(), Some(at(240)));
        ending.written(at(230));
        assert_eq!((ending.due(at(240)), ending.deadline()), (None, Some(at(430))));
        assert_eq!(ending.due(at(430)), Some(Due::Detach));
    }

    #[test]
    fn f14_a_guest_that_writes_on_does_not_keep_a_script() {
        let begin = Instant::now();
        let mut ending = Ending::default();
        ending.due(begin);
        ending.input_waits(0, begin);
        ending.written(begin + MOST);
        assert_eq!(ending.due(begin + MOST), Some(Due::Detach));
    }
}
