//! How a console is put on something.

use std::fmt;
use std::io;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::geteuid;
use vuart_endpoint::{Attach, Console, Identity, Mode};
use vuart_scrollback::{Pace, Position};

use crate::descriptor::{Descriptor, Direction};
use crate::error::LocalError;
use crate::filter::Filter;
use crate::inlet::Inlet;
use crate::limit::Limit;
use crate::local::Local;
use crate::log_file::LogFile;
use crate::outlet::Outlet;
use crate::poller::Poller;
use crate::raw_mode::RawMode;
use crate::sink::Sink;

/// How often output is written while it flows: 250 times a second.
const TICK: Duration = Duration::from_millis(4);

/// Where output is to go.
enum Target {
    Descriptor(io::Result<Descriptor>),
    Log(LogFile),
    Writer(Box<dyn Write + Send>),
}

/// Options of a [`Local`]: what input comes from and output goes to, and how.
#[must_use = "`build` makes the session"]
pub struct LocalBuilder {
    pub(crate) console: Console,
    input: Option<io::Result<Descriptor>>,
    output: Option<Target>,
    mode: Option<Mode>,
    identity: Option<Identity>,
    label: String,
    replay: Position,
    raw_mode: bool,
    notices: bool,
    tick: Duration,
    limit: Option<Limit>,
    output_filter: Option<Box<dyn Filter>>,
    input_filter: Option<Box<dyn Filter>>,
}

impl LocalBuilder {
    pub(crate) fn new(console: &Console) -> Self {
        Self {
            console: console.clone(),
            input: None,
            output: None,
            mode: None,
            identity: None,
            label: "local".to_owned(),
            replay: Position::Oldest,
            raw_mode: false,
            notices: true,
            tick: TICK,
            limit: None,
            output_filter: None,
            input_filter: None,
        }
    }

    /// Takes input from this descriptor, or from a copy of it: the VMM may close its own.
    pub fn with_input(self, input: impl AsFd) -> Self {
        Self { input: Some(Descriptor::new(input.as_fd(), Direction::Input)), ..self }
    }

    /// Sends output to this descriptor, or to a copy of it.
    pub fn with_output(self, output: impl AsFd) -> Self {
        Self { output: Some(Target::Descriptor(Descriptor::new(output.as_fd(), Direction::Output))), ..self }
    }

    /// Takes input from a descriptor and sends output to it: the master of a pseudo-terminal, a terminal, a connected socket.
    pub fn with_both(self, both: impl AsFd) -> Self {
        self.with_input(&both).with_output(both)
    }

    /// Sends output to a file.
    pub fn with_file(self, file: LogFile) -> Self {
        Self { output: Some(Target::Log(file)), ..self }
    }

    /// Sends output to a writer, such as the VMM's logger. It is called on the thread that drives this, and should not wait. If it
    /// [would block](io::ErrorKind::WouldBlock), it is called again after 10 milliseconds; the output is kept meanwhile.
    pub fn with_writer(self, writer: impl Write + Send + 'static) -> Self {
        Self { output: Some(Target::Writer(Box::new(writer))), ..self }
    }

    /// Sets the label that others see. The user and the process are this process's own.
    pub fn with_label(self, label: &str) -> Self {
        Self { label: label.to_owned(), ..self }
    }

    /// Sets the whole identity that others see.
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Sets the attach mode. By default it is [`Mode::Yield`], or [`Mode::Spectate`] without input.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode: Some(mode), ..self }
    }

    /// Sets where output begins. By default that is the oldest byte that is kept.
    pub fn with_replay(self, replay: Position) -> Self {
        Self { replay, ..self }
    }

    /// Makes the terminal raw that input comes from, until this is dropped: what is typed reaches the guest as it is, Ctrl-C included. It
    /// does nothing if input is no terminal, or if this process is a job in the background. See
    /// [`restore_terminals`](crate::restore_terminals) for the ways out that it can't see.
    pub fn with_raw_mode(self) -> Self {
        Self { raw_mode: true, ..self }
    }

    /// Sets whether a line `[vuart: N bytes lost]` stands where output was lost. By default it does. Lost bytes are counted in any case
    /// ([`Counters::lagged_bytes`](vuart_endpoint::Counters::lagged_bytes)).
    pub fn with_notices(self, notices: bool) -> Self {
        Self { notices, ..self }
    }

    /// Sets how often output is written while it flows. By default that is each 4 milliseconds, and more often if an eighth of the ring
    /// fills up in less.
    pub fn with_tick(self, tick: Duration) -> Self {
        Self { tick, ..self }
    }

    /// Limits how fast output is written. By default, and with `None`, there is no limit.
    pub fn with_limit(self, limit: impl Into<Option<Limit>>) -> Self {
        Self { limit: limit.into(), ..self }
    }

    /// Changes output on its way.
    pub fn with_output_filter(self, filter: impl Filter + 'static) -> Self {
        Self { output_filter: Some(Box::new(filter)), ..self }
    }

    /// Changes input on its way.
    pub fn with_input_filter(self, filter: impl Filter + 'static) -> Self {
        Self { input_filter: Some(Box::new(filter)), ..self }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode.unwrap_or(if self.input.is_some() { Mode::Yield } else { Mode::Spectate })
    }

    /// Begins the session.
    ///
    /// # Errors
    ///
    /// When a descriptor is not open, the file is not opened, no descriptor is left, or the console refuses the session.
    pub fn build(mut self) -> Result<Local, LocalError> {
        let poller = Poller::new().map_err(LocalError::Poll)?;
        let pace = Pace::with_tick(self.tick);
        let sleeper = self.console.doorbell().sleeper()?.with_pace(pace);
        poller.add_bell(&sleeper).map_err(LocalError::Poll)?;
        let failed = |what| move |source| LocalError::Descriptor { what, source };
        let mode = self.mode();
        let input = self.input.take().transpose().map_err(failed("input"))?;
        let sink = match self.output.take() {
            None => None,
            Some(Target::Descriptor(descriptor)) => {
                Some(Sink::Descriptor(descriptor.map_err(failed("output"))?))
            }
            Some(Target::Log(log)) => Some(Sink::Log(log.open()?)),
            Some(Target::Writer(writer)) => Some(Sink::Writer(writer)),
        };
        if let Some(input) = &input {
            poller.add_input(input).map_err(failed("input"))?;
        }
        let identity = self
            .identity
            .take()
            .unwrap_or_else(|| Identity::new(&self.label, geteuid().as_raw(), Some(std::process::id())));
        let request = Attach::new(identity).with_mode(mode).with_replay(self.replay);
        self.mode = Some(mode);
        let session = self.console.attach(request)?;
        let raw = match &input {
            Some(input) if self.raw_mode && input.is_terminal() => {
                RawMode::enter(input.as_fd()).map_err(LocalError::Terminal)?
            }
            _ => None,
        };
        let inlet = input.map(|input| Inlet::new(input, self.input_filter.take()));
        let outlet = sink.map(|sink| Outlet::new(sink, self.output_filter.take(), self.limit, self.notices));
        Ok(Local::new(&self, session, (inlet, outlet), (sleeper, poller), raw))
    }
}

impl fmt::Debug for LocalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBuilder")
            .field("label", &self.label)
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}
