//! A thread that follows a stream.

#![cfg(not(miri))] // Miri knows no poll(2).

use std::{
    fmt,
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use vuart_scrollback::{Doorbell, FinishError, Follow, Follower, Reader, Scrollback, Step, Writer};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq)]
struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("full")
    }
}

impl std::error::Error for Full {}

/// Sends the stream on, and does `next` after each step.
struct Copy<N> {
    reader: Reader,
    out: Sender<Vec<u8>>,
    next: N,
}

impl<N: FnMut(usize, bool) -> Result<Step, Full> + Send + 'static> Follow for Copy<N> {
    type Error = Full;

    fn is_behind(&self) -> bool {
        self.reader.is_behind()
    }

    fn follow(&mut self, last: bool) -> Result<Step, Full> {
        let mut copied = 0;
        while self.reader.is_behind() {
            let mut buf = [0; 16];
            let read = self.reader.read(&mut buf);
            copied += read.len();
            let _ = self.out.send(buf[..read.len()].to_vec());
        }
        (self.next)(copied, last)
    }
}

/// A stream, and a follower of it.
struct Fixture {
    writer: Writer,
    doorbell: Doorbell,
    follower: Follower<Full>,
    copies: Receiver<Vec<u8>>,
}

impl Fixture {
    fn new(next: impl FnMut(usize, bool) -> Result<Step, Full> + Send + 'static) -> Self {
        let (writer, scrollback) = Scrollback::new(Scrollback::MIN_CAPACITY).expect("an allowed capacity");
        let doorbell = Doorbell::new();
        let (out, copies) = mpsc::channel();
        let copy = Copy { reader: scrollback.reader_at(0), out, next };
        let follower = Follower::start("test", &doorbell, copy).expect("a thread");
        Self { writer, doorbell, follower, copies }
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        self.writer.extend(bytes);
        self.doorbell.ring_if_armed()
    }

    fn copied(&self, bytes: &[u8]) {
        assert_eq!(self.copies.recv_timeout(PATIENCE).as_deref(), Ok(bytes));
    }
}

#[test]
fn it_wakes_for_each_write_and_does_the_rest_at_the_end() {
    let mut fixture = Fixture::new(|_, _| Ok(Step::Sleep));
    for bytes in [b"one", b"two"] {
        fixture.write(bytes);
        fixture.copied(bytes);
    }
    // Without a ring: only the end makes the thread look.
    fixture.writer.extend(b"three");
    fixture.follower.finish(PATIENCE).expect("all is copied");
    assert_eq!(fixture.copies.iter().flatten().collect::<Vec<u8>>(), b"three");
}

#[test]
fn while_it_pauses_the_producer_does_not_ring_and_the_end_does_not_wait() {
    let (paused, steps) = mpsc::channel();
    let mut fixture = Fixture::new(move |copied, _| {
        let _ = paused.send(copied);
        Ok(Step::Pause(PATIENCE))
    });
    assert_eq!(steps.recv_timeout(PATIENCE), Ok(0));
    for _ in 0..100 {
        assert!(!fixture.write(b"."), "the thread is not armed");
    }
    assert!(steps.try_recv().is_err(), "the pause is not over");

    let begin = Instant::now();
    fixture.follower.finish(PATIENCE).expect("all is copied");
    assert!(begin.elapsed() < PATIENCE / 2, "the end interrupts the pause");
    assert_eq!(fixture.copies.iter().flatten().count(), 100);
}

#[test]
fn a_pause_ends_by_itself_and_again_is_at_once() {
    let mut steps = [Step::Pause(Duration::from_millis(1)), Step::Again, Step::Done].into_iter();
    let (taken, seen) = mpsc::channel();
    let fixture = Fixture::new(move |_, last| {
        let step = steps.next().expect("no step after the last");
        let _ = taken.send((step, last));
        Ok(step)
    });
    let steps: Vec<_> = seen.iter().collect();
    assert_eq!(
        steps,
        [(Step::Pause(Duration::from_millis(1)), false), (Step::Again, false), (Step::Done, false)]
    );
    fixture.follower.finish(PATIENCE).expect("it was done already");
}

#[test]
fn an_error_ends_it_and_is_told_at_the_end() {
    let mut fixture = Fixture::new(|copied, _| if copied > 0 { Err(Full) } else { Ok(Step::Sleep) });
    fixture.write(b"too much");
    fixture.copied(b"too much");
    assert!(matches!(fixture.follower.finish(PATIENCE), Err(FinishError::Failed(Full))));
    // The work is dropped, so its other end hangs up.
    assert!(fixture.copies.recv_timeout(PATIENCE).is_err());
}

#[test]
fn patience_has_an_end_and_the_work_goes_on() {
    let (go, gone) = mpsc::channel::<()>();
    let mut fixture = Fixture::new(move |copied, _| {
        if copied > 0 {
            let _ = gone.recv();
        }
        Ok(Step::Sleep)
    });
    fixture.write(b"slow");
    fixture.copied(b"slow");
    assert!(matches!(fixture.follower.finish(Duration::from_millis(10)), Err(FinishError::TimedOut)));
    fixture.writer.extend(b"more");
    drop(go);
    // It ends after its last step, which copies the rest.
    assert_eq!(fixture.copies.iter().flatten().collect::<Vec<u8>>(), b"more");
}

#[test]
fn a_panic_is_told_at_the_end() {
    let mut fixture = Fixture::new(|copied, _| if copied > 0 { panic!("a bug") } else { Ok(Step::Sleep) });
    fixture.write(b"!");
    fixture.copied(b"!");
    assert!(matches!(fixture.follower.finish(PATIENCE), Err(FinishError::Panicked)));
}

#[test]
fn dropping_the_handle_leaves_the_thread_alone() {
    let mut fixture = Fixture::new(|_, _| Ok(Step::Sleep));
    drop(fixture.follower);
    fixture.writer.extend(b"still");
    fixture.doorbell.ring_if_armed();
    assert_eq!(fixture.copies.recv_timeout(PATIENCE).as_deref(), Ok(&b"still"[..]));
}
