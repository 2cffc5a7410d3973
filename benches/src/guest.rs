//! What a guest does to a device, in the loops that are measured.

use std::hint::black_box;

use vuart::uart::spec::offset;

use crate::devices::Registers;
use crate::measure::{Effort, Pair, compare};

/// Returns the `n`th character that a guest writes.
pub(crate) fn character(n: u64) -> u8 {
    n.to_le_bytes()[0]
}

/// Writes `count` characters to THR, one access each.
fn write_thr(device: &mut dyn Registers, count: u64) {
    let device = black_box(device);
    for n in 0..count {
        device.write_register(offset::THR, character(n));
    }
}

/// Reads a register `count` times.
pub(crate) fn read_register(device: &mut dyn Registers, register: u8, count: u64) {
    let device = black_box(device);
    for _ in 0..count {
        black_box(device.read_register(register));
    }
}

/// The cost of a THR write, and how many characters each device was given.
pub(crate) struct Written {
    /// Nanoseconds per write.
    pub(crate) pair: Pair,
    /// The characters that our port was given.
    pub(crate) ours: u64,
    /// The characters that the peer was given.
    pub(crate) peer: u64,
}

/// Measures THR writes to a port and to its peer.
pub(crate) fn compare_thr_writes(
    effort: Effort,
    port: &mut dyn Registers,
    peer: &mut dyn Registers,
) -> Written {
    let (mut our_count, mut peer_count) = (0, 0);
    let pair = compare(
        effort,
        &mut |count| {
            write_thr(port, count);
            our_count += count;
        },
        &mut |count| {
            write_thr(peer, count);
            peer_count += count;
        },
    );
    Written { pair, ours: our_count, peer: peer_count }
}
