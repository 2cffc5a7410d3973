//! A history that goes on: a session that watches, from where the history begins.

use std::io::stdout;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart_endpoint::{Cause, Mode, Refused, Replay};
use vuart_wire::{AttachRequest, ClientError, Event, Hole};

use super::{Printout, served};
use crate::args::LogArgs;
use crate::error::Error;
use crate::target::Target;
use crate::user;
use crate::wait::wait;

/// How long a line that is not complete is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes what there is and what comes, until the guest's end.
pub(super) fn print(args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
    let mut client = Target::parse(&args.target)?.connect(&user::name())?;
    let request = AttachRequest { mode: Mode::Spectate, replay: args.begin(), ..AttachRequest::default() };
    let mut next = match client.attach_with(request) {
        Ok(attached) => attached.offset,
        // Its history is all that there will be.
        Err(ClientError::Refused(Refused::Ended { .. })) => return served(args, printout),
        Err(ClientError::Refused(refused)) => {
            return Err(Error::refused(refused, client.welcome().console.clone()));
        }
        Err(error) => return Err(error.into()),
    };
    // A session begins with what there is: one that is to begin later than that has to wait.
    let from = if let Replay::From(from) = args.begin() { from } else { 0 };
    let mut left = args.max.unwrap_or(u64::MAX);
    let mut quiet = Quiet::default();
    client.set_nonblocking(true)?;
    loop {
        while let Some(event) = client.next_event()? {
            match event {
                Event::Output { offset, bytes } => {
                    next = offset.saturating_add(bytes.len() as u64);
                    let early = usize::try_from(from.saturating_sub(offset)).unwrap_or(usize::MAX);
                    let bytes = bytes.get(early..).unwrap_or_default();
                    let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                    let offset = offset.max(from);
                    if !bytes.is_empty() {
                        printout.output(offset, bytes)?;
                        quiet.ended();
                        left -= bytes.len() as u64;
                        next = offset.saturating_add(bytes.len() as u64);
                    }
                }
                Event::Hole(hole) => {
                    next = hole.to;
                    if hole.to > from {
                        printout.hole(Hole { from: hole.from.max(from), to: hole.to })?;
                    }
                }
                Event::Ended(end) => {
                    printout.end(next, Some(&end))?;
                    let console = client.welcome().console.clone();
                    return match end.cause {
                        Cause::VmEnded => Ok(()),
                        Cause::ShutDown => Err(Error::ShutDown { console }),
                        _ => Err(Error::Ended { console, end }),
                    };
                }
                Event::Error(error) => return Err(ClientError::Server(error).into()),
                _ => {}
            }
            if left == 0 {
                break;
            }
        }
        if left == 0 {
            return printout.end(next, None);
        }
        match wait_unless_unread(Some(client.as_fd()), PATIENCE)? {
            None => return Ok(()),
            Some(true) => drop(client.fill()?),
            Some(false) => {}
        }
        if quiet.lasts() {
            printout.pause()?;
        }
    }
}

/// Waits for that file descriptor, and says whether it has something; `None` when nobody reads standard output any more.
pub(super) fn wait_unless_unread(
    source: Option<BorrowedFd<'_>>,
    patience: Duration,
) -> Result<Option<bool>, Error> {
    let stdout = stdout();
    let [ready, shown] = wait(
        [source.map(|source| (source, PollFlags::IN)), Some((stdout.as_fd(), PollFlags::empty()))],
        Some(patience),
    )
    .map_err(|source| Error::Host { operation: "wait for output", source })?;
    let unread = shown.intersects(PollFlags::ERR | PollFlags::HUP);
    Ok((!unread).then_some(!ready.is_empty()))
}

/// Whether nothing has come for a while.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    since: Option<Instant>,
}

impl Quiet {
    /// Something has come.
    pub(super) fn ended(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Whether nothing has come since for so long, and this is the first time that it is asked.
    pub(super) fn lasts(&mut self) -> bool {
        let lasts = self.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if lasts {
            self.since = None;
        }
        lasts
    }
}
