//! `vuart demo`: boots a guest and serves its console, in one of three ways.
//!
//! * On a terminal, [`interactive`] attaches the terminal to the console.
//! * With `--no-attach`, [`no_attach`] serves the console for other clients.
//! * Otherwise [`tour`] shows, step by step, what a console can do, and checks each step.
//!
//! This module exists only with the feature `demo`.

mod error;
mod guest;
mod interactive;
mod no_attach;
mod options;
mod tour;
mod trace_file;
mod trail;

use std::io::{IsTerminal as _, stdin, stdout};

use vuart_vmm::choose;

use self::guest::Recorders;
use self::options::Options;
use crate::args::{DemoArgs, EngineArg};
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::Signals;

pub(crate) use self::error::DemoError;

/// Runs the demo in the way that fits the arguments and the standard streams.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Error> {
    // First, so that a signal can't leave files or sockets behind.
    let signals = Signals::catch().map_err(|source| Error::Host { operation: "catch signals", source })?;
    let choice = choose(args.engine.requested()).map_err(|error| match args.engine {
        EngineArg::Kvm => DemoError::Kvm(error),
        EngineArg::Auto | EngineArg::Software => DemoError::Machine(error),
    })?;
    let mut recorders = Recorders::new(args.trace.as_deref(), args.audit.as_deref())?;
    let options = Options { name: args.name.as_deref(), choice, ring: args.ring.as_deref() };
    let exit = if args.no_attach {
        no_attach::run(&options, signals, &mut recorders)
    } else if stdin().is_terminal() && stdout().is_terminal() {
        interactive::run(&options, signals, &mut recorders)
    } else {
        tour::run(&options, signals, &mut recorders)
    };
    // Also after a failure: the trace and the audit trail may show its reason.
    let recorded = recorders.finish();
    let exit = exit?;
    recorded?;
    Ok(exit)
}
