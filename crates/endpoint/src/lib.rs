//! Who owns a serial console: attach, take over, watch, detach.
//!
//! The core is [`Console`]: a state machine without a socket, a thread or a runtime. A [`Session`] reads the guest's
//! output through a cursor of its own and, if it is the owner, writes input. One session owns the console at each
//! instant; [taking it over](Mode::TakeOver) waits for nobody.
//!
//! Around the core stand the server for Unix sockets ([`Server`], an `event-manager` subscriber), its [`Client`], the
//! [protocol](wire) between them and the [directory](RuntimeDir) in which they meet.
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
//! let second = console.attach(Attach::new(bob.clone()).mode(Mode::TakeOver))?;
//! assert_eq!(first.end().unwrap().cause, Cause::Evicted { by: bob });
//! assert!(first.write(b"\n").is_err());
//! assert!(input.is_empty());
//! # drop(second); writer.push(b'x');
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod access;
mod audit;
mod carrier;
mod changes;
mod client;
mod connection;
mod console;
mod counters;
mod end;
mod event;
mod identity;
mod input;
#[cfg(all(test, loom))]
mod models;
mod options;
mod pace;
mod policy;
mod pty;
mod runtime_dir;
mod server;
mod server_thread;
mod session;
mod sockets;
mod state;
mod sync;
mod timer;
mod transport;
pub mod wire;

pub use access::{Peer, Role, SocketKind};
pub use audit::{
    Audit, AuditEntry, AuditError, AuditFile, AuditLine, AuditLineError, AuditLog, AuditStatus, LostBecause,
};
pub use carrier::{Carrier, DropDue, GuestLines};
pub use client::{Client, ClientError};
pub use console::Console;
pub use counters::Counters;
pub use end::{Cause, End, Refused, Timestamp};
pub use event::{ConsoleEvent, EventKind, HangUpReason, Who};
pub use identity::Identity;
pub use input::{Input, Symbol};
pub use options::{RawPolicy, ServerOptions};
pub use policy::{Evicted, HangUp, Policy};
pub use pty::PtyError;
pub use runtime_dir::{Claim, RuntimeDir, RuntimeDirError};
pub use server::{ServeError, Server};
pub use server_thread::ServerThread;
pub use session::{
    Attach, Change, Epoch, Eviction, Mode, OnLag, Replay, Session, SessionId, SessionInfo, Standing, Window,
};
pub use sockets::Sockets;
