//! Writers and readers on several threads: in all interleavings, and with all answers to their loads (`loom`), or in a random choice of
//! them (Miri).

use std::sync::Arc;

use vuart_explore::{Mutex, explore_words, explore_words_within, thread};

use super::{check, fill, ring, ring_with_head};

/// A reader is lapped while it reads.
#[test]
fn one_writer() {
    explore_words(1000, || {
        let (mut writer, scrollback) = ring(16, 8);
        fill(&mut writer, 11);
        let thread = thread::spawn(move || {
            fill(&mut writer, 3);
            fill(&mut writer, 1);
            fill(&mut writer, 7);
        });
        let mut buf = [0; 16];
        check(scrollback.read_at(0, &mut buf), 0, &buf);
        thread.join().expect("a writer");
    });
}

/// The smallest ring, one cell: each word replaces the one before.
#[test]
fn one_cell() {
    explore_words(1000, || {
        let (mut writer, scrollback) = ring(8, 8);
        fill(&mut writer, 5);
        let thread = thread::spawn(move || {
            fill(&mut writer, 3);
            fill(&mut writer, 8);
            fill(&mut writer, 1);
        });
        let mut buf = [0; 8];
        check(scrollback.read_at(2, &mut buf), 2, &buf);
        thread.join().expect("a writer");
    });
}

/// Two threads use the writer under a mutex, one after the other, for `bytes` bytes each. One announces the granule, the other writes
/// in it.
fn one_after_the_other(bytes: usize) {
    explore_words(1000, move || {
        let (mut writer, scrollback) = ring(16, 8);
        fill(&mut writer, 16);
        let writer = Arc::new(Mutex::new(writer));
        let threads = [(); 2].map(|()| {
            let writer = Arc::clone(&writer);
            thread::spawn(move || fill(&mut writer.lock().expect("no panic"), bytes))
        });
        let mut buf = [0; 8];
        check(scrollback.read_at(0, &mut buf), 0, &buf);
        for thread in threads {
            thread.join().expect("a writer");
        }
    });
}

#[test]
fn a_writer_that_changes_threads() {
    one_after_the_other(1);
}

/// The same with short slices.
#[test]
fn a_writer_of_slices_that_changes_threads() {
    one_after_the_other(2);
}

/// The boot head takes over the bytes that are read, and then forgets them for the next boot.
#[test]
fn a_boot_head() {
    explore_words_within(2, 1000, || {
        let (mut writer, scrollback) = ring_with_head(16, 8, 8);
        fill(&mut writer, 15);
        let thread = thread::spawn(move || {
            fill(&mut writer, 8);
            writer.mark();
            fill(&mut writer, 16);
        });
        let mut buf = [0; 16];
        check(scrollback.read_at(3, &mut buf), 3, &buf);
        thread.join().expect("a writer");
        // The ring has the bytes from 24 on. The head has one byte of the boot that began before that, and nothing of the first boot.
        let read = scrollback.read_at(0, &mut buf);
        check(read, 0, &buf);
        assert_eq!((read.start, read.next), (23, 24));
    });
}

/// A cursor that follows the writer: the bytes that it gets and the bytes that it misses add up.
#[test]
fn a_following_reader() {
    explore_words_within(3, 1000, || {
        let (mut writer, scrollback) = ring(16, 8);
        let mut reader = scrollback.reader_at(0);
        let thread = thread::spawn(move || {
            for len in [7, 9, 8] {
                fill(&mut writer, len);
            }
        });
        let mut accounted = 0;
        for _ in 0..2 {
            let from = reader.cursor();
            let mut buf = [0; 12];
            let read = reader.read(&mut buf);
            check(read, from, &buf);
            accounted += read.missed + read.len() as u64;
        }
        assert_eq!(reader.cursor(), accounted);
        thread.join().expect("a writer");
    });
}
