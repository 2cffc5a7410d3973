//! The demo's guest: how it is booted, and how it is stopped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vuart::server::Claim;
use vuart_vmm::{Device, Exit, ServedMachine};

use super::error::DemoError;
use super::options::Options;
use super::recorders::Recorders;

/// How long clients may take to read the guest's last output.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// Boots the guest and serves its console. The function `between` may put something between the bus and the port.
///
/// The files of the recorders are created here, after the console's name has been claimed. A demo that can't start
/// therefore overwrites no file.
pub(super) fn boot(
    options: &Options<'_>,
    claim: Claim,
    recorders: &mut Recorders,
    between: impl FnOnce(Device) -> Device,
) -> Result<ServedMachine, DemoError> {
    let output = options.output()?;
    recorders.open(claim.name())?;
    let guest = ServedMachine::boot_with(options.choice.engine, claim, output, |mut port| {
        recorders.attach(&mut port);
        between(Arc::new(Mutex::new(port)))
    })?;
    recorders.start()?;
    Ok(guest)
}

/// Stops the guest if it still runs, lets clients read its last output, and removes the sockets.
pub(super) fn finish(guest: ServedMachine) -> Result<Exit, DemoError> {
    guest.finish(LAST_OUTPUT).map_err(DemoError::Machine)
}
