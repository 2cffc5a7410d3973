//! Threads at one lock: the real code, with fences for the barrier.
//!
//! `loom` sees data that two use at once, or that one has not seen the other's use of, and threads that wait for ever. Each
//! model says how many executions it must have at least: `loom` 0.7 explores nothing, and passes, when a thread of a model
//! loads an atomic before it stores to it (tokio-rs/loom#392). So each begins with a store that is of no use.

#[cfg(loom)]
use loom::{
    sync::{Arc, atomic::AtomicBool},
    thread,
};
#[cfg(not(loom))]
use std::{
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use crate::biased::BiasedLock;
use crate::sync::Ordering;
use crate::token::Token;

/// Explores all executions of `model` in which no thread is preempted more than `preemptions` times.
#[cfg(loom)]
fn explore(preemptions: Option<usize>, least: u64, model: impl Fn() + Sync + Send + 'static) {
    use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed};

    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check({
        let executions = Arc::clone(&executions);
        move || {
            executions.fetch_add(1, Relaxed);
            model();
        }
    });
    let executions = executions.load(Relaxed);
    println!("{executions} executions");
    assert!(executions >= least, "{executions} executions");
}

/// Miri takes each scheduling decision, and the choice of the message that a load returns, at random.
#[cfg(not(loom))]
fn explore(_: Option<usize>, _: u64, model: impl Fn()) {
    for _ in 0..30 {
        model();
    }
}

/// A thread, as the lock knows it. `loom`'s threads are all one to `thread_local`.
#[derive(Clone)]
struct Vcpu {
    lock: Arc<BiasedLock<u32>>,
    token: Token,
}

impl Vcpu {
    fn several<const N: usize>(earned: u32) -> [Self; N] {
        let lock = Arc::new(BiasedLock::earned_after(0, Some(earned)));
        std::array::from_fn(|_| Self { lock: Arc::clone(&lock), token: Token::next() })
    }

    fn add(&self, times: u32) {
        for _ in 0..times {
            self.lock.with_as(self.token, || self.token, |sum| *sum += 1);
        }
    }

    fn spawn(self, times: u32) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            AtomicBool::new(false).store(true, Ordering::Relaxed);
            self.add(times);
        })
    }

    fn sum(&self) -> u32 {
        self.lock.with_as(self.token, || self.token, |sum| *sum)
    }
}

fn join<const N: usize>(threads: [thread::JoinHandle<()>; N]) {
    for thread in threads {
        thread.join().expect("a thread");
    }
}

/// Once each, without a bound.
#[test]
fn the_bias_is_taken_away() {
    explore(None, 100, || {
        let [here, there] = Vcpu::several(1);
        here.add(1);
        let other = there.spawn(1);
        here.add(1);
        join([other]);
        assert_eq!(here.sum(), 3);
    });
}

/// One has the bias and goes on by it; the other takes it away, and so on, for each access earns it.
#[test]
fn the_bias_goes_to_and_fro() {
    explore(Some(4), 1000, || {
        let [here, there] = Vcpu::several(1);
        here.add(1);
        assert!(here.lock.is_biased_to(here.token));
        let other = there.spawn(2);
        here.add(2);
        join([other]);
        assert_eq!(here.sum(), 5);
    });
}

/// It stays where it is until a row of two has earned it.
#[test]
fn the_bias_is_earned() {
    explore(Some(4), 100, || {
        let [here, there] = Vcpu::several(2);
        here.add(2);
        assert!(here.lock.is_biased_to(here.token));
        let other = there.spawn(3);
        here.add(2);
        join([other]);
        assert_eq!(here.sum(), 7);
    });
}

/// A thread that looked at the owner long ago goes on when the next has got the bias from it and the third takes it away.
#[test]
fn three_threads() {
    explore(Some(3), 1000, || {
        let [here, there, elsewhere] = Vcpu::several(1);
        here.add(1);
        let others = [there.spawn(2), elsewhere.spawn(1)];
        here.add(1);
        join(others);
        assert_eq!(here.sum(), 5);
    });
}

/// The one with the bias does not come again: nobody waits for it.
#[test]
fn the_owner_has_gone() {
    explore(Some(3), 100, || {
        let [here, there, elsewhere] = Vcpu::several(1);
        elsewhere.spawn(1).join().expect("a thread");
        let other = there.spawn(2);
        here.add(1);
        join([other]);
        assert_eq!(here.sum(), 4);
    });
}

/// Nobody ever has it.
#[test]
fn without_bias() {
    explore(Some(3), 10, || {
        let lock = Arc::new(BiasedLock::without_membarrier(0));
        let [here, there]: [_; 2] =
            std::array::from_fn(|_| Vcpu { lock: Arc::clone(&lock), token: Token::next() });
        let other = there.spawn(2);
        here.add(2);
        join([other]);
        assert_eq!(here.sum(), 4);
    });
}
