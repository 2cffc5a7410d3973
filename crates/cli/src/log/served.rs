//! The output from a console's server: what it has kept, and with `--follow` what comes after it.

use std::os::fd::AsFd as _;

use vuart_endpoint::{Cause, Mode, Refused};
use vuart_scrollback::Position;
use vuart_wire::{AttachRequest, ClientError, Event, Hole};

use super::args::LogArgs;
use super::printout::Printout;
use super::quiet::{HELD_BACK, Quiet, wait_unless_unread};
use crate::error::Error;
use crate::number::counted;
use crate::target::Target;
use crate::user;

/// Prints the requested part.
pub(super) fn print(args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
    let mut client = Target::parse(&args.target)?.connect(&user::name())?;
    client.log(args.begin(), args.max)?;
    let mut empty = true;
    loop {
        let event = client.recv()?;
        empty &= matches!(event, Event::LogEnd(_));
        match event {
            Event::Output { offset, bytes } => printout.output(offset, &bytes)?,
            Event::Hole(hole) => printout.hole(hole)?,
            Event::LogEnd(end) => {
                // Nothing was there, perhaps because the log was to begin beyond the end.
                let written = if empty { client.status()?.end.min(end.next) } else { end.next };
                if written < end.next {
                    printout.note(&too_far(written, end.next));
                }
                return printout.end(written, None);
            }
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            other => return Err(ClientError::Unexpected(other.name()).into()),
        }
    }
}

/// What is said when the log is to begin at an offset that the guest has not written.
pub(super) fn too_far(written: u64, from: u64) -> String {
    let written = counted(written, "byte", "bytes");
    format!("the guest has written only {written}: there is nothing at offset {from} yet")
}

/// Prints the kept output and then the live output as a spectator, until the guest ends.
pub(super) fn follow(args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
    let mut client = Target::parse(&args.target)?.connect(&user::name())?;
    let request = AttachRequest { mode: Mode::Spectate, replay: args.begin(), ..AttachRequest::default() };
    let mut next = match client.attach_with(request) {
        Ok(attached) => attached.offset,
        // No live output will follow.
        Err(ClientError::Refused(Refused::Ended { .. })) => return print(args, printout),
        Err(ClientError::Refused(refused)) => {
            return Err(Error::refused(refused, client.welcome().console.clone()));
        }
        Err(error) => return Err(error.into()),
    };
    // A session begins at the end of the output at the latest. If the log begins later, what comes before is skipped.
    let from = if let Position::Offset(from) = args.begin() { from } else { 0 };
    if next < from {
        printout.note(&too_far(next, from));
    }
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
                    let console = client.welcome().console.to_string();
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
        match wait_unless_unread(Some(client.as_fd()), HELD_BACK)? {
            None => return Ok(()),
            Some(true) => drop(client.fill()?),
            Some(false) => {}
        }
        if quiet.lasts() {
            printout.pause()?;
        }
    }
}
