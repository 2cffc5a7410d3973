//! Hangs a console's server in an epoll loop, which may be edge-triggered.

use std::error::Error;
use std::io;
use std::mem::MaybeUninit;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use vuart_server::{Dispatch, Server};

/// Runs the loop until something else ends it.
pub(crate) fn run(mut server: Server, over: impl Fn() -> bool) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    // Level-triggered works as well: leave `ET` out.
    epoll::add(&epoll, &server, EventData::new_u64(1), EventFlags::IN | EventFlags::ET)?;
    server.dispatch()?;
    while !over() {
        let mut room = [MaybeUninit::uninit(); 8];
        let (events, _) = epoll::wait(&epoll, &mut room, None)?;
        for event in events {
            if event.data.u64() == 1 {
                server.dispatch()?;
            }
        }
    }
    Ok(()) // the server is dropped, which tells its clients
}

fn main() -> Result<(), Box<dyn Error>> {
    let (server, guest) = guest::served("epoll")?;
    Ok(run(server, || guest.is_over())?)
}

#[path = "guest/mod.rs"]
mod guest;
