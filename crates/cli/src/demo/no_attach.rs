//! The demo with `--no-attach`: serves the console for other clients, until the guest halts or a signal arrives.

use std::io::{self, Write as _, stderr, stdout};
use std::os::fd::AsFd as _;

use rustix::event::PollFlags;
use vuart::wire::RuntimeDir;
use vuart_vmm::ServedMachine;

use super::guest::{Recorders, finish};
use super::options::Options;
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::{Pending, Signal, Signals};
use crate::wait::wait;

/// Boots the guest, prints how to attach, and serves.
pub(super) fn run(
    options: &Options<'_>,
    mut signals: Signals,
    recorders: &mut Recorders,
) -> Result<Exit, Error> {
    let dir = RuntimeDir::create(RuntimeDir::default_path())?;
    let guest = recorders.boot(options, options.claim(&dir)?, |port| port)?;
    match stdout().write_all(options.directions(&guest).as_bytes()).and_then(|()| stdout().flush()) {
        // A closed pipe: clients can attach all the same.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Error::Stdout(error)),
        _ => {}
    }
    let signal = wait_for_end(&guest, &mut signals)?;
    let name = guest.name().to_owned();
    finish(guest)?;
    let (why, exit) = match signal {
        None => ("the guest has ended".to_owned(), Exit::Done),
        Some(signal) => (format!("{signal}: the guest is stopped"), Exit::Signal(signal)),
    };
    // A failure of standard error can't be reported anywhere.
    let _ = writeln!(stderr(), "[vuart: {name}: {why}]");
    Ok(exit)
}

/// Waits until the guest has ended (`None`) or a signal asks to leave.
fn wait_for_end(guest: &ServedMachine, signals: &mut Signals) -> Result<Option<Signal>, Error> {
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
