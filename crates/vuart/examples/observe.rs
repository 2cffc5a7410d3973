//! Observes a console: an audit trail says who attached, who took over, and who typed how much.
//!
//! `cargo run --example observe`.

use std::error::Error;
use std::fs;
use std::time::Duration;

use vuart::SerialPort;
use vuart::audit::{Audit, AuditEntry, AuditFile, AuditLine};
use vuart::endpoint::{Attach, Identity, Mode};

/// Lets two people use a console, and prints the trail.
///
/// # Errors
///
/// When the port, the trail or a session fails.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("vm0.audit");
    let port = SerialPort::new(|| ()); // nobody to interrupt

    // The trail has a ring and a saving thread of its own: no client and no guest waits for the disk.
    let audit = Audit::new(1 << 20)?;
    let log = audit.save(AuditFile::new(&file))?;
    port.console().observe(audit.observer("vm0"));

    // With a server these are connections, and the identities come from the kernel.
    let mut alice = port.console().attach(Attach::new(Identity::new("alice", 1000, None)))?;
    alice.write(b"rm -rf /").map_err(|end| format!("{end:?}"))?;
    let bob = Attach::new(Identity::new("bob", 1001, None)).with_mode(Mode::TakeOver);
    let bob = port.console().attach(bob)?;
    drop((alice, bob));

    // `finish` returns when everything is on the disk.
    log.finish(Duration::from_secs(10))?;
    let mut events = Vec::new();
    for line in fs::read_to_string(&file)?.lines() {
        println!("{line}");
        if let AuditEntry::Console { event, .. } = line.parse::<AuditLine>()?.entry {
            events.push(event.kind.code());
        }
    }
    assert_eq!(events, ["attached", "ended", "input-discarded", "attached", "ended"]);
    Ok(())
}
