use super::*;
use crate::testing::{Rings, counting_bell};

fn bytes(bytes: &[u8]) -> impl ExactSizeIterator<Item = Symbol> {
    bytes.iter().copied().map(Symbol::Byte)
}

/// The queue's two ends, the announcements, and the rings for room.
fn full_size_queue() -> (InputProducer, Input, Rings, Rings) {
    let ((announce, announced), (room, roomy)) = (counting_bell(), counting_bell());
    let changes = Changes::default();
    let bells = InputBells { changed: changes.bell(), announce, room };
    let (producer, input) = queue(Input::CAPACITY, changes, bells);
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
