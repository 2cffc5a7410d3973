//! `vuart demo`: boots a guest and serves its console, in one of three ways.
//!
//! * On a terminal, [`interactive`] attaches the terminal to the console.
//! * With `--no-attach`, [`serve`] serves the console for other clients.
//! * Otherwise [`tour`] shows, step by step, what a console can do, and checks each step.
//!
//! This module exists only with the feature `demo`.

mod args;
mod error;
mod guest;
mod holder;
mod interactive;
mod tour;

use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};

use vuart::wire::RuntimeDir;
use vuart_vmm::choose;

use self::args::EngineArg;
use self::guest::{Demo, Woken, wait_for};
use crate::error::Error;
use crate::exit::Exit;
use crate::print::print;
use crate::signals::Signals;

pub(crate) use self::args::DemoArgs;
pub(crate) use self::error::DemoError;

/// Runs the demo in the way that fits the arguments and the standard streams.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Error> {
    // First, so that a signal can't leave files or sockets behind.
    let signals =
        Signals::catch_for_guest().map_err(|source| Error::Host { operation: "catch signals", source })?;
    let choice = choose(args.engine.requested()).map_err(|error| match args.engine {
        EngineArg::Kvm => DemoError::Kvm(error),
        EngineArg::Auto | EngineArg::Software => DemoError::Machine(error),
    })?;
    let mut demo = Demo::new(args, choice)?;
    let exit = if args.no_attach {
        serve(&mut demo, signals)
    } else if stdin().is_terminal() && stdout().is_terminal() {
        interactive::run(&mut demo, args.escape.escape, signals)
    } else {
        tour::run(&mut demo, signals)
    };
    // Also after a failure: the trace and the audit trail may show its reason.
    let recorded = demo.finish();
    let exit = exit?;
    recorded?;
    Ok(exit)
}

/// Boots the guest, prints how to attach, and serves the console until the guest halts or a signal arrives.
fn serve(demo: &mut Demo<'_>, mut signals: Signals) -> Result<Exit, Error> {
    let dir = RuntimeDir::create(RuntimeDir::default_path())?;
    let guest = demo.boot(&dir, |port| port)?;
    print(demo.directions(&guest))?;
    let woken = wait_for(&guest, &mut signals, None)?;
    let name = guest.name().to_owned();
    guest::finish(guest)?;
    let (why, exit) = match woken {
        Woken::Signal(signal) => (format!("{signal}: the guest is stopped"), Exit::signal(signal)),
        Woken::Over | Woken::Typed => ("the guest has ended".to_owned(), Exit::DONE),
    };
    // A failure of standard error can't be reported anywhere.
    let _ = writeln!(stderr(), "[vuart: {name}: {why}]");
    Ok(exit)
}
