//! Who owns a serial console: attach, take over, watch, detach.
//!
//! The core is [`Console`]: a state machine without a socket, a thread or a runtime. A [`Session`] reads the guest's
//! output through a cursor of its own and, if it is the owner, writes input. One session owns the console at each
//! instant; [taking it over](Mode::TakeOver) waits for nobody.
//!
//! `vuart-server` serves a console on Unix sockets and a pseudo-terminal; `vuart-wire` has the protocol and its client.
//!
//! E4, S14 and the like are in `docs/rules.md`: how other consoles have failed, and what must hold here.
//!
//! ```
//! use vuart_endpoint::{Attach, Cause, Console, Identity, Mode};
//!
//! let (mut writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
//! let (console, mut input) = Console::new(scrollback, || ());
//!
//! let alice = Identity::new("alice", 1000, None);
//! let bob = Identity::new("bob", 1001, None);
//! let mut first = console.attach(Attach::new(alice))?;
//! assert_eq!(first.write(b"rm -rf /"), Ok(8));
//!
//! // Bob is refused, and told by whom; when he takes over, what Alice typed never reaches the guest.
//! assert!(console.attach(Attach::new(bob.clone())).is_err());
//! let second = console.attach(Attach::new(bob.clone()).with_mode(Mode::TakeOver))?;
//! assert_eq!(first.end().unwrap().cause, Cause::Evicted { by: bob });
//! assert!(first.write(b"\n").is_err());
//! assert!(input.is_empty());
//! # drop(second); writer.push(b'x');
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod carrier;
mod changes;
mod console;
mod counters;
mod end;
mod event;
mod identity;
mod input;
#[cfg(all(test, loom))]
mod models;
mod policy;
mod session;
mod state;
mod sync;

pub use carrier::{Carrier, DropDue, GuestLines};
pub use console::Console;
pub use counters::Counters;
pub use end::{Cause, End, Refused, Timestamp};
pub use event::{ConsoleEvent, EventKind, HangUpReason, Who};
pub use identity::Identity;
pub use input::{Input, Symbol};
pub use policy::{Evicted, HangUp, Policy};
pub use session::{
    Attach, Change, Epoch, Eviction, Mode, OnLag, Replay, Session, SessionId, SessionInfo, Standing, Window,
};
