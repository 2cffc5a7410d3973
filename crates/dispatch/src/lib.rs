//! How a part of a console that has file descriptors hangs in an event loop: any loop, of any library, or none.
//!
//! Such a part is [`Dispatch`]. It is itself a file descriptor, which is readable when there is something to do, and
//! [`dispatch`](Dispatch::dispatch) does it without blocking. What the part waits for (sockets, timers, doorbells) is behind that one file
//! descriptor, in an epoll instance of its own. So the loop that it hangs in never learns of clients that come and go.
//!
//! [`ServerThread`] is a loop on a thread of its own, for any number of parts. With the feature `event-manager`, `Subscriber` hangs a part
//! in rust-vmm's.

#![forbid(unsafe_code)]

mod error;
mod server_thread;
#[cfg(feature = "event-manager")]
mod subscriber;
mod timer_fd;
mod waiter;

use std::io;
use std::os::fd::AsFd;

pub use error::{FinishError, StartError};
pub use server_thread::{ServerThread, ServerThreadBuilder};
#[cfg(feature = "event-manager")]
pub use subscriber::Subscriber;
pub use timer_fd::TimerFd;

/// A part of a console that an event loop drives.
///
/// Wait until the file descriptor is readable, level-triggered or edge-triggered, then call [`dispatch`](Self::dispatch). Call it once
/// before the first wait as well: it begins the service.
pub trait Dispatch: AsFd {
    /// Does all that is due now, and returns. It never blocks, and a call too many does no harm.
    ///
    /// With an edge-triggered loop one call for each event is enough: when work is left, the file descriptor becomes readable anew.
    ///
    /// # Errors
    ///
    /// When the service can't go on, because the system refuses a call that it can't do without. What a peer does is never an error here.
    fn dispatch(&mut self) -> io::Result<()>;

    /// Whether every peer has received all that it is owed. After the console's end, the part can be dropped when this is true. A peer
    /// that does not read keeps it false, so limit the time that you wait.
    fn is_settled(&self) -> bool;

    /// Tells every peer that the part goes, if it is not the console that has ended: a peer then has all that it is owed when it has been
    /// told so. The peers are told by the next calls of [`dispatch`](Self::dispatch). A call too many does no harm.
    ///
    /// The default does nothing: a part without peers goes unnoticed.
    fn shut_down(&mut self) {}
}

impl<D: Dispatch + ?Sized> Dispatch for Box<D> {
    fn dispatch(&mut self) -> io::Result<()> {
        (**self).dispatch()
    }

    fn is_settled(&self) -> bool {
        (**self).is_settled()
    }

    fn shut_down(&mut self) {
        (**self).shut_down();
    }
}

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
