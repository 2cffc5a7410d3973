//! A port that several vCPUs share. The mutex is contended only where a row says that two threads write.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use vuart::SharedPort;
use vuart::uart::spec::offset;

use super::register::{character, verify};
use super::{Rows, copies, over_copies};
use crate::devices::{self, Peer};
use crate::measure::{Effort, Operation, Pair, compare, medians, time};
use crate::table::Row;

/// The writes of one vCPU before the other comes, in the row of longer turns.
const ROW: u64 = 100;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = vec![
        Row::new(
            "THR write, shared by vCPUs, vs `Arc<Mutex<vm-superio>>` into a sink, ns",
            over_copies(effort, copies!(uncontended))?,
        )
        .goal(0.95),
    ];
    rows.extend(alternating(effort)?);
    Ok(rows)
}

/// One vCPU writes to ours, and to the peer behind a mutex.
fn uncontended<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let port = &SharedPort::new(devices::port_copy::<COPY>()?);
    let peer = Arc::new(Mutex::new(devices::peer_copy::<_, COPY>(io::sink())));
    let mut written = 0;
    let pair = compare(
        effort,
        &mut |count| {
            written += count;
            for n in 0..count {
                black_box(port).write_register(black_box(offset::THR), black_box(character(n)));
            }
        },
        &mut |count| {
            for n in 0..count {
                write_peer(black_box(&peer), n);
            }
        },
    );
    port.with(|port| verify(port, written))?;
    Ok(pair)
}

fn write_peer<const COPY: u8>(peer: &Mutex<Peer<io::Sink, COPY>>, n: u64) {
    let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = black_box(peer.write(black_box(offset::THR), black_box(character(n))));
}

/// Two threads write by turns, one waiting for the other: one write a turn, and [`ROW`] writes a turn.
///
/// A figure is the time of a whole turn. It includes the time until the other thread sees its turn, which is most of it and noisy on
/// two cores that other programs use, too.
fn alternating(effort: Effort) -> Rows {
    let port = SharedPort::new(devices::port()?);
    let locked = Mutex::new(devices::port()?);
    let ours = |n| port.write_register(black_box(offset::THR), character(n));
    let theirs = |n| {
        let mut port = locked.lock().unwrap_or_else(PoisonError::into_inner);
        port.write_register(black_box(offset::THR), character(n));
    };
    let (mut ours_by_one, mut theirs_by_one) = (by_turns(&ours, 1), by_turns(&theirs, 1));
    let (mut ours_in_rows, mut theirs_in_rows) = (by_turns(&ours, ROW), by_turns(&theirs, ROW));
    let operations: &mut [Operation<'_>] =
        &mut [&mut ours_by_one, &mut theirs_by_one, &mut ours_in_rows, &mut theirs_in_rows];
    let figures = medians(effort, operations);
    Ok(vec![
        Row::new(
            "one write of each of two vCPUs by turns, and the turn, vs `Mutex<SerialPort>`, ns",
            Pair { ours: figures[0], peer: figures[1] },
        )
        .goal(1.1),
        Row::new(
            format!("{ROW} of each by turns, and the turn, vs `Mutex<SerialPort>`, ns"),
            Pair { ours: figures[2], peer: figures[3] },
        )
        .goal(1.1),
    ])
}

/// Two threads, each with so many writes a turn; an operation is a turn.
fn by_turns(write: &(impl Fn(u64) + Sync), row: u64) -> impl FnMut(u64) -> Duration + '_ {
    move |count| {
        let turn = AtomicU64::new(0);
        let take_turns = |parity: u64| {
            for mine in (0..count).filter(|n| n % 2 == parity) {
                while turn.load(Ordering::Acquire) != mine {
                    // Not for ever on a core that the other needs.
                    thread::yield_now();
                }
                (0..row).for_each(write);
                turn.store(mine + 1, Ordering::Release);
            }
        };
        let ready = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                ready.wait();
                take_turns(1);
            });
            ready.wait();
            time(|| {
                take_turns(0);
                while turn.load(Ordering::Acquire) != count {
                    thread::yield_now();
                }
            })
        })
    }
}
