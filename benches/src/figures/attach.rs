//! The time from the request to attach to the last byte of the replayed history.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use vuart::endpoint::Mode;
use vuart::scrollback::Position;
use vuart::uart::spec::offset;
use vuart::wire::{Client, DetachRequest, Event, Request};
use vuart::{PortBuilder, RingSize};

use crate::devices;
use crate::guest::character;
use crate::measure::{Effort, Pair, median};
use crate::served::Served;
use crate::table::{Row, Rows};
use crate::verify::expect;

/// The number of bytes that are replayed.
const REPLAY: usize = 1 << 20;

pub(super) fn rows(effort: Effort) -> Rows {
    let title = "Attach with a replay of 1 MiB: client of a served console vs plain transfer of 1 MiB by a Unix socket, µs";
    Ok(vec![Row::new(title, attach(effort)?).with_goal(2.0)])
}

fn attach(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port: devices::Port =
        devices::port_with(PortBuilder::new().with_scrollback(RingSize::of::<{ 2 * REPLAY }>()));
    for n in 0..2 * REPLAY as u64 {
        port.write_register(offset::THR, character(n));
    }
    let served = Served::new(port.console())?;
    let mut client = served.connect()?;

    // The peer's writer is on another thread and waits to be asked, as the server does.
    let (mut asking, mut answering) = UnixStream::pair()?;
    let writer = thread::spawn(move || {
        let bytes: Vec<u8> = (0..REPLAY as u64).map(character).collect();
        while answering.read(&mut [0])? > 0 {
            answering.write_all(&bytes)?;
        }
        io::Result::Ok(())
    });
    let mut buffer = vec![0; Client::BUFFER];

    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for candidate in effort.slots(2) {
        if candidate == 0 {
            ours.push(replay(&mut client)?.as_secs_f64() * 1e6);
        } else {
            peers.push(transfer(&mut asking, &mut buffer)?.as_secs_f64() * 1e6);
        }
    }
    drop(asking);
    writer.join().map_err(|_| "the peer's writer has panicked")??;
    drop(client);
    served.finish()?;
    Ok(Pair { ours: median(ours), peer: median(peers) })
}

/// Attaches, receives everything, and detaches. The time to detach does not count.
fn replay(client: &mut Client) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    client.attach(Mode::Exclusive, Position::Newest(REPLAY as u64))?;
    let mut received = 0;
    while received < REPLAY {
        match client.recv()? {
            Event::Output { bytes, .. } => received += bytes.len(),
            other => return Err(format!("unexpected: {other:?}").into()),
        }
    }
    let elapsed = begin.elapsed();
    expect("the client", received as u64, REPLAY as u64)?;
    client.send(&Request::Detach(DetachRequest::default()))?;
    while !matches!(client.recv()?, Event::Ended(_)) {}
    Ok(elapsed)
}

/// Asks the peer's writer, and receives everything with a buffer of the same size as the client's.
fn transfer(asking: &mut UnixStream, buffer: &mut [u8]) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    asking.write_all(&[1])?;
    let mut received = 0;
    while received < REPLAY {
        match asking.read(buffer)? {
            0 => return Err("the peer's writer has closed its socket".into()),
            read => received += read,
        }
    }
    Ok(begin.elapsed())
}
