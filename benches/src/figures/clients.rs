//! The cost of a THR write while clients are attached, beside a port with no client.
//!
//! The guest is measured in two ways: each write by itself, at one write per microsecond, which is as fast as a guest's exits allow;
//! and as fast as it goes, in bursts of 16 writes that are timed as one. The clock is the processor's own counter, because the system's
//! takes as long as ten writes. Even so, reading it takes as long as some writes do, and on some machines it moves in steps of
//! 10 ns. So the figure of a single write is mostly the clock's, and shows only how long the *slow* writes take (p99.9). The figure of a
//! burst is that of the writes (median). Nothing is subtracted.
//!
//! The goal is one for single writes, not for bursts: the slowest of 1000 bursts contains the slowest of 16,000 writes. Bursts
//! show what readers cost that read as fast as the guest writes: the guest's stores wait for cache lines that another
//! core has read, although writer and readers share nothing else.
//!
//! The guest's thread has a core for itself as far as this process is concerned, and all other threads are on the
//! other cores. In a VMM that puts ten threads on a vCPU's core the guest waits for the scheduler, whatever its console is.
//! What other processes and the host do to that core is in all figures, of both columns. On a machine with one core nothing
//! is kept apart.
//!
//! Both ports are served in the same way, and alternate. A slot begins when all readers have read the output of the slot before.

mod cores;
mod scene;
mod slow_disk;
mod stopwatch;

use std::error::Error;

use self::cores::Cores;
use self::scene::{Attached, Owner, Scene};
use self::stopwatch::{Pace, Stopwatch, Times};
use crate::devices;
use crate::measure::{Effort, Pair};
use crate::table::{Row, Rows};
use crate::verify::ring_holds;

/// The goal of the row that has one.
const GOAL: f64 = 1.5;

/// The scenes: a name for the titles, whether it has the goal, and who is attached.
const SCENES: [(&str, bool, Attached); 4] = [
    ("an owner that reads", false, Attached { owner: Owner::Reads, ..Attached::NOBODY }),
    (
        "a stopped owner and 8 spectators that read",
        true,
        Attached { owner: Owner::Stopped, spectators: 8, ..Attached::NOBODY },
    ),
    ("an owner that dies meanwhile", false, Attached { owner: Owner::Dies, ..Attached::NOBODY }),
    ("a log writer on a slow disk", false, Attached { slow_log: true, ..Attached::NOBODY }),
];

pub(super) fn rows(effort: Effort) -> Rows {
    let cores = Cores::new()?;
    let stopwatch = Stopwatch::new();
    let mut rows = Vec::new();
    for (scene, has_goal, attached) in SCENES {
        for (pace, what, name, quantile) in [
            (Pace::EachMicrosecond, "THR write, one per µs", "p99.9", 0.999),
            (Pace::Bursts, "16 THR writes without a pause", "median", 0.5),
        ] {
            let [with, without] = measure(effort, &cores, &stopwatch, attached, pace)?;
            let row = Row::new(
                format!("{what}, {name}: with {scene} vs with no client, ns"),
                Pair { ours: with.at(quantile), peer: without.at(quantile) },
            )
            .with_distributions(with.distribution(), without.distribution());
            rows.push(if has_goal && pace == Pace::EachMicrosecond {
                row.with_goal(GOAL).with_headline()
            } else {
                row
            });
        }
    }
    Ok(rows)
}

/// Measures a port with clients, and one without.
fn measure<'a>(
    effort: Effort,
    cores: &Cores,
    stopwatch: &'a Stopwatch,
    attached: Attached,
    pace: Pace,
) -> Result<[Times<'a>; 2], Box<dyn Error>> {
    cores.use_others()?;
    let mut ports = [devices::port(), devices::port()];
    let mut scenes =
        [Scene::new(ports[0].console(), attached)?, Scene::new(ports[1].console(), Attached::NOBODY)?];
    let mut times = [stopwatch.times()?, stopwatch.times()?];
    let count = effort.samples_per_slot();
    cores.use_guests()?;
    for n in effort.slots(2) {
        let (port, scene, times) = (&mut ports[n], &mut scenes[n], &mut times[n]);
        scene.before_slot()?;
        times.take(pace, count / 2, port);
        scene.halfway();
        times.take(pace, count - count / 2, port);
        scene.wait_for_readers()?;
    }
    cores.use_others()?;
    for (scene, (port, times)) in scenes.into_iter().zip(ports.iter().zip(&times)) {
        scene.finish(times.written())?;
        ring_holds(port, times.written())?;
    }
    cores.use_all()?;
    Ok(times)
}
