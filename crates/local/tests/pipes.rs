//! A console on pipes: what is written arrives, whole and paced, and nothing waits for a reader.

mod support;

use std::time::Instant;

use rustix::fs::{OFlags, fcntl_getfl};
use support::{Rig, a_pipe, fill, pattern};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::Cause;
use vuart_local::{Limit, LineEnds};

#[test]
fn a_pipe_whose_reader_stops_loses_nothing() {
    let (mut reader, writer) = a_pipe();
    let mut rig = Rig::new(1 << 20, |local| local.with_output(&writer));
    let output = pattern(256 << 10);
    for piece in output.chunks(1000) {
        rig.writes(piece);
    }
    rig.settle();
    assert!(!rig.local.is_settled() && !rig.is_readable(), "it waits for the reader, and does not spin");
    assert!(rig.local.left() > 128 << 10, "a pipe holds 64 KiB");
    assert!(rig.reads(&mut reader, output.len()) == output, "every byte, once, in order");
    rig.settle();
    assert!(rig.local.is_settled());
    assert_eq!(rig.console.counters().lags, 0);
}

#[test]
fn the_flags_that_others_share_are_not_changed() {
    let (reader, writer) = a_pipe();
    let flags = || [&reader, &writer].map(|end| fcntl_getfl(end).unwrap());
    let before = flags();
    assert!(!before[0].contains(OFlags::NONBLOCK));
    let mut rig = Rig::new(1 << 20, |local| local.with_input(&reader).with_output(&writer));
    rig.writes(&pattern(1 << 17));
    rig.settle();
    assert_eq!(flags(), before);
}

#[test]
fn the_first_byte_after_a_pause_is_written_at_once() {
    let (mut reader, writer) = a_pipe();
    let mut rig = Rig::new(1 << 16, |local| local.with_output(&writer));
    for _ in 0..3 {
        assert!(rig.writes(b"x"), "it sleeps");
        assert!(rig.is_readable(), "by the doorbell, before any timer");
        rig.local.dispatch().unwrap();
        assert_eq!(rig.reads(&mut reader, 1), b"x");
        rig.settle();
    }
}

#[test]
fn a_guest_that_writes_on_wakes_it_some_hundred_times_a_second_and_pays_for_one() {
    let (mut reader, writer) = a_pipe();
    let mut rig = Rig::new(1 << 20, |local| local.with_output(&writer));
    let drain = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()).unwrap());
    rig.dispatches = 0;
    let Rig { writer: mut guest, console, mut local, .. } = rig;
    let doorbell = console.doorbell().clone();
    let begin = Instant::now();
    let printer = std::thread::spawn(move || {
        let mut wakes = 0_u64;
        let mut written = 0;
        while begin.elapsed().as_millis() < 500 {
            guest.push(b'x');
            wakes += u64::from(doorbell.ring_if_armed());
            written += 1;
            // A byte each few microseconds.
            (0..200).for_each(|_| std::hint::spin_loop());
        }
        (wakes, written)
    });
    let mut dispatches = 0_u64;
    while !printer.is_finished() {
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if support::readable(&local, &timeout) {
            local.dispatch().unwrap();
            dispatches += 1;
        }
    }
    let milliseconds = u64::try_from(begin.elapsed().as_millis()).unwrap();
    let (wakes, written): (u64, u64) = printer.join().unwrap();
    console.end(&Cause::VmEnded);
    drop((local, writer));
    assert_eq!(drain.join().unwrap(), written, "all of it");
    println!("{dispatches} dispatches and {wakes} wake-ups in {milliseconds} ms for {written} bytes");
    // Twice the ticks, for the first one after each pause that the machine makes: of the guest, not of this test.
    assert!(
        dispatches <= 10 + milliseconds / 2,
        "{dispatches} dispatches in {milliseconds} ms for {written} bytes"
    );
    assert!(wakes <= 5 + milliseconds / 8, "{wakes} wake-ups in {milliseconds} ms for {written} bytes");
}

#[test]
fn what_is_lost_is_declared_where_it_was() {
    for notices in [true, false] {
        let (mut reader, writer) = a_pipe();
        let mut rig = Rig::new(4096, |local| local.with_output(&writer).with_notices(notices));
        rig.writes(b"begin\n");
        rig.settle();
        // While nobody looks.
        rig.writes(&pattern(10_000));
        rig.settle();
        rig.writes(b"end\n");
        rig.local.finish(std::time::Duration::from_secs(60)).unwrap();
        drop(writer);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        let text = text.strip_prefix("begin\n").and_then(|text| text.strip_suffix("end\n")).unwrap();
        let kept = if notices {
            let (lost, kept) =
                text.strip_prefix("\r\n[vuart: ").unwrap().split_once(" bytes lost]\r\n").unwrap();
            assert_eq!(lost.parse::<usize>().unwrap() + kept.len(), 10_000);
            kept
        } else {
            text
        };
        assert!(!kept.is_empty() && pattern(10_000).ends_with(kept.as_bytes()));
        assert_eq!(rig.console.counters().lagged_bytes + kept.len() as u64, 10_000);
    }
}

#[test]
fn a_reader_that_dies_ends_the_output_and_not_the_input() {
    let (reader, writer) = a_pipe();
    let (typed, mut keyboard) = a_pipe();
    let mut rig = Rig::new(1 << 20, |local| local.with_output(&writer).with_input(&typed));
    rig.writes(&pattern(1 << 18));
    rig.settle();
    drop(reader);
    rig.settle();
    assert!(rig.local.is_settled(), "nobody is owed anything");
    assert_eq!(rig.console.warnings()[0].topic, "local");
    rig.writes(b"nobody reads this");
    rig.settle();
    fill(&mut keyboard, b"ls\r");
    rig.until(|rig| rig.console.input_waiting() == 3);
    assert_eq!(rig.takes(), b"ls\r");
    drop((keyboard, typed));
    rig.settle();
    assert!(rig.console.sessions().is_empty(), "with both ends it has gone");
}

#[test]
fn the_end_of_input_leaves_the_output() {
    let (mut reader, writer) = a_pipe();
    let (typed, mut keyboard) = a_pipe();
    let mut rig = Rig::new(1 << 16, |local| local.with_output(&writer).with_input(&typed));
    fill(&mut keyboard, b"halt\r");
    drop((keyboard, typed));
    rig.settle();
    assert_eq!(rig.takes(), b"halt\r", "what was typed before the end");
    rig.writes(b"halting\n");
    assert_eq!(rig.reads(&mut reader, 8), b"halting\n");
}

#[test]
fn a_flood_of_input_waits_until_the_guest_reads() {
    let (typed, mut keyboard) = a_pipe();
    let mut rig = Rig::new(4096, |local| local.with_input(&typed));
    let flood = pattern(300_000);
    let typist = std::thread::spawn({
        let flood = flood.clone();
        move || fill(&mut keyboard, &flood)
    });
    // The guest does not read: nothing spins, and memory has a bound.
    rig.settle();
    assert!(rig.console.input_waiting() <= 4096);
    let mut taken = Vec::new();
    rig.until(|rig| {
        while let Some(more) = Some(rig.takes()).filter(|more| !more.is_empty()) {
            taken.extend(more);
        }
        taken.len() == flood.len()
    });
    assert!(taken == flood, "every byte, once, in order");
    typist.join().unwrap();
}

#[test]
fn rings_of_any_size_will_do() {
    for capacity in [4096, 64 << 20] {
        let (mut reader, writer) = a_pipe();
        let mut rig = Rig::new(capacity, |local| local.with_output(&writer));
        let output = pattern(1 << 20);
        let mut read = Vec::new();
        for piece in output.chunks(2048) {
            rig.writes(piece);
            read.extend(rig.reads(&mut reader, piece.len()));
        }
        assert!(read == output);
    }
}

#[test]
fn filters_change_what_goes_through() {
    let (mut reader, writer) = a_pipe();
    let (typed, mut keyboard) = a_pipe();
    let mut rig = Rig::new(1 << 16, |local| {
        let local = local.with_output(&writer).with_output_filter(LineEnds::LfToCrLf.filter());
        local
            .with_input(&typed)
            .with_input_filter(|bytes: &[u8], out: &mut Vec<u8>| out.extend(bytes.to_ascii_uppercase()))
    });
    rig.writes(b"a\nb\n");
    assert_eq!(rig.reads(&mut reader, 6), b"a\r\nb\r\n");
    fill(&mut keyboard, b"help");
    rig.until(|rig| rig.console.input_waiting() == 4);
    assert_eq!(rig.takes(), b"HELP");
}

#[test]
fn what_is_over_the_limit_waits_in_the_ring() {
    let (mut reader, writer) = a_pipe();
    let limit = Limit { rate: 1, burst: 1000 };
    let mut rig = Rig::new(1 << 16, |local| local.with_output(&writer).with_limit(limit));
    let output = pattern(5000);
    rig.writes(&output);
    rig.turn();
    let mut all = rig.reads(&mut reader, 1000);
    assert!((3_900..=4_000).contains(&rig.local.left()), "{} bytes", rig.local.left());
    // The end does not wait for it.
    rig.console.end(&Cause::VmEnded);
    drop((rig.local, writer));
    std::io::Read::read_to_end(&mut reader, &mut all).unwrap();
    assert!(all == output);
}

#[test]
fn a_fifo_outlasts_those_who_read_and_write_it() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["in", "out"].map(|name| dir.path().join(name));
    for path in &paths {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    }
    let both = |path| std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut rig = Rig::new(1 << 16, |local| {
        // The VMM may close its own.
        local.with_input(both(&paths[0])).with_output(both(&paths[1]))
    });
    for _ in 0..3 {
        let mut keyboard = std::fs::File::options().write(true).open(&paths[0]).unwrap();
        fill(&mut keyboard, b"ls\r");
        rig.until(|rig| rig.console.input_waiting() == 3);
        assert_eq!(rig.takes(), b"ls\r");
        rig.writes(b"while nobody reads\n");
        rig.settle();
        let mut reader = std::fs::File::open(&paths[1]).unwrap();
        assert_eq!(rig.reads(&mut reader, 19), b"while nobody reads\n");
    }
}
