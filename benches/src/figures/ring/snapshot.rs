//! A copy of the newest 64 KiB, as a client asks for that attaches.

use std::hint::black_box;

use vuart::scrollback::Scrollback;

use super::super::{Rows, expect};
use super::locked::Locked;
use super::{pattern, same};
use crate::measure::{Effort, Pair, medians, time};
use crate::table::Row;

const LEN: usize = 64 << 10;

pub(super) fn rows(effort: Effort) -> Rows {
    // Twice the size, as what a ring overwrites next can't be read.
    let (mut writer, scrollback) = Scrollback::new(2 * LEN)?;
    let (mut input, output) = rt_history::RTHistory::new(2 * LEN).split();
    // Not at the beginning of a cell, as a client's offset is not.
    let (from, odd) = (3, b"odd");
    let mut expected = pattern(LEN);
    writer.extend(&expected);
    input.write(&expected);
    writer.extend(odd);
    input.write(odd);
    expected.drain(..odd.len());
    expected.extend_from_slice(odd);
    let queue = Locked::new(LEN);
    for byte in &expected {
        queue.push_byte(*byte);
    }

    let (mut ours, mut plain) = (vec![0; LEN], vec![0; LEN]);
    let (mut history, mut locked) = (vec![0; LEN], vec![0; LEN]);
    let (mut arrived, mut asked) = (0, 0);
    let mut overruns = 0;
    let medians = medians(
        effort,
        &mut [
            &mut |count| {
                asked += count * LEN as u64;
                time(|| {
                    for _ in 0..count {
                        let read = black_box(&scrollback).read_at(black_box(from), black_box(&mut ours));
                        arrived += read.len() as u64;
                    }
                })
            },
            &mut |count| {
                time(|| {
                    for _ in 0..count {
                        black_box(&mut plain).copy_from_slice(black_box(&expected));
                    }
                })
            },
            &mut |count| {
                time(|| {
                    for _ in 0..count {
                        overruns += u64::from(black_box(&output).read(black_box(&mut history)).is_err());
                    }
                })
            },
            &mut |count| {
                time(|| {
                    for _ in 0..count {
                        black_box(&queue).copy(black_box(&mut locked));
                    }
                })
            },
        ],
    );
    expect("the reader", arrived, asked)?;
    expect("rt-history's overruns", overruns, 0)?;
    same("the ring", &ours, &expected)?;
    same("memcpy", &plain, &expected)?;
    same("rt-history", &history, &expected)?;
    same("the queue", &locked, &expected)?;

    let row = |peer: &str, median: f64| {
        Row::new(format!("ring read of 64 KiB vs {peer}, ns"), Pair { ours: medians[0], peer: median })
    };
    Ok(vec![
        row("memcpy", medians[1]).goal(2.0),
        row("rt-history", medians[2]),
        row("`Mutex<VecDeque<u8>>`", medians[3]),
    ])
}
