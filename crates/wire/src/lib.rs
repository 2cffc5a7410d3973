//! The framed protocol of a console's control socket: its frames, a client, and the directory where clients find consoles.
//!
//! # Tour
//!
//! | to know | look at |
//! |---|---|
//! | what a client can send | [`Request`] (`request.rs`) |
//! | what a server can send | [`Event`] (`event.rs`) |
//! | the bytes of a frame, and **how to add a frame** | [`Frame`] (`frame.rs`) |
//! | how a stream is cut into frames | [`Decoder`] (`decoder.rs`) |
//! | the errors on the wire, and of received bytes | [`ErrorMessage`], [`WireError`] (`error.rs`) |
//! | how what a peer says is made harmless | [`Said`] (`said.rs`) |
//! | how to connect, blocking or with an event loop | [`Client`] (`client.rs`) |
//! | how a socket is found and its server checked | `connect.rs` |
//! | where the sockets are | [`RuntimeDir`] (`runtime_dir.rs`) |
//!
//! [`protocol`] describes the protocol for implementations in other languages. `vuart-server` is the other side.
//!
//! This crate knows nothing of the server: a program that only attaches needs neither the server nor the port.
#![forbid(unsafe_code)]

mod client;
mod client_error;
mod connect;
mod decoder;
mod error;
mod event;
mod frame;
pub mod protocol;
mod request;
mod runtime_dir;
mod said;

pub use client::Client;
pub use client_error::ClientError;
pub use decoder::Decoder;
pub use error::{ErrorCode, ErrorMessage, WireError};
pub use event::{Attached, Event, Hole, LogEnd, Status, Welcome};
pub use frame::{Frame, HEADER, MAX_PAYLOAD, OUTPUT_HEADER, OUTPUT_MAX, VERSION, output_frame};
pub use request::{AcceptRequest, AttachRequest, DetachRequest, Hello, KickRequest, LogRequest, Request};
pub use runtime_dir::{RuntimeDir, RuntimeDirError};
pub use said::Said;

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
