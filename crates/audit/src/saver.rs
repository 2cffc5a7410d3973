//! The work of the thread that saves a trail.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use vuart_scrollback::{Follow, Scrollback, Step};

use crate::error::AuditError;
use crate::line::{AuditEntry, AuditLine, LostBecause};
use crate::lines::{Lines, number_of};
use crate::status::Shared;

/// The pause before a disk that has failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A destination of lines.
pub(crate) trait Sink {
    /// Makes room for a line of that length.
    fn make_room(&mut self, len: usize) -> Result<(), AuditError>;

    /// Takes some bytes of a line, and returns how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Brings what was written to where it is to be.
    fn sync(&mut self) -> io::Result<()>;
}

/// A writer of any kind. How many bytes it keeps is up to it.
#[derive(Debug)]
pub(crate) struct Plain<W>(pub(crate) W);

impl<W: Write> Sink for Plain<W> {
    fn make_room(&mut self, _len: usize) -> Result<(), AuditError> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Takes lines from a trail's ring and puts them into a sink.
pub(crate) struct Saver<S> {
    shared: Arc<Shared>,
    sink: S,
    lines: Lines,
    /// The number of the next line, if none is missing.
    next: Next,
    /// The lines that are out of the ring and not saved.
    pending: VecDeque<Pending>,
    /// The number of bytes of the first pending line that are written.
    written: usize,
    /// Something was written and not brought to the disk.
    unsynced: bool,
}

/// Which line comes next.
enum Next {
    Line(u64),
    /// The last line that was saved, of some trail, is not in the ring. Its successor comes next if it is of this trail.
    After(u64),
}

struct Pending {
    line: Vec<u8>,
    /// The number of lines of the trail that are saved with it.
    saved: u64,
    /// The number of lines of the trail that it declares lost.
    lost: u64,
}

impl<S: Sink> Saver<S> {
    /// A saver that goes on behind the last line of what is `saved`.
    pub(crate) fn new(scrollback: &Scrollback, shared: Arc<Shared>, sink: S, saved: &[u8]) -> Self {
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

    /// Saves all that there is, and notes whether that has failed.
    fn save(&mut self) -> Result<(), Arc<AuditError>> {
        let saved = self.try_save().map_err(Arc::new);
        if self.shared.note(saved.as_ref().err().cloned()) {
            if let Err(error) = &saved {
                log::error!("{error}; trying again each second");
            } else {
                log::warn!("the audit trail is saved again; {} lines of it are lost", self.shared.now().lost);
            }
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
                self.shared.count(saved, lost);
            }
        }
        if self.unsynced {
            self.sink.sync().map_err(AuditError::Sync)?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Sees to it that a line is pending. Returns whether there is one.
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

impl<S: Sink + Send + 'static> Follow for Saver<S> {
    type Error = Arc<AuditError>;

    fn is_behind(&self) -> bool {
        self.lines.is_behind()
    }

    fn follow(&mut self, last: bool) -> Result<Step, Arc<AuditError>> {
        match self.save() {
            Ok(()) => Ok(Step::Sleep),
            Err(error) if last => Err(error),
            Err(_) => Ok(Step::Pause(RETRY)),
        }
    }
}

impl<S> Drop for Saver<S> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.note(Some(Arc::new(AuditError::Panicked)));
        }
    }
}

/// The line that declares others lost.
fn lost(from: u64, to: u64) -> Vec<u8> {
    let at = SystemTime::now().into();
    let entry = AuditEntry::Lost { at, console: None, from, to, because: LostBecause::Lapped };
    format!("{}\n", AuditLine { line: None, entry }).into_bytes()
}
