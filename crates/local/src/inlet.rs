//! The input side: from what is typed to the console.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use vuart_endpoint::{Console, Session};

use crate::descriptor::Descriptor;
use crate::filter::Filter;
use crate::poller::Poller;

/// The most input read at once, in bytes: as much as waits for the guest's receiver at most.
const CHUNK: usize = 4096;

/// The most input read in one call of `dispatch`, in bytes.
const BUDGET: usize = 64 << 10;

/// The most bytes that are dropped of what was typed for an earlier ownership. More than a socket or a terminal holds.
const DROPPED: usize = 1 << 20;

/// When a terminal is looked at again that another job of the shell has.
const BACKGROUND: Duration = Duration::from_secs(1);

/// What comes after a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typing {
    /// There is nothing to do until more is typed, or the session owns the console.
    Idle,
    /// The console has no room: to be driven again when the guest has read.
    Waits,
    /// To be driven again at this time.
    Until(Instant),
    /// To be driven again when others have had their turn.
    Spent,
    /// The input has ended.
    Over,
}

impl Typing {
    /// When to drive it again in any case.
    pub(crate) fn at(self) -> Option<Instant> {
        match self {
            Self::Until(at) => Some(at),
            Self::Spent => Some(Instant::now()),
            Self::Idle | Self::Waits | Self::Over => None,
        }
    }
}

pub(crate) struct Inlet {
    source: Descriptor,
    filter: Option<Box<dyn Filter>>,
    /// What the console has not taken of what was read.
    typed: Vec<u8>,
    taken: usize,
    /// There may be more to read.
    ready: bool,
    over: bool,
}

impl Inlet {
    pub(crate) fn new(source: Descriptor, filter: Option<Box<dyn Filter>>) -> Self {
        Self { source, filter, typed: Vec::new(), taken: 0, ready: true, over: false }
    }

    /// Notes that input has come.
    pub(crate) fn is_ready(&mut self) {
        self.ready = true;
    }

    pub(crate) fn drive(&mut self, session: &mut Session, console: &Console) -> Typing {
        let mut budget = BUDGET;
        loop {
            if !self.hand_over(session, console) {
                return Typing::Waits;
            }
            if self.over {
                return Typing::Over;
            }
            // A script waits until its commands are wanted. A person who types while another session owns the console types in vain, as
            // every spectator does: it would be wrong to run it much later.
            let wanted = session.is_owner() && session.end().is_none();
            if !self.ready || !(wanted || self.source.is_interactive()) {
                return Typing::Idle;
            }
            if budget == 0 {
                return Typing::Spent;
            }
            if self.source.is_in_background() {
                return Typing::Until(Instant::now() + BACKGROUND);
            }
            budget = budget.saturating_sub(self.read());
        }
    }

    /// A new ownership has begun, also if the last thing that was known is an earlier one of the same session. Drops and counts what was
    /// typed before this moment: whoever typed it could not know of it, and the console has discarded the beginning.
    pub(crate) fn drop_earlier(&mut self, console: &Console) {
        let mut dropped = self.typed.len().saturating_sub(self.taken);
        self.typed.clear();
        self.taken = 0;
        // A script has not said yet what waits in its pipe. And what is typed to another job of the shell is not for the guest.
        if self.source.is_interactive() && !self.source.is_in_background() {
            let mut buf = [0; CHUNK];
            while dropped < DROPPED {
                match self.source.read(&mut buf) {
                    Ok(read @ 1..) => dropped += read,
                    Err(Errno::AGAIN) => {
                        self.ready = false;
                        break;
                    }
                    // The next drive is told of it again.
                    _ => break,
                }
            }
        }
        console.abandon(dropped as u64);
    }

    /// Gives the console what was typed. Returns whether that is everything.
    fn hand_over(&mut self, session: &mut Session, console: &Console) -> bool {
        while let Some(rest) = self.typed.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match session.write(rest) {
                // Typed for an ownership that is over, or for none.
                Ok(0) if !session.is_owner() => console.abandon(rest.len() as u64),
                Ok(0) => return false,
                Ok(taken) => {
                    self.taken += taken;
                    continue;
                }
                Err(_) => console.abandon(rest.len() as u64),
            }
            break;
        }
        self.typed.clear();
        self.taken = 0;
        true
    }

    /// Reads what there is, at most a chunk. Returns how much it was.
    fn read(&mut self) -> usize {
        let mut buf = [0; CHUNK];
        match self.source.read(&mut buf) {
            Err(Errno::AGAIN) => self.ready = false,
            // No program has the terminal open. When one does, its input makes the descriptor ready anew.
            Err(Errno::IO) if self.source.is_master() => self.ready = false,
            Ok(0) | Err(_) => self.over = true,
            Ok(read) => {
                let bytes = buf.get(..read).unwrap_or_default();
                match &mut self.filter {
                    Some(filter) => filter.filter(bytes, &mut self.typed),
                    None => self.typed.extend_from_slice(bytes),
                }
                return read;
            }
        }
        0
    }

    /// Stops waiting for it.
    pub(crate) fn leave(&self, poller: &Poller) {
        poller.remove(&self.source);
    }
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").field("ready", &self.ready).field("over", &self.over).finish_non_exhaustive()
    }
}
