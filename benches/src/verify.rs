//! Checks that each measured byte arrived: a figure of work that was not done would be worthless.

use std::error::Error;

use vm_superio::Trigger;
use vuart::SerialPort;

/// Checks a number of bytes.
///
/// # Errors
///
/// When `found` is not `expected`. The error names `what` received the bytes.
pub(crate) fn expect(what: &str, found: u64, expected: u64) -> Result<(), Box<dyn Error>> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what} received {found} bytes, but {expected} were written").into())
    }
}

/// Checks that what `what` read is what was written.
pub(crate) fn same(what: &str, found: &[u8], expected: &[u8]) -> Result<(), Box<dyn Error>> {
    if found == expected { Ok(()) } else { Err(format!("{what} read other bytes than were written").into()) }
}

/// Checks that a port's ring counts all bytes that were written, and that the newest can be read.
pub(crate) fn ring_holds<T: Trigger>(port: &SerialPort<T>, written: u64) -> Result<(), Box<dyn Error>> {
    let scrollback = port.console().scrollback();
    expect("the ring", scrollback.end(), written)?;
    let mut newest = [0; 4096];
    let read = scrollback.read_at(written.saturating_sub(newest.len() as u64), &mut newest);
    expect("the reader of the ring's end", read.len() as u64, written.min(newest.len() as u64))
}
