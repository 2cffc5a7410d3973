//! Writes of single bytes and of slices, to our ring and to each neighbour.

use std::error::Error;
use std::time::Duration;

use super::locked::Locked;
use super::memory::{Ours, Placed, Plain, RingbufOverwriting, RtHistory, Rtrb};
use super::sink::{CAPACITY, Sink, SliceSink, pattern};
use crate::measure::{Effort, Operation, Pair, medians};
use crate::table::{Row, Rows};
use crate::verify::expect;

/// A ring or queue beside ours, and the goal of ours beside it.
struct Neighbour<S: ?Sized> {
    name: &'static str,
    goal: Option<f64>,
    sink: Box<S>,
}

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = bytes(effort)?;
    // What a driver writes at once, and what a console prints in a burst of many lines.
    rows.extend(slices(effort, 16, "16 bytes", None)?);
    rows.extend(slices(effort, 4096, "4 KiB", Some(2.0))?);
    Ok(rows)
}

fn bytes(effort: Effort) -> Rows {
    let ours: Box<dyn Sink> = Box::new(Ours::new()?);
    let neighbours: Vec<Neighbour<dyn Sink>> = vec![
        Neighbour { name: "a plain masked store", goal: Some(1.7), sink: Box::new(Plain::new()) },
        Neighbour { name: "rtrb, which refuses when full", goal: Some(1.15), sink: Box::new(Rtrb::new()) },
        Neighbour {
            name: "ringbuf's `push_overwrite`",
            goal: None,
            sink: Box::new(RingbufOverwriting::new()),
        },
        Neighbour { name: "rt-history", goal: Some(1.0 / 1.8), sink: Box::new(RtHistory::new()) },
        Neighbour {
            name: "a full `Mutex<VecDeque<u8>>`",
            goal: Some(0.6),
            sink: Box::new(Locked::new(CAPACITY)),
        },
    ];
    measure(effort, "Ring write of 1 byte", 1, ours, neighbours, Sink::push)
}

/// Measures slices of `len` bytes. `goal` is that beside `memcpy`.
fn slices(effort: Effort, len: usize, size: &str, goal: Option<f64>) -> Rows {
    // Half a page from where the rings begin.
    let bytes = Placed::new(&pattern(len), 2048);
    let ours: Box<dyn SliceSink> = Box::new(Ours::new()?);
    let neighbours: Vec<Neighbour<dyn SliceSink>> = vec![
        Neighbour { name: "`memcpy` into a plain ring", goal, sink: Box::new(Plain::new()) },
        Neighbour { name: "a full `Mutex<VecDeque<u8>>`", goal: None, sink: Box::new(Locked::new(CAPACITY)) },
    ];
    let title = format!("Ring write of {size} at once");
    measure(effort, &title, len, ours, neighbours, |sink, count| sink.extend(count, &bytes))
}

/// Measures `write` with our ring and with each neighbour. Each of its operations writes `len` bytes.
fn measure<S: Sink + ?Sized>(
    effort: Effort,
    title: &str,
    len: usize,
    mut ours: Box<S>,
    mut neighbours: Vec<Neighbour<S>>,
    write: impl Fn(&mut S, u64) -> Duration,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut written = vec![0; neighbours.len() + 1];
    let sinks = std::iter::once(&mut ours).chain(neighbours.iter_mut().map(|neighbour| &mut neighbour.sink));
    let mut runs: Vec<_> = sinks
        .zip(&mut written)
        .map(|(sink, written)| {
            |count| {
                *written += count * len as u64;
                write(&mut **sink, count)
            }
        })
        .collect();
    let mut operations: Vec<Operation<'_>> = runs.iter_mut().map(|run| run as Operation<'_>).collect();
    let medians = medians(effort, &mut operations);

    expect("the ring", ours.arrived()?, written[0])?;
    let mut rows = Vec::new();
    for ((neighbour, written), peer) in neighbours.iter_mut().zip(&written[1..]).zip(&medians[1..]) {
        expect(neighbour.name, neighbour.sink.arrived()?, *written)?;
        let figure = format!("{title}: `vuart-scrollback` vs {}, ns", neighbour.name);
        let row = Row::new(figure, Pair { ours: medians[0], peer: *peer });
        rows.push(if let Some(goal) = neighbour.goal { row.with_goal(goal) } else { row });
    }
    Ok(rows)
}
