//! How often a reader that is always ready is woken, and how often it looks.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use vuart_scrollback::{Doorbell, Pace, Rest, Scrollback, Sleeper, Writer};

struct Rig {
    writer: Writer,
    scrollback: Scrollback,
    doorbell: Doorbell,
    sleeper: Sleeper,
    /// The time, which only the test moves.
    now: Instant,
}

impl Rig {
    fn new(capacity: usize) -> Self {
        let (writer, scrollback) = Scrollback::new(capacity).expect("an allowed capacity");
        let doorbell = Doorbell::new();
        let sleeper = doorbell.sleeper().expect("a place");
        Self { writer, scrollback, doorbell, sleeper, now: Instant::now() }
    }

    fn rest(&mut self) -> Rest {
        self.sleeper.rest(&self.scrollback, self.now)
    }

    /// The guest writes a byte. Returns whether it has woken the reader.
    fn write(&mut self) -> bool {
        self.writer.push(b'x');
        self.doorbell.ring_if_armed()
    }
}

/// A guest that writes a byte each 10 microseconds, and a reader that reads when it is woken or when its time has come.
#[cfg_attr(miri, ignore = "too slow")]
#[test]
fn a_guest_that_writes_on_wakes_the_reader_once() {
    let mut rig = Rig::new(1 << 16);
    assert_eq!(rig.rest(), Rest::Asleep);
    let (mut next, mut wakes, mut looks) = (None::<Instant>, 0, 0);
    for _ in 0..100_000 {
        rig.now += Duration::from_micros(10);
        let woken = rig.write();
        assert!(!woken || next.is_none(), "only a sleeper is woken");
        if woken {
            assert!(rig.sleeper.acknowledge());
            wakes += 1;
        }
        if woken || next.is_some_and(|next| next <= rig.now) {
            looks += 1;
            next = match rig.rest() {
                Rest::Until(next) => Some(next),
                Rest::Asleep => None,
            };
        }
    }
    assert_eq!(wakes, 1, "for 100,000 bytes");
    assert!(looks <= 1002, "{looks} looks in a second");
}

#[test]
fn the_tick_is_how_often_it_looks() {
    let mut rig = Rig::new(1 << 16);
    let tick = Duration::from_millis(5);
    rig.sleeper = rig.doorbell.sleeper().expect("a place").with_pace(Pace::with_tick(tick));
    rig.write();
    let _ = rig.rest();
    rig.now += tick;
    rig.write();
    assert_eq!(rig.rest(), Rest::Until(rig.now + tick));
}

#[test]
fn after_a_tick_without_output_the_next_byte_wakes_it() {
    let mut rig = Rig::new(4096);
    rig.write();
    let Rest::Until(next) = rig.rest() else { panic!("output has come") };
    assert!(!rig.write(), "it looks by the clock");
    rig.now = next;
    let Rest::Until(next) = rig.rest() else { panic!("output has come") };
    rig.now = next;
    assert_eq!(rig.rest(), Rest::Asleep);
    assert_eq!(rig.rest(), Rest::Asleep, "a second call changes nothing");
    assert!(rig.write());
    assert_eq!(rig.rest(), Rest::Asleep, "until it acknowledges: its file descriptor is readable");
    assert!(rig.sleeper.acknowledge());
    assert!(matches!(rig.rest(), Rest::Until(_)));
}

/// Between the look and the arming. The writer is another thread, so only one of the two may happen: it is seen, or it rings.
#[test]
fn a_byte_at_the_moment_of_falling_asleep_is_seen_or_rings() {
    const ROUNDS: u64 = if cfg!(miri) { 20 } else { 20_000 };
    let mut rig = Rig::new(4096);
    let (writer, doorbell) = (&mut rig.writer, rig.doorbell.clone());
    let turn = std::sync::Barrier::new(2);
    thread::scope(|scope| {
        let turn = &turn;
        let guest = scope.spawn(move || {
            (0..ROUNDS)
                .map(|_| {
                    turn.wait();
                    writer.push(b'x');
                    let rung = doorbell.ring_if_armed();
                    turn.wait();
                    rung
                })
                .collect::<Vec<_>>()
        });
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            let mut now = Instant::now();
            while let Rest::Until(next) = rig.sleeper.rest(&rig.scrollback, now) {
                now = next;
            }
            rig.sleeper.acknowledge();
            turn.wait();
            let rest = rig.sleeper.rest(&rig.scrollback, now);
            turn.wait();
            seen.push(matches!(rest, Rest::Until(_)));
            rig.sleeper.acknowledge();
        }
        let rung = guest.join().expect("no panic");
        let missed = seen.iter().zip(&rung).filter(|(seen, rung)| !**seen && !**rung).count();
        assert_eq!(missed, 0, "bytes that were neither seen nor rung for");
    });
}

/// A reader with a small buffer reads a piece at a time, and nothing comes any more: it must not wait for the next byte to get the rest.
#[cfg_attr(miri, ignore = "Miri has no poll")]
#[test]
fn a_reader_that_leaves_something_does_not_sleep() {
    let Rig { mut writer, scrollback, mut sleeper, .. } = Rig::new(4096);
    let mut reader = scrollback.reader_at(0);
    writer.extend(b"login: ");
    let (done, all) = mpsc::channel();
    thread::spawn(move || {
        while reader.is_behind() {
            assert!(sleeper.wait(&reader, None).expect("a wait"));
            let _ = reader.read(&mut [0; 2]);
        }
        done.send(sleeper.wait(&reader, Some(Duration::ZERO)).expect("a wait")).expect("a test");
    });
    let behind = all.recv_timeout(Duration::from_secs(20));
    assert_eq!(behind, Ok(false), "it reads all, and then there is nothing");
}
