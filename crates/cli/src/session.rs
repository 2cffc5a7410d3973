//! A session between a console and whatever standard input and output are: a terminal, pipes, files.

mod again;
mod standing;

use std::io::{IsTerminal as _, stdin, stdout};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;
use signal_hook::consts::SIGTSTP;
use vuart_endpoint::{Cause, End, OnLag, Standing, Window};
use vuart_wire::{Attached, Client, ClientError, DetachRequest, ErrorCode, Event, Request};

use crate::error::Error;
use crate::escape::{Action, Escape};
use crate::printer::Printer;
use crate::signals::{Pending, Signal, Signals};
use crate::terminal::RawMode;
use crate::wait::wait;
use crate::who;

pub(crate) use again::Way;
use standing::Turn;
pub(crate) use standing::place;

/// How many bytes may wait in either direction before no more is taken.
const BACKLOG: usize = 64 << 10;

/// How many bytes are read from standard input at once.
const READ: usize = 16 << 10;

/// How much of the output is kept to know it again, in bytes.
const TAIL: usize = 256;

/// How long a detaching session waits for the server to say that it has: the server answers at once, unless the guest
/// does not take what was typed before.
const DETACHING: Duration = Duration::from_secs(1);

/// How long the last of the output may take to be shown when somebody waits for something else.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a session has ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// By an escape, or because standard input has ended and all of it has been sent.
    Detached {
        /// The server has not answered: the guest takes no input, and some of what was typed may be dropped.
        unanswered: bool,
    },
    /// By the server.
    Ended(End),
    /// Nobody reads standard output any more.
    OutputClosed,
    /// By a signal.
    Signal(Signal),
}

/// Where input comes from.
#[derive(Debug)]
enum Input {
    /// From a terminal: somebody types, and may type an escape.
    Terminal(Escape),
    /// From a pipe or a file: bytes, whatever they are. They are left there until the console is ours.
    Verbatim,
    /// From nowhere: it has ended, or nobody may type.
    Closed,
}

/// What a session is for whoever is at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts {
    /// What the escape that detaches does.
    pub(crate) detach: &'static str,
    /// What a signal has done.
    pub(crate) stopped: &'static str,
}

/// Whom a session waits for.
#[derive(Debug)]
enum Peer<'a> {
    /// The server, with what there is to wait for.
    Server(PollFlags),
    /// One that is sought.
    Attempt(&'a UnixStream),
    Nobody,
}

/// What a session asks for each time that it begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// What if it reads too slowly. Where that is ignored, holes are not shown.
    pub(crate) on_lag: OnLag,
    /// Whether it wants the console back after an eviction that leaves it watching.
    pub(crate) returning: bool,
}

/// A session that goes on.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    client: Client,
    signals: &'a mut Signals,
    printer: Printer,
    input: Input,
    raw: Option<RawMode>,
    /// What the session is, as far as the server has said.
    standing: Standing,
    /// It is to become another.
    turn: Option<Turn>,
    /// What was asked for beside the console and where its output begins.
    wishes: Wishes,
    texts: Texts,
    /// The offset of the byte that comes next.
    next: u64,
    /// The bytes before that, a few: whoever comes back knows the guest's output by them.
    tail: Vec<u8>,
    /// The size of the terminal that others were told of.
    window: Option<Window>,
    /// The console's end, while what is left of its output is read.
    over: Option<End>,
    /// There is no more input: the session ends when the guest has it.
    detaching: bool,
    /// Until when a detaching session waits.
    leaving: Option<Instant>,
    /// A spectator has been told that typing goes nowhere.
    told: bool,
}

impl<'a> Session<'a> {
    /// Begins to carry bytes for an attached client. With `verbatim`, a terminal is shown every byte.
    pub(crate) fn begin(
        mut client: Client,
        attached: &Attached,
        signals: &'a mut Signals,
        texts: Texts,
        verbatim: bool,
    ) -> Result<Self, Error> {
        client.set_nonblocking(true)?;
        let typed = stdin().is_terminal();
        let host = |source| Error::Host { operation: "start the thread that writes", source };
        let printer = Printer::new(if typed { "\r\n" } else { "\n" }, verbatim).map_err(host)?;
        let raw = if typed { Some(RawMode::enter().map_err(Error::Terminal)?) } else { None };
        let standing = standing::of(attached);
        let input = match (typed, standing) {
            (true, _) => Input::Terminal(Escape::new()),
            (false, Standing::Owner { .. } | Standing::Waiting { .. }) => Input::Verbatim,
            // A spectator who can't even type an escape: input has no meaning, and its end neither.
            (false, _) => Input::Closed,
        };
        let mut session = Self {
            client,
            signals,
            printer,
            input,
            raw,
            standing,
            turn: None,
            wishes: Wishes::default(),
            texts,
            next: attached.offset,
            tail: Vec::new(),
            window: None,
            over: None,
            detaching: false,
            leaving: None,
            told: false,
        };
        session.tell_window();
        Ok(session)
    }

    /// The same, if it was asked for more than the console.
    pub(crate) fn with_wishes(mut self, wishes: Wishes) -> Self {
        self.wishes = wishes;
        self
    }

    /// Whether the console is ours, as far as the server has said.
    fn is_owner(&self) -> bool {
        matches!(self.standing, Standing::Owner { .. })
    }

    /// Whether somebody types, rather than a script.
    pub(crate) fn is_interactive(&self) -> bool {
        self.raw.is_some()
    }

    /// Shows a note.
    pub(crate) fn note(&self, text: &str) {
        self.printer.note(text);
    }

    /// The offset of the byte that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Carries bytes until the session ends. Afterwards, [`close`](Self::close) shows the rest of the output.
    pub(crate) fn run(&mut self) -> Result<Outcome, Error> {
        // What came with the answer to `Attach`.
        if let Some(outcome) = self.events()? {
            return Ok(outcome);
        }
        loop {
            if let Some(outcome) = self.turn()? {
                return Ok(outcome);
            }
        }
    }

    /// Waits for something to do, and does it.
    fn turn(&mut self) -> Result<Option<Outcome>, Error> {
        self.client.flush()?;
        let left = self.leaving.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Some(Outcome::Detached { unanswered: true }));
        }
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.printer.backlog() <= BACKLOG);
        events.set(PollFlags::OUT, self.client.queued() > 0);
        let (outcome, ready) = self.look_around(&Peer::Server(events), left)?;
        if outcome.is_none() && ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return self.receive();
        }
        Ok(outcome)
    }

    /// Waits for something to do, and does it, except what is the peer's: what it is ready for is the second answer.
    fn look_around(
        &mut self,
        peer: &Peer<'_>,
        patience: Option<Duration>,
    ) -> Result<(Option<Outcome>, PollFlags), Error> {
        let room = !matches!(peer, Peer::Server(_)) || self.client.queued() <= BACKLOG;
        let reads_input = match self.input {
            Input::Terminal(_) => room,
            Input::Verbatim => room && self.is_owner(),
            Input::Closed => false,
        };
        let (stdin, stdout) = (stdin(), stdout());
        let [signal, written, typed, shown, ready] = wait(
            [
                Some((self.signals.as_fd(), PollFlags::IN)),
                Some((self.printer.as_fd(), PollFlags::IN)),
                reads_input.then_some((stdin.as_fd(), PollFlags::IN)),
                // Whether its reader has gone: a console must not stay held until the guest happens to write again.
                Some((stdout.as_fd(), PollFlags::empty())),
                match peer {
                    // Not even to hear of its end, which would be told again and again.
                    Peer::Server(events) => (!events.is_empty()).then_some((self.client.as_fd(), *events)),
                    Peer::Attempt(over) => Some((over.as_fd(), PollFlags::IN)),
                    Peer::Nobody => None,
                },
            ],
            patience,
        )
        .map_err(|source| Error::Host { operation: "wait for input", source })?;

        if !signal.is_empty() {
            match self.signals.pending() {
                Pending::Leave(signal) => return Ok((Some(Outcome::Signal(signal)), ready)),
                Pending::Continued => {
                    self.raw_again()?;
                    self.tell_window();
                }
                Pending::Resized => self.tell_window(),
                Pending::Nothing => {}
            }
        }
        if !written.is_empty() {
            self.printer.acknowledge();
            match self.printer.failure() {
                None => {}
                Some(Errno::PIPE) => return Ok((Some(Outcome::OutputClosed), ready)),
                Some(error) => return Err(Error::Stdout(error.into())),
            }
        }
        if shown.intersects(PollFlags::ERR | PollFlags::HUP) {
            return Ok((Some(Outcome::OutputClosed), ready));
        }
        let outcome = if typed.is_empty() { None } else { self.read_input()? };
        Ok((outcome, ready))
    }

    fn receive(&mut self) -> Result<Option<Outcome>, Error> {
        match self.client.fill() {
            Ok(_) => self.events(),
            // The server has gone, but it was asked to let us go anyway.
            Err(ClientError::Lost(_)) if self.leaving.is_some() => {
                Ok(Some(Outcome::Detached { unanswered: false }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deals with what the server has said.
    fn events(&mut self) -> Result<Option<Outcome>, Error> {
        while let Some(event) = self.client.next_event()? {
            if let Some(outcome) = self.event(event)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    fn event(&mut self, event: Event) -> Result<Option<Outcome>, Error> {
        match event {
            Event::Output { offset, bytes } => {
                self.next = offset.saturating_add(bytes.len() as u64);
                self.keep_tail(&bytes);
                // Whoever typed the escape wants the shell back, not the rest of a flood. A script wants it all.
                if self.leaving.is_none() {
                    self.printer.output(bytes);
                }
            }
            Event::Hole(hole) => {
                self.next = hole.to;
                self.tail.clear();
                self.printer.cut();
                if self.wishes.on_lag != OnLag::Ignore {
                    let lost = hole.to.saturating_sub(hole.from);
                    self.printer.note(&format!("{lost} bytes are lost here"));
                }
            }
            Event::Standing(change) => return self.changed(change),
            Event::Ended(End { cause: Cause::Detached, .. }) if self.turn.is_some() => self.take_turn(),
            Event::Ended(End { cause: Cause::Detached, .. }) => {
                return Ok(Some(Outcome::Detached { unanswered: false }));
            }
            Event::Ended(end) => return Ok(Some(Outcome::Ended(end))),
            Event::Attached(attached) => self.turned(&attached),
            Event::Refused(refused) => self.refused(refused)?,
            Event::Status(status) => self.note(who::in_words(&status).trim_end()),
            Event::LogEnd(_) => return Ok(self.over.take().map(Outcome::Ended)),
            // An older server does not know all that we tell it, and what comes too late means nothing.
            Event::Error(error) if matches!(error.code, ErrorCode::UnknownFrame | ErrorCode::OutOfOrder) => {}
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            // Answers to questions that this session does not ask.
            _ => {}
        }
        Ok(None)
    }

    fn read_input(&mut self) -> Result<Option<Outcome>, Error> {
        let mut buffer = [0; READ];
        let typed = match rustix::io::read(stdin(), &mut buffer) {
            Ok(length) => &buffer[..length],
            Err(Errno::INTR | Errno::AGAIN) => return Ok(None),
            // The terminal has hung up.
            Err(Errno::IO) if self.is_interactive() => &[],
            Err(error) => return Err(Error::Stdin(error.into())),
        };
        match &self.input {
            _ if typed.is_empty() => self.detach(),
            Input::Terminal(_) => return self.type_in(typed),
            Input::Verbatim => self.client.queue(&Request::Input(typed.to_vec())),
            Input::Closed => {}
        }
        Ok(None)
    }

    /// Asks the server to end the session, behind all the input. A script waits until the guest has taken that; a person does
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
        while let Input::Terminal(escape) = &mut self.input {
            match escape.next(&mut typed) {
                None => break,
                Some(Action::Send(bytes)) => self.send(&[Request::Input(bytes.to_vec())]),
                Some(Action::Break) => self.send(&[Request::Break]),
                Some(Action::SysRq(key)) => self.send(&[Request::Break, Request::Input(vec![key])]),
                Some(Action::TakeOver) => self.take_over(),
                Some(Action::Who) => self.client.queue(&Request::Status),
                Some(Action::Help) => self.note(&self.help()),
                Some(Action::Suspend) => {
                    if let Some(outcome) = self.suspend()? {
                        return Ok(Some(outcome));
                    }
                }
                Some(Action::Detach) => self.detach(),
            }
        }
        Ok(None)
    }

    /// Sends what was typed for the guest.
    fn send(&mut self, requests: &[Request]) {
        if self.is_owner() {
            for request in requests {
                self.client.queue(request);
            }
        } else if !std::mem::replace(&mut self.told, true) {
            self.note("you are watching: what you type goes nowhere; ~. detaches");
        }
    }

    /// Tells others how large the terminal is, if they have not been told.
    fn tell_window(&mut self) {
        if !self.is_interactive() {
            return;
        }
        let Ok(size) = tcgetwinsize(stdin()) else { return };
        let window = Window { columns: size.ws_col, rows: size.ws_row };
        // A terminal that has no size says 0.
        if window.columns > 0 && window.rows > 0 && self.window != Some(window) {
            self.window = Some(window);
            self.client.queue(&Request::Window(window));
        }
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(TAIL)..];
        let old = (self.tail.len() + new.len()).saturating_sub(TAIL);
        self.tail.drain(..old);
        self.tail.extend_from_slice(new);
    }

    fn help(&self) -> String {
        format!(
            "at the start of a line\n  \
               ~.   {detach}\n  \
               ~B   send a break\n  \
               ~S   send a break and the key that follows: SysRq\n  \
               ~R   take the console over, or back\n  \
               ~W   say who is here\n  \
               ~^Z  suspend vuart\n  \
               ~~   type one ~\n  \
               ~^]  type one ^]\n  \
               ~?   show this\n\
             and anywhere\n  \
               ^]   {detach}",
            detach = self.texts.detach,
        )
    }

    /// Stops this process, as `^Z` would if the terminal were not raw, until the shell lets it go on.
    fn suspend(&mut self) -> Result<Option<Outcome>, Error> {
        self.printer.pause();
        if let Some(signal) = self.drain(Some(PATIENCE))? {
            return Ok(Some(Outcome::Signal(signal)));
        }
        if let Some(raw) = &self.raw {
            raw.pause();
        }
        // Returns when the process goes on.
        signal_hook::low_level::raise(SIGTSTP)
            .map_err(|source| Error::Host { operation: "stop this process", source })?;
        if let Pending::Leave(signal) = self.signals.pending() {
            return Ok(Some(Outcome::Signal(signal)));
        }
        self.raw_again()?;
        self.printer.again();
        self.tell_window();
        Ok(None)
    }

    fn raw_again(&self) -> Result<(), Error> {
        self.raw.as_ref().map_or(Ok(()), RawMode::again).map_err(Error::Terminal)
    }

    /// Shows what is still to be shown, gives the terminal back and shows `notes`. A signal, whether it is what ended the
    /// session or comes now, cuts that short; the answer is which one.
    pub(crate) fn close(
        mut self,
        notes: &[String],
        mut signal: Option<Signal>,
    ) -> Result<Option<Signal>, Error> {
        // The guest's output, as far as it goes at once, while the terminal still shows it unchanged. Should there be
        // more, whoever sits there gets `^C` back and can do without it.
        if signal.is_none() {
            signal = self.drain(Some(PATIENCE))?;
        }
        self.printer.restore();
        self.raw = None;
        self.printer.set_newline("\n");
        self.printer.fresh_line();
        for text in notes {
            self.printer.note(text);
        }
        if signal.is_none() {
            signal = self.drain(None)?;
        }
        if let Some(signal) = signal {
            self.printer.note(&format!("{signal}: {}", self.texts.stopped));
            // One more ends this as well.
            if self.drain(Some(PATIENCE))?.is_none() && !self.printer.is_idle() {
                // The terminal is slow, and to be restored is more than to be shown all.
                self.printer.skip_output();
                self.drain(Some(PATIENCE))?;
            }
        }
        Ok(signal)
    }

    /// Waits until everything is written, or a signal comes: which one.
    fn drain(&mut self, patience: Option<Duration>) -> Result<Option<Signal>, Error> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        while !self.printer.is_idle() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let [signal, _] = wait(
                [Some((self.signals.as_fd(), PollFlags::IN)), Some((self.printer.as_fd(), PollFlags::IN))],
                left,
            )
            .map_err(|source| Error::Host { operation: "wait for output to be written", source })?;
            if !signal.is_empty()
                && let Pending::Leave(signal) = self.signals.pending()
            {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }
}
