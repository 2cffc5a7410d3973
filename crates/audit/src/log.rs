//! A thread that saves a trail.

use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use vuart_scrollback::Sleeper;

use super::Audit;
use crate::error::AuditError;
use crate::file::{AuditFile, Plain, Sink};
use crate::line::{AuditEntry, AuditLine, LostBecause};
use crate::lines::{Lines, number_of};

/// How long it is until a disk that has failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How a log does.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AuditStatus {
    /// Lines of the trail that it has saved.
    pub saved: u64,
    /// Lines that it has not: they were gone from the ring before it could.
    pub lost: u64,
    /// Why it saves nothing at this moment. It tries again each second, and nobody waits for it meanwhile.
    pub error: Option<Arc<AuditError>>,
}

/// A thread that saves a [trail](Audit). Dropping it lets the thread save what there is, and waits for nothing.
///
/// A line is appended by one `write(2)`. When there are no more, what was written is brought to the disk (`fdatasync(2)`): a host that
/// loses its power loses what happened in that time at most. What fails is tried again each second, from the byte on that it has
/// failed at. Meanwhile the lines stay in the ring; those that are gone from it when the disk has recovered are
/// [declared](AuditEntry::Lost) in their place.
#[must_use = "when it is dropped, the saving ends"]
pub struct AuditLog {
    shared: Arc<Shared>,
    result: Receiver<Result<(), Arc<AuditError>>>,
}

struct Shared {
    audit: Audit,
    over: AtomicBool,
    status: Mutex<AuditStatus>,
}

impl Shared {
    fn status(&self) -> AuditStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut AuditStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn end(&self) {
        // Release: what has happened before is saved.
        self.over.store(true, Release);
        self.audit.doorbell().ring();
    }
}

impl Audit {
    /// Saves the trail in a file, from now on until [`AuditLog::finish`]. If the file has lines of this trail already, because an earlier
    /// process has saved them and its ring was [adopted](Audit::on), it goes on behind them; otherwise with the oldest there is.
    ///
    /// # Errors
    ///
    /// When the file can't be had, or there are no file descriptors or threads left. What fails later is in the
    /// [status](AuditLog::status).
    pub fn save(&self, file: AuditFile) -> Result<AuditLog, AuditError> {
        let file = file.open()?;
        let tail = file.tail()?;
        AuditLog::start(self, file, &tail)
    }

    /// Saves the trail in anything else: a pipe to another program, say. It is flushed when there is nothing more to write, and how much of
    /// it is kept is the other side's business.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors or threads left.
    pub fn save_to(&self, out: impl Write + Send + 'static) -> Result<AuditLog, AuditError> {
        AuditLog::start(self, Plain(out), &[])
    }
}

impl AuditLog {
    fn start(audit: &Audit, sink: impl Sink + Send + 'static, before: &[u8]) -> Result<Self, AuditError> {
        let sleeper = audit.doorbell().sleeper()?;
        let status = Mutex::new(AuditStatus::default());
        let shared = Arc::new(Shared { audit: audit.clone(), over: AtomicBool::new(false), status });
        let saver = Saver::new(Arc::clone(&shared), sink, before);
        let (done, result) = mpsc::sync_channel(1);
        let run = move || {
            let result = saver.run(sleeper);
            // Nobody may be interested any more.
            let _ = done.send(result);
        };
        thread::Builder::new().name("vuart-audit".to_owned()).spawn(run).map_err(AuditError::Thread)?;
        Ok(Self { shared, result })
    }

    /// How it does.
    pub fn status(&self) -> AuditStatus {
        self.shared.status()
    }

    /// Waits until everything is saved that has happened before, for `patience` at the most, and ends the log. What happens later stays in
    /// the ring.
    ///
    /// # Errors
    ///
    /// Why not all of it was saved. After [`AuditError::TimedOut`] the thread goes on trying.
    pub fn finish(self, patience: Duration) -> Result<(), Arc<AuditError>> {
        self.shared.end();
        match self.result.recv_timeout(patience) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(Arc::new(AuditError::TimedOut)),
            Err(RecvTimeoutError::Disconnected) => Err(Arc::new(AuditError::Panicked)),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The thread's work.
struct Saver<S> {
    shared: Arc<Shared>,
    sink: S,
    lines: Lines,
    /// The number of the next line, if none is missing.
    next: Next,
    /// Lines that are out of the ring and not saved, and how many bytes of the first are.
    pending: VecDeque<Pending>,
    written: usize,
    /// Something was written and not brought to the disk.
    unsynced: bool,
}

/// Which line comes next.
enum Next {
    Line(u64),
    /// The last one of some trail that was saved is not in the ring: the next one if it is of this trail.
    After(u64),
}

struct Pending {
    line: Vec<u8>,
    /// How many lines of the trail are saved with it, or are not by what it says.
    saved: u64,
    lost: u64,
}

impl<S: Sink> Saver<S> {
    /// Goes on behind the last line of what is `saved`.
    fn new(shared: Arc<Shared>, sink: S, saved: &[u8]) -> Self {
        let scrollback = shared.audit.scrollback().clone();
        let last = saved
            .split_inclusive(|byte| *byte == b'\n')
            .rev()
            .filter(|line| line.ends_with(b"\n"))
            .find_map(|line| Some((line, number_of(line)?)));
        let (mut from, mut next) = (0, Next::Line(0));
        if let Some((last, number)) = last {
            next = Next::After(number);
            let mut lines = Lines::new(scrollback.reader_at(0));
            while let Some(line) = lines.take() {
                if line == last {
                    (from, next) = (lines.cursor(), Next::Line(number.saturating_add(1)));
                }
            }
        }
        let lines = Lines::new(scrollback.reader_at(from));
        Self { shared, sink, lines, next, pending: VecDeque::new(), written: 0, unsynced: false }
    }

    /// Saves until the log is over. The file is closed when this returns: it may be wanted again.
    fn run(mut self, mut sleeper: Sleeper) -> Result<(), Arc<AuditError>> {
        let shared = Arc::clone(&self.shared);
        // Acquire: what has happened before the end is saved.
        let is_over = || shared.over.load(Acquire);
        loop {
            // Before the lines are saved.
            let over = is_over();
            let slept = match self.save() {
                Ok(()) if over => return Ok(()),
                Ok(()) => sleeper.wait(|| is_over() || self.lines.is_behind(), None),
                Err(error) if over => return Err(error),
                Err(_) => sleeper.wait(is_over, Some(RETRY)),
            };
            if slept.is_err() {
                // There is too little memory to sleep on an event.
                thread::sleep(RETRY);
            }
        }
    }

    /// Saves all that there is.
    fn save(&mut self) -> Result<(), Arc<AuditError>> {
        let saved = self.try_save().map_err(Arc::new);
        let error = saved.as_ref().err().cloned();
        let before = self.shared.status().error;
        if let (Some(error), None) = (&error, &before) {
            log::error!("{error}; trying again each second");
        }
        if error.is_some() || before.is_some() {
            self.shared.note(|status| status.error = error);
        }
        saved
    }

    fn try_save(&mut self) -> Result<(), AuditError> {
        while self.fetch() {
            while let Some(pending) = self.pending.front() {
                if self.written == 0 {
                    self.sink.make_room(pending.line.len())?;
                }
                while let Some(rest @ [_, ..]) = pending.line.get(self.written..) {
                    match self.sink.write(rest) {
                        Ok(0) => return Err(AuditError::Write(ErrorKind::WriteZero.into())),
                        Ok(written) => {
                            self.written += written;
                            self.unsynced = true;
                        }
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(error) => return Err(AuditError::Write(error)),
                    }
                }
                let (saved, lost) = (pending.saved, pending.lost);
                self.pending.pop_front();
                self.written = 0;
                self.shared.note(|status| {
                    status.saved += saved;
                    status.lost += lost;
                });
            }
        }
        if self.unsynced {
            self.sink.sync().map_err(AuditError::Sync)?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Sees to it that there is a line to save; `false` when there is no more.
    fn fetch(&mut self) -> bool {
        while self.pending.is_empty() {
            let Some(line) = self.lines.take() else { return false };
            // Anything else in the ring is no line.
            let Some(number) = number_of(&line) else { continue };
            let next = match self.next {
                Next::Line(next) => next,
                Next::After(last) if last < number => last.saturating_add(1),
                Next::After(_) => 0,
            };
            if next < number {
                self.pending.push_back(Pending { line: lost(next, number), saved: 0, lost: number - next });
            }
            self.next = Next::Line(number.saturating_add(1));
            self.pending.push_back(Pending { line, saved: 1, lost: 0 });
        }
        true
    }
}

fn lost(from: u64, to: u64) -> Vec<u8> {
    let at = SystemTime::now().into();
    let entry = AuditEntry::Lost { at, console: None, from, to, because: LostBecause::Lapped };
    format!("{}\n", AuditLine { line: None, entry }).into_bytes()
}
