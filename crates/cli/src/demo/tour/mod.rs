//! The demo without a terminal: a tour that shows, step by step, what a console can do, and checks each step.
//!
//! [`steps`] has the steps. Their clients are [`visitor`]s, which [`dialogue`] drives over real sockets; [`bus_tap`] records what
//! the guest writes to the bus, as the reference for what clients read.

mod bus_tap;
mod dialogue;
mod failure;
mod killed;
mod report;
mod steps;
mod visitor;

use std::env;
use std::fs::Permissions;
use std::io::{Write as _, stderr, stdout};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use tempfile::TempDir;
use vuart::wire::RuntimeDir;

use self::bus_tap::BusTap;
use self::dialogue::Dialogue;
use self::failure::Failure;
use self::steps::Tour;
use super::error::DemoError;
use super::guest::Recorders;
use super::options::Options;
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::{Pending, Signals};

/// Boots the guest and gives the tour.
pub(super) fn run(
    options: &Options<'_>,
    mut signals: Signals,
    recorders: &mut Recorders,
) -> Result<Exit, Error> {
    // Each tour has a private directory, unless the user names one: any number of tours can run at once. It is removed
    // at the end.
    let (dir, _private) = if env::var_os("VUART_RUNTIME_DIR").is_some_and(|dir| !dir.is_empty()) {
        (RuntimeDir::create(RuntimeDir::default_path())?, None)
    } else {
        let private = private_directory().map_err(DemoError::TemporaryDirectory)?;
        (RuntimeDir::open(private.path())?, Some(private))
    };
    let claim = options.claim(&dir)?;
    let mut tapped = None;
    let guest = recorders.boot(options, claim, |port| {
        let (tap, bytes) = BusTap::new(port);
        tapped = Some(bytes);
        Arc::new(tap)
    })?;
    let tour = Tour::new(Dialogue::new(&mut signals), guest, recorders.trail.audit(), tapped);
    let given = tour.give(options);
    // `^C` ends a whole pipeline. The signal is then the reason for the end, and not a write error on the closed pipe.
    let signal = match signals.pending() {
        Pending::Leave(signal) if given.is_err() => Some(signal),
        _ => None,
    };
    match signal.map_or(given, |signal| Err(Failure::Signal(signal))) {
        Ok(()) => Ok(Exit::Done),
        Err(Failure::Check { expected, got }) => {
            let _ = writeln!(stdout(), "FAILED  expected {expected}, got {got}");
            Err(DemoError::CheckFailed.into())
        }
        Err(Failure::Signal(signal)) => {
            let _ = writeln!(stderr(), "[vuart: {signal}: the tour is over, the guest is stopped]");
            Ok(Exit::Signal(signal))
        }
        Err(Failure::Error(error)) => Err(error),
    }
}

fn private_directory() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("vuart-").permissions(Permissions::from_mode(0o700)).tempdir()
}
