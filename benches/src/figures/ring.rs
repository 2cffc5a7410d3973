//! The ring by itself: a push beside the queue behind a lock that VMMs have, larger pieces beside `memcpy`.

use std::collections::VecDeque;
use std::error::Error;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use vuart::scrollback::Scrollback;

use super::register::character;
use super::{Rows, expect};
use crate::measure::{Effort, Pair, compare};
use crate::table::Row;

const CAPACITY: usize = 64 << 10;

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new("ring push of 1 byte vs a full `Mutex<VecDeque<u8>>`, ns", push(effort)?),
        Row::new("ring extend of 4 KiB vs memcpy, ns", extend::<{ 4 << 10 }>(effort)?),
        Row::new("ring read of 64 KiB vs memcpy, ns", snapshot::<{ 64 << 10 }>(effort)?),
    ])
}

fn push(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let (mut writer, scrollback) = Scrollback::new(CAPACITY)?;
    // As full as a console's is after a minute: each byte that comes pushes one out.
    let queue = Mutex::new(VecDeque::from(vec![0; CAPACITY]));
    let mut pushed = 0;
    let pair = compare(
        effort,
        &mut |count| {
            let writer = black_box(&mut writer);
            for n in 0..count {
                writer.push(black_box(character(n)));
            }
            pushed += count;
        },
        &mut |count| {
            for n in 0..count {
                let mut queue = black_box(&queue).lock().unwrap_or_else(PoisonError::into_inner);
                queue.pop_front();
                queue.push_back(black_box(character(n)));
            }
        },
    );
    expect("the ring", scrollback.end(), pushed)?;
    expect("the queue", queue.lock().unwrap_or_else(PoisonError::into_inner).len() as u64, CAPACITY as u64)?;
    Ok(pair)
}

fn extend<const LEN: usize>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let (mut writer, scrollback) = Scrollback::new(CAPACITY)?;
    let mut plain = vec![0; CAPACITY];
    let bytes = pattern::<LEN>();
    let mut pushed = 0;
    let pair = compare(
        effort,
        &mut |count| {
            for _ in 0..count {
                black_box(&mut writer).extend(black_box(&*bytes));
            }
            pushed += count * LEN as u64;
        },
        &mut |count| {
            // Round and round, as the ring does.
            for slot in (0..CAPACITY / LEN).cycle().take(usize::try_from(count).unwrap_or(usize::MAX)) {
                black_box(&mut plain)[slot * LEN..(slot + 1) * LEN].copy_from_slice(black_box(&*bytes));
            }
        },
    );
    expect("the ring", scrollback.end(), pushed)?;
    let mut newest = vec![0; LEN];
    let read = scrollback.read_at(pushed - LEN as u64, &mut newest);
    expect("the ring's end", read.len() as u64, LEN as u64)?;
    if newest != *bytes || plain[..LEN] != *bytes {
        return Err("what was written can't be read back".into());
    }
    Ok(pair)
}

fn snapshot<const LEN: usize>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let (mut writer, scrollback) = Scrollback::new(2 * LEN)?;
    let bytes = pattern::<LEN>();
    writer.extend(&bytes);
    // Not at the beginning of a cell, as a client's offset is not.
    writer.extend(b"odd");
    let from = 3;
    let mut expected = bytes[3..].to_vec();
    expected.extend_from_slice(b"odd");
    let (mut ours, mut plain) = (vec![0; LEN], vec![0; LEN]);
    let mut arrived = 0;
    let mut asked = 0;
    let pair = compare(
        effort,
        &mut |count| {
            for _ in 0..count {
                arrived += black_box(&scrollback).read_at(black_box(from), black_box(&mut ours)).len() as u64;
            }
            asked += count * LEN as u64;
        },
        &mut |count| {
            for _ in 0..count {
                black_box(&mut plain).copy_from_slice(black_box(&expected));
            }
        },
    );
    expect("the reader", arrived, asked)?;
    if ours != expected || plain != expected {
        return Err("what was read is not what was written".into());
    }
    Ok(pair)
}

fn pattern<const LEN: usize>() -> Vec<u8> {
    (0..LEN as u64).map(|n| character(n.wrapping_mul(0x9E37_79B9) >> 8)).collect()
}
