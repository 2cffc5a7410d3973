//! What the examples have in common: a guest that writes a line each second, for ten seconds, and ends.

use std::error::Error;
use std::thread;
use std::time::Duration;

use vuart_endpoint::{Cause, Console};
use vuart_scrollback::Scrollback;
use vuart_server::{Claim, RuntimeDir, Server};

/// The guest's console.
pub(crate) struct Guest(Console);

impl Guest {
    /// Whether the guest has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.ended().is_some()
    }
}

/// Starts the guest, and makes the server of its console. `vuart attach NAME` shows it.
pub(crate) fn served(name: &str) -> Result<(Server, Guest), Box<dyn Error>> {
    let (mut writer, scrollback) = Scrollback::new(1 << 16)?;
    let (console, input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(RuntimeDir::default_path())?, name)?;
    println!("{}", claim.control_socket().display());
    let server = Server::bind(claim, console.clone())?;
    let guest = console.clone();
    thread::spawn(move || {
        for line in 0..10 {
            writer.extend(format!("line {line}\r\n").as_bytes());
            guest.doorbell().ring_if_armed();
            thread::sleep(Duration::from_secs(1));
        }
        guest.end(&Cause::VmEnded);
        drop(input);
    });
    Ok((server, Guest(console)))
}
