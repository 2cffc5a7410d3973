//! Several bytes in one exit, as `rep outsb` has them, beside single accesses to the same port.

use std::error::Error;
use std::hint::black_box;

use vuart::uart::spec::offset;

use super::register::{character, verify};
use super::{Rows, copies, over_copies};
use crate::devices;
use crate::measure::{Effort, Pair, medians, time};
use crate::table::Row;

/// What a driver writes at once: the transmitter's FIFO.
const BURST: u32 = 16;

pub(super) fn rows(effort: Effort) -> Rows {
    let at_once = over_copies(effort, copies!(string))?;
    let per_byte = Pair { ours: at_once.ours / f64::from(BURST), ..at_once };
    Ok(vec![Row::new("THR write of a 16-byte slice, per byte, vs a single write, ns", per_byte).goal(0.3)])
}

/// All of a slice, and a single write.
fn string<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let burst: Vec<u8> = (0..u64::from(BURST)).map(character).collect();
    let (mut single, mut string) = (devices::port_copy::<COPY>()?, devices::port_copy::<COPY>()?);
    let (mut single_written, mut string_written) = (0, 0);
    let medians = medians(
        effort,
        &mut [
            &mut |count| {
                string_written += count * u64::from(BURST);
                time(|| {
                    for _ in 0..count {
                        string.write_string(black_box(u64::from(offset::THR)), black_box(&burst));
                    }
                })
            },
            &mut |count| {
                single_written += count;
                time(|| {
                    for n in 0..count {
                        single.write_register(black_box(offset::THR), black_box(character(n)));
                    }
                })
            },
        ],
    );
    verify(&string, string_written)?;
    verify(&single, single_written)?;
    Ok(Pair { ours: medians[0], peer: medians[1] })
}
