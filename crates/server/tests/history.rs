//! The history: replay, ranges, holes, and clients that ask for it without end.

mod support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use support::{hello, output};
use vuart_endpoint::Mode;
use vuart_scrollback::{Position, RingOptions};
use vuart_test_support::Vm;
use vuart_wire::{
    AttachRequest, Decoder, DetachRequest, Event, Frame as _, Hole, LogEnd, LogRequest, Request,
};

#[test]
fn e5_replay_and_live_are_one_stream() {
    let mut vm = Vm::new(1 << 20);
    let all: Vec<u8> = (0..200_000u32).map(|i| (i * 7).to_le_bytes()[1]).collect();
    let (before, after) = all.split_at(100_000);
    vm.guest.writes(before);
    let mut alice = vm.client("alice");
    assert_eq!(alice.attach(Mode::Exclusive, Position::Offset(5)).unwrap().offset, 5);
    for piece in after.chunks(977) {
        vm.guest.writes(piece);
    }
    let (offset, received) = output(&mut alice, all.len() - 5);
    assert_eq!(offset, 5);
    assert!(received == all[5..]);
}

#[test]
fn e6_e7_reading_the_history_changes_nothing_and_a_lost_range_is_declared() {
    let mut vm = Vm::new(1 << 14);
    let all: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
    vm.guest.writes(&all);
    for _ in 0..2 {
        let mut client = vm.client("reader");
        client.log(Position::Offset(10), None).unwrap();
        let (mut next, mut lost) = (10, 0);
        loop {
            match client.recv().unwrap() {
                Event::Hole(hole) => {
                    assert_eq!(hole.from, next);
                    lost += hole.to - hole.from;
                    next = hole.to;
                }
                Event::Output { offset, bytes } => {
                    assert_eq!(offset, next);
                    let at = usize::try_from(offset).unwrap();
                    assert!(bytes == all[at..at + bytes.len()]);
                    next += bytes.len() as u64;
                }
                Event::LogEnd(end) => break assert_eq!(end, LogEnd { next: 100_000 }),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(next, 100_000);
        assert!(lost >= 100_000 - (1 << 14));
    }
}

#[test]
fn a_range_of_the_history() {
    let mut vm = Vm::new(1 << 14);
    vm.guest.writes(b"0123456789");
    let mut client = vm.client("reader");
    for (from, max, expected, next) in [
        (Position::Offset(3), Some(4), &b"3456"[..], 7),
        (Position::Newest(2), None, b"89", 10),
        (Position::Oldest, Some(1), b"0", 1),
        (Position::End, None, b"", 10),
        (Position::Offset(4), Some(0), b"", 4),
        (Position::Boot, Some(2), b"01", 2),
        (Position::NewestLines(1), None, b"0123456789", 10),
        (Position::NewestLines(0), None, b"", 10),
    ] {
        client.log(from, max).unwrap();
        assert_eq!(output(&mut client, expected.len()).1, expected, "{from:?} {max:?}");
        assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next }), "{from:?} {max:?}");
    }
    client.log(Position::Offset(u64::MAX), Some(u64::MAX)).unwrap();
    assert!(matches!(client.recv().unwrap(), Event::LogEnd(_)));
}

#[test]
fn a_lost_range_is_declared_and_does_not_count() {
    let mut vm = Vm::new(1 << 14);
    vm.guest.writes(&vec![b'x'; 100_000]);
    let mut client = vm.client("reader");
    for max in [0, 10] {
        client.log(Position::Offset(5), Some(max)).unwrap();
        let Event::Hole(hole) = client.recv().unwrap() else { panic!("no hole") };
        assert_eq!((hole.from, hole.to), (5, vm.console.scrollback().oldest()));
        assert_eq!(output(&mut client, usize::try_from(max).unwrap()).1.len() as u64, max);
        assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: hole.to + max }));
    }
}

#[test]
fn a_hole_behind_the_boot_head_is_declared_and_does_not_count() {
    let options = RingOptions::new(1 << 14).with_boot_head(1000);
    let mut vm = Vm::on(options.create().unwrap());
    vm.guest.writes(b"an earlier boot\n");
    let boot = vm.guest.writer.mark();
    let text: Vec<u8> = (0..100_000u32).map(|number| (number % 251).to_le_bytes()[0]).collect();
    vm.guest.writes(&text);
    let end = boot + text.len() as u64;
    let newest = vm.console.scrollback().offset(Position::Newest(u64::MAX));
    let mut client = vm.client("reader");
    client.log(Position::Boot, Some(3000)).unwrap();
    assert_eq!(output(&mut client, 1000), (boot, text[..1000].to_vec()));
    assert_eq!(client.recv().unwrap(), Event::Hole(Hole { from: boot + 1000, to: newest }));
    let at = usize::try_from(newest - boot).unwrap();
    assert_eq!(output(&mut client, 2000), (newest, text[at..at + 2000].to_vec()));
    assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: newest + 2000 }));

    // The oldest byte is the boot's. Positions counted from the end stay in the ring.
    client.log(Position::Oldest, Some(1)).unwrap();
    assert_eq!(output(&mut client, 1).0, boot);
    assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: boot + 1 }));
    client.log(Position::Newest(50_000), Some(1)).unwrap();
    assert_eq!(output(&mut client, 1).0, newest);
    assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: newest + 1 }));

    let attached = client.attach(Mode::Spectate, Position::Boot).unwrap();
    assert_eq!(attached.offset, boot);
    assert_eq!(output(&mut client, 1000), (boot, text[..1000].to_vec()));
    assert_eq!(client.recv().unwrap(), Event::Hole(Hole { from: boot + 1000, to: newest }));
    assert_eq!(output(&mut client, text.len() - at).0 + (text.len() - at) as u64, end);
}

#[test]
fn replay_begins_at_a_text_line_or_at_the_newest_boot() {
    let mut vm = Vm::new(1 << 14);
    vm.guest.writes(b"first boot\n");
    vm.guest.writer.mark();
    vm.guest.writes(b"one\ntwo\nthree\nlogin: ");
    let mut client = vm.client("reader");
    for (from, expected) in [
        (Position::NewestLines(1), &b"login: "[..]),
        (Position::NewestLines(3), b"two\nthree\nlogin: "),
        (Position::NewestLines(5), b"first boot\none\ntwo\nthree\nlogin: "),
        (Position::NewestLines(u64::MAX), b"first boot\none\ntwo\nthree\nlogin: "),
        (Position::Boot, b"one\ntwo\nthree\nlogin: "),
    ] {
        client.log(from, None).unwrap();
        assert_eq!(output(&mut client, expected.len()).1, expected, "{from:?}");
        assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: 32 }));
        let attached = client.attach(Mode::Spectate, from).unwrap();
        assert_eq!(attached.offset, 32 - expected.len() as u64);
        assert_eq!(output(&mut client, expected.len()).1, expected, "{from:?}");
        client.send(&Request::Detach(DetachRequest::default())).unwrap();
        assert!(matches!(client.recv().unwrap(), Event::Ended(_)));
    }
}

/// Each search spends the connection's budget, and the next pass begins by itself.
#[test]
fn searches_without_end_leave_time_for_other_clients() {
    let mut vm = Vm::new(1 << 20);
    // Without a line feed, all of the history is searched.
    vm.guest.writes(&vec![b'x'; 1 << 20]);
    let mut greedy = vm.connect("ctl");
    greedy.write_all(&hello()).unwrap();
    let mut requests = Vec::new();
    for _ in 0..500 {
        let attach = AttachRequest {
            mode: Mode::Spectate,
            replay: Position::NewestLines(1),
            ..AttachRequest::default()
        };
        Request::Attach(attach).encode(&mut requests);
        Request::Detach(DetachRequest::default()).encode(&mut requests);
        Request::Log(LogRequest { from: Position::NewestLines(1), max: Some(0) }).encode(&mut requests);
    }
    greedy.write_all(&requests).unwrap();
    let mut other = vm.client("other");
    for _ in 0..10 {
        other.status().unwrap();
    }
    // Every request is answered in the end.
    let (mut decoder, mut ends, mut buffer) = (Decoder::default(), 0, [0; 4096]);
    while ends < 500 {
        let received = greedy.read(&mut buffer).unwrap();
        assert!(received > 0, "closed after {ends} of 500");
        decoder.extend(&buffer[..received]);
        while let Some(event) = decoder.next_frame() {
            ends += u32::from(matches!(event.unwrap(), Event::LogEnd(_)));
        }
    }
}

#[test]
fn history_requests_without_end_leave_time_for_other_clients() {
    let mut vm = Vm::new(1 << 16);
    vm.guest.writes(&vec![b'x'; 1 << 16]);
    let mut greedy = vm.connect("ctl");
    greedy.write_all(&hello()).unwrap();
    let mut logs = Vec::new();
    for _ in 0..1000 {
        Request::Log(LogRequest { from: Position::Oldest, max: None }).encode(&mut logs);
    }
    greedy.write_all(&logs).unwrap();
    // It reads as fast as it can, until the other client has been served a hundred times.
    let done = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut buffer = vec![0; 1 << 16];
            let mut total = 0;
            while !done.load(SeqCst) && total < 1000 * 60_000 {
                total += greedy.read(&mut buffer).unwrap();
            }
            total
        }
    });
    let mut other = vm.client("other");
    for _ in 0..100 {
        other.status().unwrap();
    }
    done.store(true, SeqCst);
    reader.join().unwrap();
}
