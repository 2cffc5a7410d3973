//! Embeds a console in a VMM: a port, a server on a thread, a guest that prints, and a client that reads.
//!
//! `cargo run --example embed`. A real VMM calls `write_register` and `read_register` when the vCPU exits for port I/O.

use std::error::Error;

use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::{Lsr, offset};
use vuart::wire::{Event, RuntimeDir};
use vuart::{IrqFd, SerialPort};

/// A guest without a driver: it polls LSR before each character.
fn print(port: &mut SerialPort<IrqFd>, text: &str) {
    for byte in text.bytes() {
        while port.read_register(offset::LSR) & Lsr::THRE.bits() == 0 {}
        port.write_register(offset::THR, byte);
    }
}

/// Runs the console to its end.
///
/// # Errors
///
/// When the port, the server or the client fails.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    // The port. KVM turns the eventfd into the guest's interrupt: `vm.register_irqfd(&irq.0, 4)`.
    let irq = IrqFd::new()?;
    let mut port = SerialPort::new(irq);

    // The server, on a thread of its own. `vuart attach vm0` reaches it; here the directory is a temporary one.
    let dir = tempfile::tempdir()?;
    let dir = RuntimeDir::create(dir.path().join("vuart"))?;
    let claim = Claim::new(&dir, "vm0")?;
    let server = ServerThread::start(Server::bind(claim, port.console().clone())?)?;

    // The guest prints before anybody is there. The ring keeps it.
    print(&mut port, "Linux version 6.1\nlogin: ");

    // A client replays what was before, and goes on with what comes.
    let mut client = dir.connect("vm0", "alice")?;
    client.attach(Mode::Exclusive, Position::Oldest)?;
    print(&mut port, "goodbye\n");
    port.console().end(&Cause::VmEnded);

    let mut output = Vec::new();
    loop {
        match client.recv()? {
            Event::Output { bytes, .. } => output.extend(bytes),
            Event::Ended(end) => {
                println!("{}\n[{:?}]", String::from_utf8_lossy(&output), end.cause);
                break;
            }
            other => return Err(format!("unexpected: {other:?}").into()),
        }
    }
    server.finish(std::time::Duration::from_secs(10))?;
    assert_eq!(output, b"Linux version 6.1\nlogin: goodbye\n");
    Ok(())
}
