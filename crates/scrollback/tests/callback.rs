//! The doorbell that calls a function. These tests need no operating system but for their threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

use vuart_scrollback::{CallbackDoorbell, CallbackSleeper, Scrollback, SleeperError};

/// A doorbell that counts its calls.
fn counting() -> (CallbackDoorbell<impl Fn() + Send + Sync + 'static>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let wake = {
        let calls = Arc::clone(&calls);
        move || {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    (CallbackDoorbell::new(wake), calls)
}

#[test]
fn one_call_for_each_time_that_a_sleeper_armed() {
    let (doorbell, calls) = counting();
    let mut sleeper = doorbell.sleeper().expect("a place");
    assert!(!doorbell.ring_if_armed());
    assert!(!sleeper.is_rung());
    for round in 1..=3 {
        sleeper.arm();
        assert!(doorbell.ring_if_armed());
        assert!(!doorbell.clone().ring_if_armed(), "once is enough");
        assert!(sleeper.is_rung());
        assert!(sleeper.acknowledge());
        assert!(!sleeper.acknowledge());
        assert_eq!(calls.load(Ordering::Relaxed), round);
    }
    // Who looks again and finds work withdraws.
    sleeper.arm();
    assert!(!sleeper.acknowledge());
    assert!(!doorbell.ring_if_armed());
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[test]
fn one_call_wakes_all_that_are_armed_and_no_other() {
    let (doorbell, calls) = counting();
    let [mut first, mut second, third] = [(); 3].map(|()| doorbell.sleeper().expect("a place"));
    first.arm();
    second.arm();
    assert!(doorbell.ring_if_armed());
    assert_eq!((first.is_rung(), second.is_rung(), third.is_rung()), (true, true, false));
    doorbell.ring();
    assert!(third.is_rung(), "armed or not");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_ring_with_no_sleeper_calls_nothing() {
    let (doorbell, calls) = counting();
    doorbell.ring();
    let mut sleeper = doorbell.sleeper().expect("a place");
    sleeper.arm();
    drop(sleeper);
    doorbell.ring();
    assert!(!doorbell.ring_if_armed());
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[test]
fn a_place_is_free_again_when_its_sleeper_has_gone() {
    let (doorbell, _) = counting();
    let most = CallbackDoorbell::<fn()>::MAX_SLEEPERS;
    let mut sleepers: Vec<_> = (0..most).map(|_| doorbell.sleeper().expect("a place")).collect();
    assert!(matches!(doorbell.sleeper(), Err(SleeperError::TooMany)));
    sleepers[5].arm();
    assert!(doorbell.ring_if_armed());
    // The next one is not rung for the last one's ring.
    drop(sleepers.swap_remove(5));
    let next = doorbell.sleeper().expect("a place");
    assert!(!next.is_rung());
    assert!(doorbell.sleeper().is_err());
}

#[test]
fn wait_does_not_halt_while_there_is_work() {
    let doorbell = CallbackDoorbell::new(|| ());
    let mut sleeper = doorbell.sleeper().expect("a place");
    sleeper.wait(|| true, |_| panic!("halts"));
    // Work that comes between the look and the arming.
    let mut looks = 0;
    let ready = || {
        looks += 1;
        looks > 1
    };
    sleeper.wait(ready, |_| panic!("halts"));
    assert_eq!(looks, 2);
    assert!(!doorbell.ring_if_armed(), "it has withdrawn");
}

/// A processor's halt, which ends for other interrupts as well.
fn halt(sleeper: &CallbackSleeper<impl Fn()>, halts: &mut u64) {
    *halts += 1;
    if !(*halts).is_multiple_of(3) {
        while !sleeper.is_rung() {
            thread::park();
        }
    }
}

/// Threads stand for processors. A wake-up that is lost hangs the test.
#[test]
fn two_processors_write_and_one_reads_all() {
    const EACH: u64 = if cfg!(miri) { 30 } else { 20_000 };
    let reader: Thread = thread::current();
    let doorbell = CallbackDoorbell::new(move || reader.unpark());
    let mut sleeper = doorbell.sleeper().expect("a place");
    let (writer, scrollback) = Scrollback::new(1 << 16).expect("a ring");
    let (mut reader, writer) = (scrollback.reader_at(0), std::sync::Mutex::new(writer));
    let read = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    writer.lock().expect("no panic").push(b'.');
                    doorbell.ring_if_armed();
                }
            });
        }
        let (mut buf, mut halts) = ([0; 4096], 0);
        while read.load(Ordering::Relaxed) < 2 * EACH {
            sleeper.wait(|| reader.is_behind(), |sleeper| halt(sleeper, &mut halts));
            let got = reader.read(&mut buf);
            read.fetch_add(got.len() as u64 + got.missed, Ordering::Relaxed);
        }
    });
    assert_eq!(scrollback.end(), 2 * EACH);
}
