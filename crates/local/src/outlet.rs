//! The output side: from the ring to what takes it.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use vuart_endpoint::Session;

use crate::descriptor::Descriptor;
use crate::filter::Filter;
use crate::limit::{Bucket, Limit};
use crate::poller::Poller;
use crate::sink::{Sink, Stop};

/// The most output read from the ring at once, in bytes. So much is out of the ring while it waits.
const CHUNK: usize = 16 << 10;

/// The most output read from the ring and written in one call of `dispatch`, in bytes. Other parts of the thread wait for as long as that
/// takes.
const BUDGET: usize = 256 << 10;

/// When a writer is tried again that is busy and does not say how long.
const BUSY: Duration = Duration::from_millis(10);

/// When output is tried again that is in trouble.
const TROUBLE: Duration = Duration::from_secs(1);

/// What comes after a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Everything is delivered that there was when it began.
    Drained,
    /// The descriptor has no room, and the poller tells when it has.
    Full,
    /// To be driven again at this time.
    Until(Instant),
    /// To be driven again when others have had their turn.
    Spent,
    /// The output has ended.
    Over,
}

impl Flow {
    /// When to drive it again in any case.
    pub(crate) fn at(self) -> Option<Instant> {
        match self {
            Self::Until(at) => Some(at),
            Self::Spent => Some(Instant::now()),
            Self::Drained | Self::Full | Self::Over => None,
        }
    }
}

pub(crate) struct Outlet {
    sink: Option<Sink>,
    filter: Option<Box<dyn Filter>>,
    bucket: Option<Bucket>,
    notices: bool,
    buffer: Box<[u8]>,
    /// What the sink has not taken of what was read from the ring.
    pending: Vec<u8>,
    sent: usize,
    /// The poller waits for room.
    waits: bool,
    /// The poller has told of room.
    told: bool,
    trouble: Option<io::Error>,
}

impl Outlet {
    pub(crate) fn new(
        sink: Sink,
        filter: Option<Box<dyn Filter>>,
        limit: Option<Limit>,
        notices: bool,
    ) -> Self {
        Self {
            sink: Some(sink),
            filter,
            bucket: limit.map(Bucket::new),
            notices,
            buffer: vec![0; CHUNK].into_boxed_slice(),
            pending: Vec::new(),
            sent: 0,
            waits: false,
            told: false,
            trouble: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.sink.is_none()
    }

    /// Notes that there may be room again.
    pub(crate) fn has_room(&mut self) {
        self.told = true;
    }

    /// Whether a hang-up is no end: a program may open the terminal again. Until then there is no room, and a write that finds none would
    /// be told of the hang-up anew.
    pub(crate) fn outlasts_hang_ups(&self) -> bool {
        self.sink.as_ref().and_then(Sink::descriptor).is_some_and(Descriptor::is_master)
    }

    /// What keeps the output from being written, if something does.
    pub(crate) fn trouble(&self) -> Option<&io::Error> {
        self.trouble.as_ref()
    }

    pub(crate) fn sink(&self) -> Option<&Sink> {
        self.sink.as_ref()
    }

    /// The bytes that are not delivered yet.
    pub(crate) fn left(&self, session: &Session) -> u64 {
        let behind = session.output().scrollback().end().saturating_sub(session.output().cursor());
        (self.pending.len() - self.sent) as u64 + behind
    }

    /// Writes what there is, up to the budget. The `last` time, neither limit nor budget holds.
    pub(crate) fn drive(&mut self, session: &mut Session, poller: &Poller, last: bool) -> Flow {
        // Not tried before: it would cost a call for each key that is typed. And a pipe wakes its reader even for a write that fails.
        if self.waits && !std::mem::take(&mut self.told) && !last {
            return Flow::Full;
        }
        let flow = self.write(session, last);
        if flow == Flow::Full && !std::mem::replace(&mut self.waits, true) {
            self.wait_for_room(poller)
        } else if flow != Flow::Full && std::mem::take(&mut self.waits) {
            self.descriptor(|descriptor| poller.remove(descriptor));
            flow
        } else {
            flow
        }
    }

    fn wait_for_room(&mut self, poller: &Poller) -> Flow {
        let mut added = Ok(());
        self.descriptor(|descriptor| added = poller.add_output(descriptor));
        if added.is_ok() {
            return Flow::Full;
        }
        // There is no memory for it: try again by the clock.
        self.waits = false;
        after(BUSY)
    }

    fn descriptor(&self, with: impl FnOnce(&Descriptor)) {
        self.sink.as_ref().and_then(Sink::descriptor).map(with).unwrap_or_default();
    }

    fn write(&mut self, session: &mut Session, last: bool) -> Flow {
        // Not beyond: a fast guest would keep this thread for ever.
        let until = session.output().scrollback().end();
        let mut budget = BUDGET;
        loop {
            if let Some(flow) = self.flush(last) {
                return flow;
            }
            if session.output().cursor() >= until {
                return Flow::Drained;
            }
            if budget == 0 && !last {
                return Flow::Spent;
            }
            self.fetch(session);
            // After a filter: it takes time whether it grows or swallows what it gets.
            budget = budget.saturating_sub(self.pending.len().max(CHUNK));
        }
    }

    /// Writes what is pending. Returns what to do if that is not everything.
    fn flush(&mut self, last: bool) -> Option<Flow> {
        while let Some(rest) = self.pending.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let mut most = rest.len();
            if let Some(bucket) = self.bucket.as_mut().filter(|_| !last) {
                let now = Instant::now();
                most = most.min(bucket.allows(now));
                if most == 0 {
                    // A rate of nothing: it is still to be seen at the end.
                    return Some(bucket.next(now).map_or(after(TROUBLE), Flow::Until));
                }
            }
            let Some(sink) = &mut self.sink else { return Some(Flow::Over) };
            match sink.write(rest.get(..most).unwrap_or(rest)) {
                Ok(written) => {
                    self.sent += written;
                    self.trouble = None;
                    if let Some(bucket) = &mut self.bucket {
                        bucket.take(written);
                    }
                }
                Err(Stop::Full) => return Some(Flow::Full),
                Err(Stop::Busy) => return Some(after(BUSY)),
                Err(Stop::Trouble(error)) => {
                    self.trouble = Some(error);
                    return Some(after(TROUBLE));
                }
                Err(Stop::Over(error)) => {
                    self.trouble = Some(error);
                    return Some(Flow::Over);
                }
            }
        }
        self.pending.clear();
        self.sent = 0;
        if self.sink.is_none() { Some(Flow::Over) } else { None }
    }

    /// Reads a chunk from the ring.
    fn fetch(&mut self, session: &mut Session) {
        let read = session.peek(&mut self.buffer);
        let length = read.len();
        if read.missed > 0 && self.notices {
            let bytes = if read.missed == 1 { "byte" } else { "bytes" };
            self.pending
                .extend_from_slice(format!("\r\n[vuart: {} {bytes} lost]\r\n", read.missed).as_bytes());
        }
        let bytes = self.buffer.get(..length).unwrap_or_default();
        match &mut self.filter {
            Some(filter) => filter.filter(bytes, &mut self.pending),
            None => self.pending.extend_from_slice(bytes),
        }
        session.advance(length);
    }

    /// Whether it calls what the VMM has written.
    pub(crate) fn calls_the_vmm(&self) -> bool {
        self.filter.is_some() || matches!(self.sink, Some(Sink::Writer(_)))
    }

    /// Gives the output up.
    pub(crate) fn end(&mut self, poller: &Poller) {
        if std::mem::take(&mut self.waits) {
            self.descriptor(|descriptor| poller.remove(descriptor));
        }
        self.sink = None;
    }
}

fn after(time: Duration) -> Flow {
    Flow::Until(Instant::now() + time)
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("over", &self.is_over())
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}
