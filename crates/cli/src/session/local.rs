//! The user's side of a session: standard input and output, the terminal's mode, notes and signals.

use std::io::{IsTerminal as _, stdin, stdout};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;
use signal_hook::consts::SIGTSTP;
use vuart_endpoint::Window;

use super::options::{Options, Outcome};
use crate::error::Error;
use crate::signals::{Pending, Signal, Signals};
use crate::tty::printer::{Piece, Printer};
use crate::tty::raw_mode::RawMode;
use crate::wait::wait;

/// How long the last output may take to be written when the user waits for something else.
const PATIENCE: Duration = Duration::from_secs(1);

/// The user's side of a session.
#[derive(Debug)]
pub(super) struct Local<'a> {
    signals: &'a mut Signals,
    /// The thread that writes output and notes.
    pub(super) printer: Printer,
    /// The guard of the terminal on standard input, if there is one.
    raw: Option<RawMode>,
    options: Options,
}

/// What [`Local::wait`] has found.
#[derive(Debug)]
pub(super) struct Woken {
    /// The end of the session, if something ends it.
    pub(super) outcome: Option<Outcome>,
    /// The events of the other file descriptor.
    pub(super) peer: PollFlags,
    /// Whether standard input can be read.
    pub(super) typed: bool,
    /// Whether the terminal may have another size.
    pub(super) resized: bool,
}

impl<'a> Local<'a> {
    /// Starts to write notes and output, and makes a terminal on standard input raw.
    pub(super) fn begin(signals: &'a mut Signals, options: Options) -> Result<Self, Error> {
        let terminal = stdin().is_terminal();
        let host = |source| Error::Host { operation: "start the thread that writes", source };
        let newline = if terminal { "\r\n" } else { "\n" };
        let printer = Printer::new(newline, options.verbatim).map_err(host)?;
        let raw = if terminal { Some(RawMode::enter().map_err(Error::Terminal)?) } else { None };
        Ok(Self { signals, printer, raw, options })
    }

    /// Whether standard input is a terminal: a person types, rather than a script.
    pub(super) fn is_interactive(&self) -> bool {
        self.raw.is_some()
    }

    /// The size of the terminal, if it has one.
    pub(super) fn window(&self) -> Option<Window> {
        if !self.is_interactive() {
            return None;
        }
        let size = tcgetwinsize(stdin()).ok()?;
        // A terminal without a size reports 0.
        (size.ws_col > 0 && size.ws_row > 0).then_some(Window { columns: size.ws_col, rows: size.ws_row })
    }

    /// Waits until something happens on this side, or on another file descriptor, or until `patience` is over.
    ///
    /// Signals and failures of standard output are handled here. Everything else is the caller's.
    pub(super) fn wait(
        &mut self,
        reads_input: bool,
        peer: Option<(BorrowedFd<'_>, PollFlags)>,
        patience: Option<Duration>,
    ) -> Result<Woken, Error> {
        let (stdin, stdout) = (stdin(), stdout());
        let [signal, written, typed, shown, peer] = wait(
            "wait for input",
            [
                Some((self.signals.as_fd(), PollFlags::IN)),
                Some((self.printer.as_fd(), PollFlags::IN)),
                reads_input.then_some((stdin.as_fd(), PollFlags::IN)),
                // A hang-up of standard output: the console must become free even if the guest never writes again.
                Some((stdout.as_fd(), PollFlags::empty())),
                peer,
            ],
            patience,
        )?;

        let mut woken = Woken { outcome: None, peer, typed: !typed.is_empty(), resized: false };
        if !signal.is_empty() {
            match self.signals.pending() {
                Pending::Leave(signal) => {
                    woken.outcome = Some(Outcome::Signal(signal));
                    return Ok(woken);
                }
                Pending::Continued => {
                    self.raw_again()?;
                    woken.resized = true;
                }
                Pending::Resized => woken.resized = true,
                Pending::Nothing => {}
            }
        }
        if !written.is_empty() {
            self.printer.acknowledge();
            match self.printer.failure() {
                None => {}
                Some(Errno::PIPE) => woken.outcome = Some(Outcome::OutputClosed),
                Some(error) => return Err(Error::Stdout(error.into())),
            }
        }
        if shown.intersects(PollFlags::ERR | PollFlags::HUP) {
            woken.outcome = Some(Outcome::OutputClosed);
        }
        Ok(woken)
    }

    /// Reads standard input. Returns 0 at its end, and `None` if there is nothing to read after all.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        match rustix::io::read(stdin(), buffer) {
            Ok(length) => Ok(Some(length)),
            Err(Errno::INTR | Errno::AGAIN) => Ok(None),
            // The terminal has hung up.
            Err(Errno::IO) if self.is_interactive() => Ok(Some(0)),
            Err(error) => Err(Error::Stdin(error.into())),
        }
    }

    /// Stops this process, as `^Z` does on a terminal that is not raw, until the shell continues it.
    ///
    /// Returns the signal that asks to leave, if one has arrived.
    pub(super) fn suspend(&mut self) -> Result<Option<Signal>, Error> {
        self.printer.push(Piece::Suspend);
        if let Some(signal) = self.drain(Some(PATIENCE))? {
            return Ok(Some(signal));
        }
        if let Some(raw) = &self.raw {
            raw.suspend();
        }
        // This returns when the process continues.
        signal_hook::low_level::raise(SIGTSTP)
            .map_err(|source| Error::Host { operation: "stop this process", source })?;
        if let Pending::Leave(signal) = self.signals.pending() {
            return Ok(Some(signal));
        }
        self.raw_again()?;
        self.printer.push(Piece::Resume);
        Ok(None)
    }

    fn raw_again(&self) -> Result<(), Error> {
        self.raw.as_ref().map_or(Ok(()), RawMode::resume).map_err(Error::Terminal)
    }

    /// Writes the rest of the output, restores the terminal and shows `notes`.
    ///
    /// A signal cuts this short: the one that has ended the session, or one that arrives meanwhile. It is returned.
    pub(super) fn close(
        mut self,
        notes: &[String],
        mut signal: Option<Signal>,
    ) -> Result<Option<Signal>, Error> {
        // The output that can be written at once is written while the terminal still shows it unchanged. A user who wants
        // to leave can do without the rest, and gets `^C` back.
        if signal.is_none() {
            signal = self.drain(Some(PATIENCE))?;
        }
        self.printer.push(Piece::Restore);
        self.raw = None;
        self.printer.newline = "\n";
        self.printer.fresh_line();
        for text in notes {
            self.printer.note(text);
        }
        if signal.is_none() {
            signal = self.drain(None)?;
        }
        if let Some(signal) = signal {
            self.printer.note(&format!("{signal}: {}", self.options.wording.stopped));
            // A further signal ends this wait as well.
            if self.drain(Some(PATIENCE))?.is_none() && !self.printer.is_idle() {
                // The terminal is slow, and restoring it matters more than showing everything.
                self.printer.skip_output();
                self.drain(Some(PATIENCE))?;
            }
        }
        Ok(signal)
    }

    /// Waits until everything is written. Returns the signal that cuts the wait short.
    fn drain(&mut self, patience: Option<Duration>) -> Result<Option<Signal>, Error> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        while !self.printer.is_idle() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let sources = [self.signals.as_fd(), self.printer.as_fd()].map(|fd| Some((fd, PollFlags::IN)));
            wait("wait for output to be written", sources, left)?;
            if let Pending::Leave(signal) = self.signals.pending() {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }
}

/// Whether standard input can be read now.
pub(super) fn has_typed() -> Result<bool, Error> {
    let stdin = stdin();
    let [typed] = wait("wait for input", [Some((stdin.as_fd(), PollFlags::IN))], Some(Duration::ZERO))?;
    Ok(!typed.is_empty())
}
