//! The adapter to rust-vmm's `event-manager`: the only file that maps its events to the server's. ([`ServerThread`](crate::ServerThread)
//! runs one of its loops.)

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};

use crate::poller::{Event, Poller, Ready};
use crate::server::Server;

impl MutEventSubscriber for Server {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        self.start(&mut Ops(ops));
    }

    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let set = events.event_set();
        let event = Event {
            token: events.data(),
            ready: Ready { read: set.contains(EventSet::IN), write: set.contains(EventSet::OUT) },
            hung_up: set.intersects(EventSet::HANG_UP | EventSet::ERROR),
        };
        self.dispatch(event, &mut Ops(ops));
    }
}

/// The server's share of an [`EventManager`](event_manager::EventManager).
struct Ops<'a, 'manager>(&'a mut EventOps<'manager>);

impl Poller for Ops<'_, '_> {
    fn add(&mut self, fd: BorrowedFd<'_>, token: u32, until: Ready) -> io::Result<()> {
        self.0.add(events(fd, token, until)).map_err(|error| io::Error::other(error.to_string()))
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, token: u32, until: Ready) -> io::Result<()> {
        self.0.modify(events(fd, token, until)).map_err(|error| io::Error::other(error.to_string()))
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) {
        let _ = self.0.remove(Events::empty(&fd));
    }
}

fn events(fd: BorrowedFd<'_>, token: u32, until: Ready) -> Events {
    let mut set = EventSet::empty();
    set.set(EventSet::IN, until.read);
    set.set(EventSet::OUT, until.write);
    Events::with_data_raw(fd.as_raw_fd(), token, set)
}
