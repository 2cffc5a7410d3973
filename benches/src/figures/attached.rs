//! Output while the console is served: nobody attached, or an owner on a Unix socket who reads what comes.

use std::error::Error;
use std::hint::black_box;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vuart::endpoint::{Cause, Console, Mode, Replay};
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::offset;
use vuart::wire::{Client, Event, RuntimeDir};

use super::register::{character, compare_writes, verify};
use super::sinks::drain;
use super::{Rows, expect};
use crate::devices;
use crate::measure::{Effort, Pair, median};
use crate::table::Row;

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new("THR write, served, nobody attached, vs vm-superio into a sink, ns", idle(effort)?),
        Row::new(
            "THR write, an owner reading, vs vm-superio into a Unix socket with a reader, ns",
            read(effort)?,
        ),
        Row::new(
            "a guest's byte that its owner receives (what it is told it missed does not count), at full speed, vs vm-superio over a Unix socket, ns",
            delivered(effort)?,
        )
        .goal(1.0 / 50.0),
    ])
}

/// How long the server may take to give its clients what they are owed.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A served console, as a VMM has it: on a thread of its own.
pub(super) struct Served {
    pub(super) control: PathBuf,
    server: ServerThread,
    _dir: TempDir,
}

impl Served {
    pub(super) fn new(console: Console) -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("vuart"))?, "bench")?;
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, console)?)?;
        Ok(Self { control, server, _dir: dir })
    }

    pub(super) fn finish(self) -> Result<(), Box<dyn Error>> {
        if self.server.finish(GRACE) { Ok(()) } else { Err("a client was not given what it is owed".into()) }
    }
}

fn idle(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port()?;
    let served = Served::new(port.console().clone())?;
    let written = compare_writes(effort, &mut port, &mut devices::peer(io::sink()));
    served.finish()?;
    verify(&port, written.ours)?;
    Ok(written.pair)
}

fn read(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port()?;
    let served = Served::new(port.console().clone())?;
    let mut client = Client::connect(&served.control, "bench")?;
    client.attach(Mode::Exclusive, Replay::All)?;
    let owner = thread::spawn(move || count_output(&mut client));

    let (socket_in, socket_out) = UnixStream::pair()?;
    let reader = drain(socket_out);
    let mut peer = devices::peer(socket_in);

    let written = compare_writes(effort, &mut port, &mut peer);
    drop(peer);
    let arrived = reader.join().map_err(|_| "the reader has panicked")??;
    expect("the peer's reader", arrived, written.peer)?;
    port.console().end(&Cause::VmEnded);
    let told = owner.join().map_err(|_| "the owner has panicked")??;
    // Bytes or declared holes: a client that the guest outruns is told so.
    expect("the owner", told, written.ours)?;
    served.finish()?;
    verify(&port, written.ours)?;
    Ok(written.pair)
}

/// How long one guest writes on, in turns: until what was in the sockets' buffers at first makes no difference.
const TURNS: u32 = 5;

/// The time in which a guest wrote all it could, for each byte that was received in it. (Ours may have lost others.)
fn delivered(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port()?;
    let served = Served::new(port.console().clone())?;
    let mut client = Client::connect(&served.control, "bench")?;
    client.attach(Mode::Exclusive, Replay::All)?;
    let (received, told) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let owner = thread::spawn({
        let (received, told) = (Arc::clone(&received), Arc::clone(&told));
        move || loop {
            match client.recv().map_err(|error| error.to_string())? {
                Event::Output { offset, bytes } => {
                    received.fetch_add(bytes.len() as u64, Relaxed);
                    told.store(offset + bytes.len() as u64, Relaxed);
                }
                Event::Hole(hole) => told.store(hole.to, Relaxed),
                Event::Ended(_) => return Ok::<(), String>(()),
                other => return Err(format!("unexpected: {other:?}")),
            }
        }
    });
    let (socket_in, mut socket_out) = UnixStream::pair()?;
    let peer_received = Arc::new(AtomicU64::new(0));
    let reader = thread::spawn({
        let received = Arc::clone(&peer_received);
        move || {
            let mut buffer = vec![0; Client::BUFFER];
            loop {
                match socket_out.read(&mut buffer)? {
                    0 => return io::Result::Ok(()),
                    read => received.fetch_add(read as u64, Relaxed),
                };
            }
        }
    });
    let mut peer = devices::peer(socket_in);

    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    let (mut our_count, mut peer_count) = (0, 0);
    effort.alternate(2, |candidate| {
        let (figures, received) =
            if candidate == 0 { (&mut ours, &received) } else { (&mut peers, &peer_received) };
        let (begin, before) = (Instant::now(), received.load(Relaxed));
        while begin.elapsed() < effort.turn() * TURNS {
            for _ in 0..256 {
                if candidate == 0 {
                    port.write_register(black_box(offset::THR), character(our_count));
                    our_count += 1;
                } else {
                    let _ = black_box(peer.write(black_box(offset::THR), character(peer_count)));
                    peer_count += 1;
                }
            }
        }
        let (elapsed, arrived) = (begin.elapsed(), received.load(Relaxed) - before);
        figures.push(per_byte(elapsed, arrived));
        // The other has the machine for itself.
        let waits = || told.load(Relaxed) < our_count || peer_received.load(Relaxed) < peer_count;
        while waits() && !owner.is_finished() && !reader.is_finished() {
            thread::yield_now();
        }
    });
    drop(peer);
    reader.join().map_err(|_| "the reader has panicked")??;
    port.console().end(&Cause::VmEnded);
    owner.join().map_err(|_| "the owner has panicked")??;
    served.finish()?;
    verify(&port, our_count)?;
    Ok(Pair { ours: median(ours), peer: median(peers) })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_byte(elapsed: Duration, bytes: u64) -> f64 {
    // If none came, it would be infinite, and no median could be made.
    elapsed.as_nanos() as f64 / bytes.max(1) as f64
}

/// Reads to the session's end, and counts bytes and holes; each must begin where the last one ended.
pub(super) fn count_output(client: &mut Client) -> Result<u64, String> {
    let mut next = 0;
    loop {
        let (from, to) = match client.recv().map_err(|error| error.to_string())? {
            Event::Output { offset, bytes } => (offset, offset + bytes.len() as u64),
            Event::Hole(hole) => (hole.from, hole.to),
            Event::Ended(_) => return Ok(next),
            other => return Err(format!("unexpected: {other:?}")),
        };
        if from != next {
            return Err(format!("offset {from} came after {next}"));
        }
        next = to;
    }
}
