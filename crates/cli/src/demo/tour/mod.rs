//! The demo without a terminal: a tour that shows, step by step, what a console can do, and checks each step.
//!
//! [`steps`] has the steps. Their clients are [`visitor`]s over real sockets; [`bus_tap`] records what the guest writes to the
//! bus, as the reference for what clients read.

mod bus_tap;
mod killed;
mod report;
mod steps;
mod visitor;

use std::cell::RefCell;
use std::env;
use std::fs::Permissions;
use std::io::{Write as _, stderr, stdout};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use vuart::wire::RuntimeDir;

use self::bus_tap::BusTap;
use self::steps::Tour;
use super::error::DemoError;
use super::guest::Demo;
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::{Pending, Signals};

/// Boots the guest and gives the tour.
pub(super) fn run(demo: &mut Demo<'_>, signals: Signals) -> Result<Exit, Error> {
    // Each tour has a private directory, unless the user names one: any number of tours can run at once. It is removed
    // at the end.
    let (dir, _private) = if env::var_os("VUART_RUNTIME_DIR").is_some_and(|dir| !dir.is_empty()) {
        (RuntimeDir::create(RuntimeDir::default_path())?, None)
    } else {
        let private = Permissions::from_mode(0o700);
        let private = tempfile::Builder::new().prefix("vuart-").permissions(private).tempdir();
        let private = private.map_err(DemoError::TemporaryDirectory)?;
        (RuntimeDir::open(private.path())?, Some(private))
    };
    let mut tapped = None;
    let guest = demo.boot(&dir, |port| {
        let (tap, bytes) = BusTap::new(port);
        tapped = Some(bytes);
        Arc::new(tap)
    })?;
    let signals = RefCell::new(signals);
    let given = Tour::new(demo, &signals, guest, tapped).give();
    // `^C` ends a whole pipeline. The signal is then the reason for the end, and not a write error on the closed pipe.
    let signal = match (&given, signals.into_inner().pending()) {
        (Err(Error::Demo(DemoError::Interrupted(signal))), _) => Some(*signal),
        (Err(_), Pending::Leave(signal)) => Some(signal),
        _ => None,
    };
    if let Some(signal) = signal {
        let _ = writeln!(stderr(), "[vuart: {signal}: the tour is over, the guest is stopped]");
        return Ok(Exit::signal(signal));
    }
    if let Err(Error::Demo(DemoError::Check { expected, got })) = &given {
        let _ = writeln!(stdout(), "FAILED  expected {expected}, got {got}");
    }
    given.map(|()| Exit::DONE)
}
