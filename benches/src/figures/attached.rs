//! Output while the console is served: nobody attached, or an owner on a Unix socket who reads what comes.

use std::error::Error;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use vuart::endpoint::wire::Event;
use vuart::endpoint::{Cause, Client, Console, Mode, Replay, RuntimeDir, Server, ServerThread};

use super::register::{compare_writes, verify};
use super::sinks::drain;
use super::{Rows, expect};
use crate::devices;
use crate::measure::{Effort, Pair};
use crate::table::Row;

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new("THR write, served, nobody attached, vs vm-superio into a sink, ns", idle(effort)?),
        Row::new(
            "THR write, an owner reading, vs vm-superio into a Unix socket with a reader, ns",
            read(effort)?,
        ),
    ])
}

/// How long the server may take to give its clients what they are owed.
const GRACE: Duration = Duration::from_secs(10);

/// A served console, as a VMM has it: on a thread of its own.
struct Served {
    control: PathBuf,
    server: ServerThread,
    _dir: TempDir,
}

impl Served {
    fn new(console: Console) -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let claim = RuntimeDir::create(dir.path().join("vuart"))?.claim("bench")?;
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, console)?)?;
        Ok(Self { control, server, _dir: dir })
    }

    fn finish(self) -> Result<(), Box<dyn Error>> {
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

/// Reads to the session's end, and counts bytes and holes; each must begin where the last one ended.
fn count_output(client: &mut Client) -> Result<u64, String> {
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
