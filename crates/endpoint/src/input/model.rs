//! The input queue under `loom`: `RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-endpoint model`.

use vuart_explore::{Latch, explore, explore_within, thread};

use super::*;
use crate::testing::{counting_bell, latch_bell, silent_bell};

/// Few cells, because each one costs loom time.
const SMALL: Size = Size { capacity: 2, put_back: 2 };

/// A queue that is full soon. It does not count changes, because the count would multiply the executions.
fn small_queue(announce: Bell, room: Bell) -> (InputProducer, Input) {
    queue(
        SMALL,
        Contents::default(),
        Changes::default(),
        InputBells { changed: silent_bell(), announce, room },
    )
}

/// A queue whose bells do nothing.
fn quiet_queue() -> (InputProducer, Input) {
    small_queue(silent_bell(), silent_bell())
}

fn byte(byte: u8) -> impl ExactSizeIterator<Item = Symbol> {
    [Symbol::Byte(byte)].into_iter()
}

/// A guest sleeps until input is announced, while an owner types. A lost announcement is a deadlock.
#[test]
fn no_announcement_is_lost() {
    explore(10_000, || {
        let (interrupt, announce) = latch_bell();
        let (mut producer, mut input) = small_queue(announce, silent_bell());
        let typist = thread::spawn(move || {
            assert_eq!(producer.publish(byte(1)), 1);
            assert_eq!(producer.publish(byte(2)), 1);
        });
        let mut received = Vec::new();
        let mut symbols = [Symbol::Break; 2];
        while received.len() < 2 {
            if input.is_empty() && input.want() {
                interrupt.wait();
            }
            input.announced();
            let taken = input.take(&mut symbols);
            received.extend_from_slice(&symbols[..taken]);
        }
        assert_eq!(received, [Symbol::Byte(1), Symbol::Byte(2)]);
        typist.join().unwrap();
    });
}

/// The same guest looks only at the count of changes since it asked. If it is interrupted for symbols that it has taken already,
/// it asks again, and is interrupted for the next.
#[test]
fn a_guest_that_asked_is_told_of_what_comes_later() {
    explore_within(3, 1000, || {
        let (interrupt, announce) = latch_bell();
        let changes = Changes::default();
        let bells = InputBells { changed: changes.bell(), announce, room: silent_bell() };
        let (mut producer, mut input) = queue(SMALL, Contents::default(), changes, bells);
        let typist = thread::spawn(move || {
            assert_eq!(producer.publish(byte(1)), 1);
            assert_eq!(producer.publish(byte(2)), 1);
        });
        let mut received = Vec::new();
        let mut symbols = [Symbol::Break; 2];
        let (mut asked, mut seen) = (false, 0);
        while received.len() < 2 {
            if asked && input.changes() == seen {
                interrupt.wait();
                continue;
            }
            seen = input.changes();
            asked = input.is_empty() && input.want();
            if !asked {
                input.announced();
                let taken = input.take(&mut symbols);
                received.extend_from_slice(&symbols[..taken]);
            }
        }
        typist.join().unwrap();
    });
}

/// A port: a receiver of one symbol, and an interrupt line whose rises are announced.
struct Port {
    input: Input,
    received: Option<Symbol>,
    level: bool,
    interrupt: Arc<Latch>,
}

impl Port {
    fn refill(&mut self) -> bool {
        let announced = self.input.announced();
        let mut one = [Symbol::Break];
        if self.input.take(&mut one) == 1 {
            self.received = Some(one[0]);
        }
        announced
    }

    fn settle(&mut self) {
        while self.received.is_none() {
            if self.input.is_empty() && self.input.want() {
                break;
            }
            self.level = false;
            self.refill();
        }
        if self.received.is_some() {
            self.input.announced();
        }
        let level = self.received.is_some();
        if level && !self.level {
            self.interrupt.ring();
        }
        self.level = level;
    }

    /// A read of IIR.
    fn look(&mut self) -> bool {
        if self.received.is_none() && !self.input.is_empty() {
            let announced = self.refill();
            self.level |= announced && self.received.is_some();
        }
        let answer = self.received.is_some();
        self.settle();
        answer
    }

    /// A read of RBR.
    fn take(&mut self) -> Option<Symbol> {
        let symbol = self.received.take();
        self.settle();
        symbol
    }
}

/// A guest whose interrupt handler ends when IIR names no source. It may be interrupted for symbols that it has taken already,
/// while the next symbol arrives.
#[test]
fn no_interrupt_is_lost() {
    explore(10_000, || {
        let (interrupt, announce) = latch_bell();
        let (mut producer, input) = small_queue(announce, silent_bell());
        let mut port = Port { input, received: None, level: false, interrupt: Arc::clone(&interrupt) };
        port.settle();
        let typist = thread::spawn(move || {
            assert_eq!(producer.publish(byte(1)), 1);
            assert_eq!(producer.publish(byte(2)), 1);
        });
        let mut received = Vec::new();
        while received.len() < 2 {
            interrupt.wait();
            while port.look() {
                received.extend(port.take());
            }
        }
        assert_eq!(received, [Symbol::Byte(1), Symbol::Byte(2)]);
        typist.join().unwrap();
    });
}

/// Exactly one side interrupts: each request is answered by one announcement or by none, and the guest knows which.
#[test]
fn an_announcement_is_made_exactly_when_the_guest_is_told_so() {
    explore(30, || {
        let (announce, announced) = counting_bell();
        let (mut producer, mut input) = small_queue(announce, silent_bell());
        let typist = thread::spawn(move || producer.publish(byte(1)));
        let _ = input.want();
        let told = input.announced();
        typist.join().unwrap();
        assert_eq!(announced.count(), u64::from(told));
    });
}

/// An owner whose queue is full sleeps until there is room.
#[test]
fn no_room_is_lost() {
    explore(20, || {
        let (roomy, room) = latch_bell();
        let (mut producer, mut input) = small_queue(silent_bell(), room);
        assert_eq!(producer.publish([Symbol::Byte(1), Symbol::Byte(2)].into_iter()), 2);
        let guest = thread::spawn(move || {
            let mut one = [Symbol::Break];
            assert_eq!(input.take(&mut one), 1);
            assert_eq!(one, [Symbol::Byte(1)]);
        });
        while producer.publish(byte(3)) == 0 {
            roomy.wait();
        }
        guest.join().unwrap();
    });
}

/// A guest takes input while the console is taken over and the new owner types. The guest gets the old owner's input from before
/// the take-over and the new owner's, in order and never torn, and every symbol is either taken or discarded.
#[test]
fn e4_nothing_of_an_old_owner_is_taken_after_a_discard() {
    explore(500, || {
        let (mut producer, mut input) = quiet_queue();
        producer.publish([Symbol::Byte(1), Symbol::Byte(2)].into_iter());
        let take_over = thread::spawn(move || {
            let discarded = producer.discard();
            // The take-over is complete: from here on the guest takes only the new owner's input.
            let gone = producer.gone();
            assert_eq!(gone, 2);
            producer.publish([Symbol::Byte(11), Symbol::Byte(12)].into_iter());
            discarded
        });
        let mut received = Vec::new();
        let mut symbols = [Symbol::Break; 2];
        for _ in 0..2 {
            let taken = input.take(&mut symbols);
            received.extend_from_slice(&symbols[..taken]);
        }
        let discarded = take_over.join().unwrap();
        let taken = input.take(&mut symbols);
        received.extend_from_slice(&symbols[..taken]);
        let old = received.iter().filter(|symbol| matches!(symbol, Symbol::Byte(1 | 2))).count();
        assert_eq!(old as u64 + discarded, 2);
        let expected: Vec<_> =
            [1, 2][..old].iter().chain(&[11, 12]).map(|byte| Symbol::Byte(*byte)).collect();
        assert_eq!(received, expected);
    });
}

/// A snapshot is taken while the console is taken over and the new owner types into the same cells. It has the old owner's input
/// or the new owner's, in order, and never a mixture.
#[test]
fn s13_a_snapshot_is_of_one_moment() {
    explore(100, || {
        let (mut producer, input) = quiet_queue();
        producer.publish([Symbol::Byte(1), Symbol::Byte(2)].into_iter());
        let take_over = thread::spawn(move || {
            producer.discard();
            producer.publish([Symbol::Byte(11), Symbol::Byte(12)].into_iter());
        });
        let waiting = input.waiting();
        take_over.join().unwrap();
        let moments: [&[u8]; 3] = [&[1, 2], &[], &[11, 12]];
        let expected = moments.map(|bytes| bytes.iter().copied().map(Symbol::Byte).collect::<Vec<_>>());
        assert!(expected.contains(&waiting), "{waiting:?}");
        assert_eq!(input.waiting(), expected[2], "it stays in the queue");
    });
}

/// A consumer that sees a discard before it sees the publication has a `tail` behind its `head`.
#[test]
fn a_discard_that_is_seen_early_is_harmless() {
    explore(20, || {
        let (mut producer, mut input) = quiet_queue();
        // The guest runs in the spawned thread: loom explores nothing beside a thread that loads before it stores.
        let guest = thread::spawn(move || {
            let mut symbols = [Symbol::Break; 2];
            input.take(&mut symbols)
        });
        producer.publish(byte(1));
        let discarded = producer.discard();
        let taken = guest.join().unwrap();
        assert_eq!(taken as u64 + discarded, 1);
    });
}

/// A guest resets its receiver before it has read it, while the console is taken over and the new owner types. The old owner's
/// symbol comes back before the take-over and is discarded by it, or comes too late and is discarded then; the guest never gets
/// it, and gets all of the new owner's, in order. The queue is empty at the take-over, where only the position between the two
/// ownerships shows that there was one, or not.
#[test]
fn f3_e4_nothing_of_an_old_owner_is_put_back_after_a_discard() {
    for old in [1, 2] {
        explore(100, move || {
            let (mut producer, mut input) = quiet_queue();
            producer.publish([Symbol::Byte(1), Symbol::Byte(2)].into_iter().take(old));
            let mut one = [Symbol::Break];
            assert_eq!(input.take(&mut one), 1);
            let take_over = thread::spawn(move || {
                let discarded = producer.discard();
                producer.publish([Symbol::Byte(11), Symbol::Byte(12)].into_iter());
                (producer, discarded)
            });
            let put_back = input.put_back(1);
            let mut received = Vec::new();
            let mut symbols = [Symbol::Break; 2];
            let taken = input.take(&mut symbols);
            received.extend_from_slice(&symbols[..taken]);
            let (producer, discarded) = take_over.join().unwrap();
            let taken = input.take(&mut symbols);
            received.extend_from_slice(&symbols[..taken]);

            assert_eq!(producer.discarded_late(), 1 - put_back as u64);
            let new = [Symbol::Byte(11), Symbol::Byte(12)];
            let before = received.iter().take_while(|symbol| !new.contains(symbol)).count();
            assert_eq!(received[before..], new);
            // What came back and was taken again before the take-over is the guest's.
            let again = [Symbol::Byte(1), Symbol::Byte(2)];
            let first = 1 - put_back;
            assert_eq!(received[..before], again[first..first + before]);
            assert_eq!(discarded + producer.discarded_late() + before as u64, old as u64);
        });
    }
}

/// A guest puts back while its owner types into the room that the take has made. Nothing is overwritten, lost or doubled.
#[test]
fn f3_what_is_put_back_is_not_overwritten() {
    explore(100, || {
        let (mut producer, mut input) = quiet_queue();
        producer.publish([Symbol::Byte(1), Symbol::Byte(2)].into_iter());
        let mut symbols = [Symbol::Break; 2];
        assert_eq!(input.take(&mut symbols), 2);
        let typist = thread::spawn(move || {
            let sent = producer.publish([Symbol::Byte(3), Symbol::Byte(4)].into_iter());
            assert!(producer.len() <= 4);
            sent
        });
        assert_eq!(input.put_back(2), 2);
        let mut received = Vec::new();
        for _ in 0..2 {
            let taken = input.take(&mut symbols);
            received.extend_from_slice(&symbols[..taken]);
        }
        let sent = typist.join().unwrap();
        let taken = input.take(&mut symbols);
        received.extend_from_slice(&symbols[..taken]);
        assert_eq!(received, [1, 2, 3, 4].map(Symbol::Byte)[..2 + sent]);
    });
}

/// An owner whose queue is full is told of room, though what it saw of the room went to symbols that were put back.
#[test]
fn f3_no_room_is_lost_to_what_is_put_back() {
    explore(20, || {
        let (roomy, room) = latch_bell();
        let (mut producer, mut input) = small_queue(silent_bell(), room);
        assert_eq!(producer.publish([Symbol::Byte(1), Symbol::Byte(2)].into_iter()), 2);
        let guest = thread::spawn(move || {
            let mut two = [Symbol::Break; 2];
            assert_eq!(input.take(&mut two), 2);
            assert_eq!(input.put_back(2), 2);
            assert_eq!(input.take(&mut two[..1]), 1);
        });
        while producer.publish(byte(3)) == 0 {
            roomy.wait();
        }
        guest.join().unwrap();
    });
}
