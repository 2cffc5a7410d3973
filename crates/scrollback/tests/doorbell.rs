//! Threads that sleep on the doorbell's file descriptors.

use std::{
    os::fd::AsRawFd,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vuart_scrollback::{Doorbell, Scrollback, Sleeper, SleeperError};

/// A wake-up that has not come after this time is lost. Nothing is measured with it.
const LOST: Duration = Duration::from_secs(60);

fn sleeper(doorbell: &Doorbell) -> Sleeper {
    doorbell.sleeper().expect("a place and an eventfd")
}

/// An event loop of another crate.
struct Loop(Epoll);

impl Loop {
    fn new(sleeper: &Sleeper) -> Self {
        let epoll = Epoll::new().expect("an epoll");
        // Miri knows only the edge trigger.
        let events = if cfg!(miri) { EventSet::IN | EventSet::EDGE_TRIGGERED } else { EventSet::IN };
        epoll
            .ctl(ControlOperation::Add, sleeper.as_raw_fd(), EpollEvent::new(events, 0))
            .expect("an eventfd can be polled");
        Self(epoll)
    }

    /// Whether the sleeper's file descriptor is readable, or becomes so within the time.
    fn wait(&self, timeout: Duration) -> bool {
        let mut events = [EpollEvent::default()];
        let timeout = i32::try_from(timeout.as_millis()).expect("less than a month");
        self.0.wait(timeout, &mut events).expect("a wait") == 1
    }

    fn is_rung(&self) -> bool {
        self.wait(Duration::ZERO)
    }
}

#[test]
fn it_is_silent_unless_armed() {
    let doorbell = Doorbell::new();
    let mut sleeper = sleeper(&doorbell);
    let events = Loop::new(&sleeper);
    assert!(!doorbell.ring_if_armed());
    assert!(!events.is_rung());

    sleeper.arm_at_once();
    assert!(doorbell.ring_if_armed());
    assert!(!doorbell.ring_if_armed());
    assert!(events.is_rung());
    assert!(sleeper.acknowledge());
    assert!(!sleeper.acknowledge());
    assert!(!events.is_rung());
}

#[test]
fn acknowledging_disarms() {
    let doorbell = Doorbell::new();
    let mut sleeper = sleeper(&doorbell);
    sleeper.arm_at_once();
    assert!(!sleeper.acknowledge());
    assert!(!doorbell.ring_if_armed());
}

#[test]
fn it_can_be_rung_unarmed() {
    let doorbell = Doorbell::new();
    let mut sleepers = [(); 3].map(|()| sleeper(&doorbell));
    doorbell.ring();
    doorbell.ring();
    for sleeper in &mut sleepers {
        let events = Loop::new(sleeper);
        assert!(events.is_rung());
        assert!(sleeper.acknowledge());
        assert!(!events.is_rung());
    }
}

#[test]
fn only_armed_sleepers_are_woken() {
    let doorbell = Doorbell::new();
    let mut sleepers = [(); 3].map(|()| sleeper(&doorbell));
    sleepers[0].arm_at_once();
    sleepers[2].arm_at_once();
    assert!(doorbell.ring_if_armed());
    assert_eq!(sleepers.each_mut().map(Sleeper::acknowledge), [true, false, true]);
}

#[test]
fn there_are_as_many_places_as_bits() {
    let doorbell = Doorbell::new();
    let mut sleepers: Vec<_> = (0..Doorbell::MAX_SLEEPERS).map(|_| sleeper(&doorbell)).collect();
    assert!(matches!(doorbell.sleeper(), Err(SleeperError::TooMany)));
    sleepers.iter_mut().for_each(Sleeper::arm_at_once);
    assert!(doorbell.ring_if_armed());
    assert!(sleepers.iter_mut().all(Sleeper::acknowledge));

    drop(sleepers.remove(17));
    let mut late = sleeper(&doorbell);
    assert!(matches!(doorbell.sleeper(), Err(SleeperError::TooMany)));
    late.arm_at_once();
    assert!(doorbell.ring_if_armed());
    assert!(late.acknowledge());
}

#[test]
fn a_sleeper_that_has_gone_is_not_woken_and_leaves_nothing_behind() {
    let doorbell = Doorbell::new();
    let mut first = sleeper(&doorbell);
    let fd = first.as_raw_fd();
    first.arm_at_once();
    doorbell.ring_if_armed();
    first.arm_at_once();
    drop(first);
    assert!(!doorbell.ring_if_armed());

    let mut second = sleeper(&doorbell);
    assert_eq!(second.as_raw_fd(), fd, "the eventfd is used again");
    assert!(!second.acknowledge(), "without the ring for the first");
}

/// A sleeper and its doorbell may go in any order.
#[test]
fn a_sleeper_outlives_its_doorbell() {
    let doorbell = Doorbell::new();
    let mut sleeper = sleeper(&doorbell);
    sleeper.arm_at_once();
    drop(doorbell);
    assert!(!sleeper.acknowledge());
}

#[cfg_attr(miri, ignore = "Miri knows no poll(2)")]
#[test]
fn a_wait_ends_when_it_is_ready_or_the_time_is_up() {
    let doorbell = Doorbell::new();
    let mut sleeper = sleeper(&doorbell);
    assert!(sleeper.wait_at_once(|| true, None).expect("a wait"));
    assert!(!sleeper.wait_at_once(|| false, Some(Duration::ZERO)).expect("a wait"));
    assert!(!sleeper.wait_at_once(|| false, Some(Duration::from_micros(10))).expect("a wait"));
    assert!(!doorbell.ring_if_armed(), "it is over");

    // Data comes just before it sleeps.
    let mut looks = 0;
    let late = || {
        looks += 1;
        looks == 2
    };
    assert!(sleeper.wait_at_once(late, Some(Duration::MAX)).expect("a wait"));
    assert!(!doorbell.ring_if_armed(), "it is over");
    // Rung for nothing, it sleeps again.
    doorbell.ring();
    assert!(!sleeper.wait_at_once(|| false, Some(Duration::from_micros(10))).expect("a wait"));
}

/// With an event loop of another crate. The writer writes each byte when the reader has taken the byte before, so that the reader is often
/// about to fall asleep.
#[test]
fn no_wake_up_is_lost_in_a_loop() {
    const BYTES: u64 = if cfg!(miri) { 50 } else { 10_000 };

    /// Sleeps until `scrollback` has more than `seen` bytes. Returns whether it slept at all.
    fn sleep(sleeper: &mut Sleeper, events: &Loop, scrollback: &Scrollback, seen: u64) -> bool {
        let mut slept = false;
        while scrollback.end() == seen {
            sleeper.arm_at_once();
            if scrollback.end() == seen {
                slept = true;
                assert!(events.wait(LOST), "a wake-up was lost at offset {seen}");
            }
            sleeper.acknowledge();
        }
        slept
    }

    // One there, the other back.
    let [to_reader, to_writer] = [Doorbell::new(), Doorbell::new()];
    let (mut writer, scrollback) = Scrollback::new(Scrollback::MIN_CAPACITY).expect("an allowed capacity");
    let (mut answer, answers) = Scrollback::new(Scrollback::MIN_CAPACITY).expect("an allowed capacity");
    thread::scope(|scope| {
        scope.spawn({
            let (mut sleeper, to_writer) = (sleeper(&to_reader), to_writer.clone());
            move || {
                let events = Loop::new(&sleeper);
                for offset in 0..BYTES {
                    sleep(&mut sleeper, &events, &scrollback, offset);
                    answer.push(b'.');
                    to_writer.ring_if_armed();
                }
            }
        });
        let mut sleeper = sleeper(&to_writer);
        let events = Loop::new(&sleeper);
        let mut slept = 0;
        for offset in 0..BYTES {
            writer.push(b'.');
            to_reader.ring_if_armed();
            slept += u64::from(sleep(&mut sleeper, &events, &answers, offset));
        }
        println!("slept {slept} times for {BYTES} bytes");
    });
}

/// Tries the moment in which a wake-up could get lost, again and again, without sleeping. Two threads meet: one stores data and looks
/// for armed sleepers, the other arms and looks for data. One of them has to see the other. (Tests that sleep hardly ever meet that
/// moment, and pass on x86 without any barrier.)
fn one_sees_the_other(produce: impl Fn(&AtomicU64, u64, &Doorbell) -> bool + Sync) {
    const ROUNDS: u64 = 50_000;

    let doorbell = &Doorbell::new();
    let (data, rung) = (AtomicU64::new(0), AtomicU64::new(0));
    let ready = [const { AtomicU64::new(0) }; 2];
    let mut missed = 0;
    let meet = |me: usize, round: u64| {
        ready[me].store(round, Ordering::SeqCst);
        for spins in 1_u32.. {
            if ready[1 - me].load(Ordering::SeqCst) >= round {
                break;
            }
            // A yield at once would take longer than the moment that the test looks for.
            if spins % 1000 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
        }
    };
    let mut sleeper = sleeper(doorbell);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                // Brings the word into this core's cache.
                doorbell.ring_if_armed();
                meet(0, 2 * round);
                (0..round / 8 % 8).for_each(|_| std::hint::spin_loop());
                let woken = produce(&data, round, doorbell);
                rung.store(u64::from(woken), Ordering::Relaxed);
                meet(0, 2 * round + 1);
            }
        });
        for round in 1..=ROUNDS {
            meet(1, 2 * round);
            // Now a little later, now a little earlier.
            (0..round % 8).for_each(|_| std::hint::spin_loop());
            sleeper.arm_at_once();
            let seen = data.load(Ordering::Acquire) == round;
            meet(1, 2 * round + 1);
            let woken = rung.load(Ordering::Relaxed) == 1;
            missed += u64::from(!seen && !woken);
            sleeper.acknowledge();
        }
    });
    assert_eq!(missed, 0, "wake-ups lost in {ROUNDS} rounds");
}

#[cfg_attr(miri, ignore = "too slow; Miri tries the models")]
#[test]
fn a_producer_and_a_sleeper_do_not_miss_each_other() {
    one_sees_the_other(|data, round, doorbell| {
        data.store(round, Ordering::Release);
        doorbell.ring_if_armed()
    });
}

#[cfg_attr(miri, ignore = "too slow; Miri tries the models")]
#[test]
fn a_producer_that_has_unlocked_a_mutex_and_a_sleeper_do_not_miss_each_other() {
    let mutex = Mutex::new(());
    one_sees_the_other(|data, round, doorbell| {
        let locked = mutex.lock().expect("no panic");
        data.store(round, Ordering::Release);
        drop(locked);
        doorbell.ring_if_armed_after_unlock()
    });
}

/// In each round each producer says that it has produced; each consumer waits for all producers, and says that it has consumed; and
/// each producer waits for all consumers. So all threads sleep on one of two doorbells, and any of several may wake them.
#[cfg_attr(miri, ignore = "Miri knows no poll(2)")]
#[test]
fn no_wake_up_is_lost_between_many() {
    const THREADS: usize = 3;
    const ROUNDS: u64 = 10_000;

    let (to_consumers, to_producers) = (&Doorbell::new(), &Doorbell::new());

    let say = |what: &AtomicU64, round: u64, doorbell: &Doorbell| {
        // As the ring says it: a plain store, which may stay in a store buffer.
        what.store(round, Ordering::Release);
        doorbell.ring_if_armed();
    };
    let hear = |what: &[AtomicU64], round: u64, sleeper: &mut Sleeper| {
        let all = || what.iter().all(|one| one.load(Ordering::Acquire) >= round);
        assert!(
            sleeper.wait_at_once(all, Some(LOST)).expect("a wait"),
            "a wake-up was lost in round {round}"
        );
    };
    let produced = [const { AtomicU64::new(0) }; THREADS];
    let consumed = [const { AtomicU64::new(0) }; THREADS];
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (produced, consumed) = (&produced, &consumed);
            let (mut there, mut here) = (sleeper(to_producers), sleeper(to_consumers));
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    say(&produced[n], round, to_consumers);
                    hear(consumed, round, &mut there);
                }
            });
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    hear(produced, round, &mut here);
                    say(&consumed[n], round, to_producers);
                }
            });
        }
    });
}
