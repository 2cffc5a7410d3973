//! The demo with nobody attached: the console is there for others, until the guest halts or a signal comes.

use std::io::{self, Write as _, stderr, stdout};
use std::os::fd::AsFd as _;

use rustix::event::PollFlags;
use vuart::wire::RuntimeDir;
use vuart_vmm::ServedMachine;

use super::finish;
use super::recording::Recording;
use super::wanted::Wanted;
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::{Pending, Signal, Signals};
use crate::wait::wait;

/// Serves.
pub(super) fn run(
    wanted: &Wanted<'_>,
    mut signals: Signals,
    recording: &mut Recording,
) -> Result<Exit, Error> {
    let dir = RuntimeDir::create(RuntimeDir::default_path())?;
    let guest = recording.boot(wanted, wanted.claim(&dir)?, |port| port)?;
    match stdout().write_all(wanted.directions(&guest).as_bytes()).and_then(|()| stdout().flush()) {
        // Nobody wants to know, but somebody may come all the same.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Error::Stdout(error)),
        _ => {}
    }
    let signal = until_over(&guest, &mut signals)?;
    let name = guest.name().to_owned();
    finish(guest)?;
    let (why, exit) = match signal {
        None => ("the guest has ended".to_owned(), Exit::Done),
        Some(signal) => (format!("{signal}: the guest is stopped"), Exit::Signal(signal)),
    };
    // Nobody can be told that standard error fails.
    let _ = writeln!(stderr(), "[vuart: {name}: {why}]");
    Ok(exit)
}

/// Waits until the guest is over, or a signal comes: which one.
fn until_over(guest: &ServedMachine, signals: &mut Signals) -> Result<Option<Signal>, Error> {
    loop {
        let [signal, over] =
            wait([Some((signals.as_fd(), PollFlags::IN)), Some((guest.as_fd(), PollFlags::IN))], None)
                .map_err(|source| Error::Host { operation: "wait for the guest", source })?;
        if !signal.is_empty()
            && let Pending::Leave(signal) = signals.pending()
        {
            return Ok(Some(signal));
        }
        if !over.is_empty() {
            return Ok(None);
        }
    }
}
