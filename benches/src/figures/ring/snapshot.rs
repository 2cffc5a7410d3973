//! A copy of the newest 64 KiB, which a client that attaches asks for.

use std::hint::black_box;

use vuart::scrollback::Scrollback;

use super::sink::pattern;
use crate::measure::{Effort, compare};
use crate::table::{Row, Rows};
use crate::verify::{expect, same};

/// The number of bytes that are copied.
const LEN: usize = 64 << 10;

pub(super) fn rows(effort: Effort) -> Rows {
    // Twice the size, because the part of a ring that is overwritten next can't be read.
    let (mut writer, scrollback) = Scrollback::new(2 * LEN)?;
    // Not at the beginning of a cell, as a client's offset mostly is not.
    let (from, odd) = (3, b"odd");
    let mut expected = pattern(LEN);
    writer.extend(&expected);
    writer.extend(odd);
    expected.drain(..odd.len());
    expected.extend_from_slice(odd);

    let (mut ours, mut plain) = (vec![0; LEN], vec![0; LEN]);
    let (mut arrived, mut asked) = (0, 0);
    let pair = compare(
        effort,
        &mut |count| {
            asked += count * LEN as u64;
            for _ in 0..count {
                let read = black_box(&scrollback).read_at(black_box(from), black_box(&mut ours));
                arrived += read.len() as u64;
            }
        },
        &mut |count| {
            for _ in 0..count {
                black_box(&mut plain).copy_from_slice(black_box(&expected));
            }
        },
    );
    expect("the reader", arrived, asked)?;
    same("the reader", &ours, &expected)?;
    same("`memcpy`", &plain, &expected)?;
    Ok(vec![Row::new("Ring read of 64 KiB: `vuart-scrollback` vs `memcpy`, ns", pair).with_goal(2.0)])
}
