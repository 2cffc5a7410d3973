//! Serves a console on Unix sockets and a pseudo-terminal, in an event loop or on a thread of its own.
//!
//! # Tour
//!
//! | to know | look at |
//! |---|---|
//! | how to serve a console | [`Server`], or [`ServerThread`] without an event loop |
//! | on which sockets, and under which name | [`Sockets`], [`Claim`], [`RuntimeDir`] |
//! | how a console's files come into the directory | `claim.rs`, `entry.rs` |
//! | who may connect, and what each may do | [`Role`], [`Peer`], [`ServerOptions::with_authoriser`] |
//! | what happens for one event of the event loop, and when | `server.rs`: one pass, the deadlines |
//! | how clients are accepted, refused and closed | `server/admission.rs`, `server/acceptor.rs`, `server/clients.rs` |
//! | who gets a place, and who gives way | `server/places.rs` |
//! | what is done about clients that flood | `server/users.rs`, `server/waiting.rs` |
//! | how one client's bytes are received, served and sent | `connection.rs` |
//! | how a request is served | `connection/requests.rs` |
//! | how a session at the pseudo-terminal begins and ends | `pty.rs`, `server/terminal.rs` |
//!
//! `vuart-wire` has the framed protocol, its client, and the runtime directory where clients find the sockets.
#![forbid(unsafe_code)]

mod access;
mod allowance;
mod claim;
mod connection;
mod entry;
mod error;
mod options;
mod pass;
mod pty;
mod ready;
mod server;
mod server_thread;
mod sockets;
mod timer_fd;
mod transport;

pub use access::{Peer, Role, SocketKind};
pub use claim::{Claim, ClaimError};
pub use error::ServeError;
pub use options::{RawPolicy, ServerOptions};
pub use pty::PtyError;
pub use server::Server;
pub use server_thread::{FinishError, ServerThread};
pub use sockets::Sockets;
pub use vuart_wire::{RuntimeDir, RuntimeDirError};

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
