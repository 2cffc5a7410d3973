//! Replaces a VMM under its guest: the port's state and its ring go to another port, and the guest does not notice.
//!
//! `cargo run --example live_update`. Here both ports are in one process. A real VMM serialises the state (feature `serde`) and hands the
//! file descriptor over by inheritance or over a Unix socket.

use std::error::Error;

use vuart::PortBuilder;
use vuart::endpoint::Cause;
use vuart::scrollback::RingOptions;
use vuart::uart::spec::offset;

/// Hands a port over.
///
/// # Errors
///
/// When a ring or a port can't be made.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    // The old VMM. Its ring is in a memfd, so that it can outlive the process.
    let (output, scrollback) = RingOptions::new(1 << 20).create_memfd("com1")?;
    let mut old = PortBuilder::new().with_writer(output).build(|| ()); // nobody to interrupt
    old.write_register(offset::SCR, 0x5A);
    old.write_string(offset::THR.into(), b"before, ");

    // It pauses its vCPUs, ends the sessions, takes the state and lets go of the ring.
    old.console().end(&Cause::Migrating);
    let state = old.state();
    let file = scrollback.file().ok_or("the ring has no file")?.try_clone()?;
    drop(old);

    // The new VMM adopts the ring, and its port goes on from the state.
    let (output, scrollback) = RingOptions::default().adopt(file)?;
    let mut new = PortBuilder::restore(&state).with_writer(output).build(|| ())?;
    new.write_string(offset::THR.into(), b"after");

    // The registers and the history are as they were.
    assert_eq!(new.read_register(offset::SCR), 0x5A);
    let mut text = [0; 64];
    let read = scrollback.read_at(0, &mut text);
    println!("{} ({} bytes missed)", String::from_utf8_lossy(&text[..read.len()]), read.missed);
    assert_eq!((&text[..read.len()], read.missed), (&b"before, after"[..], 0));
    Ok(())
}
