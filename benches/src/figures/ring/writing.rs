//! Writes of one byte and of slices: ours, and each neighbour in turn.

use std::error::Error;
use std::time::Duration;

use super::super::{Rows, expect};
use super::locked::Locked;
use super::memory::{Ours, Placed, Plain, Ringbuf, RingbufOverwriting, RtHistory, Rtrb};
use super::system::{EventFd, Null, Pipe};
use super::{CAPACITY, pattern};
use crate::measure::{Effort, Operation, Pair, medians};
use crate::table::Row;

/// What bytes are written into.
pub(super) trait Sink {
    /// Writes single bytes, as they come from a guest. It says how long that took.
    fn push(&mut self, count: u64) -> Duration;

    /// Writes `bytes` so many times, and says how long that took.
    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration;

    /// How many bytes have arrived, those included that were overwritten since. It is asked once, at the end.
    fn arrived(&mut self) -> Result<u64, Box<dyn Error>>;
}

/// Ours beside one neighbour: how large the ratio may be for one byte, and for 4 KiB.
struct Neighbour {
    name: &'static str,
    sink: Box<dyn Sink>,
    goals: [Option<f64>; 2],
}

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = Vec::new();
    for len in [1, 16, 64, 4096] {
        rows.extend(rows_of(effort, len)?);
    }
    Ok(rows)
}

fn rows_of(effort: Effort, len: usize) -> Rows {
    // Half a page from where the rings begin.
    let bytes = Placed::new(&pattern(len), 2048);
    let mut ours: Box<dyn Sink> = Box::new(Ours::new()?);
    let mut neighbours = neighbours(len)?;

    let mut written = vec![0; neighbours.len() + 1];
    let sinks = std::iter::once(&mut ours).chain(neighbours.iter_mut().map(|neighbour| &mut neighbour.sink));
    let mut runs: Vec<_> = sinks
        .zip(&mut written)
        .map(|(sink, written)| {
            |count| {
                *written += count * bytes.len() as u64;
                if let [_] = *bytes { sink.push(count) } else { sink.extend(count, &bytes) }
            }
        })
        .collect();
    let mut operations: Vec<Operation<'_>> = runs.iter_mut().map(|run| run as Operation<'_>).collect();
    let medians = medians(effort, &mut operations);

    expect("the ring", ours.arrived()?, written[0])?;
    let mut rows = Vec::new();
    for ((neighbour, written), peer) in neighbours.iter_mut().zip(&written[1..]).zip(&medians[1..]) {
        expect(neighbour.name, neighbour.sink.arrived()?, *written)?;
        let figure = match len {
            1 => format!("ring push of 1 byte vs {}, ns", neighbour.name),
            4096 => format!("ring extend of 4 KiB vs {}, ns", neighbour.name),
            _ => format!("ring extend of {len} bytes vs {}, ns", neighbour.name),
        };
        let row = Row::new(figure, Pair { ours: medians[0], peer: *peer });
        let goal = match len {
            1 => neighbour.goals[0],
            4096 => neighbour.goals[1],
            _ => None,
        };
        rows.push(if let Some(goal) = goal { row.goal(goal) } else { row });
    }
    Ok(rows)
}

fn neighbours(len: usize) -> Result<Vec<Neighbour>, Box<dyn Error>> {
    // Of slices it does nothing but `memcpy`, and goes round as the ring does.
    let plain = if len == 1 { "a plain masked store" } else { "`memcpy` into a plain ring" };
    let mut neighbours = vec![
        Neighbour { name: plain, sink: Box::new(Plain::new()), goals: [Some(1.7), Some(2.0)] },
        Neighbour {
            name: "rtrb, which keeps nothing unread",
            sink: Box::new(Rtrb::new()),
            goals: [Some(1.15), None],
        },
        Neighbour { name: "ringbuf, try_push", sink: Box::new(Ringbuf::new()), goals: [None; 2] },
        Neighbour {
            name: "ringbuf, push_overwrite",
            sink: Box::new(RingbufOverwriting::new()),
            goals: [None; 2],
        },
        Neighbour { name: "rt-history", sink: Box::new(RtHistory::new()), goals: [Some(1.0 / 1.8), None] },
        Neighbour {
            name: "a full `Mutex<VecDeque<u8>>`",
            sink: Box::new(Locked::new(CAPACITY)),
            goals: [Some(0.6), None],
        },
        Neighbour { name: "write(2) to /dev/null", sink: Box::new(Null::open()?), goals: [None; 2] },
        Neighbour {
            name: "write(2) to a pipe with a reader",
            sink: Box::new(Pipe::new()?),
            goals: [None; 2],
        },
    ];
    if len == 1 {
        let sink = Box::new(EventFd::new()?);
        neighbours.push(Neighbour { name: "write(2) to an eventfd", sink, goals: [None; 2] });
    }
    Ok(neighbours)
}
