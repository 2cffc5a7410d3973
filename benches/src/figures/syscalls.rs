//! How many system calls a guest's output costs its thread, by the kernel's own count, for each megabyte.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use vuart::endpoint::{Cause, Mode, Replay};
use vuart::uart::spec::offset;
use vuart::wire::Client;

use super::attached::{Served, count_output};
use super::register::{character, verify};
use super::sinks::drain;
use super::{Rows, expect};
use crate::devices::{self, Peer, Port};
use crate::measure::{Effort, Pair};
use crate::table::Row;

const MIB: u64 = 1 << 20;

/// With a `write` for each byte this is the limit of 256 for a megabyte.
const GOAL: f64 = 256.0 / (1 << 20) as f64;

/// The least that is written: a wake-up at the beginning is one of few.
const LEAST: u64 = 64 << 10;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = Vec::new();
    for (pace, what) in [(None, "at full speed"), (Some(Duration::from_micros(1)), "a byte each microsecond")]
    {
        let peer = peer(effort, pace)?;
        for (attached, goal) in [(true, GOAL), (false, 0.0)] {
            let reader = if attached { "a reader attached" } else { "nobody attached" };
            let figure = format!(
                "`write` calls per MiB, {what}, {reader}, vs vm-superio into a Unix socket with a reader"
            );
            rows.push(Row::new(figure, Pair { ours: ours(effort, pace, attached)?, peer }).goal(goal));
        }
    }
    Ok(rows)
}

fn ours(effort: Effort, pace: Option<Duration>, attached: bool) -> Result<f64, Box<dyn Error>> {
    let mut port = devices::port()?;
    let served = Served::new(port.console().clone())?;
    let client = if attached {
        let mut client = Client::connect(&served.control, "bench")?;
        client.attach(Mode::Exclusive, Replay::All)?;
        Some(thread::spawn(move || count_output(&mut client)))
    } else {
        None
    };
    let (calls, written) = count(effort, pace, |n| write_ours(&mut port, n))?;
    port.console().end(&Cause::VmEnded);
    if let Some(client) = client {
        let told = client.join().map_err(|_| "the reader has panicked")??;
        expect("the reader", told, written)?;
    }
    served.finish()?;
    verify(&port, written)?;
    Ok(calls)
}

fn peer(effort: Effort, pace: Option<Duration>) -> Result<f64, Box<dyn Error>> {
    let (socket_in, socket_out) = UnixStream::pair()?;
    let reader = drain(socket_out);
    let mut peer = devices::peer(Plain(socket_in));
    let (calls, written) = count(effort, pace, |n| write_peer(&mut peer, n))?;
    drop(peer);
    let arrived = reader.join().map_err(|_| "the reader has panicked")??;
    expect("the peer's reader", arrived, written)?;
    Ok(calls)
}

/// A socket that is written to by `write(2)`: the kernel's count leaves `send(2)` out.
struct Plain(UnixStream);

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_ours(port: &mut Port, n: u64) {
    port.write_register(black_box(offset::THR), black_box(character(n)));
}

fn write_peer<W: Write>(peer: &mut Peer<W>, n: u64) {
    let _ = black_box(peer.write(black_box(offset::THR), black_box(character(n))));
}

/// Writes for as long as the effort is; catches up with the pace when it was kept from running. Calls per megabyte, and bytes.
fn count(
    effort: Effort,
    pace: Option<Duration>,
    mut write: impl FnMut(u64),
) -> Result<(f64, u64), Box<dyn Error>> {
    let total = effort.turn() * u32::try_from(effort.rounds())?;
    let before = calls()?;
    let (begin, mut written) = (Instant::now(), 0);
    while written < LEAST || begin.elapsed() < total {
        if let Some(pace) = pace {
            let due = begin + pace * u32::try_from(written)?;
            while Instant::now() < due {
                std::hint::spin_loop();
            }
        }
        write(written);
        written += 1;
    }
    let calls = calls()? - before;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok((calls as f64 * MIB as f64 / written as f64, written))
}

/// Of this thread, those that write: to the eventfd of somebody who is to be woken, or to a socket. (To ask is none of them.)
fn calls() -> Result<u64, Box<dyn Error>> {
    let io = fs::read_to_string("/proc/thread-self/io")?;
    let count = io.lines().find_map(|line| line.strip_prefix("syscw: "));
    Ok(count.ok_or("the kernel does not count system calls")?.parse()?)
}
