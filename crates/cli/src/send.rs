//! `vuart send`: something for the guest, without a terminal.

use std::ffi::OsString;
use std::io::{Read as _, stdin};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart_endpoint::{Cause, Change, End, Eviction, Mode};
use vuart_wire::{AttachRequest, Client, ClientError, DetachRequest, Event, Request};

use crate::args::{SendArgs, What};
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;
use crate::user;
use crate::wait::wait;

/// How much is under way at once, in bytes: as much as the console keeps for the guest, so that what is sent next shows that the guest
/// has taken something.
const PIECE: usize = 4096;

/// Sends it, and waits until the guest has it.
pub(crate) fn run(args: &SendArgs) -> Result<Exit, Error> {
    let label = args.label.clone().unwrap_or_else(user::name);
    let client = Target::parse(&args.target)?.connect(&label)?;
    let mode = if args.force { Mode::TakeOver } else { Mode::Exclusive };
    let mut errand = Errand::begin(client, mode, Duration::from_secs(args.timeout.get()))?;
    match &args.what {
        What::Break => errand.send(&[Request::Break])?,
        // Together: nothing can come between the break and its key.
        What::Sysrq { key } => errand.send(&[Request::Break, Request::Input(vec![*key])])?,
        What::Text { text, enter } => {
            match text.as_slice() {
                [dash] if dash == "-" => errand.copy_stdin()?,
                _ => errand.text(&joined(text))?,
            }
            if *enter {
                errand.text(b"\r")?;
            }
        }
    }
    errand.finish()?;
    Ok(Exit::Done)
}

fn joined(words: &[OsString]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_vec()).collect();
    words.join(&b' ')
}

/// A session that has come to leave something.
struct Errand {
    client: Client,
    console: String,
    timeout: Duration,
}

impl Errand {
    fn begin(mut client: Client, mode: Mode, timeout: Duration) -> Result<Self, Error> {
        client.set_nonblocking(true)?;
        let console = client.welcome().console.clone();
        let mut errand = Self { client, console, timeout };
        errand.client.queue(&Request::Attach(AttachRequest { mode, ..AttachRequest::default() }));
        loop {
            match errand.event()? {
                Event::Attached(_) => return Ok(errand),
                Event::Refused(refused) => return Err(Error::refused(refused, errand.console)),
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
        bytes.chunks(PIECE).try_for_each(|piece| self.send(&[Request::Input(piece.to_vec())]))
    }

    /// Sends, and waits until the console has taken it.
    fn send(&mut self, requests: &[Request]) -> Result<(), Error> {
        for request in requests {
            self.client.queue(request);
        }
        // It is answered when what stands before it has been taken.
        self.client.queue(&Request::Status);
        while !matches!(self.event()?, Event::Status(_)) {}
        Ok(())
    }

    /// Waits until the guest has taken all of it, and leaves.
    fn finish(mut self) -> Result<(), Error> {
        self.client.queue(&Request::Detach(DetachRequest { drained: true }));
        loop {
            if let Event::Ended(_) = self.event()? {
                return Ok(());
            }
        }
    }

    /// The next thing that the server says, if it is not the end of this session.
    fn event(&mut self) -> Result<Event, Error> {
        let deadline = Instant::now() + self.timeout;
        loop {
            while let Some(event) = self.client.next_event()? {
                match event {
                    // The guest's output, of which there may be no end: it does not say that the guest takes anything.
                    Event::Output { .. } | Event::Hole(_) => {}
                    // What was not taken is dropped, though the session may go on and end as it was asked to.
                    Event::Standing(Change { evicted: Some(Eviction { by, at, .. }), .. }) => {
                        return Err(self.cut(End { cause: Cause::Evicted { by }, at }));
                    }
                    Event::Ended(end) if end.cause != Cause::Detached => return Err(self.cut(end)),
                    Event::Error(error) => return Err(ClientError::Server(error).into()),
                    event => return Ok(event),
                }
            }
            self.client.flush()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::NotTaken {
                    console: self.console.clone(),
                    seconds: self.timeout.as_secs(),
                });
            }
            let mut events = PollFlags::IN;
            events.set(PollFlags::OUT, self.client.queued() > 0);
            let [ready] = wait([Some((self.client.as_fd(), events))], Some(left))
                .map_err(|source| Error::Host { operation: "wait for the console", source })?;
            if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.client.fill()?;
            }
        }
    }

    fn cut(&self, end: End) -> Error {
        Error::Cut { console: self.console.clone(), end }
    }
}
