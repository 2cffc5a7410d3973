//! Hangs a console's server in a runtime of `tokio`, as a task.

use std::error::Error;
use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vuart_server::{Dispatch, Server};

/// Serves until something else ends it. A server that fails to be dispatched ends it as well.
pub(crate) async fn serve(mut server: Server, over: impl Fn() -> bool) -> io::Result<()> {
    server.dispatch()?;
    // SAFETY: a server has one file descriptor from its beginning to its end.
    let registered = unsafe { AsyncFd::register_with_interest(server, Interest::READABLE) };
    let mut server = registered.map_err(|error| error.into_parts().1)?;
    while !over() {
        let mut ready = server.readable_mut().await?;
        // Before the call: what becomes ready during it is an event of its own.
        ready.clear_ready();
        ready.get_inner_mut().dispatch()?;
    }
    Ok(()) // the server is dropped, which tells its clients
}

/// Runs the task on a runtime of this thread. It can be spawned on any.
pub(crate) fn run(server: Server, over: impl Fn() -> bool) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(serve(server, over))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (server, guest) = guest::served("tokio")?;
    Ok(run(server, || guest.is_over())?)
}

#[path = "guest/mod.rs"]
mod guest;
