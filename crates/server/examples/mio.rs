//! Hangs a console's server in a loop of `mio`, which is edge-triggered.

use std::error::Error;
use std::io;
use std::os::fd::AsRawFd as _;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use vuart_server::{Dispatch, Server};

const SERVER: Token = Token(0);

/// Runs the loop until something else ends it.
pub(crate) fn run(mut server: Server, over: impl Fn() -> bool) -> io::Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    poll.registry().register(&mut SourceFd(&server.as_raw_fd()), SERVER, Interest::READABLE)?;
    server.dispatch()?;
    while !over() {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == SERVER {
                server.dispatch()?;
            }
        }
    }
    Ok(()) // the server is dropped, which tells its clients
}

fn main() -> Result<(), Box<dyn Error>> {
    let (server, guest) = guest::served("mio")?;
    Ok(run(server, || guest.is_over())?)
}

#[path = "guest/mod.rs"]
mod guest;
