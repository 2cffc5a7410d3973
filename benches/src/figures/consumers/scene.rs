//! A served console and those who are attached to it.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;
use vuart::endpoint::{Cause, Console, Mode, Replay};
use vuart::server::{Claim, Server, ServerThread};
use vuart::wire::{Client, Event, RuntimeDir};

use super::super::expect;
use super::slow_disk::SlowLog;

/// Who they are.
#[derive(Clone, Copy)]
pub(super) struct Attached {
    /// Owners who read what comes; one at most.
    pub(super) owner_reads: usize,
    /// Clients that never read anything; the first is the owner.
    pub(super) stopped: usize,
    /// Spectators who read what comes.
    pub(super) spectators: usize,
    /// In the middle of each turn an owner dies that has read nothing.
    pub(super) dies: bool,
    /// The output is written to a file, slowly.
    pub(super) log: bool,
}

impl Attached {
    pub(super) const NOBODY: Self =
        Self { owner_reads: 0, stopped: 0, spectators: 0, dies: false, log: false };
}

/// How long the server may take to give its clients what they are owed.
const GRACE: Duration = Duration::from_secs(10);

pub(super) struct Scene {
    console: Console,
    control: PathBuf,
    server: ServerThread,
    readers: Vec<Reading>,
    stopped: Vec<Client>,
    log: Option<SlowLog>,
    dies: bool,
    mortal: Option<Client>,
    _dir: TempDir,
}

impl Scene {
    /// Serves it, on a thread of its own as a VMM does, and lets them attach.
    pub(super) fn new(console: &Console, attached: Attached) -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("vuart"))?, "bench")?;
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, console.clone())?)?;
        let mut scene = Self {
            console: console.clone(),
            control,
            server,
            readers: Vec::new(),
            stopped: Vec::new(),
            log: None,
            dies: attached.dies,
            mortal: None,
            _dir: dir,
        };
        for _ in 0..attached.owner_reads {
            scene.readers.push(Reading::start(scene.attach(Mode::Exclusive)?));
        }
        for n in 0..attached.stopped {
            let client = scene.attach(if n == 0 { Mode::Exclusive } else { Mode::Spectate })?;
            scene.stopped.push(client);
        }
        for _ in 0..attached.spectators {
            scene.readers.push(Reading::start(scene.attach(Mode::Spectate)?));
        }
        if attached.log {
            scene.log = Some(SlowLog::start(console)?);
        }
        Ok(scene)
    }

    fn attach(&self, mode: Mode) -> Result<Client, Box<dyn Error>> {
        let mut client = Client::connect(&self.control, "bench")?;
        client.attach(mode, Replay::All)?;
        Ok(client)
    }

    /// Before a turn.
    pub(super) fn begin(&mut self) -> Result<(), Box<dyn Error>> {
        if self.dies {
            // The server may not know yet that the one before is dead.
            self.mortal = Some(self.attach(Mode::TakeOver)?);
        }
        Ok(())
    }

    /// In the middle of one. To the server a closed socket is what a killed process leaves.
    pub(super) fn middle(&mut self) {
        self.mortal = None;
    }

    /// After one: waits until everybody who reads has read it.
    pub(super) fn settle(&mut self) -> Result<(), Box<dyn Error>> {
        let end = self.console.scrollback().end();
        while !self.readers.iter().all(|reader| reader.cursor.load(Relaxed) == end) {
            if self.readers.iter().any(|reader| reader.thread.is_finished()) {
                return Err("a reader has left".into());
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// The guest is over, having written so much: checks that everybody who read was given it, or told what was gone.
    pub(super) fn finish(self, written: u64) -> Result<(), Box<dyn Error>> {
        drop((self.stopped, self.mortal));
        self.console.end(&Cause::VmEnded);
        for reader in self.readers {
            let told = reader.thread.join().map_err(|_| "a reader has panicked")??;
            expect("a reader", told, written)?;
        }
        if let Some(log) = self.log {
            expect("the log", log.finish()?, written)?;
        }
        if self.server.finish(GRACE) { Ok(()) } else { Err("a client was not given what it is owed".into()) }
    }
}

/// A client that reads what comes.
struct Reading {
    thread: JoinHandle<Result<u64, String>>,
    /// Up to where.
    cursor: Arc<AtomicU64>,
}

impl Reading {
    fn start(mut client: Client) -> Self {
        let cursor = Arc::new(AtomicU64::new(0));
        let thread = thread::spawn({
            let cursor = Arc::clone(&cursor);
            move || read(&mut client, &cursor)
        });
        Self { thread, cursor }
    }
}

/// Reads to the session's end, and counts bytes and holes; each must begin where the last one ended.
fn read(client: &mut Client, cursor: &AtomicU64) -> Result<u64, String> {
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
        cursor.store(next, Relaxed);
    }
}
