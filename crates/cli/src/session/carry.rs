//! The session: carries bytes in both directions, until something ends it.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart_endpoint::{Cause, End, OnLag, Refused, Standing, Window};
use vuart_scrollback::Position;
use vuart_wire::{
    AcceptRequest, AttachRequest, Attached, Client, ClientError, DetachRequest, ErrorCode, Event, Request,
};

use super::held::Held;
use super::local::{Local, Woken};
use super::options::{Options, Outcome};
use super::progress::Progress;
use super::role::{Effect, Role};
use super::typing::Input;
use crate::error::Error;
use crate::number::counted;
use crate::pace::Pacer;
use crate::signals::{Signal, Signals};
use crate::tty::printer::Piece;
use crate::who;

/// How many bytes may wait in each direction before the session takes no more. (Of a person's input it takes
/// [more](super::held).)
pub(super) const BACKLOG: usize = 64 << 10;

/// How long the echo of a line is waited for before the next line goes without it.
const ECHO: Duration = Duration::from_secs(2);

/// A session.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(super) client: Client,
    pub(super) local: Local<'a>,
    pub(super) input: Input,
    pub(super) role: Role,
    pub(super) options: Options,
    pub(super) progress: Progress,
    /// What a person has typed before the session has begun.
    pub(super) early: Option<Vec<Vec<Request>>>,
    /// What a person has typed, and can't be sent.
    pub(super) held: Held,
    /// The input that is sent slowly, if it is.
    pub(super) pacer: Option<Pacer>,
    /// Whether the user was told that no echo comes.
    pub(super) unechoed: bool,
    /// The size of the terminal that the server knows.
    pub(super) window: Option<Window>,
    /// The console's end, while the rest of its output is read.
    pub(super) over: Option<End>,
    /// Whether the input has ended. The session ends when the guest has taken all of it.
    pub(super) detaching: bool,
    /// How long a person who has detached still waits.
    pub(super) leaving: Option<Instant>,
    /// Whether input of a person who has detached was not even sent.
    pub(super) unsent: bool,
}

impl<'a> Session<'a> {
    /// Makes the terminal ready for a session of a client that has not attached. A job in the background is stopped here, before
    /// it owns the console.
    pub(crate) fn begin(
        mut client: Client,
        signals: &'a mut Signals,
        options: Options,
    ) -> Result<Self, Error> {
        client.set_nonblocking(true)?;
        let local = Local::begin(signals, options)?;
        let input = Input::new(local.is_interactive(), options.keys);
        Ok(Self {
            client,
            local,
            input,
            role: Role::spectator(options.keys),
            options,
            progress: Progress::at(0),
            early: None,
            held: Held::default(),
            pacer: options.pace.map(|pace| Pacer::new(pace, ECHO)),
            unechoed: false,
            window: None,
            over: None,
            detaching: false,
            leaving: None,
            unsent: false,
        })
    }

    /// Attaches. The inner error is the outcome, if the user leaves before the server has answered.
    pub(crate) fn attach(&mut self, request: AttachRequest) -> Result<Result<Attached, Outcome>, Error> {
        self.client.queue(&Request::Attach(request));
        self.early = Some(Vec::new());
        loop {
            match self.client.next_event()? {
                Some(Event::Attached(attached)) => {
                    self.attached(&attached);
                    return Ok(Ok(attached));
                }
                Some(Event::Refused(refused)) => return Err(ClientError::Refused(refused).into()),
                Some(Event::Error(error)) => return Err(ClientError::Server(error).into()),
                // The answer to an escape.
                Some(_) => continue,
                None => {}
            }
            let (outcome, peer) = self.turn()?;
            if let Some(outcome) = outcome {
                return Ok(Err(outcome));
            }
            // There is no session that could be ended, and nobody to wait for.
            if self.detaching {
                return Ok(Err(Outcome::Detached { unanswered: false }));
            }
            if is_readable(peer) {
                self.client.fill()?;
            }
        }
    }

    /// The session has begun.
    fn attached(&mut self, attached: &Attached) {
        self.role = Role::new(attached, self.options.keys);
        self.progress = Progress::at(attached.offset);
        self.input.begin(self.role.may_type());
        self.tell_window();
        for requests in self.early.take().unwrap_or_default() {
            self.send(requests);
        }
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
        let (outcome, peer) = self.turn()?;
        if outcome.is_none() && is_readable(peer) {
            return self.receive();
        }
        Ok(outcome)
    }

    /// Sends what can be sent, waits for something to do, and does what is to be done on the user's side. The second result are
    /// the events of the connection.
    fn turn(&mut self) -> Result<(Option<Outcome>, PollFlags), Error> {
        let now = Instant::now();
        self.send_paced(now);
        self.client.flush()?;
        if self.leaving.is_some_and(|deadline| deadline <= now) {
            return Ok((Some(Outcome::Detached { unanswered: true }), PollFlags::empty()));
        }
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.local.printer.backlog() <= BACKLOG);
        events.set(PollFlags::OUT, self.client.queued() > 0);
        let reads_input = self.reads_input();
        let until = [self.leaving, self.pacer_deadline(), self.input_deadline()];
        let patience = until.into_iter().flatten().min().map(|until| until.saturating_duration_since(now));
        // Without events the socket is left out, because its end would be reported again and again.
        let server = (!events.is_empty()).then_some((self.client.as_fd(), events));
        let woken = self.local.wait(reads_input, server, patience)?;
        let peer = woken.peer;
        Ok((self.handle_local(woken)?, peer))
    }

    /// Handles what a wait has found on the user's side.
    pub(super) fn handle_local(&mut self, woken: Woken) -> Result<Option<Outcome>, Error> {
        if woken.resized {
            self.tell_window();
        }
        match woken.outcome {
            None if woken.typed => self.read_input(),
            None => self.handle_pause(),
            outcome => Ok(outcome),
        }
    }

    fn receive(&mut self) -> Result<Option<Outcome>, Error> {
        match self.client.fill() {
            Ok(_) => self.handle_events(),
            // The server is gone, and this session wanted to leave anyway.
            Err(ClientError::Lost(_)) if self.leaving.is_some() => Ok(Some(self.detached())),
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
                if let Some(pacer) = &mut self.pacer {
                    pacer.output(&bytes);
                }
                if let Input::Ending(ending) = &mut self.input {
                    ending.written(Instant::now());
                }
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
                if !self.role.is_owner() {
                    self.drop_paced();
                }
                return Ok(self.apply(effect));
            }
            Event::Ended(End { cause: Cause::Detached, .. }) if self.role.is_switching() => {
                let effect = self.role.detached();
                return Ok(self.apply(effect));
            }
            Event::Ended(End { cause: Cause::Detached, .. }) => return Ok(Some(self.detached())),
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
                if let Input::Ending(ending) = &mut self.input {
                    ending.input_waits(status.input_waiting, Instant::now());
                } else {
                    // The table begins on a line of its own, so that its columns stand below each other.
                    let table = who::in_words(&status, self.role.session());
                    self.note(&format!("at {}:\n{}", status.console, table.trim_end()));
                }
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
    pub(super) fn apply(&mut self, effect: Effect) -> Option<Outcome> {
        match effect {
            Effect::Nothing => {}
            Effect::Note(text) => self.note(&text),
            Effect::Own { epoch, note } => {
                self.client.queue(&Request::Accept(AcceptRequest { epoch }));
                // The input starts a text line: the guest has not echoed any of it yet.
                if let Input::Terminal(typist) = &mut self.input {
                    typist.start_line();
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

    /// Tells the server the size of the terminal, if it does not know it.
    pub(super) fn tell_window(&mut self) {
        let window = self.local.window();
        // A server that takes nothing is told later.
        if let Some(size) = window
            && self.window != window
            && self.client.queued() <= BACKLOG
        {
            self.window = window;
            self.client.queue(&Request::Window(size));
        }
    }
}

/// Whether there is something to receive, or the connection has ended.
fn is_readable(events: PollFlags) -> bool {
    events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
}
