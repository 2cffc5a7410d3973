//! A session between a console and whatever standard input and output are: a terminal, pipes, files.

use std::io::{IsTerminal as _, stdin, stdout};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use signal_hook::consts::SIGTSTP;
use vuart::endpoint::wire::{Attached, DetachRequest, Event, Request};
use vuart::endpoint::{Cause, Client, ClientError, End};

use crate::error::Error;
use crate::escape::{Action, Escape};
use crate::printer::Printer;
use crate::signals::{Pending, Signal, Signals};
use crate::terminal::RawMode;
use crate::wait::wait;

/// How many bytes may wait in either direction before no more is taken.
const BACKLOG: usize = 64 << 10;

/// How many bytes are read from standard input at once.
const READ: usize = 16 << 10;

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
    /// From a pipe or a file: bytes, whatever they are.
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

/// A session that goes on.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    client: Client,
    signals: &'a mut Signals,
    printer: Printer,
    input: Input,
    raw: Option<RawMode>,
    owner: bool,
    texts: Texts,
    /// The offset of the byte that comes next.
    next: u64,
    /// Until when a detaching session waits.
    leaving: Option<Instant>,
    /// A spectator has been told that typing goes nowhere.
    told: bool,
}

impl<'a> Session<'a> {
    /// Begins to carry bytes for an attached client.
    pub(crate) fn begin(
        mut client: Client,
        attached: &Attached,
        signals: &'a mut Signals,
        texts: Texts,
    ) -> Result<Self, Error> {
        client.set_nonblocking(true)?;
        let typed = stdin().is_terminal();
        let host = |source| Error::Host { operation: "start the thread that writes", source };
        let printer = Printer::new(if typed { "\r\n" } else { "\n" }).map_err(host)?;
        let raw = if typed { Some(RawMode::enter().map_err(Error::Terminal)?) } else { None };
        let input = match (typed, attached.owner) {
            (true, _) => Input::Terminal(Escape::new()),
            (false, true) => Input::Verbatim,
            // A spectator who can't even type an escape: input has no meaning, and its end neither.
            (false, false) => Input::Closed,
        };
        Ok(Self {
            client,
            signals,
            printer,
            input,
            raw,
            owner: attached.owner,
            texts,
            next: attached.offset,
            leaving: None,
            told: false,
        })
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

        let reads_input = !matches!(self.input, Input::Closed) && self.client.queued() <= BACKLOG;
        let mut socket = PollFlags::empty();
        socket.set(PollFlags::IN, self.printer.backlog() <= BACKLOG);
        socket.set(PollFlags::OUT, self.client.queued() > 0);
        let (stdin, stdout) = (stdin(), stdout());
        let [signal, written, typed, shown, socket] = wait(
            [
                Some((self.signals.as_fd(), PollFlags::IN)),
                Some((self.printer.as_fd(), PollFlags::IN)),
                reads_input.then_some((stdin.as_fd(), PollFlags::IN)),
                // Whether its reader has gone: a console must not stay held until the guest happens to write again.
                Some((stdout.as_fd(), PollFlags::empty())),
                // Not even to hear of its end, which would be told again and again.
                (!socket.is_empty()).then_some((self.client.as_fd(), socket)),
            ],
            left,
        )
        .map_err(|source| Error::Host { operation: "wait for input", source })?;

        if !signal.is_empty() {
            match self.signals.pending() {
                Pending::Leave(signal) => return Ok(Some(Outcome::Signal(signal))),
                Pending::Continued => self.raw_again()?,
                Pending::Nothing => {}
            }
        }
        if !written.is_empty() {
            self.printer.acknowledge();
            match self.printer.failure() {
                None => {}
                Some(Errno::PIPE) => return Ok(Some(Outcome::OutputClosed)),
                Some(error) => return Err(Error::Stdout(error.into())),
            }
        }
        if shown.intersects(PollFlags::ERR | PollFlags::HUP) {
            return Ok(Some(Outcome::OutputClosed));
        }
        if !typed.is_empty()
            && let Some(outcome) = self.read_input()?
        {
            return Ok(Some(outcome));
        }
        if socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return self.receive();
        }
        Ok(None)
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
            match event {
                Event::Output { offset, bytes } => {
                    self.next = offset.saturating_add(bytes.len() as u64);
                    // Whoever typed the escape wants the shell back, not the rest of a flood. A script wants it all.
                    if self.leaving.is_none() {
                        self.printer.output(bytes);
                    }
                }
                Event::Hole(hole) => {
                    self.next = hole.to;
                    self.printer.note(&format!("{} bytes are lost here", hole.to.saturating_sub(hole.from)));
                }
                Event::Ended(End { cause: Cause::Detached, .. }) => {
                    return Ok(Some(Outcome::Detached { unanswered: false }));
                }
                Event::Ended(end) => return Ok(Some(Outcome::Ended(end))),
                Event::Error(error) => return Err(ClientError::Server(error).into()),
                // Answers to questions that this session does not ask.
                _ => {}
            }
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
        if self.is_interactive() {
            self.leaving = Some(Instant::now() + DETACHING);
        }
    }

    fn type_in(&mut self, mut typed: &[u8]) -> Result<Option<Outcome>, Error> {
        while let Input::Terminal(escape) = &mut self.input {
            match escape.next(&mut typed) {
                None => break,
                Some(Action::Send(bytes)) if self.owner => {
                    self.client.queue(&Request::Input(bytes.to_vec()));
                }
                Some(Action::Break) if self.owner => self.client.queue(&Request::Break),
                Some(Action::Send(_) | Action::Break) => {
                    if !std::mem::replace(&mut self.told, true) {
                        self.note("you are watching: what you type goes nowhere; ~. detaches");
                    }
                }
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

    fn help(&self) -> String {
        format!(
            "at the start of a line\n  \
               ~.   {detach}\n  \
               ~B   send a break\n  \
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
            self.drain(Some(PATIENCE))?;
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
