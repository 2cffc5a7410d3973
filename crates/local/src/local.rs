//! The session itself, and how an event loop drives it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use vuart_dispatch::Dispatch;
use vuart_endpoint::{Attach, Console, Identity, Mode, Session};
use vuart_scrollback::{Position, Rest, Sleeper};

use crate::builder::LocalBuilder;
use crate::error::{FinishError, LocalError};
use crate::inlet::{Inlet, Typing};
use crate::outlet::{Flow, Outlet};
use crate::poller::Poller;
use crate::raw_mode::RawMode;

/// The topic of a [warning](Console::warn) about output that can't be written. With a label of its own, a `Local` has a topic of its own.
fn topic(identity: &Identity) -> String {
    match identity.label() {
        "local" => "local".to_owned(),
        label => format!("local {label}"),
    }
}

/// When an output is tried again that says it is ready and takes nothing: 10 milliseconds.
const NOTHING_TAKEN: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// A console on what the VMM has: see the [crate's docs](crate).
///
/// Drive it with any event loop, as [`Dispatch`] says. It never blocks the loop. Dropping it writes what the output takes at once, gives
/// a raw terminal back, and leaves the console.
#[derive(Debug)]
#[must_use = "it does nothing unless an event loop drives it"]
pub struct Local {
    console: Console,
    identity: Identity,
    mode: Mode,
    /// `None` when input and output have ended.
    session: Option<Session>,
    inlet: Option<Inlet>,
    outlet: Option<Outlet>,
    sleeper: Sleeper,
    poller: Poller,
    /// Dropped after the last output.
    _raw: Option<RawMode>,
}

/// What is to be done after some work.
#[derive(Debug, Default)]
struct Next {
    /// Look for output, and for room for input, at the guest's pace.
    rests: bool,
    /// Look at this time in any case.
    at: Option<Instant>,
}

impl Local {
    /// Puts a console on standard input and standard output, in raw mode if that is a terminal.
    ///
    /// # Errors
    ///
    /// See [`LocalError`].
    pub fn stdio(console: &Console) -> Result<Self, LocalError> {
        let stdio = Self::builder(console).with_input(io::stdin()).with_output(io::stdout());
        stdio.with_raw_mode().with_label("stdio").build()
    }

    /// Begins to put a console on something else.
    pub fn builder(console: &Console) -> LocalBuilder {
        LocalBuilder::new(console)
    }

    pub(crate) fn new(
        builder: &LocalBuilder,
        session: Session,
        (inlet, outlet): (Option<Inlet>, Option<Outlet>),
        (sleeper, poller): (Sleeper, Poller),
        raw: Option<RawMode>,
    ) -> Self {
        let (console, identity, mode) =
            (builder.console.clone(), session.info().identity.clone(), builder.mode());
        Self { console, identity, mode, session: Some(session), inlet, outlet, sleeper, poller, _raw: raw }
    }

    /// Whether the session owns the console, so that what is typed reaches the guest.
    pub fn is_owner(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_owner)
    }

    /// The bytes that the output has not taken yet.
    pub fn left(&self) -> u64 {
        match (&self.session, &self.outlet) {
            (Some(session), Some(outlet)) => outlet.left(session),
            _ => 0,
        }
    }

    /// Writes the rest of the output, for `patience` at the most, without an event loop. [`End`](Console::end) the console before, or the
    /// guest goes on. A limit holds no longer.
    ///
    /// # Errors
    ///
    /// When the output does not take everything in time, or has ended.
    pub fn finish(mut self, patience: Duration) -> Result<(), FinishError> {
        let deadline = Instant::now().checked_add(patience);
        let mut before = None;
        loop {
            let flow = self.write_last();
            let left = self.left();
            let now = Instant::now();
            let until = match flow {
                Flow::Drained => return Ok(()),
                Flow::Over if left == 0 => return Ok(()),
                Flow::Over => return Err(FinishError::Ended(left)),
                _ if deadline.is_some_and(|deadline| deadline <= now) => {
                    return Err(FinishError::TimedOut(left));
                }
                Flow::Until(until) => Some(deadline.map_or(until, |deadline| deadline.min(until))),
                Flow::Full | Flow::Spent => deadline,
            };
            let timeout =
                until.and_then(|until| Timespec::try_from(until.saturating_duration_since(now)).ok());
            let descriptor = self.outlet.as_ref().and_then(Outlet::sink).and_then(|sink| sink.descriptor());
            let mut fds = Vec::new();
            if flow == Flow::Full {
                fds.extend(descriptor.map(|descriptor| PollFd::new(descriptor, PollFlags::OUT)));
            }
            if flow == Flow::Full && before.is_some_and(|before| left >= before) {
                // It was ready, and has taken nothing: no program has the terminal open, or it has room for half a line end.
                let soon = timeout.map_or(NOTHING_TAKEN, |left| left.min(NOTHING_TAKEN));
                wait(&mut [], Some(soon))?;
            } else {
                wait(&mut fds, timeout)?;
            }
            before = Some(left);
        }
    }

    /// Writes what the output takes, without limit and budget.
    fn write_last(&mut self) -> Flow {
        match (&mut self.session, &mut self.outlet) {
            (Some(session), Some(outlet)) => outlet.drive(session, &self.poller, true),
            (Some(_), None) => Flow::Drained,
            (None, _) => Flow::Over,
        }
    }

    /// Hears what has become of the session. What was typed before a new ownership is not for it.
    fn hear(&mut self) {
        let epoch = |local: &Self| local.session.as_ref().and_then(Session::epoch);
        let before = epoch(self);
        self.keep_session();
        let now = epoch(self);
        if let Some(inlet) = self.inlet.as_mut().filter(|_| now.is_some() && now != before) {
            inlet.drop_earlier(&self.console);
        }
    }

    /// Begins a session again that was ended, where it was: only the console's own end ends this for good.
    fn keep_session(&mut self) {
        let Some(session) = &mut self.session else { return };
        let _ = session.changed();
        if session.end().is_none() || self.console.ended().is_some() || self.console.disabled().is_some() {
            // While the console is switched off nothing can be typed, and output goes on, as to any log.
            return;
        }
        let mode = match self.mode {
            Mode::Yield | Mode::Spectate => self.mode,
            // What had the console before others took it does not take it from them.
            _ => Mode::Wait,
        };
        let request = Attach::new(self.identity.clone())
            .with_mode(mode)
            .with_replay(Position::Offset(session.output().cursor()));
        // If it was switched off or has ended meanwhile, that rings.
        if let Ok(again) = self.console.attach(request) {
            *session = again;
        }
    }

    /// Does what is due. Returns when to do it again.
    fn work(&mut self) -> Next {
        self.hear();
        let typing = self.type_in();
        let flow = self.write_out();
        Next {
            rests: typing == Some(Typing::Waits) || flow == Some(Flow::Drained),
            at: earlier(typing.and_then(Typing::at), flow.and_then(Flow::at)),
        }
    }

    fn type_in(&mut self) -> Option<Typing> {
        let (session, inlet) = (self.session.as_mut()?, self.inlet.as_mut()?);
        let typing = inlet.drive(session, &self.console);
        if typing == Typing::Over {
            inlet.leave(&self.poller);
            self.inlet = None;
        }
        Some(typing)
    }

    fn write_out(&mut self) -> Option<Flow> {
        let (session, outlet) = (self.session.as_mut()?, self.outlet.as_mut()?);
        if outlet.is_over() {
            return None;
        }
        let troubled = outlet.trouble().is_some();
        let flow = outlet.drive(session, &self.poller, false);
        match outlet.trouble() {
            Some(error) if !troubled => {
                log::warn!("can't write a console's output: {error}");
                self.console.warn(&topic(&self.identity), &format!("can't write the output: {error}"));
            }
            None if troubled => self.console.withdraw_warning(&topic(&self.identity)),
            _ => {}
        }
        if flow == Flow::Over {
            outlet.end(&self.poller);
        }
        Some(flow)
    }
}

/// Waits for a descriptor or until the time is up.
fn wait(fds: &mut [PollFd<'_>], timeout: Option<Timespec>) -> Result<(), FinishError> {
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(FinishError::Wait(errno.into())),
    }
}

/// The earlier one of two times, if there is one.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// A thread may drive it that has not made it.
const _: fn() = || {
    fn is_send<T: Send + 'static>() {}
    is_send::<Local>();
};

impl Dispatch for Local {
    fn dispatch(&mut self) -> io::Result<()> {
        let happened = self.poller.look()?;
        if happened.bell {
            self.sleeper.acknowledge();
        }
        if let Some(inlet) = self.inlet.as_mut().filter(|_| happened.input) {
            inlet.is_ready();
        }
        if let Some(outlet) = &mut self.outlet
            && (happened.output || happened.hung_up && !outlet.outlasts_hang_ups())
        {
            outlet.has_room();
        }
        let mut next = self.work();
        if next.rests {
            match self.sleeper.rest(self.console.scrollback(), Instant::now()) {
                Rest::Until(at) => next.at = earlier(next.at, Some(at)),
                // What the guest has read before this moment is seen here. What it reads afterwards rings.
                Rest::Asleep => next.at = earlier(next.at, self.type_in().and_then(Typing::at)),
            }
        } else {
            self.sleeper.forget_pace();
        }
        if self.inlet.is_none() && self.outlet.as_ref().is_none_or(Outlet::is_over) {
            self.session = None;
        }
        self.poller.set(next.at)
    }

    fn is_settled(&self) -> bool {
        self.session.is_none() || self.outlet.as_ref().is_none_or(Outlet::is_over) || self.left() == 0
    }
}

impl AsFd for Local {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // The guest's last words. But a writer or filter may be what has panicked, and a second panic would end the process.
        if !thread::panicking() || !self.outlet.as_ref().is_some_and(Outlet::calls_the_vmm) {
            self.write_last();
        }
        if let Some(outlet) = &mut self.outlet {
            if outlet.trouble().is_some() {
                // It goes with what can't be written. What has become of it is in the log.
                self.console.withdraw_warning(&topic(&self.identity));
            }
            outlet.end(&self.poller);
        }
        if let Some(inlet) = &self.inlet {
            inlet.leave(&self.poller);
        }
    }
}
