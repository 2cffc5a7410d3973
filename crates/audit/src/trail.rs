//! The trail: a ring of numbered lines, and the consoles that it is told of.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use vuart_endpoint::ConsoleEvent;
use vuart_scrollback::{CapacityError, Doorbell, Scrollback, Writer};

use crate::line::{AuditEntry, AuditLine};
use crate::lines::{Lines, number_of};
use crate::source::Source;

/// An audit trail: a handle, cheap to clone. One trail serves any number of consoles.
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
pub struct Audit(Arc<Inner>);

struct Inner {
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
    /// Makes a trail in this process's memory. `capacity` is a power of two in bytes: see
    /// [`RingOptions`](vuart_scrollback::RingOptions). A megabyte is some three thousand lines.
    ///
    /// # Errors
    ///
    /// When no ring can have that size.
    pub fn new(capacity: usize) -> Result<Self, CapacityError> {
        Scrollback::new(capacity).map(|(ring, _)| Self::on(ring))
    }

    /// Makes a trail in a ring of yours: in a `memfd` or a file, so that the trail outlives this process. A ring that an earlier process
    /// has left, and that you have [adopted](vuart_scrollback::RingOptions::adopt), goes on with the same numbers.
    ///
    /// Use the ring for nothing else, and [mark](Writer::mark) no boot in it.
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
        let audit = Self(Arc::new(Inner { trail, scrollback, doorbell: Doorbell::new() }));
        audit.put(AuditEntry::Began { at: SystemTime::now().into(), pid: std::process::id() });
        audit
    }

    /// Returns an observer that tells the trail of a console's events. Give it to
    /// [`Console::observe`](vuart_endpoint::Console::observe). `console` is the console's name in the trail, of which the first
    /// [`NAME_MAX`](AuditLine::NAME_MAX) characters are used.
    pub fn observer(&self, console: &str) -> impl FnMut(&ConsoleEvent) + Send + use<> {
        let audit = self.clone();
        let mut source = Source::new(console);
        move |event| source.observe(event, |entry| audit.put(entry))
    }

    /// The ring of lines, for readers of any kind. Each line ends with a newline. A reader that the ring has lapped goes on behind the next
    /// newline. Offsets count bytes of the trail, not of a console.
    pub fn scrollback(&self) -> &Scrollback {
        &self.0.scrollback
    }

    /// The doorbell that rings when there are more lines, for readers that [sleep](vuart_scrollback::Sleeper).
    pub fn doorbell(&self) -> &Doorbell {
        &self.0.doorbell
    }

    fn put(&self, entry: AuditEntry) {
        // The number is raised last: a thread that panics in between leaves a trail that goes on.
        let mut trail = self.0.trail.lock().unwrap_or_else(PoisonError::into_inner);
        let line = AuditLine { line: Some(trail.next), entry };
        trail.ring.extend(format!("{line}\n").as_bytes());
        // An adopted ring may hold any number.
        trail.next = trail.next.saturating_add(1);
        drop(trail);
        self.0.doorbell.ring_if_armed();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("scrollback", &self.0.scrollback).finish_non_exhaustive()
    }
}
