//! What real drivers do, replayed on this UART and on another, and the document that compares the two.
//!
//! The traces are in `tests/traces`; its `README.md` says how they are written.

mod behaviour;
pub mod document;
mod peer;
mod seen;

pub use behaviour::{Behaviour, DRIVERS, Driver, Error, all, folders};
pub use peer::{Peer, peer_version};
pub use seen::Seen;
