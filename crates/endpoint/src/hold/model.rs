//! Holds of output under `loom`: `RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-endpoint model`.

use vuart_explore::{explore, explore_within, thread};

use super::*;
use crate::policy::OutputPolicy;
use crate::standing::Epoch;
use crate::testing::{latch_bell, silent_bell};

/// The ring's size. A hold begins at 96 bytes and ends when the owner has read two.
const RING: u64 = 128;
const HIGH: u64 = 96;

/// Both ends, with an owner that has read nothing, and a hold that has begun.
fn held(announce: Bell, deadline: Duration) -> (HoldControl, OutputHold) {
    let bells = HoldBells { changed: silent_bell(), announce, doorbell: silent_bell() };
    let (mut control, mut hold) = pair(RING, bells);
    control.set_policy(OutputPolicy::Hold { deadline });
    control.publish(Some((Epoch::new(1), 0)), 0);
    assert!(hold.begins(HIGH));
    (control, hold)
}

/// The owner reads, byte by byte, while the guest goes to sleep. A lost wake-up is a deadlock.
#[test]
fn r9_no_end_of_a_hold_is_unseen_by_a_guest_that_sleeps() {
    explore(30, || {
        let (interrupt, announce) = latch_bell();
        let (mut control, mut hold) = held(announce, OutputPolicy::LONGEST_HOLD);
        let owner = thread::spawn(move || {
            for cursor in 1..=2 {
                control.publish(Some((Epoch::new(1), cursor)), HIGH);
            }
        });
        while hold.want() {
            interrupt.wait();
            hold.announced();
        }
        hold.end();
        owner.join().unwrap();
    });
}

/// The guest writes on during the hold, so that the owner has more to read, and may be interrupted too early.
#[test]
fn r9_no_end_of_a_hold_is_unseen_by_a_guest_that_writes_on() {
    explore_within(4, 100, || {
        let (interrupt, announce) = latch_bell();
        let (mut control, mut hold) = held(announce, OutputPolicy::LONGEST_HOLD);
        let owner = thread::spawn(move || {
            for cursor in 2..=3 {
                control.publish(Some((Epoch::new(1), cursor)), HIGH + 1);
            }
        });
        let waits = hold.want();
        if waits {
            assert!(!hold.begins(HIGH + 1));
        }
        while hold.want() {
            interrupt.wait();
            hold.announced();
        }
        hold.end();
        owner.join().unwrap();
    });
}

/// The deadline passes for both ends at once. The guest goes on, and it is counted once.
#[test]
fn a_deadline_is_missed_once() {
    explore(10, || {
        let (interrupt, announce) = latch_bell();
        let (mut control, mut hold) = held(announce, Duration::ZERO);
        let words = Arc::clone(&hold.words);
        let asks = hold.want();
        let service = thread::spawn(move || control.expire(Instant::now()));
        if asks && hold.is_over() {
            if hold.end() {
                interrupt.wait();
            }
        }
        service.join().unwrap();
        assert_eq!((words.missed.load(Relaxed), words.turn.load(Relaxed) & MISSED), (1, MISSED));
    });
}

/// Another owner comes as the deadline passes. It has not missed it.
#[test]
fn a_deadline_is_never_missed_by_an_owner_that_comes_later() {
    explore(10, || {
        let (mut control, mut hold) = held(silent_bell(), Duration::ZERO);
        let words = Arc::clone(&hold.words);
        let take_over = thread::spawn(move || control.publish(Some((Epoch::new(2), HIGH)), HIGH));
        assert!(hold.is_over());
        hold.end();
        take_over.join().unwrap();
        assert_eq!(words.turn.load(Relaxed) & MISSED, 0);
        assert!(words.missed.load(Relaxed) <= 1 && !hold.begins(HIGH + 1));
    });
}
