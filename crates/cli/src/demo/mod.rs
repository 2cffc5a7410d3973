//! `vuart demo`: a guest, its console, and somebody at it.

mod attended;
mod recording;
mod served;
mod stage;
mod tour;
mod trail;
mod visitor;
mod wanted;
mod witness;

use std::io::{IsTerminal as _, stdin, stdout};
use std::time::Duration;

use vuart_vmm::{ServedMachine, choose};

use self::recording::Recording;
use self::wanted::Wanted;
use crate::args::{DemoArgs, EngineArg};
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::Signals;

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
    let mut recording = Recording::new(args.trace.as_deref(), args.audit.as_deref())?;
    let wanted = Wanted { name: args.name.as_deref(), choice, ring: args.ring.as_deref() };
    let exit = if args.no_attach {
        served::run(&wanted, signals, &mut recording)
    } else if stdin().is_terminal() && stdout().is_terminal() {
        attended::run(&wanted, signals, &mut recording)
    } else {
        tour::run(&wanted, signals, &mut recording)
    };
    // Also when the demo has failed: the trace and the trail may tell why.
    let recorded = recording.finish();
    exit.and_then(|exit| recorded.map(|()| exit))
}

/// Stops the guest, unless it is over already, lets clients read its last words, and removes the sockets.
fn finish(guest: ServedMachine) -> Result<vuart_vmm::Exit, Error> {
    guest.finish(PATIENCE).map_err(Error::Machine)
}
