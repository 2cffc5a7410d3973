//! `vuart send`: sends a break, a key or text to the guest, without a terminal.

use std::ffi::OsString;
use std::io::{Read as _, Write as _, stderr, stdin};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use rustix::event::PollFlags;
use vuart_endpoint::{Cause, Change, End, Eviction, Mode, Refused};
use vuart_wire::{AttachRequest, Client, ClientError, DetachRequest, Event, Request};

use crate::error::Error;
use crate::exit::Exit;
use crate::number::seconds;
use crate::pace::{Pace, Pacer};
use crate::stopped::{self, Inquiry};
use crate::target::{Target, candidates};
use crate::user;
use crate::wait::wait;

/// Send a break, a key of Linux' `SysRq`, or text to a guest, and wait until it has taken that.
///
/// It owns the console for that time, so it is refused while somebody else does, and says who it is. The guest has taken what it
/// has read from its UART; what it makes of it is in `vuart log`. If the guest has stopped input (RTS or XOFF), the command says so, and
/// waits on.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct SendArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    target: OsString,

    #[command(subcommand)]
    what: What,

    /// Take the console over from whoever holds it; they are told by whom
    #[arg(long, global = true)]
    force: bool,

    /// What to call yourself to others; your login name unless given
    #[arg(long, global = true)]
    label: Option<String>,

    /// Give up when the guest has taken nothing for so long (exit status 14). What the console has by then reaches the guest all the same
    /// when it reads again, unless another owner comes first
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)]
    timeout: u64,

    /// Send slowly, for a guest whose software loses what comes fast: so many characters a second, or each line when the echo of the
    /// line before has come. When none comes within the timeout, the rest is not sent (exit status 14)
    #[arg(
        long,
        global = true,
        value_name = "CPS|echo",
        value_parser = Pace::parse,
        allow_negative_numbers = true
    )]
    pace: Option<Pace>,
}

/// What to send.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// A break, and nothing else
    Break,
    /// A break and then KEY, which Linux takes for a `SysRq`: `t` shows tasks, `b` reboots, `h` lists them all
    Sysrq {
        /// One character of ASCII
        #[arg(value_name = "KEY", value_parser = key)]
        key: u8,
    },
    /// TEXT as it is: several are joined by spaces, and nothing in them is an escape (a shell's $'...' makes control characters);
    /// `-` alone is standard input. Text that begins with a dash stands after `--`, behind which nothing is an option
    Text {
        /// Then the Enter key: a carriage return
        #[arg(long, short)]
        enter: bool,

        #[arg(value_name = "TEXT", required = true)]
        text: Vec<OsString>,
    },
}

fn key(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        [key] if key.is_ascii() => Ok(*key),
        _ => Err("not one character of ASCII"),
    }
}

/// How much is sent at once, in bytes. It is as much as the console holds for the guest, so the server takes the next piece
/// only when the guest has taken some of this one.
const PIECE: usize = 4096;

/// Sends, and waits until the guest has taken everything.
pub(crate) fn run(args: &SendArgs) -> Result<Exit, Error> {
    let label = args.label.clone().unwrap_or_else(user::name);
    let target = Target::parse(&args.target)?;
    let client = target.connect(&label)?;
    let mode = if args.force { Mode::TakeOver } else { Mode::Exclusive };
    let timeout = Duration::from_secs(args.timeout);
    let mut delivery = Delivery::begin(client, mode, timeout, args.pace)?;
    delivery.inquiry = Some(Inquiry::new(target, label));
    match &args.what {
        What::Break => delivery.send(&[Request::Break])?,
        // In one call, so that nothing comes between the break and its key.
        What::Sysrq { key } => delivery.send(&[Request::Break, Request::Input(vec![*key])])?,
        What::Text { text, enter } => {
            match text.as_slice() {
                [dash] if dash == "-" => delivery.copy_stdin()?,
                _ => delivery.text(&joined(text))?,
            }
            if *enter {
                delivery.text(b"\r")?;
            }
            delivery.end_line()?;
        }
    }
    delivery.finish()?;
    Ok(Exit::DONE)
}

fn joined(words: &[OsString]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_vec()).collect();
    words.join(&b' ')
}

/// A session that only sends.
struct Delivery {
    client: Client,
    /// The console's name.
    console: String,
    /// How long the guest may take nothing.
    timeout: Duration,
    /// The input that is sent slowly, if it is.
    pacer: Option<Pacer>,
    /// Finds out why the guest takes nothing.
    inquiry: Option<Inquiry>,
    /// The user was told that the guest has stopped input.
    told: bool,
}

/// After how long a wait the user is told that the guest has stopped input.
const SOON: Duration = Duration::from_secs(1);

impl Delivery {
    /// Attaches.
    fn begin(mut client: Client, mode: Mode, timeout: Duration, pace: Option<Pace>) -> Result<Self, Error> {
        client.set_nonblocking(true)?;
        let console = client.welcome().console.to_string();
        let pacer = pace.map(|pace| Pacer::new(pace, timeout));
        let mut delivery = Self { client, console, timeout, pacer, inquiry: None, told: false };
        delivery.client.queue(&Request::Attach(AttachRequest { mode, ..AttachRequest::default() }));
        loop {
            match delivery.event()? {
                Event::Attached(_) => return Ok(delivery),
                Event::Refused(Refused::Held { holder, since }) => {
                    let console = delivery.console;
                    return Err(Error::Held { console, holder, since, instead: "take it over with --force" });
                }
                Event::Refused(refused) => return Err(Error::refused(refused, delivery.console)),
                _ => {}
            }
        }
    }

    fn copy_stdin(&mut self) -> Result<(), Error> {
        let mut piece = vec![0; PIECE];
        loop {
            match stdin().lock().read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => self.text(&piece[..length])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Stdin(error)),
            }
        }
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.pacer {
            None => bytes.chunks(PIECE).try_for_each(|piece| self.send(&[Request::Input(piece.to_vec())])),
            Some(pacer) => {
                pacer.push(bytes);
                self.send_paced(false)
            }
        }
    }

    /// All text is there. With a pace, what is left is sent, and the last echo is waited for.
    fn end_line(&mut self) -> Result<(), Error> {
        if self.pacer.is_some() { self.send_paced(true) } else { Ok(()) }
    }

    /// Sends the paced input, each piece when its time has come. With `all`, an echo must come for the last piece too.
    fn send_paced(&mut self, all: bool) -> Result<(), Error> {
        loop {
            // Also what came together with the last answer.
            while self.next_event()?.is_some() {}
            let Some(pacer) = &mut self.pacer else { break };
            let now = Instant::now();
            let piece = pacer.next(now);
            if all && pacer.len() == 0 {
                pacer.end_line(now);
            }
            if !piece.is_empty() {
                self.send(&[Request::Input(piece)])?;
            } else if pacer.is_done() || (!all && pacer.len() == 0) {
                break;
            } else if pacer.is_overdue(now) {
                return Err(Error::NotEchoed {
                    console: self.console.clone(),
                    seconds: self.timeout.as_secs(),
                });
            } else {
                let until = pacer.deadline().unwrap_or(now);
                self.wait(until)?;
            }
        }
        Ok(())
    }

    /// Sends requests, and waits until the console has taken them.
    fn send(&mut self, requests: &[Request]) -> Result<(), Error> {
        for request in requests {
            self.client.queue(request);
        }
        // The server answers when it has taken the requests before.
        self.client.queue(&Request::Status);
        while !matches!(self.event()?, Event::Status(_)) {}
        Ok(())
    }

    /// Waits until the guest has taken everything, and detaches.
    fn finish(mut self) -> Result<(), Error> {
        self.client.queue(&Request::Detach(DetachRequest { drained: true }));
        loop {
            if let Event::Ended(_) = self.event()? {
                return Ok(());
            }
        }
    }

    /// The next event that is not output.
    ///
    /// # Errors
    ///
    /// If the session has ended, or the time is over.
    fn event(&mut self) -> Result<Event, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut ask_at = (!self.told).then(|| Instant::now() + SOON);
        loop {
            if let Some(event) = self.next_event()? {
                return Ok(event);
            }
            if Instant::now() >= deadline {
                return Err(Error::NotTaken {
                    console: self.console.clone(),
                    seconds: self.timeout.as_secs(),
                    stopped: self.inquiry.as_ref().and_then(Inquiry::ask),
                });
            }
            if ask_at.take_if(|at| *at <= Instant::now()).is_some() {
                self.tell_if_stopped();
            }
            self.wait(ask_at.map_or(deadline, |at| at.min(deadline)))?;
        }
    }

    /// The next event that is not output, if it has arrived.
    fn next_event(&mut self) -> Result<Option<Event>, Error> {
        while let Some(event) = self.client.next_event()? {
            match event {
                // Output may go on for ever, and does not mean that the guest takes input.
                Event::Output { bytes, .. } => {
                    if let Some(pacer) = &mut self.pacer {
                        pacer.output(&bytes);
                    }
                }
                Event::Hole(_) => {}
                // Input that was not taken is dropped, even if the session itself goes on.
                Event::Standing(Change { evicted: Some(Eviction { by, at, .. }), .. }) => {
                    return Err(self.cut(End { cause: Cause::Evicted { by }, at }));
                }
                Event::Ended(end) if end.cause != Cause::Detached => return Err(self.cut(end)),
                Event::Error(error) => return Err(ClientError::Server(error).into()),
                event => return Ok(Some(event)),
            }
        }
        Ok(None)
    }

    /// Sends what the socket takes, and receives once, if something comes until then.
    fn wait(&mut self, until: Instant) -> Result<(), Error> {
        self.client.flush()?;
        let mut events = PollFlags::IN;
        events.set(PollFlags::OUT, self.client.queued() > 0);
        let server = [Some((self.client.as_fd(), events))];
        let left = until.saturating_duration_since(Instant::now());
        let [ready] = wait("wait for the console", server, Some(left))?;
        if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.client.fill()?;
        }
        Ok(())
    }

    /// Tells the user if the guest takes nothing because it has stopped input.
    fn tell_if_stopped(&mut self) {
        if let Some(waiting) = self.inquiry.as_ref().and_then(Inquiry::ask) {
            self.told = true;
            let _ = writeln!(stderr(), "vuart: {}: {}", self.console, stopped::in_words(waiting));
        }
    }

    fn cut(&self, end: End) -> Error {
        Error::Cut { console: self.console.clone(), end }
    }
}
