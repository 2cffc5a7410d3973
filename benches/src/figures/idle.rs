//! A console at which nothing happens: its memory, its file descriptors, and the time to make one.
//!
//! Many of each kind are made one after the other, in a process of their own: this program, called with `crowd`. Memory is the resident
//! memory. It does not include the kernel's, such as that of sockets and page tables. A served console's memory includes the 64 KiB of
//! the ring that its server touches ahead of the guest.

mod crowd;

use std::env;
use std::error::Error;
use std::process::Command;

pub(crate) use self::crowd::Kind;
use self::crowd::{Each, make};
use crate::measure::{Effort, Pair, median};
use crate::table::{Row, Rows};

/// The number of consoles in one process, if the limit of open files allows as many.
const MANY: usize = 10_000;

/// The part of a served console's ring that its server touches ahead of the guest, in KiB.
const TOUCHED_KIB: f64 = 64.0;

/// The most memory that an idle served console may take in addition to that, in KiB.
const SERVED_KIB: f64 = 32.0;

/// The most file descriptors that an idle served console may take: three sockets, the lock of its name, its doorbell, its
/// timer, and the epoll instance by which it hangs in any event loop.
const SERVED_DESCRIPTORS: f64 = 7.0;

pub(super) fn rows(effort: Effort) -> Rows {
    let many = if effort.is_quick() { MANY / 100 } else { MANY };
    let (port, peer) = compare(effort, Kind::Port, Kind::Peer, many)?;
    let (served, sockets) = compare(effort, Kind::Served, Kind::Sockets, many)?;
    Ok(vec![
        Row::new(
            format!(
                "Memory of an idle port without a server, {} in one process: `SerialPort` vs `Arc<Mutex<vm-superio>>`, KiB",
                port.count
            ),
            Pair { ours: port.bytes / 1024.0, peer: peer.bytes / 1024.0 },
        ),
        Row::new(
            format!(
                "Memory of an idle served console (without {TOUCHED_KIB} KiB of touched ring), {} in one process: measured vs a limit of {SERVED_KIB}, KiB",
                served.count
            ),
            Pair { ours: served.bytes / 1024.0 - TOUCHED_KIB, peer: SERVED_KIB },
        )
        .with_goal(1.0),
        Row::new(
            format!("File descriptors of an idle served console: measured vs a limit of {SERVED_DESCRIPTORS}"),
            Pair { ours: served.descriptors, peer: SERVED_DESCRIPTORS },
        )
        .with_goal(1.0),
        Row::new(
            "Time to start a console: create and serve a port vs bind two Unix listeners, ns",
            Pair { ours: served.nanoseconds, peer: sockets.nanoseconds },
        ),
    ])
}

/// Makes `count` of ours, or fewer if the limit of open files is lower, and as many of the peer. Both alternate.
fn compare(effort: Effort, ours: Kind, peer: Kind, count: usize) -> Result<(Each, Each), Box<dyn Error>> {
    let rounds = if effort.is_quick() { 1 } else { 5 };
    let (mut all, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let each = make_in_process(ours, count)?;
        peers.push(make_in_process(peer, each.count)?);
        all.push(each);
    }
    Ok((medians(&all), medians(&peers)))
}

fn medians(rounds: &[Each]) -> Each {
    let of = |field: fn(&Each) -> f64| median(rounds.iter().map(field).collect());
    Each {
        count: rounds.iter().map(|each| each.count).min().unwrap_or(0),
        nanoseconds: of(|each| each.nanoseconds),
        bytes: of(|each| each.bytes),
        descriptors: of(|each| each.descriptors),
    }
}

/// Makes a crowd in another process.
fn make_in_process(kind: Kind, count: usize) -> Result<Each, Box<dyn Error>> {
    let output =
        Command::new(env::current_exe()?).arg("crowd").arg(kind.name()).arg(count.to_string()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Makes a crowd in this process, and prints what each took.
pub(crate) fn crowd(kind: Kind, count: usize) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string(&make(kind, count)?)?);
    Ok(())
}
