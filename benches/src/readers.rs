//! Threads that read a guest's output: an attached client of ours, and the reader at the other end of a peer's pipe or socket.

use std::error::Error;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use vuart::wire::{Client, Event};

/// An attached client that reads output until its session ends.
pub(crate) struct ClientReader {
    thread: JoinHandle<Result<u64, String>>,
    progress: Arc<Progress>,
}

/// How far a client has come.
#[derive(Default)]
struct Progress {
    /// The offset up to which it was given bytes, or told that they are lost.
    cursor: AtomicU64,
    /// The number of bytes that it was given.
    received: AtomicU64,
}

impl ClientReader {
    pub(crate) fn start(mut client: Client) -> Self {
        let progress = Arc::new(Progress::default());
        let thread = thread::spawn({
            let progress = Arc::clone(&progress);
            move || progress.read(&mut client)
        });
        Self { thread, progress }
    }

    /// Returns the offset up to which the client was given bytes, or told that they are lost.
    pub(crate) fn cursor(&self) -> u64 {
        self.progress.cursor.load(Relaxed)
    }

    /// Returns the number of bytes that the client was given. Lost bytes do not count.
    pub(crate) fn received(&self) -> u64 {
        self.progress.received.load(Relaxed)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the session's end, and returns the cursor.
    pub(crate) fn join(self) -> Result<u64, Box<dyn Error>> {
        Ok(self.thread.join().map_err(|_| "a client's thread has panicked")??)
    }
}

impl Progress {
    /// Reads to the session's end. Each event must begin at the offset where the one before ended.
    fn read(&self, client: &mut Client) -> Result<u64, String> {
        let (mut next, mut received) = (0, 0);
        loop {
            let (from, to) = match client.recv().map_err(|error| error.to_string())? {
                Event::Output { offset, bytes } => {
                    received += bytes.len() as u64;
                    (offset, offset + bytes.len() as u64)
                }
                Event::Hole(hole) => (hole.from, hole.to),
                Event::Ended(_) => return Ok(next),
                other => return Err(format!("unexpected: {other:?}")),
            };
            if from != next {
                return Err(format!("the output at offset {from} came after offset {next}"));
            }
            next = to;
            self.received.store(received, Relaxed);
            self.cursor.store(next, Relaxed);
        }
    }
}

/// A thread that reads a stream to its end, as a client that keeps up would.
pub(crate) struct StreamReader {
    thread: JoinHandle<io::Result<u64>>,
    received: Arc<AtomicU64>,
}

impl StreamReader {
    pub(crate) fn start(mut stream: impl Read + Send + 'static) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let thread = thread::spawn({
            let received = Arc::clone(&received);
            move || {
                let mut buffer = vec![0; Client::BUFFER];
                let mut total = 0;
                loop {
                    match stream.read(&mut buffer)? {
                        0 => return Ok(total),
                        read => total += read as u64,
                    }
                    received.store(total, Relaxed);
                }
            }
        });
        Self { thread, received }
    }

    /// Returns the number of bytes that have arrived so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the stream's end, and returns the number of bytes that arrived.
    pub(crate) fn join(self) -> Result<u64, Box<dyn Error>> {
        Ok(self.thread.join().map_err(|_| "the peer's reader has panicked")??)
    }
}
