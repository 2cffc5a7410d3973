//! Handles to the same memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::thread;

use vuart_mapping::{Mapping, PAGE, View, WORD};

#[test]
fn memory_is_zero_and_outlives_the_first_handle() {
    is_zero_and_outlives_the_first_handle(Mapping::anonymous(3 * WORD).expect("memory"));
    is_zero_and_outlives_the_first_handle(Mapping::on_heap(3 * WORD).expect("memory"));
}

fn is_zero_and_outlives_the_first_handle(mapping: Mapping) {
    assert_eq!((mapping.header().len() * WORD, mapping.body().len()), (PAGE, 3));
    let view = mapping.clone().view();
    assert!(view.header().iter().chain(view.body()).all(|word| word.load(Relaxed) == 0));

    mapping.header()[511].store(1, Relaxed);
    let writer = thread::spawn(move || mapping.body()[2].store(2, Relaxed));
    writer.join().expect("a writer");
    assert_eq!((view.header()[511].load(Relaxed), view.clone().body()[2].load(Relaxed)), (1, 2));
}

#[test]
fn what_can_not_be_mapped_is_an_error() {
    assert!(Mapping::anonymous(usize::MAX).is_err());
    assert!(Mapping::anonymous(isize::MAX.unsigned_abs()).is_err());
    assert!(Mapping::on_heap(usize::MAX).is_none());
    assert!(Mapping::on_heap(isize::MAX.unsigned_abs()).is_none());
}

#[test]
fn memory_of_the_heap_is_a_ring_of_whole_words() {
    let mapping = Mapping::on_heap(4 * WORD + 7).expect("memory");
    assert_eq!(mapping.body().len(), 4);
    assert!(mapping.ring(8).is_none());
    let ring = mapping.ring(4).expect("a power of two");
    ring.word(usize::MAX).store(1, Relaxed);
    assert_eq!(mapping.view().body()[3].load(Relaxed), 1);
    assert!(mapping.view().populate(0..4 * WORD).is_ok(), "it has been written");
}

#[test]
#[should_panic(expected = "Relaxed")]
fn a_view_is_loaded_with_relaxed() {
    let _ = Mapping::anonymous(0).expect("memory").view().header()[0].load(Acquire);
}

#[test]
#[cfg_attr(miri, ignore = "Miri maps no files")]
fn a_file_is_shared() {
    let mut file = tempfile::tempfile().expect("a file");
    for len in [0, PAGE as u64 - 1] {
        file.set_len(len).expect("a length");
        let (mapping, view) = (Mapping::of_file(&file), View::of_file(&file));
        assert_eq!(mapping.expect_err("too short").kind(), io::ErrorKind::InvalidInput);
        assert_eq!(view.expect_err("too short").kind(), io::ErrorKind::InvalidInput);
    }
    // A part of a word at the end is left out.
    file.set_len((PAGE + 2 * WORD + 7) as u64).expect("a length");
    let mapping = Mapping::of_file(&file).expect("a mapping");
    let view = View::of_file(&file).expect("a view");
    assert_eq!((mapping.body().len(), view.body().len()), (2, 2));

    mapping.header()[1].store(u64::from_le_bytes(*b"in here."), Relaxed);
    mapping.body()[1].store(u64::from_le_bytes(*b"at last."), Relaxed);
    assert_eq!(view.header()[1].load(Relaxed).to_le_bytes(), *b"in here.");
    assert_eq!(view.body()[1].load(Relaxed).to_le_bytes(), *b"at last.");
    let mut bytes = Vec::new();
    file.rewind().expect("a file that can be rewound");
    file.read_to_end(&mut bytes).expect("its bytes");
    assert_eq!(bytes[8..16], 0x2e65_7265_6820_6e69_u64.to_ne_bytes());
}

#[test]
#[cfg_attr(miri, ignore = "Miri maps no files")]
fn a_file_that_is_not_open_for_writing_can_be_viewed_only() {
    let named = tempfile::NamedTempFile::new().expect("a file");
    named.as_file().set_len(PAGE as u64).expect("a length");
    let file = File::open(named.path()).expect("a file for reading");
    assert!(Mapping::of_file(&file).is_err());
    let view = View::of_file(&file).expect("a view");
    assert!(view.populate(0..WORD).is_ok(), "there is nothing to populate");
}

#[test]
fn populating_changes_nothing() {
    let mapping = Mapping::anonymous(4 * PAGE).expect("memory");
    mapping.body()[0].store(7, Relaxed);
    let view = mapping.view();
    match view.populate(3..3 * PAGE + 1).and_then(|()| view.populate(0..usize::MAX)) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            println!("older than Linux 5.14: {error}");
        }
        result => result.expect("pages"),
    }
    assert_eq!(view.body()[0].load(Relaxed), 7);
    assert!(view.body()[1..].iter().all(|word| word.load(Relaxed) == 0));
}
