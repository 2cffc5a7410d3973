//! The lock among real threads, and what it does when it is misused.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, mpsc};
use std::thread;

use vuart_lock::BiasedLock;

/// More than a row that earns the bias.
const ROW: u64 = if cfg!(miri) { 70 } else { 1000 };

fn kinds<T>(data: impl Fn() -> T) -> [BiasedLock<T>; 2] {
    [BiasedLock::new(data()), BiasedLock::without_membarrier(data())]
}

/// Has this thread the bias, if the lock has any.
fn come_often<T>(lock: &BiasedLock<T>) {
    for _ in 0..ROW {
        lock.with(|_| ());
    }
}

#[test]
fn one_at_a_time_in_rows_and_in_turn() {
    const THREADS: u64 = if cfg!(miri) { 2 } else { 4 };
    const ROWS: u64 = if cfg!(miri) { 2 } else { 200 };
    for lock in kinds(|| (0, 0)) {
        let start = Barrier::new(usize::try_from(THREADS).expect("a few"));
        thread::scope(|scope| {
            for n in 0..THREADS {
                let (lock, start) = (&lock, &start);
                scope.spawn(move || {
                    start.wait();
                    for row in 0..ROWS {
                        // Some rows earn the bias, others only take it away.
                        for _ in 0..if (row + n).is_multiple_of(2) { ROW } else { 1 } {
                            lock.with(|(sum, twice): &mut (u64, u64)| {
                                assert_eq!(*twice, 2 * *sum);
                                *sum += 1;
                                *twice += 2;
                            });
                        }
                    }
                });
            }
        });
        assert_eq!(lock.with(|(sum, _)| *sum), THREADS * (ROWS / 2) * (ROW + 1));
    }
}

/// More threads than there are slots: the last ones have to do without the bias.
#[test]
fn any_number_of_threads_may_come() {
    for lock in kinds(|| 0) {
        for _ in 0..if cfg!(miri) { 2 } else { 100 } {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..ROW {
                        lock.with(|count| *count += 1);
                    }
                });
            });
        }
        assert_eq!(lock.with(|count| *count), ROW * if cfg!(miri) { 2 } else { 100 });
    }
}

/// Once without the bias, once with it.
#[test]
fn who_panics_inside_leaves_it_usable() {
    for lock in kinds(|| 0) {
        for _ in 0..2 {
            let panicked = catch_unwind(AssertUnwindSafe(|| lock.with(|_| panic!("inside"))));
            assert!(panicked.is_err());
            thread::scope(|scope| {
                scope.spawn(|| lock.with(|count| *count += 1));
            });
            come_often(&lock);
        }
        assert_eq!(lock.with(|count| *count), 2);
    }
}

#[test]
fn who_comes_again_panics_and_does_not_wait_for_itself() {
    for lock in kinds(|| ()) {
        for _ in 0..2 {
            let again = catch_unwind(AssertUnwindSafe(|| lock.with(|()| lock.with(|()| ()))));
            assert!(again.is_err());
            come_often(&lock);
        }
    }
}

/// Whichever access it is, so also when it is the one that earns the bias.
#[test]
fn who_comes_again_panics_at_any_access() {
    for before in if cfg!(miri) { 62..66 } else { 0..ROW } {
        let lock = BiasedLock::new(());
        for _ in 0..before {
            lock.with(|()| ());
        }
        let again = catch_unwind(AssertUnwindSafe(|| lock.with(|()| lock.with(|()| ()))));
        assert!(again.is_err(), "after {before}");
    }
}

/// The bias is taken from it while it is inside: it must not wait for the one that waits for it.
#[test]
fn who_comes_again_panics_also_while_another_waits() {
    for lock in kinds(|| ()) {
        come_often(&lock);
        let (inside, is_inside) = mpsc::channel();
        thread::scope(|scope| {
            let lock = &lock;
            scope.spawn(move || {
                is_inside.recv().expect("a thread inside");
                lock.with(|()| ());
            });
            lock.with(|()| {
                inside.send(()).expect("another thread");
                // Before and, most of the times, after the other has come.
                for _ in 0..if cfg!(miri) { 3 } else { 1000 } {
                    assert!(catch_unwind(AssertUnwindSafe(|| lock.with(|()| ()))).is_err());
                }
            });
        });
    }
}

#[test]
fn what_is_inside_is_not_shown() {
    assert_eq!(format!("{:?}", BiasedLock::new(1)), "BiasedLock { .. }");
}
