//! A trace that grows while the guest runs, on the reader's side.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

use vuart_scrollback::{Doorbell, FinishError, Follow, Follower, FollowerError, Reader, SleeperError, Step};

/// What a recorder and its recording share.
#[derive(Debug, Default)]
pub(crate) struct Link {
    doorbell: Doorbell,
    /// The recorder adds nothing more, or nobody wants more.
    over: AtomicBool,
}

impl Link {
    /// Ends the recording, from either end, and wakes the thread that saves it.
    pub(crate) fn end(&self) {
        // Release: a thread that sees it sees all lines.
        self.over.store(true, Release);
        self.doorbell.ring();
    }

    /// Whether the recording has ended, for the recorder.
    pub(crate) fn is_over(&self) -> bool {
        // Relaxed: if the recorder sees it one access later, no harm is done.
        self.over.load(Relaxed)
    }

    /// Wakes the thread that saves the recording, if it sleeps.
    pub(crate) fn ring(&self) {
        self.doorbell.ring_if_armed();
    }
}

/// A trace that grows while the guest runs: [take](Self::take) it, or [save](Self::save) it.
///
/// The recorder never waits, so what is not taken when the recorder's ring comes round is lost. The trace has a line `lost N` in that
/// place. Dropping the recording ends it.
#[derive(Debug)]
pub struct Recording {
    reader: Reader,
    /// The beginning of a text line whose end has not been read yet.
    begun: Vec<u8>,
    link: Arc<Link>,
}

impl Recording {
    pub(crate) fn new(reader: Reader, link: Arc<Link>) -> Self {
        Self { reader, begun: Vec::new(), link }
    }

    /// Takes what has been recorded since the last call, or since the beginning.
    pub fn take(&mut self) -> String {
        let mut taken = Vec::new();
        // A write into memory can't fail.
        let _ = self.copy(&mut taken);
        // It is ASCII.
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// Writes all of the trace to `file`, on a thread of its own, until the port is dropped or [`Saving::finish`] is called.
    ///
    /// Open the file with [`create_file`](crate::create_file): a trace holds what was typed.
    ///
    /// There is no limit to the file's size: a guest that accesses its port all the time fills a disk, at some seven bytes an access. Use
    /// it to look at a guest, not in production (S7).
    ///
    /// # Errors
    ///
    /// When there are no file descriptors or threads left.
    pub fn save(self, file: impl Write + Send + 'static) -> io::Result<Saving> {
        let link = Arc::clone(&self.link);
        let save = Save { recording: self, file };
        match Follower::start("vuart-trace", &link.doorbell, save) {
            Ok(follower) => Ok(Saving { follower, link }),
            Err(FollowerError::Thread(error) | FollowerError::Sleeper(SleeperError::Eventfd(error))) => {
                Err(error)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Copies whole text lines only: the guest may be in the midst of one.
    fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        let mut buffer = [0; 1 << 14];
        loop {
            let read = self.reader.read(&mut buffer);
            if read.missed > 0 {
                self.begun.clear();
                // The parser refuses this line: what follows it can't be replayed.
                writeln!(out, "lost {}", read.missed)?;
            } else if read.is_empty() {
                return Ok(());
            }
            self.begun.extend(&buffer[..read.len()]);
            let whole = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            out.write_all(&self.begun[..whole])?;
            self.begun.drain(..whole);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.link.over.store(true, Release);
    }
}

/// The work of the thread that saves a recording.
struct Save<W> {
    recording: Recording,
    file: W,
}

impl<W: Write + Send + 'static> Follow for Save<W> {
    type Error = io::Error;

    fn is_behind(&self) -> bool {
        self.recording.reader.is_behind() || self.recording.link.over.load(Acquire)
    }

    fn follow(&mut self, last: bool) -> io::Result<Step> {
        // Acquire, and before the copy: what was recorded before the end is copied.
        let over = last || self.recording.link.over.load(Acquire);
        let reader = &self.recording.reader;
        let (from, eighth) = (reader.cursor(), reader.scrollback().capacity() as u64 / 8);
        self.recording.copy(&mut self.file)?;
        // Before the thread sleeps, so also before a crash that is to be looked into.
        self.file.flush()?;
        if over {
            return Ok(Step::Done);
        }
        // Of more, the reader may be lapped before it looks again by the clock.
        let much = self.recording.reader.cursor() - from > eighth;
        Ok(if much { Step::Again } else { Step::Sleep })
    }
}

/// A thread that writes a trace to a file.
#[derive(Debug)]
pub struct Saving {
    follower: Follower<io::Error>,
    link: Arc<Link>,
}

impl Saving {
    /// Ends the recording, and waits for at most `patience` until all of it is written.
    ///
    /// # Errors
    ///
    /// The file's error, if it had one: the trace ends there. [`TimedOut`](io::ErrorKind::TimedOut) when the file has not taken all of the
    /// trace in time: the thread goes on trying.
    pub fn finish(self, patience: Duration) -> io::Result<()> {
        self.link.end();
        self.follower.finish(patience).map_err(|error| match error {
            FinishError::Failed(error) => error,
            FinishError::TimedOut => io::ErrorKind::TimedOut.into(),
            error => io::Error::other(error),
        })
    }
}
