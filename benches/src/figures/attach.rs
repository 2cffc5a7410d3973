//! From the request to attach to the last byte of what the guest wrote before.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use vuart::PortBuilder;
use vuart::endpoint::{Mode, Replay};
use vuart::uart::spec::offset;
use vuart::wire::{Client, ClientError, DetachRequest, Event, Request};

use super::attached::Served;
use super::register::character;
use super::{Rows, expect};
use crate::devices;
use crate::measure::{Effort, Pair, medians};
use crate::table::Row;

const REPLAY: usize = 1 << 20;

pub(super) fn rows(effort: Effort) -> Rows {
    let figure = "attach with 1 MiB of replay, vs a bare write of 1 MiB through a Unix socket, µs";
    Ok(vec![Row::new(figure, attach(effort)?).goal(2.0)])
}

fn attach(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port_with(PortBuilder::new().with_scrollback(2 * REPLAY))?;
    for n in 0..2 * REPLAY as u64 {
        port.write_register(offset::THR, character(n));
    }
    let served = Served::new(port.console().clone())?;
    let mut client = Client::connect(&served.control, "bench")?;

    // The peer's writer is another thread too, and is asked.
    let (mut asking, mut answering) = UnixStream::pair()?;
    let writer = thread::spawn(move || {
        let bytes: Vec<u8> = (0..REPLAY as u64).map(character).collect();
        while answering.read(&mut [0])? > 0 {
            answering.write_all(&bytes)?;
        }
        io::Result::Ok(())
    });
    let mut buffer = vec![0; Client::BUFFER];

    let mut failed = None;
    let mut replayed = |count| timed(count, &mut failed, || replay(&mut client));
    let mut bare_failed = None;
    let mut written = |count| timed(count, &mut bare_failed, || bare(&mut asking, &mut buffer));
    let medians = medians(effort, &mut [&mut replayed, &mut written]);
    if let Some(error) = failed.or(bare_failed) {
        return Err(error);
    }
    drop(asking);
    writer.join().map_err(|_| "the writer has panicked")??;
    drop(client);
    served.finish()?;
    Ok(Pair { ours: medians[0] / 1000.0, peer: medians[1] / 1000.0 })
}

/// Does it so many times, unless it fails.
fn timed(
    count: u64,
    failed: &mut Option<Box<dyn Error>>,
    mut operation: impl FnMut() -> Result<Duration, Box<dyn Error>>,
) -> Duration {
    let mut elapsed = Duration::ZERO;
    for _ in 0..count {
        match operation() {
            Ok(duration) => elapsed += duration,
            // It is not measured for ever how fast it fails.
            Err(error) => {
                *failed = Some(error);
                return Duration::MAX;
            }
        }
    }
    elapsed
}

/// Attaches and receives all. To detach is nobody's cost.
fn replay(client: &mut Client) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    client.attach(Mode::Exclusive, Replay::Last(REPLAY as u64))?;
    let mut received = 0;
    while received < REPLAY {
        match client.recv()? {
            Event::Output { bytes, .. } => received += bytes.len(),
            other => return Err(format!("unexpected: {other:?}").into()),
        }
    }
    let elapsed = begin.elapsed();
    expect("the client", received as u64, REPLAY as u64)?;
    detach(client)?;
    Ok(elapsed)
}

pub(super) fn detach(client: &mut Client) -> Result<(), ClientError> {
    client.send(&Request::Detach(DetachRequest::default()))?;
    while !matches!(client.recv()?, Event::Ended(_)) {}
    Ok(())
}

/// Asks, and receives with as large a buffer.
fn bare(asking: &mut UnixStream, buffer: &mut [u8]) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    asking.write_all(&[1])?;
    let mut received = 0;
    while received < REPLAY {
        match asking.read(buffer)? {
            0 => return Err("the writer has gone".into()),
            read => received += read,
        }
    }
    Ok(begin.elapsed())
}
