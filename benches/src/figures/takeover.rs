//! From the request to take a console over to "you own it", while the same thread serves another whose guest writes all it can to a
//! few clients that read all they can.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use vuart::endpoint::{Cause, Mode, Replay};
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::offset;
use vuart::wire::{AttachRequest, Attached, Client, Event, Frame as _, Request, RuntimeDir};

use super::Rows;
use super::attached::{GRACE, count_output};
use super::register::character;
use crate::devices;
use crate::measure::{Effort, Pair, median};
use crate::table::Row;

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new(
            "take-over, vs a round trip to an echo thread over a Unix socket, µs",
            take_over(effort, None)?,
        ),
        Row::new(
            "take-over while another console of the thread is busy, a byte each µs, vs a round trip likewise, µs",
            take_over(effort, Some(PACE))?,
        )
        .goal(3.0)
        .headline(),
        Row::new(
            "take-over while another console of the thread is busy, at full speed, vs a round trip likewise, µs",
            take_over(effort, Some(Duration::ZERO))?,
        )
        .goal(4.5),
    ])
}

/// Several times as often as a KVM guest whose output is collected does on the machine that this was written on.
const PACE: Duration = Duration::from_micros(1);

/// Who reads what the other console's guest writes.
const READERS: usize = 4;

/// Between two measurements, so that what the one before has left to do is done.
const PAUSE: Duration = Duration::from_micros(200);

/// `other` is how often the other console's guest writes, if it does.
fn take_over(effort: Effort, other: Option<Duration>) -> Result<Pair, Box<dyn Error>> {
    let (port, mut other_port) = (devices::port()?, devices::port()?);
    let dir = tempfile::tempdir()?;
    let run = RuntimeDir::create(dir.path().join("vuart"))?;
    let busy_one = Server::bind(Claim::new(&run, "busy")?, other_port.console().clone())?;
    let server = Server::bind(Claim::new(&run, "bench")?, port.console().clone())?;
    let thread = ServerThread::start_with(server, vec![Box::new(busy_one)])?;

    let (console, over) = (other_port.console().clone(), Arc::new(AtomicBool::new(other.is_none())));
    let readers = (0..READERS)
        .map(|_| {
            let mut reader = Client::connect(&run.control_socket("busy")?, "busy")?;
            reader.attach(Mode::Spectate, Replay::All)?;
            Ok(thread::spawn(move || count_output(&mut reader)))
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let guest = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let (pace, begin, mut n) = (other.unwrap_or_default(), Instant::now(), 0);
            while !over.load(Relaxed) {
                // It catches up when it was kept from running; and looks at no clock when it writes all it can.
                while !pace.is_zero() && begin.elapsed() < pace * n && !over.load(Relaxed) {
                    std::hint::spin_loop();
                }
                other_port.write_register(offset::THR, character(n.into()));
                n += 1;
            }
        }
    });
    let control = run.control_socket("bench")?;
    let mut clients = [Client::connect(&control, "one")?, Client::connect(&control, "two")?];
    let request = AttachRequest { mode: Mode::TakeOver, replay: Replay::None, ..AttachRequest::default() };
    clients[1].attach_with(request)?;
    let answer = clients[0].attach_with(request)?;
    evicted(&mut clients[1])?;
    let mut echo = Echo::new(request, answer)?;

    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    let mut outcome = Ok(());
    effort.alternate(2, |candidate| {
        // As a person would, some time after the last one.
        thread::sleep(PAUSE);
        let measured = if candidate == 0 {
            clients.reverse();
            one(&mut clients, request).map(|elapsed| ours.push(elapsed))
        } else {
            echo.round_trip().map(|elapsed| peers.push(elapsed))
        };
        if let Err(error) = measured {
            outcome = Err(error);
        }
    });
    over.store(true, Relaxed);
    outcome?;
    guest.join().map_err(|_| "the guest has panicked")?;
    console.end(&Cause::VmEnded);
    for reader in readers {
        reader.join().map_err(|_| "a reader has panicked")??;
    }
    echo.finish()?;
    drop(clients);
    if !thread.finish(GRACE) {
        return Err("a client was not given what it is owed".into());
    }
    Ok(Pair { ours: median(ours), peer: median(peers) })
}

/// The first takes over from the second: microseconds.
fn one(clients: &mut [Client; 2], request: AttachRequest) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    let attached = clients[0].attach_with(request)?;
    let elapsed = begin.elapsed();
    if !attached.owner {
        return Err("it does not own what it has taken over".into());
    }
    evicted(&mut clients[1])?;
    Ok(elapsed.as_secs_f64() * 1e6)
}

fn evicted(client: &mut Client) -> Result<(), Box<dyn Error>> {
    match client.recv()? {
        Event::Ended(end) if matches!(end.cause, Cause::Evicted { .. }) => Ok(()),
        other => Err(format!("unexpected: {other:?}").into()),
    }
}

/// A thread that answers a message of one size with one of another.
struct Echo {
    socket: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    thread: thread::JoinHandle<io::Result<()>>,
}

impl Echo {
    /// With the sizes of a take-over.
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

    fn round_trip(&mut self) -> Result<f64, Box<dyn Error>> {
        let begin = Instant::now();
        self.socket.write_all(&self.request)?;
        self.socket.read_exact(&mut self.answer)?;
        Ok(begin.elapsed().as_secs_f64() * 1e6)
    }

    fn finish(self) -> Result<(), Box<dyn Error>> {
        drop(self.socket);
        Ok(self.thread.join().map_err(|_| "the echo has panicked")??)
    }
}
