//! Adds a console's server to an `EventManager` of rust-vmm. It needs the feature `event-manager`.

use std::error::Error;
use std::io;

use event_manager::{EventManager, SubscriberOps};
use vuart_server::Server;

/// Runs the loop until something else ends it.
pub(crate) fn run(server: Server, over: impl Fn() -> bool) -> io::Result<()> {
    let mut events = EventManager::<Server>::new().map_err(|error| io::Error::other(error.to_string()))?;
    events.add_subscriber(server);
    while !over() {
        events.run().map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(()) // the server is dropped, which tells its clients
}

fn main() -> Result<(), Box<dyn Error>> {
    let (server, guest) = guest::served("event-manager")?;
    Ok(run(server, || guest.is_over())?)
}

#[path = "guest/mod.rs"]
mod guest;
