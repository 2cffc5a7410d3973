//! The ring by itself, beside the queues and rings that it could have been, and beside `memcpy` and `write(2)`.

mod copying;
mod locked;
mod memory;
mod snapshot;
mod system;
mod tail;
mod writing;

use std::error::Error;

use super::Rows;
use super::register::character;
use crate::measure::Effort;

/// The size of each ring and each queue that is written into.
const CAPACITY: usize = 64 << 10;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = writing::rows(effort)?;
    rows.extend(snapshot::rows(effort)?);
    rows.extend(copying::rows(effort)?);
    rows.extend(tail::rows(effort)?);
    Ok(rows)
}

/// Bytes to write, which do not repeat within a ring.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| character(n.wrapping_mul(0x9E37_79B9) >> 8)).collect()
}

/// An error if what was read is not what was written.
fn same(what: &str, found: &[u8], expected: &[u8]) -> Result<(), Box<dyn Error>> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: what was read is not what was written").into())
    }
}
