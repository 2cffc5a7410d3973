//! The page into which KVM collects: `struct kvm_coalesced_mmio_ring`.
//!
//! The kernel appends at `last`, and this side takes at `first`. Both are indices of entries. They are equal when the ring is empty, and
//! one entry always stays free. So a page of 4096 bytes with 170 entries holds 169.

use std::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use crate::kernel::Zone;

/// The words before the entries: `first` and `last`.
const HEADER: usize = 2;
/// The words of an entry: address (two), length, whether it is port I/O, and the data (two).
const ENTRY: usize = 6;

/// The number of entries in a page of so many words.
pub(crate) fn entries(words: usize) -> usize {
    words.saturating_sub(HEADER) / ENTRY
}

/// The last word, which the kernel never touches: after its entries there are always eight bytes left, whatever the page's size is.
///
/// The page belongs to the virtual machine, so the word says for all devices of it, also of other processes, whether one has the page.
fn claim_word(page: &[AtomicU32]) -> Option<&AtomicU32> {
    let entries_end = HEADER + entries(page.len()) * ENTRY;
    page.get(entries_end..)?.last()
}

/// Takes the page for one device. Returns `false` if another has it, which would find this one's writes and drop them.
pub(crate) fn claim(page: &[AtomicU32]) -> bool {
    // Acquire and Release, with `release`: the next device goes on from the `first` that the last one has stored.
    claim_word(page).is_some_and(|word| word.compare_exchange(0, 1, Acquire, Relaxed).is_ok())
}

/// Gives a page back that was [claimed](claim).
pub(crate) fn release(page: &[AtomicU32]) {
    if let Some(word) = claim_word(page) {
        word.store(0, Release);
    }
}

/// Takes what was collected for the zone, the lowest byte of each write, oldest first. Returns how many bytes it has put into `bytes`. If it is
/// fewer than there is room for, the ring was empty.
///
/// One thread at a time may take. The page is not trusted: indices out of range count as an empty ring, and writes that the zone does not
/// have are dropped.
pub(crate) fn take(page: &[AtomicU32], zone: &Zone, bytes: &mut [u8]) -> usize {
    let count = entries(page.len());
    let [first, last, ..] = page else { return 0 };
    // Relaxed: only this side stores it, one thread at a time.
    let mut next = as_index(first.load(Relaxed));
    // Acquire: pairs with the kernel's `smp_wmb` before its store, so that the entries before `last` are seen filled.
    let end = as_index(last.load(Acquire));
    if next >= count || end >= count {
        return 0;
    }
    let mut taken = 0;
    while next != end && taken < bytes.len() {
        let at = HEADER + next * ENTRY;
        if let Some(byte) = page.get(at..at + ENTRY).and_then(|entry| byte_for(zone, entry)) {
            bytes[taken] = byte;
            taken += 1;
        }
        next = (next + 1) % count;
    }
    // It is less than the number of entries.
    let next = u32::try_from(next).unwrap_or(0);
    // Release: the entries were read before the kernel finds them free. Its store to an entry depends on what it reads here.
    first.store(next, Release);
    taken
}

fn as_index(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

/// The lowest byte of an entry's data, if it is a write that the zone has.
fn byte_for(zone: &Zone, entry: &[AtomicU32]) -> Option<u8> {
    // Relaxed: `last` has ordered them.
    let word = |n: usize| entry[n].load(Relaxed).to_ne_bytes();
    let mut address = [0; 8];
    address[..4].copy_from_slice(&word(0));
    address[4..].copy_from_slice(&word(1));
    let address = u64::from_ne_bytes(address);
    let len = u32::from_ne_bytes(word(2));
    // An entry says since Linux 5.0 whether it is port I/O. Before, all are memory.
    let pio = u32::from_ne_bytes(word(3)) == 1;
    (address == zone.address && (1..=zone.size).contains(&len) && pio == zone.pio).then(|| word(4)[0])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ZONE: Zone = Zone::pio(0x3f8);
    const WORDS: usize = 1024;
    const FIRST: usize = 0;
    const LAST: usize = 1;

    pub(crate) fn page() -> Vec<AtomicU32> {
        (0..WORDS).map(|_| AtomicU32::new(0)).collect()
    }

    /// The kernel's side, as in `virt/kvm/coalesced_mmio.c`. Returns whether there was room.
    pub(crate) fn append(page: &[AtomicU32], address: u64, len: u32, pio: bool, byte: u8) -> bool {
        let count = u32::try_from(entries(page.len())).unwrap();
        let last = page[LAST].load(Relaxed);
        if last >= count || (last + 1) % count == page[FIRST].load(Acquire) {
            return false;
        }
        let at = HEADER + as_index(last) * ENTRY;
        let address = address.to_ne_bytes();
        let words = [
            [address[0], address[1], address[2], address[3]],
            [address[4], address[5], address[6], address[7]],
            len.to_ne_bytes(),
            u32::from(pio).to_ne_bytes(),
            [byte, 0xAA, 0xAA, 0xAA],
            [0xAA; 4],
        ];
        for (word, value) in page[at..].iter().zip(words) {
            word.store(u32::from_ne_bytes(value), Relaxed);
        }
        page[LAST].store((last + 1) % count, Release);
        true
    }

    fn taken(page: &[AtomicU32], zone: &Zone) -> Vec<u8> {
        let mut bytes = [0; 200];
        let count = take(page, zone, &mut bytes);
        bytes[..count].to_vec()
    }

    #[test]
    fn it_holds_169_and_goes_round() {
        let page = page();
        for round in 0..5u8 {
            let sent: Vec<u8> = (0..169).map(|n| n ^ round).collect();
            assert!(sent.iter().all(|byte| append(&page, 0x3f8, 1, true, *byte)));
            assert!(!append(&page, 0x3f8, 1, true, 0), "full");
            assert_eq!(taken(&page, &ZONE), sent);
            assert_eq!(taken(&page, &ZONE), []);
        }
    }

    #[test]
    fn a_thread_takes_what_another_appends() {
        const COUNT: usize = if cfg!(miri) { 500 } else { 20_000 };
        let page = page();
        let sent = |n: usize| n.to_le_bytes()[0] ^ n.to_le_bytes()[1];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..COUNT {
                    while !append(&page, 0x3f8, 1, true, sent(n)) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut received = 0;
            while received < COUNT {
                for byte in taken(&page, &ZONE) {
                    assert_eq!(byte, sent(received), "byte {received}");
                    received += 1;
                }
            }
        });
    }

    #[test]
    fn what_finds_no_room_stays() {
        let page = page();
        assert!((0..100).all(|byte| append(&page, 0x3f8, 1, true, byte)));
        let mut bytes = [0; 60];
        assert_eq!(take(&page, &ZONE, &mut bytes), 60);
        assert_eq!(taken(&page, &ZONE), (60..100).collect::<Vec<u8>>());
    }

    #[test]
    fn what_is_not_the_zones_is_dropped() {
        let page = page();
        for (address, len, pio) in
            [(0x2f8, 1, true), (0x3f8, 2, true), (0x3f8, 0, true), (0x3f8, u32::MAX, true), (0x3f8, 1, false)]
        {
            assert!(append(&page, address, len, pio, b'x'));
        }
        assert!(append(&page, 0x3f8, 1, true, b'A'));
        assert_eq!(taken(&page, &ZONE), b"A");
        let zone = Zone::mmio(0xd000_0000, 2);
        for (address, len, byte) in [(0xd000_0000, 1, b'1'), (0xd000_0001, 1, b'x'), (0xd000_0000, 4, b'4')] {
            assert!(append(&page, address, len, false, byte));
        }
        assert_eq!(taken(&page, &zone), b"14");
    }

    #[test]
    fn one_device_at_a_time_has_the_page_and_the_kernel_does_not_notice() {
        let pages: &[usize] = if cfg!(miri) { &[1024] } else { &[1024, 4096, 16_384] };
        for &words in pages {
            let page: Vec<_> = (0..words).map(|_| AtomicU32::new(0)).collect();
            assert!(claim(&page) && !claim(&page), "{words}");
            let most = entries(words) - 1;
            assert!((0..most).all(|_| append(&page, 0x3f8, 1, true, b'x')));
            let mut bytes = vec![0; words];
            assert_eq!(take(&page, &ZONE, &mut bytes), most);
            // Also into the last entry, which the first round leaves free.
            assert!((0..most).all(|_| append(&page, 0x3f8, 1, true, b'y')));
            assert!(!claim(&page), "{words}");
            release(&page);
            assert!(claim(&page), "{words}");
        }
        assert!(!claim(&[]));
    }

    #[test]
    fn indices_out_of_range_are_an_empty_ring() {
        for wrong in [170, 171, 1 << 31, u32::MAX] {
            for index in [FIRST, LAST] {
                let page = page();
                append(&page, 0x3f8, 1, true, b'x');
                page[index].store(wrong, Relaxed);
                assert_eq!(taken(&page, &ZONE), []);
            }
        }
    }

    #[test]
    fn a_page_with_any_content_gives_at_most_its_entries() {
        let mut state = 1u32;
        for _ in 0..if cfg!(miri) { 10 } else { 1000 } {
            let page = page();
            for word in &page {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                word.store(state >> 8, Relaxed);
            }
            page[FIRST].store(state % 170, Relaxed);
            page[LAST].store((state >> 16) % 170, Relaxed);
            assert!(taken(&page, &ZONE).len() < 170);
        }
        assert_eq!(take(&[], &ZONE, &mut [0]), 0);
    }
}
