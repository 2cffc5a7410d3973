//! Random sequences of writes and reads, compared with a model that keeps every byte.

use proptest::{collection::vec, prelude::*};
use vuart_scrollback::{Position, RingOptions, Scrollback};

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    /// A slice of `len` bytes that count up from `first`.
    Extend {
        len: usize,
        first: u8,
    },
    /// Reads `from` bytes before the end; a negative number is in the future.
    Read {
        back: i64,
        size: usize,
    },
    Peek {
        size: usize,
        taken: usize,
    },
    Mark,
}

const CAPACITY: usize = Scrollback::MIN_CAPACITY;

fn step() -> impl Strategy<Value = Step> {
    let far = 3 * i64::try_from(CAPACITY).expect("small");
    prop_oneof![
        any::<u8>().prop_map(Step::Push),
        (0..20_usize, any::<u8>()).prop_map(|(len, first)| Step::Extend { len, first }),
        (0..2 * CAPACITY, any::<u8>()).prop_map(|(len, first)| Step::Extend { len, first }),
        (-20..far, 0..64_usize).prop_map(|(back, size)| Step::Read { back, size }),
        (-20..far, 0..2 * CAPACITY).prop_map(|(back, size)| Step::Read { back, size }),
        (0..CAPACITY, 0..CAPACITY).prop_map(|(size, taken)| Step::Peek { size, taken }),
        Just(Step::Mark),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 256 },
        // Miri has no files to keep failures in.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn reads_are_what_was_written_or_a_declared_loss(
        start in prop_oneof![Just(0), 0..=Scrollback::MAX_START],
        head in prop_oneof![Just(0), 1..100_usize, 1..3 * CAPACITY],
        steps in vec(step(), 0..if cfg!(miri) { 12 } else { 60 }),
    ) {
        let options = RingOptions::new(CAPACITY).with_start(start).with_boot_head(head);
        let (mut writer, scrollback) = options.create().expect("an allowed start");
        let mut boot = start;
        let mut written: Vec<u8> = Vec::new();
        let mut reader = scrollback.reader_at(start);
        for step in steps {
            let end = start + written.len() as u64;
            match step {
                Step::Push(byte) => {
                    writer.push(byte);
                    written.push(byte);
                }
                Step::Extend { len, first } => {
                    // Not a power of two, so that the generations of a cell differ.
                    let bytes: Vec<u8> = (first..=250).chain(0..=250).cycle().take(len).collect();
                    writer.extend(&bytes);
                    written.extend(&bytes);
                }
                Step::Read { back, size } => {
                    let from = end.saturating_add_signed(-back);
                    let mut buf = vec![0; size];
                    let read = scrollback.read_at(from, &mut buf);
                    prop_assert_eq!(read.missed, read.start - from);
                    let in_ring = scrollback.offset(Position::Newest(u64::MAX));
                    let in_head = boot..in_ring.min(boot + scrollback.boot_head() as u64);
                    let (first, until) = match from.max(in_head.start) {
                        at if from < in_ring && in_head.contains(&at) => (at, in_head.end),
                        _ => (from.max(in_ring), end),
                    };
                    prop_assert_eq!(read.start, first);
                    prop_assert_eq!(read.next, first.max(until.min(first + size as u64)));
                    if !read.is_empty() {
                        let first = usize::try_from(read.start - start).expect("within what was written");
                        prop_assert_eq!(&buf[..read.len()], &written[first..first + read.len()]);
                    }
                }
                Step::Mark => {
                    boot = end;
                    prop_assert_eq!(writer.mark(), boot);
                }
                Step::Peek { size, taken } => {
                    let mut buf = vec![0; size];
                    let read = reader.peek(&mut buf);
                    prop_assert_eq!(reader.cursor(), read.start);
                    let taken = taken.min(read.len());
                    reader.advance(taken);
                    let first = usize::try_from(read.start - start).expect("within what was written");
                    prop_assert_eq!(&buf[..taken], &written[first..first + taken]);
                }
            }
            let end = start + written.len() as u64;
            prop_assert_eq!((writer.end(), scrollback.end(), scrollback.boot()), (end, end, boot));
            let readable = end - scrollback.offset(Position::Newest(u64::MAX));
            prop_assert!(readable <= CAPACITY as u64);
            prop_assert!(readable >= (scrollback.retained() as u64).min(written.len() as u64));
        }
    }
}
