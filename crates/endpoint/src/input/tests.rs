use super::*;
use crate::testing::{Rings, counting_bell, silent_bell};

fn bytes(bytes: &[u8]) -> impl ExactSizeIterator<Item = Symbol> {
    bytes.iter().copied().map(Symbol::Byte)
}

/// The queue's two ends, the announcements, and the rings for room.
fn full_size_queue() -> (InputProducer, Input, Rings, Rings) {
    let ((announce, announced), (room, roomy)) = (counting_bell(), counting_bell());
    let changes = Changes::default();
    let bells = InputBells { changed: changes.bell(), announce, room, dropped: silent_bell() };
    let (producer, input) = queue(Size::FULL, Contents::default(), changes, bells);
    (producer, input, announced, roomy)
}

fn take_all(input: &mut Input) -> Vec<Symbol> {
    let mut all = Vec::new();
    let mut some = [Symbol::Break; 7];
    loop {
        match input.take(&mut some) {
            0 => return all,
            n => all.extend(&some[..n]),
        }
    }
}

#[test]
fn s1_memory_is_bounded_and_the_producer_is_told() {
    let (mut producer, mut input, ..) = full_size_queue();
    let megabyte = vec![b'x'; 1 << 20];
    assert_eq!(producer.publish(bytes(&megabyte)), Input::CAPACITY);
    assert_eq!(producer.publish(bytes(&megabyte)), 0);
    assert_eq!(input.take(&mut [Symbol::Break; 3]), 3);
    assert_eq!(producer.publish(bytes(&megabyte)), 3);
}

#[test]
fn symbols_keep_their_order_and_kind() {
    let (mut producer, mut input, ..) = full_size_queue();
    let sent = [Symbol::Byte(0), Symbol::Break, Symbol::Byte(0xFF), Symbol::Break];
    assert_eq!(producer.publish(sent.into_iter()), 4);
    assert_eq!(take_all(&mut input), sent);
}

#[test]
fn each_request_is_announced_once() {
    let (mut producer, mut input, announced, _) = full_size_queue();
    producer.publish(bytes(b"early"));
    assert_eq!(announced.count(), 0, "the receiver had not asked");
    assert!(!input.want(), "input waits already");
    assert!(!input.announced(), "so the receiver must interrupt by itself");
    take_all(&mut input);

    assert!(input.want());
    producer.publish(bytes(b"a"));
    producer.publish(bytes(b"b"));
    assert_eq!(announced.count(), 1);
    assert!(input.announced());
    assert!(!input.announced());
}

#[test]
fn each_publication_is_a_change() {
    let (mut producer, mut input, ..) = full_size_queue();
    let before = input.changes();
    producer.publish(bytes(b""));
    assert_eq!(input.changes(), before);
    producer.publish(bytes(b"a"));
    assert_eq!(input.changes(), before + 1);
    assert_eq!(take_all(&mut input).len(), 1);
    assert_eq!(input.changes(), before + 1, "only the host changes it");
}

#[test]
fn e4_discarded_exactly_once() {
    let (mut producer, mut input, ..) = full_size_queue();
    producer.publish(bytes(b"old owner"));
    assert_eq!(input.take(&mut [Symbol::Break; 3]), 3);
    assert_eq!(producer.discard(), 6);
    assert_eq!(producer.discard(), 0);
    assert!(input.is_empty());
    producer.publish(bytes(b"new"));
    assert_eq!(take_all(&mut input).len(), 3);
    assert_eq!(producer.gone(), 12);
}

#[test]
fn a_crowded_producer_is_woken_by_room() {
    let (mut producer, mut input, _, roomy) = full_size_queue();
    producer.publish(bytes(&[0; Input::CAPACITY]));
    assert_eq!(roomy.count(), 0);
    producer.publish(bytes(b"x"));
    input.take(&mut [Symbol::Break; 16]);
    assert_eq!(roomy.count(), 1);
    input.take(&mut [Symbol::Break; 16]);
    assert_eq!(roomy.count(), 1, "coalesced");
}

/// Each published symbol is either taken or discarded, and those taken are in order.
#[test]
fn taken_and_discarded_add_up_under_contention() {
    const COUNT: u64 = 200_000;
    let (mut producer, mut input, ..) = full_size_queue();
    let producer = std::thread::spawn(move || {
        let (mut sent, mut discarded) = (0, 0);
        while sent < COUNT {
            // Each symbol's value is the low byte of its position.
            let next = [Symbol::Byte(sent.to_le_bytes()[0])];
            sent += producer.publish(next.into_iter()) as u64;
            if sent % 977 == 0 {
                discarded += producer.discard();
            }
            if producer.free() == 0 {
                std::thread::yield_now();
            }
        }
        discarded
    });
    let mut taken = 0;
    let mut some = [Symbol::Break; 16];
    loop {
        let done = producer.is_finished();
        let n = input.take(&mut some);
        taken += n as u64;
        if n > 0 {
            let values: Vec<u8> = some[..n]
                .iter()
                .map(|s| match s {
                    Symbol::Byte(b) => *b,
                    Symbol::Break | Symbol::Damaged(..) => panic!("never sent"),
                })
                .collect();
            assert!(values.windows(2).all(|w| w[1] == w[0].wrapping_add(1)), "{values:?}");
        } else if done {
            break;
        }
    }
    assert_eq!(taken + producer.join().unwrap(), COUNT);
}

/// The values of symbols that are characters.
fn values(symbols: &[Symbol]) -> Vec<u8> {
    symbols
        .iter()
        .map(|symbol| if let Symbol::Byte(byte) = symbol { *byte } else { panic!("a break") })
        .collect()
}

#[test]
fn f3_what_is_put_back_comes_again_in_order_and_as_it_was() {
    let (mut producer, mut input, ..) = full_size_queue();
    let sent = [Symbol::Byte(b'a'), Symbol::Break, Symbol::Byte(b'c'), Symbol::Byte(b'd')];
    producer.publish(sent.into_iter());
    assert_eq!(input.put_back(1), 0, "nothing was taken");
    assert_eq!(input.take(&mut [Symbol::Break; 2]), 2);
    assert_eq!(input.take(&mut [Symbol::Break; 1]), 1);
    assert_eq!((producer.len(), producer.gone()), (1, 3));
    assert_eq!(input.put_back(2), 2);
    assert_eq!((producer.len(), producer.gone()), (3, 1));
    assert_eq!(input.waiting(), sent[1..]);
    assert_eq!(input.put_back(9), 1, "no more than was taken");
    assert_eq!(input.put_back(1), 0);
    producer.publish(bytes(b"e"));
    assert_eq!(take_all(&mut input), [&sent[..], &[Symbol::Byte(b'e')]].concat());
    assert_eq!((producer.len(), producer.gone(), producer.discarded_late()), (0, 5, 0));
}

#[test]
fn f3_e4_what_is_put_back_waits_for_the_next_discard() {
    let (mut producer, mut input, ..) = full_size_queue();
    producer.publish(bytes(b"abc"));
    assert_eq!(input.take(&mut [Symbol::Break; 16]), 3);
    assert_eq!(input.put_back(2), 2);
    assert_eq!(producer.discard(), 2);
    assert_eq!((producer.len(), producer.gone(), producer.discarded_late()), (0, 3, 0));
    assert!(input.is_empty());
    assert_eq!(input.put_back(1), 0);
    producer.publish(bytes(b"new"));
    assert_eq!(values(&take_all(&mut input)), b"new");
}

#[test]
fn f3_e4_what_would_come_back_after_a_discard_is_discarded_once() {
    // The queue is empty at the discard, or not.
    for left in [0, 2] {
        let (mut producer, mut input, ..) = full_size_queue();
        producer.publish(bytes(b"old"));
        let taken = input.take(&mut [Symbol::Break; 3][left..]);
        assert_eq!(producer.discard(), left as u64);
        producer.publish(bytes(b"new"));
        assert_eq!(input.put_back(taken), 0);
        assert_eq!(producer.take_discarded_late(), taken as u64);
        assert_eq!((producer.take_discarded_late(), input.put_back(taken)), (0, 0), "once");
        assert_eq!(producer.gone(), 3);
        assert_eq!(values(&take_all(&mut input)), b"new");
        assert_eq!(input.put_back(9), 3, "and the new owner's comes back");
        assert_eq!(values(&input.waiting()), b"new");
    }
}

#[test]
fn f3_s1_what_is_put_back_into_a_full_queue_has_room_and_the_producer_waits() {
    let (mut producer, mut input, _, roomy) = full_size_queue();
    let typed: Vec<u8> = (0..10_000_u32).map(|n| n.wrapping_mul(0x9E37_79B9).to_le_bytes()[3]).collect();
    let mut sent = producer.publish(bytes(&typed));
    let (mut fifo, mut read) = ([Symbol::Break; Input::PUT_BACK_MAX], Vec::new());
    while read.len() < 5000 {
        assert_eq!(input.take(&mut fifo), Input::PUT_BACK_MAX);
        sent += producer.publish(bytes(&typed[sent..]));
        // The guest reads one, and resets its receiver twice.
        read.extend(values(&fifo[..1]));
        assert_eq!(input.put_back(Input::PUT_BACK_MAX - 1), Input::PUT_BACK_MAX - 1);
        assert_eq!(input.put_back(Input::PUT_BACK_MAX), 1, "the one before them is kept too");
        assert_eq!(input.take(&mut fifo[..1]), 1);
        assert!(producer.len() <= (Input::CAPACITY + Input::PUT_BACK_MAX) as u64);
        let (before, waits) = (producer.len(), producer.publish(bytes(&typed[sent..])));
        assert!(waits == 0 || before < Input::CAPACITY as u64);
        sent += waits;
    }
    assert!(roomy.count() > 0);
    while sent < typed.len() {
        read.extend(values(&take_all(&mut input)));
        sent += producer.publish(bytes(&typed[sent..]));
    }
    read.extend(values(&take_all(&mut input)));
    assert!(read == typed);
}

#[test]
fn f3_a_queue_begins_with_what_a_snapshot_has() {
    let begin = |taken: &[Symbol], waiting: &[Symbol]| {
        let bells = InputBells {
            changed: silent_bell(),
            announce: silent_bell(),
            room: silent_bell(),
            dropped: silent_bell(),
        };
        queue(Size::FULL, Contents { taken, waiting }, Changes::default(), bells)
    };
    let numbers: Vec<Symbol> = bytes(&(0..100).collect::<Vec<u8>>()).collect();
    let (producer, mut input) = begin(&numbers[..3], &numbers[3..5]);
    assert_eq!((producer.len(), producer.gone()), (2, 3));
    assert_eq!(input.put_back(2), 2);
    assert_eq!(values(&take_all(&mut input)), [1, 2, 3, 4]);

    let (producer, mut input) = begin(&numbers, &vec![Symbol::Break; 2 * Input::CAPACITY]);
    assert_eq!(producer.len(), Input::CAPACITY as u64, "with what is put back it is no more than can wait");
    assert_eq!(input.put_back(100), Input::PUT_BACK_MAX);
    assert_eq!(values(&input.waiting()[..Input::PUT_BACK_MAX]), (36..100).collect::<Vec<u8>>());
    let (producer, _) = begin(&[], &vec![Symbol::Break; 2 * Input::CAPACITY]);
    assert_eq!(producer.len(), (Input::CAPACITY + Input::PUT_BACK_MAX) as u64);
}
