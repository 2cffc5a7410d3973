//! The two ends of the policy, step by step.

use super::*;
use crate::policy::OutputPolicy;
use crate::standing::Epoch;
use crate::testing::{Rings, counting_bell};

const RING: u64 = 4096;
const HIGH: u64 = 3072;
const LOW: u64 = HIGH - 64;

struct Ends {
    control: HoldControl,
    hold: OutputHold,
    changed: Rings,
    announced: Rings,
    rung: Rings,
}

fn ends(deadline: Duration) -> Ends {
    let ((changed, all_changes), (announce, announced), (doorbell, rung)) =
        (counting_bell(), counting_bell(), counting_bell());
    let (mut control, hold) = pair(RING, HoldBells { changed, announce, doorbell });
    control.set_policy(OutputPolicy::Hold { deadline });
    Ends { control, hold, changed: all_changes, announced, rung }
}

impl Ends {
    fn owner_is_at(&mut self, epoch: u64, cursor: u64, end: u64) {
        self.control.publish(Some((Epoch::new(epoch), cursor)), end);
    }
}

const NEVER: Duration = OutputPolicy::LONGEST_HOLD;

#[test]
fn a_hold_begins_and_ends_at_its_marks() {
    let mut ends = ends(NEVER);
    assert!(!ends.hold.is_on() && !ends.hold.begins(10 * RING), "no owner");
    ends.owner_is_at(1, 100, 100);
    assert!(ends.hold.is_on());
    assert_eq!(ends.changed.count(), 1, "the port looks again");
    assert!(!ends.hold.begins(100 + HIGH - 1) && ends.hold.begins(100 + HIGH));
    assert_eq!(ends.rung.count(), 1);
    ends.owner_is_at(1, 100 + HIGH - LOW - 1, 100 + HIGH);
    assert!(!ends.hold.is_over() && ends.control.is_held());
    ends.owner_is_at(1, 100 + HIGH - LOW, 100 + HIGH);
    assert!(ends.hold.is_over() && !ends.control.is_held());
    assert_eq!((ends.announced.count(), ends.hold.end()), (0, false), "nobody asked");
}

#[test]
fn a_guest_is_interrupted_once_for_each_request() {
    let mut ends = ends(NEVER);
    ends.owner_is_at(1, 0, 0);
    assert!(ends.hold.begins(HIGH));
    assert!(ends.hold.want() && ends.hold.want());
    ends.owner_is_at(1, 63, HIGH);
    assert_eq!(ends.announced.count(), 0);
    ends.owner_is_at(1, 64, HIGH);
    ends.owner_is_at(1, 65, HIGH);
    assert_eq!(ends.announced.count(), 1);
    assert!(!ends.hold.want(), "it is over");
    assert!(ends.hold.end() || ends.hold.is_over());
    // One that is withdrawn is not made.
    assert!(ends.hold.begins(65 + HIGH) && ends.hold.want() && !ends.hold.announced());
    ends.owner_is_at(1, 200, 65 + HIGH);
    assert_eq!(ends.announced.count(), 1);
}

#[test]
fn the_target_moves_when_the_guest_writes_on() {
    let mut ends = ends(NEVER);
    ends.owner_is_at(1, 0, 0);
    assert!(ends.hold.begins(HIGH) && ends.hold.want());
    assert!(!ends.hold.begins(HIGH + 10));
    ends.owner_is_at(1, 73, HIGH + 10);
    assert_eq!(ends.announced.count(), 0);
    ends.owner_is_at(1, 74, HIGH + 10);
    assert_eq!(ends.announced.count(), 1);
}

#[test]
fn a_missed_deadline_counts_until_the_owner_has_caught_up_or_another_comes() {
    let mut ends = ends(NEVER);
    ends.owner_is_at(1, 0, 0);
    assert!(ends.hold.begins(HIGH) && ends.hold.want());
    let due = ends.control.deadline().unwrap();
    ends.control.expire(due.checked_sub(Duration::from_nanos(1)).unwrap());
    assert!(!ends.hold.is_over());
    ends.control.expire(due);
    ends.control.expire(due);
    assert_eq!((ends.announced.count(), ends.control.counts().missed), (1, 1));
    assert!(ends.hold.is_over() && ends.hold.end());
    let end = 2 * RING;
    assert!(!ends.hold.begins(end));
    ends.owner_is_at(1, end - RING / 2 - 1, end);
    assert!(!ends.hold.begins(end + RING));
    ends.owner_is_at(1, end - RING / 2, end);
    assert!(ends.hold.begins(end + RING), "it has caught up");
    ends.control.expire(due + 2 * NEVER);
    assert!(ends.hold.is_over());
    ends.hold.end();
    ends.owner_is_at(2, 0, end + RING);
    assert!(ends.hold.begins(end + RING), "another owner");
    assert_eq!(ends.control.counts().missed, 2);
}

#[test]
fn a_hold_that_the_guest_ends_goes_on_under_its_deadline() {
    let mut ends = ends(NEVER);
    ends.owner_is_at(1, 0, 0);
    assert!(ends.hold.begins(HIGH));
    let due = ends.control.deadline().unwrap();
    ends.hold.end();
    assert_eq!(ends.control.deadline(), None);
    assert!(ends.hold.begins(HIGH + 1));
    assert_eq!(ends.control.deadline(), Some(due));
    ends.hold.end();
    ends.owner_is_at(1, HIGH, HIGH);
    assert!(!ends.hold.begins(HIGH + 2) && ends.hold.begins(2 * HIGH));
    assert!(ends.control.deadline().unwrap() > due);
}

#[test]
fn another_policy_releases_the_guest() {
    let mut ends = ends(NEVER);
    ends.owner_is_at(1, 0, 0);
    assert!(ends.hold.begins(HIGH) && ends.hold.want());
    ends.control.set_policy(OutputPolicy::Overwrite);
    assert!(ends.control.concerns());
    ends.control.publish(None, HIGH);
    assert_eq!(ends.announced.count(), 1);
    assert!(!ends.control.concerns() && !ends.hold.is_on() && ends.hold.is_over());
}
