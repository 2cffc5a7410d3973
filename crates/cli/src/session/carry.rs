//! The session: carries bytes in both directions, until something ends it.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart_endpoint::{Cause, End, OnLag, Refused, Standing, Window};
use vuart_scrollback::Position;
use vuart_wire::{
    AcceptRequest, AttachRequest, Attached, Client, ClientError, DetachRequest, ErrorCode, Event, Request,
};

use super::local::{Local, Woken, has_typed};
use super::options::{Options, Outcome};
use super::progress::Progress;
use super::role::{Effect, Role};
use crate::error::Error;
use crate::number::counted;
use crate::signals::{Signal, Signals};
use crate::terminal::escape::{self, Action, EscapeScanner};
use crate::tty::printer::Piece;
use crate::who;

/// How many bytes may wait in each direction before the session takes no more.
const BACKLOG: usize = 64 << 10;

/// How many bytes are read from standard input at once.
const READ: usize = 16 << 10;

/// How often input is read at most to discard it. That is more than a terminal holds; the bound is for endless input.
const DISCARDING_READS: usize = 8;

/// How long a person who detaches waits for the server's confirmation. The server confirms at once, unless the guest does
/// not take the input before.
const DETACHING: Duration = Duration::from_secs(1);

/// Where input comes from.
#[derive(Debug)]
enum Input {
    /// A terminal. A person types, and may type an escape.
    Terminal(EscapeScanner),
    /// A pipe or a file, whose bytes are all for the guest. Nothing is read from it until the session owns the console.
    Verbatim,
    /// Nothing is read: the input has ended, or has no meaning.
    Closed,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(super) client: Client,
    pub(super) local: Local<'a>,
    input: Input,
    pub(super) role: Role,
    pub(super) options: Options,
    pub(super) progress: Progress,
    /// The size of the terminal that the server knows.
    pub(super) window: Option<Window>,
    /// The console's end, while the rest of its output is read.
    pub(super) over: Option<End>,
    /// Whether the input has ended. The session ends when the guest has taken all of it.
    pub(super) detaching: bool,
    /// How long a person who has detached still waits.
    leaving: Option<Instant>,
}

impl<'a> Session<'a> {
    /// Begins a session of an attached client.
    pub(crate) fn begin(
        mut client: Client,
        attached: &Attached,
        signals: &'a mut Signals,
        options: Options,
    ) -> Result<Self, Error> {
        client.set_nonblocking(true)?;
        let local = Local::begin(signals, options)?;
        let role = Role::new(attached);
        let input = if local.is_interactive() {
            Input::Terminal(EscapeScanner::new())
        } else if role.may_type() {
            Input::Verbatim
        } else {
            // A spectator without a terminal can't even type an escape.
            Input::Closed
        };
        let mut session = Self {
            client,
            local,
            input,
            role,
            options,
            progress: Progress::at(attached.offset),
            window: None,
            over: None,
            detaching: false,
            leaving: None,
        };
        session.tell_window();
        Ok(session)
    }

    /// Whether a person types, rather than a script.
    pub(crate) fn is_interactive(&self) -> bool {
        self.local.is_interactive()
    }

    /// Shows a note.
    pub(crate) fn note(&self, text: &str) {
        self.local.printer.note(text);
    }

    /// The offset of the next output byte.
    #[cfg(feature = "demo")]
    pub(crate) fn next_offset(&self) -> u64 {
        self.progress.next()
    }

    /// Carries bytes until the session ends. [`close`](Self::close) then writes the rest of the output.
    pub(crate) fn run(&mut self) -> Result<Outcome, Error> {
        // Events that arrived together with the answer to `Attach`.
        if let Some(outcome) = self.handle_events()? {
            return Ok(outcome);
        }
        loop {
            if let Some(outcome) = self.step()? {
                return Ok(outcome);
            }
        }
    }

    /// Writes the rest of the output, restores the terminal and shows `notes`. See [`Local::close`].
    pub(crate) fn close(self, notes: &[String], signal: Option<Signal>) -> Result<Option<Signal>, Error> {
        self.local.close(notes, signal)
    }

    /// Waits for something to do, and does it.
    fn step(&mut self) -> Result<Option<Outcome>, Error> {
        self.client.flush()?;
        let left = self.leaving.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Some(Outcome::Detached { unanswered: true }));
        }
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.local.printer.backlog() <= BACKLOG);
        events.set(PollFlags::OUT, self.client.queued() > 0);
        let reads_input = self.client.queued() <= BACKLOG && self.reads_input();
        // Without events the socket is left out, because its end would be reported again and again.
        let server = (!events.is_empty()).then_some((self.client.as_fd(), events));
        let woken = self.local.wait(reads_input, server, left)?;
        let peer = woken.peer;
        let outcome = self.handle_local(woken)?;
        if outcome.is_none() && peer.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return self.receive();
        }
        Ok(outcome)
    }

    /// Whether input is read at present.
    pub(super) fn reads_input(&self) -> bool {
        match self.input {
            Input::Terminal(_) => true,
            Input::Verbatim => self.role.is_owner(),
            Input::Closed => false,
        }
    }

    /// Handles what a wait has found on the user's side.
    pub(super) fn handle_local(&mut self, woken: Woken) -> Result<Option<Outcome>, Error> {
        if woken.resized {
            self.tell_window();
        }
        match woken.outcome {
            None if woken.typed => self.read_input(),
            outcome => Ok(outcome),
        }
    }

    fn receive(&mut self) -> Result<Option<Outcome>, Error> {
        match self.client.fill() {
            Ok(_) => self.handle_events(),
            // The server is gone, and this session wanted to leave anyway.
            Err(ClientError::Lost(_)) if self.leaving.is_some() => {
                Ok(Some(Outcome::Detached { unanswered: false }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn handle_events(&mut self) -> Result<Option<Outcome>, Error> {
        while let Some(event) = self.client.next_event()? {
            if let Some(outcome) = self.handle_event(event)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    fn handle_event(&mut self, event: Event) -> Result<Option<Outcome>, Error> {
        match event {
            Event::Output { offset, bytes } => {
                self.progress.advance(offset, &bytes);
                // A person who has typed the escape wants the shell back, not the rest of a flood. A script wants it all.
                if self.leaving.is_none() {
                    self.local.printer.push(Piece::Output(bytes));
                }
            }
            Event::Hole(hole) => {
                self.progress = Progress::at(hole.to);
                self.local.printer.push(Piece::Cut);
                if self.options.on_lag != OnLag::Ignore {
                    let lost = hole.to.saturating_sub(hole.from);
                    self.note(&format!("{} lost here", counted(lost, "byte is", "bytes are")));
                }
            }
            Event::Standing(change) => {
                if matches!(change.standing, Standing::Owner { .. })
                    && let Some(outcome) = self.discard_typed()?
                {
                    return Ok(Some(outcome));
                }
                let effect = self.role.changed(change, self.is_interactive());
                return Ok(self.apply(effect));
            }
            Event::Ended(End { cause: Cause::Detached, .. }) if self.role.is_switching() => {
                let effect = self.role.detached();
                return Ok(self.apply(effect));
            }
            Event::Ended(End { cause: Cause::Detached, .. }) => {
                return Ok(Some(Outcome::Detached { unanswered: false }));
            }
            Event::Ended(end) => return Ok(Some(Outcome::Ended(end))),
            Event::Attached(attached) => {
                let effect = self.role.attached(&attached);
                self.window = None;
                self.tell_window();
                return Ok(self.apply(effect));
            }
            Event::Refused(refused) => match self.role.refused(refused) {
                Ok(effect) => return Ok(self.apply(effect)),
                Err(refused @ (Refused::Ended { .. } | Refused::Disabled { .. })) => {
                    return Err(Error::refused(refused, self.client.welcome().console.clone()));
                }
                Err(refused) => return Err(ClientError::Refused(refused).into()),
            },
            Event::Status(status) => {
                // The table begins on a line of its own, so that its columns stand below each other.
                let table = who::in_words(&status, self.role.session());
                self.note(&format!("at {}:\n{}", status.console, table.trim_end()));
            }
            Event::LogEnd(_) => return Ok(self.over.take().map(Outcome::Ended)),
            // An older server does not know every request, and a request that comes too late has no effect.
            Event::Error(error) if matches!(error.code, ErrorCode::UnknownFrame | ErrorCode::OutOfOrder) => {}
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            // Answers to requests that this session does not send.
            _ => {}
        }
        Ok(None)
    }

    /// Carries out what follows from a change of the role.
    fn apply(&mut self, effect: Effect) -> Option<Outcome> {
        match effect {
            Effect::Nothing => {}
            Effect::Note(text) => self.note(&text),
            Effect::Own { epoch, note } => {
                self.client.queue(&Request::Accept(AcceptRequest { epoch }));
                // The input starts a text line: the guest has not echoed any of it yet.
                if let Input::Terminal(scanner) = &mut self.input {
                    *scanner = EscapeScanner::new();
                }
                self.note(note);
            }
            Effect::Detach => self.client.queue(&Request::Detach(DetachRequest::default())),
            Effect::Attach(mode, note) => {
                if let Some(note) = note {
                    self.note(&note);
                }
                let Options { on_lag, returning, .. } = self.options;
                let replay = Position::Offset(self.progress.next());
                self.client.queue(&Request::Attach(AttachRequest { mode, replay, on_lag, returning }));
            }
            Effect::End(end) => return Some(Outcome::Ended(end)),
        }
        None
    }

    /// Reads and discards what was typed before the user could know that they own the console. It is not for the guest.
    fn discard_typed(&mut self) -> Result<Option<Outcome>, Error> {
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

    fn read_input(&mut self) -> Result<Option<Outcome>, Error> {
        let mut buffer = [0; READ];
        let Some(length) = self.local.read(&mut buffer)? else { return Ok(None) };
        let typed = &buffer[..length];
        match &self.input {
            _ if typed.is_empty() => self.detach(),
            Input::Terminal(_) => return self.type_in(typed),
            Input::Verbatim => self.client.queue(&Request::Input(typed.to_vec())),
            Input::Closed => {}
        }
        Ok(None)
    }

    /// Asks the server to end the session, after all the input. A script waits until the guest has taken it; a person does
    /// not.
    fn detach(&mut self) {
        self.client.queue(&Request::Detach(DetachRequest { drained: !self.is_interactive() }));
        self.input = Input::Closed;
        self.detaching = true;
        if self.is_interactive() {
            self.leaving = Some(Instant::now() + DETACHING);
        }
    }

    fn type_in(&mut self, mut typed: &[u8]) -> Result<Option<Outcome>, Error> {
        while let Input::Terminal(scanner) = &mut self.input {
            match scanner.next(&mut typed) {
                None => break,
                Some(Action::Send(bytes)) => self.send(&[Request::Input(bytes.to_vec())]),
                Some(Action::Break) => self.send_noted(&[Request::Break], "a break"),
                Some(Action::SysRq(key)) => {
                    let requests = [Request::Break, Request::Input(vec![key])];
                    self.send_noted(&requests, &format!("a break and {}", key.escape_ascii()));
                }
                Some(Action::TakeOver) => {
                    let effect = self.role.take_over();
                    self.apply(effect);
                }
                Some(Action::Who) => self.client.queue(&Request::Status),
                Some(Action::Help) => self.note(&escape::help(self.options.wording.detach)),
                Some(Action::Suspend) => {
                    if let Some(signal) = self.local.suspend()? {
                        return Ok(Some(Outcome::Signal(signal)));
                    }
                    self.tell_window();
                }
                Some(Action::Detach) => self.detach(),
            }
        }
        Ok(None)
    }

    /// Sends input for the guest.
    fn send(&mut self, requests: &[Request]) {
        if self.role.is_owner() {
            for request in requests {
                self.client.queue(request);
            }
        } else {
            let effect = self.role.typed_in_vain();
            self.apply(effect);
        }
    }

    /// Sends what an escape asks for. Its effect may be invisible, so each time a note says whether it was sent.
    fn send_noted(&mut self, requests: &[Request], what: &str) {
        if self.role.is_owner() {
            self.send(requests);
            self.note(&format!("{what}: sent"));
        } else {
            self.note(&format!("{what}: not sent, because {}", self.role.why_not()));
        }
    }

    /// Tells the server the size of the terminal, if it does not know it.
    pub(super) fn tell_window(&mut self) {
        let window = self.local.window();
        if let Some(size) = window
            && self.window != window
        {
            self.window = window;
            self.client.queue(&Request::Window(size));
        }
    }
}
