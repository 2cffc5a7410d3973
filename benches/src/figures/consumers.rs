//! What a THR write takes, whoever is attached: the distribution beside that of a port that nobody is attached to.
//!
//! The guest is measured in two ways. Each write by itself, one each microsecond, as a guest's exits let it; and as fast as it
//! goes, in bursts of 16 that are timed as one. The clock is the processor's own counter, because the system's takes as long
//! as ten writes; even so reading it takes as long as some writes do, and on some machines it moves in steps of 10 ns, so that
//! a single write's figure is mostly the clock's and says how long the *slow* ones are. A burst's is that of the writes. Nothing is
//! subtracted.
//!
//! The goal is one for a guest's writes, not for bursts: of 1000 bursts the slowest has the slowest of 16,000 writes in it. What they
//! show besides is what readers cost that read as fast as the guest writes: its stores then wait for cache lines that another
//! core has read, however little the two know of each other.
//!
//! The guest's thread has a core for itself, as far as this process is concerned, and everything else of it is on the
//! others: a VMM that puts ten threads on a vCPU's core has the guest wait for the scheduler, whatever its console is.
//! What other processes and the host do to that core is in all figures, of both columns. On a machine with one core nothing
//! is kept apart.
//!
//! Both ports are served in the same way and have their turns alternately. A turn begins when everybody who reads has read what was
//! written in the one before.

mod cores;
mod scene;
mod slow_disk;
mod stopwatch;

use std::error::Error;
use std::io::Read as _;
use std::os::unix::net::UnixStream;

use self::cores::Cores;
use self::scene::{Attached, Scene};
use self::stopwatch::{Pace, Stopwatch, Times};
use super::Rows;
use super::register::{compare_writes, verify};
use crate::devices;
use crate::measure::{Effort, Pair};
use crate::table::Row;

/// Those who are attached, and how the rows call them.
const SCENES: [(&str, Attached); 5] = [
    ("an owner who reads", Attached { owner_reads: 1, ..Attached::NOBODY }),
    ("a stopped owner, 8 spectators who read", Attached { stopped: 1, spectators: 8, ..Attached::NOBODY }),
    ("a stopped owner, 8 stopped spectators", Attached { stopped: 9, ..Attached::NOBODY }),
    ("an owner who dies meanwhile", Attached { dies: true, ..Attached::NOBODY }),
    ("a log on a slow disk", Attached { log: true, ..Attached::NOBODY }),
];

/// The one that has a goal, of [`SCENES`].
const WITH_GOAL: usize = 1;

/// How much slower than alone, at most.
const GOAL: f64 = 1.5;

/// The quantiles that the table shows. The kept results have all of a distribution.
const QUANTILES: [(&str, f64); 2] = [("median", 0.5), ("p99.9", 0.999)];

pub(super) fn rows(effort: Effort) -> Rows {
    let cores = Cores::new()?;
    let stopwatch = Stopwatch::new();
    let mut rows = Vec::new();
    for (n, (who, attached)) in SCENES.into_iter().enumerate() {
        for pace in [Pace::EachMicrosecond, Pace::Bursts] {
            let [with, alone] = measure(effort, &cores, &stopwatch, attached, pace)?;
            for (name, quantile) in QUANTILES {
                let figure = format!("THR write, {pace}, {who}, vs nobody, {name}, ns");
                let pair = Pair { ours: with.at(quantile), peer: alone.at(quantile) };
                let mut row = Row::new(figure, pair);
                if n == WITH_GOAL && pace == Pace::EachMicrosecond && name == "p99.9" {
                    row = row.goal(GOAL).headline();
                }
                if name == "median" {
                    row = row.with_distributions(with.distribution(), alone.distribution());
                }
                rows.push(row);
            }
        }
    }
    rows.push(stopped_sockets(effort, &cores)?);
    Ok(rows)
}

/// The times of a port with company, and of one without.
fn measure<'a>(
    effort: Effort,
    cores: &Cores,
    stopwatch: &'a Stopwatch,
    attached: Attached,
    pace: Pace,
) -> Result<[Times<'a>; 2], Box<dyn Error>> {
    cores.to_others()?;
    let (mut port, mut lonely) = (devices::port()?, devices::port()?);
    let mut scenes = [Scene::new(port.console(), attached)?, Scene::new(lonely.console(), Attached::NOBODY)?];
    let mut times = [stopwatch.times()?, stopwatch.times()?];
    let count = effort.samples_of_turn();
    let mut failed = Ok(());
    cores.to_guests()?;
    effort.alternate(2, |n| {
        let (port, scene, times) = match n {
            0 => (&mut port, &mut scenes[0], &mut times[0]),
            _ => (&mut lonely, &mut scenes[1], &mut times[1]),
        };
        failed = std::mem::replace(&mut failed, Ok(())).and_then(|()| scene.begin());
        times.take(pace, count / 2, port);
        scene.middle();
        times.take(pace, count - count / 2, port);
        failed = std::mem::replace(&mut failed, Ok(())).and_then(|()| scene.settle());
    });
    cores.to_others()?;
    failed?;
    for (scene, (port, times)) in scenes.into_iter().zip([(&port, &times[0]), (&lonely, &times[1])]) {
        scene.finish(times.written())?;
        verify(port, times.written())?;
    }
    cores.to_all()?;
    Ok(times)
}

/// What a VMM meets that writes each character into the socket of a client that has stopped: it is lost, because the socket
/// does not block. (If it does block, the vCPU stands still after as many characters, for as long as the client does.)
fn stopped_sockets(effort: Effort, cores: &Cores) -> Result<Row, Box<dyn Error>> {
    cores.to_others()?;
    let mut port = devices::port()?;
    let scene = Scene::new(port.console(), Attached { stopped: 1, spectators: 8, ..Attached::NOBODY })?;
    let (input, mut output) = UnixStream::pair()?;
    input.set_nonblocking(true)?;
    let mut peer = devices::peer(input);
    cores.to_guests()?;
    let written = compare_writes(effort, &mut port, &mut peer);
    cores.to_others()?;
    scene.finish(written.ours)?;
    verify(&port, written.ours)?;
    drop(peer);
    let mut kept = Vec::new();
    output.read_to_end(&mut kept)?;
    eprintln!(
        "vm-superio wrote {} characters to a client that has stopped: {} arrive, and a blocking socket would block for ever after them",
        written.peer,
        kept.len()
    );
    cores.to_all()?;
    Ok(Row::new(
        "THR write, a stopped owner, 8 spectators who read, vs vm-superio losing it at a stopped client's socket, ns",
        written.pair,
    ))
}
