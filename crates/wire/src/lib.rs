//! The framed protocol of a console's control socket.
#![forbid(unsafe_code)]

mod client;
mod runtime_dir;
mod wire;

pub use client::{Client, ClientError};
pub use runtime_dir::{RuntimeDir, RuntimeDirError};
pub use wire::*;
