//! Hangs a console's server in a loop of `calloop`.

use std::error::Error;
use std::io;

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};
use vuart_server::{Dispatch, Server};

/// Runs the loop until something else ends it.
pub(crate) fn run(mut server: Server, over: impl Fn() -> bool) -> io::Result<()> {
    let mut events = EventLoop::<()>::try_new().map_err(io::Error::other)?;
    server.dispatch()?;
    let source = Generic::new(server, Interest::READ, Mode::Level);
    events
        .handle()
        .insert_source(source, |_, server, ()| {
            // SAFETY: the server is not dropped.
            unsafe { server.get_mut() }.dispatch()?;
            Ok(PostAction::Continue)
        })
        .map_err(io::Error::other)?;
    while !over() {
        events.dispatch(None, &mut ()).map_err(io::Error::other)?;
    }
    Ok(()) // the server is dropped, which tells its clients
}

fn main() -> Result<(), Box<dyn Error>> {
    let (server, guest) = guest::served("calloop")?;
    Ok(run(server, || guest.is_over())?)
}

#[path = "guest/mod.rs"]
mod guest;
