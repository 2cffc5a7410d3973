//! Producers and sleepers of a doorbell beside each other: the real code, with a flag in place of each file descriptor, or of the interrupt
//! that ends a halt.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use vuart_explore::{Latch, Mutex, explore_words, explore_words_within, thread};

use crate::{
    CallbackDoorbell, CallbackSleeper,
    doorbell::{event::Event, place::Place, sleepers::Sleepers, slots::Slots},
    sync::{AtomicU64, Ordering},
};

/// An eventfd.
#[derive(Default)]
struct Flag(Latch);

impl Event for Flag {
    fn set(&self) {
        self.0.ring();
    }

    fn clear(&self) -> bool {
        self.0.take()
    }

    fn wait(&self, _: Option<Duration>) -> io::Result<()> {
        self.0.wait_rung();
        Ok(())
    }
}

struct Bell {
    sleepers: Arc<Sleepers<Slots<Flag>>>,
    /// The amount that was produced.
    data: AtomicU64,
}

impl Bell {
    fn new() -> Arc<Self> {
        let sleepers = Arc::new(Sleepers::new(Slots::new()));
        Arc::new(Self { sleepers, data: AtomicU64::new(0) })
    }

    fn enter(&self) -> Place<Flag> {
        let Ok(place) = Place::enter(&self.sleepers, || Ok::<_, Infallible>(Flag::default()));
        place.expect("a free place")
    }

    /// Produces by a store, as the ring does.
    fn produce(&self, all: u64) -> bool {
        self.data.store(all, Ordering::Release);
        self.sleepers.ring_if_armed()
    }

    /// Rings after the unlock, as a port does that vCPUs share.
    fn produce_under(&self, mutex: &Mutex<()>, all: u64) -> bool {
        let locked = mutex.lock().expect("no panic");
        self.data.store(all, Ordering::Release);
        drop(locked);
        self.sleepers.ring_if_armed_after_unlock()
    }

    /// Produces by a read-modify-write, as two concurrent producers have to.
    fn produce_one_more(&self) -> bool {
        self.data.fetch_add(1, Ordering::Release);
        self.sleepers.ring_if_armed()
    }

    fn sleep_until(&self, place: &mut Place<Flag>, all: u64) {
        let ready = || self.data.load(Ordering::Acquire) == all;
        assert!(place.wait(ready, None).expect("a wait"));
    }
}

/// A wake-up is never lost. A sleeper that sleeps for ever is a deadlock, which `loom` reports.
#[test]
fn a_sleeper_wakes() {
    explore_words(1000, || {
        let bell = Bell::new();
        let mut place = bell.enter();
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || {
                bell.produce(1);
                bell.produce(2);
            }
        });
        bell.sleep_until(&mut place, 2);
        producer.join().expect("a producer");
    });
}

/// The same with a producer that rings after it has unlocked a mutex.
#[test]
fn a_sleeper_wakes_to_a_ring_after_an_unlock() {
    explore_words(1000, || {
        let bell = Bell::new();
        let mut place = bell.enter();
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || {
                let mutex = Mutex::new(());
                bell.produce_under(&mutex, 1);
                bell.produce_under(&mutex, 2);
            }
        });
        bell.sleep_until(&mut place, 2);
        producer.join().expect("a producer");
    });
}

/// The same with two producers.
#[test]
fn a_sleeper_wakes_to_either_producer() {
    explore_words_within(3, 1000, || {
        let bell = Bell::new();
        let mut place = bell.enter();
        let producers = [(); 2].map(|()| {
            let bell = Arc::clone(&bell);
            thread::spawn(move || bell.produce_one_more())
        });
        bell.sleep_until(&mut place, 2);
        for producer in producers {
            producer.join().expect("a producer");
        }
    });
}

/// The same with two sleepers.
#[test]
fn both_sleepers_wake() {
    explore_words_within(3, 1000, || {
        let bell = Bell::new();
        let (mut here, mut there) = (bell.enter(), bell.enter());
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || bell.produce(1)
        });
        let sleeper = thread::spawn({
            let bell = Arc::clone(&bell);
            // It arms without a first look, because a thread of a model must store before it loads.
            move || {
                there.arm();
                bell.sleep_until(&mut there, 1);
            }
        });
        bell.sleep_until(&mut here, 1);
        producer.join().expect("a producer");
        sleeper.join().expect("a sleeper");
    });
}

/// After one `arm`, one of the producers rings.
#[test]
fn wake_ups_are_coalesced() {
    explore_words(5, || {
        let bell = Bell::new();
        let mut place = bell.enter();
        place.arm();
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || bell.produce_one_more()
        });
        let here = bell.produce_one_more();
        let there = producer.join().expect("a producer");
        assert!(here != there, "rung {here} here, {there} there");
        assert!(place.acknowledge());
    });
}

/// A sleeper leaves while it is rung, and another takes its place and its event. The second wakes as if it had been the first.
#[test]
fn a_place_changes_hands_while_it_is_rung() {
    explore_words_within(3, 300, || {
        let bell = Bell::new();
        let mut place = bell.enter();
        place.arm();
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || {
                bell.produce(1);
                bell.produce(2);
            }
        });
        drop(place);
        let mut place = bell.enter();
        bell.sleep_until(&mut place, 2);
        producer.join().expect("a producer");
        drop(place);
        assert!(!bell.sleepers.ring_if_armed(), "no sleeper is left");
    });
}

/// A sleeper that enters during an unconditional ring sees what was stored before the ring.
#[test]
fn a_sleeper_that_enters_during_a_ring_sees_the_data() {
    explore_words(50, || {
        let bell = Bell::new();
        let ringer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || {
                bell.data.store(1, Ordering::Release);
                bell.sleepers.ring();
            }
        });
        let mut place = bell.enter();
        bell.sleep_until(&mut place, 1);
        ringer.join().expect("a ringer");
    });
}

/// What a doorbell with a callback calls, boxed because the type needs a name.
type Wake = Box<dyn Fn() + Send + Sync>;

/// A processor that halts until an interrupt comes, and keeps one that comes before.
struct Processor {
    doorbell: CallbackDoorbell<Wake>,
    interrupt: Arc<Latch>,
    data: AtomicU64,
}

impl Processor {
    fn new() -> Arc<Self> {
        let interrupt = Arc::new(Latch::default());
        let wake = Arc::clone(&interrupt);
        let doorbell = CallbackDoorbell::new(Box::new(move || wake.ring()) as Wake);
        Arc::new(Self { doorbell, interrupt, data: AtomicU64::new(0) })
    }

    fn produce_one_more(&self) -> bool {
        self.data.fetch_add(1, Ordering::Release);
        self.doorbell.ring_if_armed()
    }

    fn halt(&self, sleeper: &CallbackSleeper<Wake>) {
        while !sleeper.is_rung() {
            self.interrupt.wait();
        }
    }

    fn sleep_until(&self, sleeper: &mut CallbackSleeper<Wake>, all: u64) {
        sleeper.wait(|| self.data.load(Ordering::Acquire) == all, |sleeper| self.halt(sleeper));
    }
}

/// A processor that halts is woken. Its halt ends only when it was rung, so a callback that comes before that is a deadlock.
#[test]
fn a_callback_ends_a_halt() {
    explore_words(1000, || {
        let processor = Processor::new();
        let mut sleeper = processor.doorbell.sleeper().expect("a place");
        let producer = thread::spawn({
            let processor = Arc::clone(&processor);
            move || {
                processor.produce_one_more();
                processor.produce_one_more();
            }
        });
        processor.sleep_until(&mut sleeper, 2);
        producer.join().expect("a producer");
    });
}

/// The same with two producers, and a place that another sleeper had before.
#[test]
fn a_callback_ends_a_halt_in_a_place_that_changed_hands() {
    explore_words_within(3, 300, || {
        let processor = Processor::new();
        let mut sleeper = processor.doorbell.sleeper().expect("a place");
        sleeper.arm();
        let producers = [(); 2].map(|()| {
            let processor = Arc::clone(&processor);
            thread::spawn(move || processor.produce_one_more())
        });
        drop(sleeper);
        let mut sleeper = processor.doorbell.sleeper().expect("a place");
        processor.sleep_until(&mut sleeper, 2);
        for producer in producers {
            producer.join().expect("a producer");
        }
        drop(sleeper);
        assert!(!processor.doorbell.ring_if_armed(), "no sleeper is left");
    });
}

/// After one `arm`, one of the producers calls back. Who finds itself rung sees what that producer stored.
#[test]
fn callbacks_are_coalesced() {
    explore_words(50, || {
        let processor = Processor::new();
        let mut sleeper = processor.doorbell.sleeper().expect("a place");
        sleeper.arm();
        let producer = thread::spawn({
            let processor = Arc::clone(&processor);
            move || processor.produce_one_more()
        });
        if sleeper.is_rung() {
            assert!(processor.data.load(Ordering::Relaxed) > 0);
        }
        let here = processor.produce_one_more();
        let there = producer.join().expect("a producer");
        assert!(here != there, "rung {here} here, {there} there");
        assert!(sleeper.acknowledge());
    });
}
