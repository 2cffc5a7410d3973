//! The audit trail: who did what at which console, as JSON lines in a ring of their own.
//!
//! The guest's output is in another ring, so nothing that a guest writes can look like a line of the trail (E9). And whoever
//! does what the trail tells of waits for no disk: a line is a copy into memory, and [a thread](AuditLog) or any other reader
//! takes it from there. `docs/audit.md` describes the lines.

mod error;
mod file;
mod flood;
mod line;
mod lines;
mod log;
mod source;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use vuart_scrollback::{CapacityError, Doorbell, Scrollback, Writer};

pub use crate::error::AuditError;
pub use crate::file::AuditFile;
pub use crate::line::{AuditEntry, AuditLine, AuditLineError, LostBecause};
pub use crate::log::{AuditLog, AuditStatus};

use crate::lines::{Lines, number_of};
use crate::source::Source;
use vuart_endpoint::ConsoleEvent;

/// An audit trail: a handle, cheap to clone. One serves any number of consoles.
///
/// ```
/// use vuart_audit::{Audit, AuditFile};
/// use vuart_endpoint::{Attach, Console, Identity};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("audit.jsonl");
/// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
/// # let (console, _input) = Console::new(scrollback, || ());
/// let audit = Audit::new(1 << 20)?;
/// let log = audit.save(AuditFile::new(&path))?; // path: /var/log/vm0.audit, say
/// console.observe(audit.observer("vm0"));
///
/// drop(console.attach(Attach::new(Identity::new("alice", 1000, None)))?);
///
/// log.finish(std::time::Duration::from_secs(10))?;
/// let trail = std::fs::read_to_string(path)?;
/// assert!(trail.lines().any(|line| line.contains(r#""event":"attached""#)), "{trail}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    trail: Mutex<Trail>,
    scrollback: Scrollback,
    doorbell: Doorbell,
}

struct Trail {
    ring: Writer,
    /// The number of the next line.
    next: u64,
}

impl Audit {
    /// A trail in this process's memory, a power of two in bytes: see [`RingOptions`](vuart_scrollback::RingOptions). A megabyte is
    /// some three thousand lines.
    ///
    /// # Errors
    ///
    /// When no ring can have that size.
    pub fn new(capacity: usize) -> Result<Self, CapacityError> {
        Scrollback::new(capacity).map(|(ring, _)| Self::on(ring))
    }

    /// A trail in a ring of the caller's making: in a `memfd` or a file, so that it outlives this process. One that an earlier process
    /// has left, and that was [adopted](vuart_scrollback::RingOptions::adopt), goes on with the same numbers.
    ///
    /// The ring is the trail's alone: no [boot](Writer::mark) is marked in it.
    pub fn on(mut ring: Writer) -> Self {
        let scrollback = ring.scrollback().clone();
        let mut earlier = Lines::new(scrollback.reader_at(0));
        let mut next = 0;
        while let Some(line) = earlier.take() {
            next = number_of(&line).map_or(next, |number| number.saturating_add(1));
        }
        if earlier.is_torn() {
            // Its writer was killed in the midst of a line.
            ring.push(b'\n');
        }
        let trail = Mutex::new(Trail { ring, next });
        let audit = Self(Arc::new(Shared { trail, scrollback, doorbell: Doorbell::new() }));
        audit.put(AuditEntry::Began { at: SystemTime::now().into(), pid: std::process::id() });
        audit
    }

    /// What tells the trail of a console's events, for [`Console::observe`](vuart_endpoint::Console::observe). `console` is what the console is
    /// called in the trail: its first [`NAME_MAX`](AuditLine::NAME_MAX) characters are used.
    pub fn observer(&self, console: &str) -> impl FnMut(&ConsoleEvent) + Send + use<> {
        let audit = self.clone();
        let mut source = Source::new(console);
        move |event| source.observe(event, |entry| audit.put(entry))
    }

    /// The lines, for any reader: each ends with a newline, and a reader that the ring has lapped goes on behind the next one. Offsets
    /// count bytes of the trail, not of a console.
    pub fn scrollback(&self) -> &Scrollback {
        &self.0.scrollback
    }

    /// Rings when there are more lines, for readers that [sleep](vuart_scrollback::Sleeper).
    pub fn doorbell(&self) -> &Doorbell {
        &self.0.doorbell
    }

    fn put(&self, entry: AuditEntry) {
        // The number is raised last: a thread that panics in between leaves a trail that goes on.
        let mut trail = self.0.trail.lock().unwrap_or_else(PoisonError::into_inner);
        let line = AuditLine { line: Some(trail.next), entry };
        trail.ring.extend(format!("{line}\n").as_bytes());
        trail.next += 1;
        drop(trail);
        self.0.doorbell.ring_if_armed();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("scrollback", &self.0.scrollback).finish_non_exhaustive()
    }
}
