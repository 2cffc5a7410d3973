//! How much memory a ring takes, and whether its writer waits for it.

#![cfg(not(miri))] // which has no page faults

mod support;

use std::io;

use support::filled::{byte_at, dup, fill, options};
use vuart_scrollback::{RingOptions, Scrollback, Writer};

fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("/proc");
    // The name, in parentheses, may have spaces in it; minflt is the eighth field after it.
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    fields.split(' ').nth(7).expect("fields").parse().expect("a number")
}

/// The page faults of writing a whole ring.
fn faults_of_a_lap(mut writer: Writer, ahead: &Scrollback, step: u64) -> u64 {
    let bytes: Vec<u8> = (0..step).map(byte_at).collect();
    writer.extend(&bytes[..1]); // The code, and the writer itself.
    faults();
    let mut total = 0;
    while writer.end() < ahead.capacity() as u64 {
        if step < ahead.capacity() as u64 {
            ahead.touch_ahead(2 * bytes.len()).expect("a system that can");
        }
        let before = faults();
        writer.extend(&bytes);
        total += faults() - before;
    }
    total
}

#[test]
fn a_writer_takes_no_page_fault_where_the_ring_was_touched() {
    const LARGE: usize = 4 << 20;
    // Reading the counter may fault, too.
    const NOISE: u64 = 8;
    let pages = LARGE as u64 / 4096;
    let (writer, scrollback) = Scrollback::new(LARGE).expect("a ring");
    match scrollback.touch_ahead(1) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return println!("older than Linux 5.14: {error}");
        }
        more => assert!(more.expect("a system that can")),
    }
    let untouched = faults_of_a_lap(writer, &scrollback, LARGE as u64);
    assert!(untouched > pages / 2, "{untouched} faults: the control is of no use");

    let (writer, scrollback) =
        RingOptions::new(LARGE).with_start(12_345).create_memfd("test").expect("a memfd");
    let touched = faults_of_a_lap(writer, &scrollback, 64 << 10);
    assert!(touched <= NOISE, "{touched} faults");
    assert!(!scrollback.touch_ahead(1 << 20).expect("a system that can"), "all of it is there");

    for (writer, scrollback) in [
        RingOptions::new(LARGE).with_prefault(true).create().expect("a ring"),
        RingOptions::new(LARGE).with_prefault(true).create_memfd("test").expect("a memfd"),
    ] {
        let prefaulted = faults_of_a_lap(writer, &scrollback, LARGE as u64);
        assert!(prefaulted <= NOISE, "{prefaulted} faults");
    }
}

/// The part that is in memory of the process's mappings of at least `least` bytes, in kilobytes.
fn resident(least: u64) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("/proc");
    let mut size = 0;
    let mut resident = 0;
    for line in maps.lines() {
        let kilobytes = |rest: &str| rest.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        if let Some(rest) = line.strip_prefix("Size:") {
            size = kilobytes(rest);
        } else if let Some(rest) = line.strip_prefix("Rss:")
            && size * 1024 >= least
        {
            resident += kilobytes(rest);
        }
    }
    resident
}

/// The kernel may have put other tests' rings beside this one, into the same mapping.
#[test]
fn an_idle_ring_takes_almost_no_memory() {
    // Not the largest capacity, which a small machine refuses.
    const LARGE: usize = 256 << 20;
    let rings = [
        RingOptions::new(LARGE).with_boot_head(LARGE).create().expect("a ring"),
        RingOptions::new(LARGE).with_boot_head(LARGE).create_memfd("test").expect("a memfd"),
    ];
    for (mut writer, _scrollback) in rings {
        writer.extend(b"login: ");
        let resident = resident(LARGE as u64);
        assert!(resident < 32 << 10, "{resident} kB");
    }
}

#[test]
fn the_boot_head_is_touched_before_it_is_filled() {
    const LARGE: usize = 1 << 20;
    let (mut writer, scrollback) =
        RingOptions::new(LARGE).with_boot_head(LARGE).create_memfd("test").expect("a memfd");
    if let Err(error) = scrollback.touch_ahead(4096) {
        return println!("older than Linux 5.14: {error}");
    }
    fill(&mut writer, LARGE as u64 + 4096);
    writer.mark();
    drop(writer);
    let (writer, scrollback) = RingOptions::default().adopt(dup(&scrollback)).expect("a ring");
    let begin = writer.end();
    let mut writer = writer;
    let mut total = 0;
    let bytes = vec![b'.'; 4096];
    while writer.end() < begin + 3 * LARGE as u64 {
        scrollback.touch_ahead(64 << 10).expect("a system that can");
        let before = faults();
        writer.extend(&bytes);
        total += faults() - before;
    }
    assert!(total <= 16, "{total} faults");
    assert!(!scrollback.touch_ahead(64 << 10).expect("a system that can"));
}

/// A process that maps a ring read-only cannot touch memory for the writer. It gets the error once.
#[test]
fn a_ring_that_is_mapped_to_read_is_not_touched() {
    let (_writer, scrollback) = options().create_memfd("test").expect("a memfd");
    let mapped = Scrollback::map(&dup(&scrollback)).expect("a ring");
    let error = mapped.touch_ahead(4096).expect_err("a read-only mapping");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(!mapped.touch_ahead(4096).expect("nothing to do"));
}
