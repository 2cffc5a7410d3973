//! `vuart demo`: a guest, its console, and somebody at it.

mod attended;
mod recording;
mod served;
mod stage;
mod tour;
mod visitor;
mod witness;

use std::io::{IsTerminal as _, stdin, stdout};
use std::time::Duration;

use vuart::endpoint::{Claim, RuntimeDir, RuntimeDirError};
use vuart_vmm::{Choice, ServedMachine, choose};

use self::recording::Recording;
use crate::args::{DemoArgs, EngineArg};
use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::command;
use crate::signals::Signals;

/// The console's name unless another is given.
const NAME: &str = "demo";

/// How many names are tried when none is given.
const NAMES: usize = 1000;

/// How long clients may take to read the guest's last words.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the demo in the way that fits where it runs.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Error> {
    // Before anything is there that a signal could leave behind.
    let signals = Signals::catch().map_err(|source| Error::Host { operation: "catch signals", source })?;
    let choice = choose(args.engine.requested()).map_err(|error| match args.engine {
        EngineArg::Kvm => Error::Kvm(error),
        EngineArg::Auto | EngineArg::Software => Error::Machine(error),
    })?;
    let mut recording = Recording::new(args.trace.as_deref());
    let name = args.name.as_deref();
    let exit = if args.no_attach {
        served::run(name, &choice, signals, &mut recording)
    } else if stdin().is_terminal() && stdout().is_terminal() {
        attended::run(name, &choice, signals, &mut recording)
    } else {
        tour::run(name, &choice, signals, &mut recording)
    };
    // Also when the demo has failed: the trace may tell why.
    let recorded = recording.finish();
    exit.and_then(|exit| recorded.map(|()| exit))
}

/// Claims the name that was asked for, or else the first free one.
fn claim(dir: &RuntimeDir, name: Option<&str>) -> Result<Claim, Error> {
    if let Some(name) = name {
        return Ok(dir.claim(name)?);
    }
    let numbered = (2..=NAMES).map(|number| format!("{NAME}-{number}"));
    for name in std::iter::once(NAME.to_owned()).chain(numbered) {
        match dir.claim(&name) {
            Err(RuntimeDirError::Taken { .. }) => {}
            claim => return Ok(claim?),
        }
    }
    Err(Error::NoFreeName { first: NAME.to_owned(), last: format!("{NAME}-{NAMES}") })
}

/// How to get to the console, in lines for people.
fn directions(guest: &ServedMachine, choice: &Choice) -> String {
    format!(
        "guest    {}: {}\n\
         console  {}\n\
         attach   {} attach {}\n\
         or       socat -,raw,echo=0,escape=0x1d UNIX:{}\n",
        choice.engine,
        choice.why,
        guest.control_socket().display(),
        command(),
        guest.name(),
        guest.raw_socket().display(),
    )
}

/// Stops the guest, unless it is over already, lets clients read its last words, and removes the sockets.
fn finish(guest: ServedMachine) -> Result<vuart_vmm::Exit, Error> {
    guest.finish(PATIENCE).map_err(Error::Machine)
}
