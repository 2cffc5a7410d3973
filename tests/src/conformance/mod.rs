//! What real drivers do, replayed on what a VMM embeds, here and elsewhere, and the document that compares the two.
//!
//! The traces are in `tests/traces`; its `README.md` says how they are written.

mod behaviour;
pub mod document;
mod peer;
mod seen;

pub use behaviour::{Behaviour, DRIVERS, Driver, Error, Outcome, all, folders};
pub use peer::{Peer, peer_version};
pub use seen::Seen;
