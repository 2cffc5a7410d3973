//! A port that several vCPUs share. Where it is not said that two threads come, the lock is not contended: this is what sharing
//! costs by itself.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use vuart::uart::spec::offset;
use vuart::{Options, SharedPort};

use super::register::{character, verify};
use super::{Rows, copies, over_copies};
use crate::devices::{self, Peer, Polled};
use crate::measure::{Effort, Operation, Pair, compare, medians, time};
use crate::table::Row;

/// So many accesses in a row have the bias for sure.
const ROW: u64 = 100;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = vec![
        Row::new(
            "THR write, shared by vCPUs, vs `Arc<Mutex<vm-superio>>` into a sink, ns",
            over_copies(effort, copies!(biased))?,
        )
        .goal(0.5),
        Row::new(
            "the same without membarrier: no bias, and a fence for the doorbell, ns",
            over_copies(effort, copies!(plain))?,
        ),
    ];
    rows.extend(alternating(effort)?);
    Ok(rows)
}

fn biased<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    uncontended(effort, &SharedPort::new(devices::port_copy::<COPY>()?))
}

fn plain<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    uncontended(
        effort,
        &SharedPort::new(devices::port_copy_with::<COPY>(Options::default().without_membarrier())?),
    )
}

/// One vCPU comes to ours, and to the peer behind a mutex.
fn uncontended<const COPY: u8>(
    effort: Effort,
    port: &SharedPort<Polled<COPY>>,
) -> Result<Pair, Box<dyn Error>> {
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

/// Two threads that come by turns, one waiting for the other: once each, and in rows after which each has the bias, so that
/// the other must take it away. The figures are of a whole turn, so
/// with what it takes the other to see that its turn has come: on two cores that others use that is most of it, and noisy.
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
        ),
        Row::new(
            format!(
                "{ROW} of each by turns, the hand-over of the bias, and the turn, vs `Mutex<SerialPort>`, ns"
            ),
            Pair { ours: figures[2], peer: figures[3] },
        ),
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
