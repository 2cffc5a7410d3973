//! A console at which nothing happens: its memory, its file descriptors, and the time to make one.
//!
//! Many of each kind are made in a process of their own, one after the other, by this program called anew. Memory is what is
//! resident: it does not include the kernel's, such as that of sockets and page tables. A served console's has the 64 KiB of the
//! ring in it that its server touches ahead of the guest.

mod crowd;

use std::env;
use std::error::Error;
use std::process::Command;

use serde::{Deserialize, Serialize};

pub(crate) use self::crowd::Kind;
use super::Rows;
use crate::measure::{Effort, Pair, median};
use crate::table::Row;

/// In one process.
const MANY: usize = 10_000;

/// The part of a served console's ring that its server touches ahead of the guest, in KiB.
const TOUCHED_KIB: f64 = 64.0;

/// The most memory that an idle served console may take beside that, in KiB.
const SERVED_KIB: f64 = 32.0;

/// The most file descriptors that an idle served console may take: three sockets, the lock of its name and its doorbell.
const SERVED_DESCRIPTORS: f64 = 5.0;

/// What many of a kind took, for each of them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Each {
    count: usize,
    nanoseconds: f64,
    bytes: f64,
    descriptors: f64,
}

pub(super) fn rows(effort: Effort) -> Rows {
    let many = if effort.is_quick() { MANY / 100 } else { MANY };
    let (port, peer) = compare(effort, Kind::Port, Kind::Peer, many)?;
    let mut rows = vec![
        Row::new(
            format!(
                "memory of an idle port, {} in one process, vs `Arc<Mutex<vm-superio>>`, KiB",
                port.count
            ),
            pair(port, peer, |each| each.bytes / 1024.0),
        ),
        Row::new(
            "time to make one vs `Arc<Mutex<vm-superio>>`, ns",
            pair(port, peer, |each| each.nanoseconds),
        ),
    ];
    // As many as there may be files open, if that is less.
    let (served, sockets) = compare(effort, Kind::Served, Kind::Sockets, many)?;
    rows.extend([
        Row::new(
            format!(
                "memory of an idle served console beside its touched ring, {} in one process, vs {SERVED_KIB} KiB, KiB",
                served.count
            ),
            Pair { ours: served.bytes / 1024.0 - TOUCHED_KIB, peer: SERVED_KIB },
        )
        .goal(1.0),
        Row::new(
            "time to make one and serve it vs to bind two listeners, ns",
            pair(served, sockets, |each| each.nanoseconds),
        ),
        Row::new(
            format!("file descriptors of an idle served console vs {SERVED_DESCRIPTORS}"),
            Pair { ours: served.descriptors, peer: SERVED_DESCRIPTORS },
        )
        .goal(1.0),
    ]);
    Ok(rows)
}

fn pair(ours: Each, peer: Each, of: fn(Each) -> f64) -> Pair {
    Pair { ours: of(ours), peer: of(peer) }
}

/// As many of each as there can be of ours, in turn.
fn compare(effort: Effort, ours: Kind, peer: Kind, count: usize) -> Result<(Each, Each), Box<dyn Error>> {
    let turns = if effort.is_quick() { 1 } else { 5 };
    let (mut all, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let each = make(ours, count)?;
        peers.push(make(peer, each.count)?);
        all.push(each);
    }
    Ok((medians(&all), medians(&peers)))
}

fn medians(turns: &[Each]) -> Each {
    let of = |field: fn(&Each) -> f64| median(turns.iter().map(field).collect());
    Each {
        count: turns.iter().map(|each| each.count).min().unwrap_or(0),
        nanoseconds: of(|each| each.nanoseconds),
        bytes: of(|each| each.bytes),
        descriptors: of(|each| each.descriptors),
    }
}

/// In another process.
fn make(kind: Kind, count: usize) -> Result<Each, Box<dyn Error>> {
    let output =
        Command::new(env::current_exe()?).arg("crowd").arg(kind.name()).arg(count.to_string()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Makes as many, in this process, and prints what that took.
pub(crate) fn crowd(kind: Kind, count: usize) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string(&kind.make(count)?)?);
    Ok(())
}
