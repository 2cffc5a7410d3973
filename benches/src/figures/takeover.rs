//! The time from a take-over's request to its answer, while the same server thread serves another console, whose guest writes to
//! four clients.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::offset;
use vuart::wire::{AttachRequest, Attached, Client, Event, Frame as _, Request, RuntimeDir};

use crate::devices::{self, Port};
use crate::guest::character;
use crate::measure::{Effort, Pair, median};
use crate::readers::ClientReader;
use crate::served::finish;
use crate::table::{Row, Rows};

/// The number of clients that read the other console.
const READERS: usize = 4;

/// The time between two measurements, in which the server does what the one before left to do.
const PAUSE: Duration = Duration::from_micros(200);

/// What the guest of the other console does.
#[derive(Clone, Copy)]
enum OtherGuest {
    Idle,
    /// A byte per microsecond, which is several times what a KVM guest writes on the machine on which this was written.
    Paced,
    FullSpeed,
}

pub(super) fn rows(effort: Effort) -> Rows {
    let row = |situation: &str, pair| {
        let title = format!(
            "Take-over {situation}: request to answer vs round trip to an echo thread by a Unix socket, µs"
        );
        Row::new(title, pair)
    };
    Ok(vec![
        row("on an idle server", take_over(effort, OtherGuest::Idle)?),
        row("beside a console that outputs a byte per µs", take_over(effort, OtherGuest::Paced)?)
            .with_goal(3.0)
            .with_headline(),
        row("beside a console that outputs at full speed", take_over(effort, OtherGuest::FullSpeed)?)
            .with_goal(4.5),
    ])
}

fn take_over(effort: Effort, other_guest: OtherGuest) -> Result<Pair, Box<dyn Error>> {
    let (port, other_port) = (devices::port()?, devices::port()?);
    let other_console = other_port.console().clone();
    let dir = tempfile::tempdir()?;
    let run = RuntimeDir::create(dir.path().join("vuart"))?;
    let other_server = Server::bind(Claim::new(&run, "other")?, other_console.clone())?;
    let server = Server::bind(Claim::new(&run, "bench")?, port.console().clone())?;
    let server = ServerThread::builder().serve(server).serve(other_server).start()?;

    let readers = (0..READERS)
        .map(|_| {
            let mut reader = Client::connect(&run.control_socket("other")?, "other")?;
            reader.attach(Mode::Spectate, Position::Oldest)?;
            Ok(ClientReader::start(reader))
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let over = Arc::new(AtomicBool::new(false));
    let guest = start(other_guest, other_port, Arc::clone(&over));

    let control = run.control_socket("bench")?;
    let mut clients = [Client::connect(&control, "one")?, Client::connect(&control, "two")?];
    let request = AttachRequest { mode: Mode::TakeOver, replay: Position::End, ..AttachRequest::default() };
    clients[1].attach_with(request)?;
    let answer = clients[0].attach_with(request)?;
    expect_evicted(&mut clients[1])?;
    let mut echo = Echo::new(request, answer)?;

    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    let outcome = effort.slots(2).try_for_each(|candidate| {
        // A person would not take over at once, either.
        thread::sleep(PAUSE);
        if candidate == 0 {
            clients.reverse();
            ours.push(one(&mut clients, request)?);
        } else {
            peers.push(echo.round_trip()?);
        }
        Ok::<_, Box<dyn Error>>(())
    });
    over.store(true, Relaxed);
    outcome?;
    // The port stays until its console has ended: a port that is dropped ends it, too.
    let _port = guest.join().map_err(|_| "the guest has panicked")?;
    other_console.end(&Cause::VmEnded);
    for reader in readers {
        reader.join()?;
    }
    echo.finish()?;
    drop(clients);
    finish(server)?;
    Ok(Pair { ours: median(ours), peer: median(peers) })
}

/// Starts the guest of the other console.
fn start(guest: OtherGuest, mut port: Port, over: Arc<AtomicBool>) -> JoinHandle<Port> {
    thread::spawn(move || {
        let pace = match guest {
            OtherGuest::Idle => return port,
            OtherGuest::Paced => Some(Duration::from_micros(1)),
            OtherGuest::FullSpeed => None,
        };
        let (begin, mut n) = (Instant::now(), 0);
        while !over.load(Relaxed) {
            // A guest that is late catches up. At full speed it never looks at the clock.
            while pace.is_some_and(|pace| begin.elapsed() < pace * n) && !over.load(Relaxed) {
                std::hint::spin_loop();
            }
            port.write_register(offset::THR, character(n.into()));
            n += 1;
        }
        port
    })
}

/// Lets the first client take over from the second. Returns microseconds.
fn one(clients: &mut [Client; 2], request: AttachRequest) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    let attached = clients[0].attach_with(request)?;
    let elapsed = begin.elapsed();
    if !attached.owner {
        return Err("the client took over, but is not the owner".into());
    }
    expect_evicted(&mut clients[1])?;
    Ok(elapsed.as_secs_f64() * 1e6)
}

fn expect_evicted(client: &mut Client) -> Result<(), Box<dyn Error>> {
    match client.recv()? {
        Event::Ended(end) if matches!(end.cause, Cause::Evicted { .. }) => Ok(()),
        other => Err(format!("unexpected: {other:?}").into()),
    }
}

/// A thread that answers a message of one size with a message of another size.
struct Echo {
    socket: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    thread: JoinHandle<io::Result<()>>,
}

impl Echo {
    /// Starts an echo with the message sizes of a take-over.
    fn new(request: AttachRequest, answer: Attached) -> io::Result<Self> {
        let (mut request_bytes, mut answer_bytes) = (Vec::new(), Vec::new());
        Request::Attach(request).encode(&mut request_bytes);
        Event::Attached(answer).encode(&mut answer_bytes);
        let (socket, mut other) = UnixStream::pair()?;
        let (mut asked, answer) = (request_bytes.clone(), answer_bytes.clone());
        let thread = thread::spawn(move || {
            loop {
                match other.read_exact(&mut asked) {
                    Ok(()) => other.write_all(&answer)?,
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        });
        Ok(Self { socket, request: request_bytes, answer: answer_bytes, thread })
    }

    /// Returns microseconds.
    fn round_trip(&mut self) -> Result<f64, Box<dyn Error>> {
        let begin = Instant::now();
        self.socket.write_all(&self.request)?;
        self.socket.read_exact(&mut self.answer)?;
        Ok(begin.elapsed().as_secs_f64() * 1e6)
    }

    fn finish(self) -> Result<(), Box<dyn Error>> {
        drop(self.socket);
        Ok(self.thread.join().map_err(|_| "the echo thread has panicked")??)
    }
}
