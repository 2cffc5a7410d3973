//! The input of a session: text for the guest, escapes, and its end.

use std::time::{Duration, Instant};

use vuart_wire::{DetachRequest, Request};

use super::carry::{BACKLOG, Session};
use super::ending::{Due, Ending};
use super::local::has_typed;
use super::options::Outcome;
use super::typist::Typist;
use crate::error::Error;
use crate::number::counted;
use crate::pace::Pacer;
use crate::terminal::escape::{self, Action};
use crate::terminal::keys::Keys;

/// How many bytes are read from standard input at once.
const READ: usize = 16 << 10;

/// How often input is read at most to discard it. That is more than a terminal holds; the bound is for endless input.
const DISCARDING_READS: usize = 8;

/// How long a person who detaches waits for the server's confirmation. The server confirms at once, unless the guest does
/// not take the input before.
const DETACHING: Duration = Duration::from_secs(1);

/// Where input comes from.
#[derive(Debug)]
pub(super) enum Input {
    /// A terminal. A person types, and may type an escape. It is always read: otherwise nobody could leave while the guest
    /// reads nothing.
    Terminal(Typist),
    /// A pipe or a file, whose bytes are all for the guest. Nothing is read from it until the session owns the console, nor
    /// while much of it waits.
    Verbatim,
    /// The pipe or file has ended.
    Ending(Ending),
    /// Nothing is read: the input has ended, or has no meaning.
    Closed,
}

impl Input {
    /// The input of a session that has not begun.
    pub(super) fn new(interactive: bool, keys: Keys) -> Self {
        if interactive { Self::Terminal(Typist::new(keys)) } else { Self::Verbatim }
    }

    /// The session has begun.
    pub(super) fn begin(&mut self, may_type: bool) {
        // A spectator without a terminal can't even type an escape.
        if matches!(self, Self::Verbatim) && !may_type {
            *self = Self::Closed;
        }
    }
}

impl Session<'_> {
    /// Whether input is read at present.
    pub(super) fn reads_input(&self) -> bool {
        match self.input {
            Input::Terminal(_) => true,
            Input::Verbatim => self.role.is_owner() && self.waiting() <= BACKLOG,
            Input::Ending(_) | Input::Closed => false,
        }
    }

    /// How many bytes wait to be sent.
    fn waiting(&self) -> usize {
        let early = self.early.iter().flatten().flatten().map(|request| match request {
            Request::Input(bytes) => bytes.len(),
            _ => 1,
        });
        self.client.queued() + self.pacer.as_ref().map_or(0, Pacer::len) + early.sum::<usize>()
    }

    /// When some of the input that is sent slowly is to be sent.
    pub(super) fn pacer_deadline(&self) -> Option<Instant> {
        self.pacer.as_ref().filter(|_| self.role.is_owner()).and_then(Pacer::deadline)
    }

    /// When something is to be done about what was typed, if nothing is typed before.
    pub(super) fn input_deadline(&self) -> Option<Instant> {
        let input = match &self.input {
            Input::Terminal(typist) => typist.deadline(),
            Input::Ending(ending) => ending.deadline(),
            Input::Verbatim | Input::Closed => None,
        };
        [input, self.held.deadline()].into_iter().flatten().min()
    }

    /// Does what is to be done when nothing is typed.
    pub(super) fn handle_pause(&mut self) -> Result<Option<Outcome>, Error> {
        let now = Instant::now();
        self.tell_refused(now);
        if let Input::Terminal(typist) = &mut self.input
            && typist.deadline().is_some_and(|deadline| deadline <= now)
            // This process may have been late: what is there already comes right behind the escape.
            && !has_typed()?
            && let Some(action) = typist.escape(now)
        {
            return self.act(action);
        }
        Ok(None)
    }

    /// Reads and discards what was typed before the user could know that they own the console. It is not for the guest.
    pub(super) fn discard_typed(&mut self) -> Result<Option<Outcome>, Error> {
        for _ in 0..DISCARDING_READS {
            if !matches!(self.input, Input::Terminal(_)) || !has_typed()? {
                break;
            }
            if let Some(outcome) = self.read_input()? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    pub(super) fn read_input(&mut self) -> Result<Option<Outcome>, Error> {
        let mut buffer = [0; READ];
        let Some(length) = self.local.read(&mut buffer)? else { return Ok(None) };
        let typed = &buffer[..length];
        let now = Instant::now();
        match &mut self.input {
            Input::Verbatim if typed.is_empty() => {
                self.input = Input::Ending(Ending::default());
                self.detaching = true;
            }
            _ if typed.is_empty() => self.detach(),
            Input::Terminal(typist) => {
                let text = typist.text(typed, now);
                if !text.is_empty() {
                    self.type_in(text, now);
                }
                self.tell_refused(now);
            }
            Input::Verbatim => {
                let typed = typed.to_vec();
                self.queue(&[Request::Input(typed)]);
            }
            Input::Ending(_) | Input::Closed => {}
        }
        Ok(None)
    }

    /// Asks the server to end the session, after all the input. For a script, the guest must have taken it; not for a person.
    fn detach(&mut self) {
        if let Some(refused) = self.held.refused_so_far() {
            self.note_refused(refused);
        }
        self.drop_paced();
        self.client.queue(&Request::Detach(DetachRequest { drained: !self.is_interactive() }));
        self.input = Input::Closed;
        self.detaching = true;
        if self.is_interactive() {
            self.leaving = Some(Instant::now() + DETACHING);
        }
    }

    /// The outcome, when the server has ended the session as was asked.
    pub(super) fn detached(&self) -> Outcome {
        Outcome::Detached { unanswered: self.unsent }
    }

    /// Does what an escape asks for.
    fn act(&mut self, action: Action) -> Result<Option<Outcome>, Error> {
        match action {
            Action::Type(key) => self.type_in(vec![key], Instant::now()),
            // At once, before what is sent slowly: this is for a guest that is in trouble.
            Action::Break | Action::SysRq(_) if !self.takes(2, Instant::now()) => {}
            Action::Break => self.send_noted(vec![Request::Break], "a break"),
            Action::SysRq(key) => {
                let what = format!("a break and {}", key.escape_ascii());
                self.send_noted(vec![Request::Break, Request::Input(vec![key])], &what);
            }
            // There is no session yet, so there is nothing to take over with.
            Action::TakeOver if self.early.is_some() => {}
            Action::TakeOver => {
                let effect = self.role.take_over();
                self.apply(effect);
            }
            Action::Who if self.client.queued() <= BACKLOG => self.client.queue(&Request::Status),
            Action::Who => self.note("the server takes nothing at the moment"),
            Action::Help => self.note(&escape::help(self.options.keys, self.options.wording.detach)),
            Action::Suspend => {
                if let Some(signal) = self.local.suspend()? {
                    return Ok(Some(Outcome::Signal(signal)));
                }
                self.tell_window();
            }
            Action::Detach => self.detach(),
        }
        Ok(None)
    }

    /// Sends text that a person has typed, or holds it, or refuses it.
    fn type_in(&mut self, text: Vec<u8>, now: Instant) {
        if self.takes(text.len(), now) {
            self.send(vec![Request::Input(text)]);
        }
    }

    /// Whether there is room for so many bytes of input. If not, they are refused.
    fn takes(&mut self, length: usize, now: Instant) -> bool {
        // What a spectator types goes nowhere, and needs no room.
        let goes = self.early.is_some() || self.role.is_owner();
        !goes || self.held.takes(length, self.waiting(), now)
    }

    /// Sends a person's input: text, or a break and what belongs to it.
    pub(super) fn send(&mut self, requests: Vec<Request>) {
        if let Some(early) = &mut self.early {
            early.push(requests);
        } else if self.role.is_owner() {
            self.queue(&requests);
        } else {
            let effect = self.role.typed_in_vain();
            self.apply(effect);
        }
    }

    /// Sends what an escape asks for. Its effect may be invisible, so each time a note says whether it was sent.
    fn send_noted(&mut self, requests: Vec<Request>, what: &str) {
        if self.early.is_some() {
            self.send(requests);
        } else if self.role.is_owner() {
            self.send(requests);
            self.note(&format!("{what}: sent"));
        } else {
            self.note(&format!("{what}: not sent, because {}", self.role.why_not()));
        }
    }

    /// Queues input of an owner.
    fn queue(&mut self, requests: &[Request]) {
        match (&mut self.pacer, requests) {
            (Some(pacer), [Request::Input(bytes)]) => pacer.push(bytes),
            _ => requests.iter().for_each(|request| self.client.queue(request)),
        }
    }

    /// Queues what may be sent now of the input that is sent slowly, and what follows the end of a script's input.
    pub(super) fn send_paced(&mut self, now: Instant) {
        if let Some(pacer) = &mut self.pacer
            && self.role.is_owner()
        {
            if pacer.is_overdue(now) {
                pacer.go_on();
                if !std::mem::replace(&mut self.unechoed, true) {
                    self.local.printer.note("no echo comes: the next line goes without it");
                }
            }
            let bytes = pacer.next(now);
            if !bytes.is_empty() {
                self.client.queue(&Request::Input(bytes));
            }
        }
        if let Input::Ending(ending) = &mut self.input
            && self.pacer.as_ref().is_none_or(|pacer| pacer.len() == 0)
        {
            match ending.due(now) {
                Some(Due::Ask) => self.client.queue(&Request::Status),
                Some(Due::Detach) => self.detach(),
                None => {}
            }
        }
    }

    /// Drops the input that is sent slowly and was not sent.
    pub(super) fn drop_paced(&mut self) {
        self.unsent |= self.pacer.as_mut().is_some_and(Pacer::clear);
    }

    /// Tells the user what was refused, if it is time.
    fn tell_refused(&mut self, now: Instant) {
        if let Some(refused) = self.held.refused(now) {
            self.note_refused(refused);
        }
    }

    fn note_refused(&self, refused: u64) {
        let why = match self.pacer {
            None => "the guest has not read what was typed before",
            Some(_) => "too much waits for its time",
        };
        self.note(&format!("{why}: {} not sent", counted(refused, "byte was", "bytes were")));
    }
}
