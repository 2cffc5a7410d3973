//! Serves a console on Unix sockets and a pseudo-terminal, in an event loop or on a thread of its own.
//!
//! # Tour
//!
//! | to know | look at |
//! |---|---|
//! | how to serve a console | [`Server`] in an event loop, or [`ServerThread`] without one |
//! | on which sockets, and under which name | [`Sockets`], [`Claim`], [`RuntimeDir`] |
//! | how a console's files come into a directory | `claim.rs`, `entry.rs`; at exact paths, `bound.rs` |
//! | who may connect, and what each may do | [`Role`], [`Peer`], [`ServerOptions::with_authoriser`] |
//! | how the server hangs in an event loop | [`Dispatch`], `server/events.rs`, `poller.rs` |
//! | what happens for one event, and when | `server.rs`: one pass, the deadlines |
//! | how the server goes, and what clients are told | `server/ending.rs`, `server/pty_left.rs` |
//! | how clients are accepted, refused and closed | `server/admission.rs`, `server/acceptor.rs`, `server/clients.rs` |
//! | who gets a place, and who gives way | `server/places.rs` |
//! | what is done about clients that flood | `server/users.rs`, `server/waiting.rs` |
//! | how one client's bytes are received, served and sent | `connection.rs` |
//! | how a request is served | `connection/requests.rs` |
//! | how a connection that is there already is served | [`Server::adopt`], [`Adopter`], `server/adopted.rs` |
//! | what a client without a protocol is sent | [`RawPolicy`], [`RawReplay`], [`ServerOptions::with_raw_notices`] |
//! | how a session at the pseudo-terminal begins and ends | `pty.rs`, `server/terminal.rs` |
//!
//! `vuart-wire` has the framed protocol, its client, and the runtime directory where clients find the sockets.
#![forbid(unsafe_code)]

mod access;
mod adopter;
mod allowance;
mod bound;
mod claim;
mod connection;
mod entry;
mod error;
#[cfg(feature = "event-manager")]
mod event_manager;
mod options;
mod pass;
mod poller;
mod pty;
mod raw;
mod ready;
mod server;
mod sockets;
mod transport;

pub use access::{Peer, Role, SocketKind};
pub use adopter::{AdoptError, Adopter};
pub use claim::{Claim, ClaimError};
pub use error::ServeError;
pub use options::ServerOptions;
pub use pty::PtyError;
pub use raw::{RawPolicy, RawReplay};
pub use server::Server;
pub use sockets::Sockets;
pub use vuart_dispatch::{Dispatch, FinishError, ServerThread, ServerThreadBuilder, StartError};
pub use vuart_wire::{RuntimeDir, RuntimeDirError};

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
