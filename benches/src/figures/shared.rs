//! A port that several vCPUs share behind a mutex.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use vuart::SharedPort;
use vuart::uart::spec::offset;

use crate::copies::{copies, over_copies};
use crate::devices::{self, Peer};
use crate::guest::character;
use crate::measure::{Effort, Operation, Pair, compare, medians, time};
use crate::table::{Row, Rows};
use crate::verify::ring_holds;

/// The number of writes that a vCPU makes before the other one writes, in the row of longer runs.
const RUN: u64 = 100;

pub(super) fn rows(effort: Effort) -> Rows {
    let uncontended = Row::new(
        "THR write to a shared port, one vCPU writes: `SharedPort` vs `Arc<Mutex<vm-superio>>` writing to a sink, ns",
        over_copies(effort, copies!(uncontended))?,
    );
    let [single, run] = alternating(effort);
    Ok(vec![
        uncontended.with_goal(0.95).with_headline(),
        Row::new(
            "Two vCPUs alternate, 1 THR write each time and the wait for the other: `SharedPort` vs `Mutex<SerialPort>`, ns",
            single,
        )
        .with_goal(1.1),
        Row::new(
            format!(
                "Two vCPUs alternate, {RUN} THR writes each time and the wait for the other: `SharedPort` vs `Mutex<SerialPort>`, ns"
            ),
            run,
        )
        .with_goal(1.1),
    ])
}

/// Measures one thread that writes to a shared port, and to the peer behind a mutex.
fn uncontended<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let port = &SharedPort::new(devices::port_copy::<COPY>());
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
    port.with(|port| ring_holds(port, written))?;
    Ok(pair)
}

fn write_peer<const COPY: u8>(peer: &Mutex<Peer<io::Sink, COPY>>, n: u64) {
    let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = black_box(peer.write(black_box(offset::THR), black_box(character(n))));
}

/// Measures two threads that write alternately, in runs of one write and in runs of [`RUN`] writes.
///
/// A figure is the time of a whole run, including the time until the other thread sees that the run is over. That is most of it,
/// and noisy on two cores that other programs use, too.
fn alternating(effort: Effort) -> [Pair; 2] {
    let port = SharedPort::new(devices::port());
    let locked = Mutex::new(devices::port());
    let ours = |n| port.write_register(black_box(offset::THR), character(n));
    let theirs = |n| {
        let mut port = locked.lock().unwrap_or_else(PoisonError::into_inner);
        port.write_register(black_box(offset::THR), character(n));
    };
    let (mut ours_single, mut theirs_single) = (in_runs(&ours, 1), in_runs(&theirs, 1));
    let (mut ours_run, mut theirs_run) = (in_runs(&ours, RUN), in_runs(&theirs, RUN));
    let operations: &mut [Operation<'_>] =
        &mut [&mut ours_single, &mut theirs_single, &mut ours_run, &mut theirs_run];
    let figures = medians(effort, operations);
    [Pair { ours: figures[0], peer: figures[1] }, Pair { ours: figures[2], peer: figures[3] }]
}

/// Makes an operation of two threads that alternate. One operation is one run of `len` writes by one of them.
fn in_runs(write: &(impl Fn(u64) + Sync), len: u64) -> impl FnMut(u64) -> Duration + '_ {
    move |count| {
        // The number of the run that may go on. Even runs are one thread's, odd ones the other's.
        let current = AtomicU64::new(0);
        let runs = |parity: u64| {
            for mine in (0..count).filter(|n| n % 2 == parity) {
                while current.load(Ordering::Acquire) != mine {
                    // The other thread may need this core.
                    thread::yield_now();
                }
                (0..len).for_each(write);
                current.store(mine + 1, Ordering::Release);
            }
        };
        let ready = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                ready.wait();
                runs(1);
            });
            ready.wait();
            time(|| {
                runs(0);
                while current.load(Ordering::Acquire) != count {
                    thread::yield_now();
                }
            })
        })
    }
}
