//! Serves a console on Unix sockets and a pseudo-terminal.
#![forbid(unsafe_code)]

mod access;
mod claim;
mod connection;
mod options;
mod pace;
mod pty;
mod server;
mod server_thread;
mod sockets;
mod timer;
mod transport;

pub use access::{Peer, Role, SocketKind};
pub use claim::{Claim, ClaimError};
pub use options::{RawPolicy, ServerOptions};
pub use pty::PtyError;
pub use server::{ServeError, Server};
pub use server_thread::ServerThread;
pub use sockets::Sockets;
pub use vuart_wire::{RuntimeDir, RuntimeDirError};
