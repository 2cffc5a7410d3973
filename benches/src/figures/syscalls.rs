//! The number of writing system calls that a guest's output costs the vCPU thread per MiB, as the kernel counts them.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use vuart::endpoint::Mode;
use vuart::uart::spec::offset;

use crate::devices;
use crate::guest::character;
use crate::measure::{Effort, Pair};
use crate::readers::{ClientReader, StreamReader};
use crate::served::Served;
use crate::table::{Row, Rows};
use crate::verify::{expect, ring_holds};

const MIB: u64 = 1 << 20;

/// The goal while a client is attached: 256 calls per MiB, where the peer makes one call for each byte.
const ATTACHED: f64 = 256.0 / (1 << 20) as f64;

/// The goal while no client is attached: no call at all.
const UNATTACHED: f64 = 0.0;

/// The least that is written, in bytes, so that the wake-up at the beginning is one of few.
const LEAST: u64 = 64 << 10;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = Vec::new();
    for (pace, speed) in [(None, "full speed"), (Some(Duration::from_micros(1)), "one byte per µs")] {
        let peer = peer(effort, pace)?;
        for (attached, clients, goal) in [(true, "a client", ATTACHED), (false, "no client", UNATTACHED)] {
            let title = format!(
                "Writing system calls of the vCPU thread at {speed}: served console with {clients} vs vm-superio writing to a Unix socket, calls per MiB"
            );
            rows.push(Row::new(title, Pair { ours: ours(effort, pace, attached)?, peer }).with_goal(goal));
        }
    }
    Ok(rows)
}

fn ours(effort: Effort, pace: Option<Duration>, attached: bool) -> Result<f64, Box<dyn Error>> {
    let mut port = devices::port();
    let served = Served::new(port.console())?;
    let client = if attached { Some(ClientReader::start(served.attach(Mode::Exclusive)?)) } else { None };
    let (calls, written) = count(effort, pace, |n| {
        port.write_register(black_box(offset::THR), black_box(character(n)));
    })?;
    served.end();
    if let Some(client) = client {
        expect("the client", client.join()?, written)?;
    }
    served.finish()?;
    ring_holds(&port, written)?;
    Ok(calls)
}

fn peer(effort: Effort, pace: Option<Duration>) -> Result<f64, Box<dyn Error>> {
    let (socket_in, socket_out) = UnixStream::pair()?;
    let reader = StreamReader::start(socket_out);
    let mut peer = devices::peer(WriteSocket(socket_in));
    let (calls, written) = count(effort, pace, |n| {
        let _ = black_box(peer.write(black_box(offset::THR), black_box(character(n))));
    })?;
    drop(peer);
    expect("the peer's reader", reader.join()?, written)?;
    Ok(calls)
}

/// A socket that is written to by `write(2)`, because the kernel's count leaves out `send(2)`.
struct WriteSocket(UnixStream);

impl Write for WriteSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets a guest write for as long as the effort is. A guest that is late catches up with its pace.
///
/// Returns the number of calls per MiB, and the number of bytes that were written.
fn count(
    effort: Effort,
    pace: Option<Duration>,
    mut write: impl FnMut(u64),
) -> Result<(f64, u64), Box<dyn Error>> {
    let total = effort.slot() * u32::try_from(effort.rounds())?;
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

/// Returns the number of writing system calls that this thread has made: to the eventfd of a sleeper, or to a socket.
fn calls() -> Result<u64, Box<dyn Error>> {
    let io = fs::read_to_string("/proc/thread-self/io")?;
    let count = io.lines().find_map(|line| line.strip_prefix("syscw: "));
    Ok(count
        .ok_or("/proc/thread-self/io has no line `syscw`: this kernel does not count system calls")?
        .parse()?)
}
