//! The audit trail of consoles: who did what, as JSON lines in a ring of their own.
//!
//! The guest's output is in another ring, so nothing that a guest writes can look like a line of the trail (E9). The threads whose
//! actions the trail records wait for no disk: a line is a copy into memory, from which [a thread](AuditLog) or any other reader takes it.
//! [`document`] describes the lines.
//!
//! Numbers such as E9 are rows of [the rules](https://docs.rs/vuart/latest/vuart/rules/index.html).
//!
//! [`Audit`] is the trail, [`AuditFile`] says where it is saved, and [`AuditLine`] reads a line.

#![forbid(unsafe_code)]

pub mod document;
mod error;
mod file;
mod flood;
mod line;
mod lines;
mod log;
mod saver;
mod source;
mod status;
mod trail;

pub use crate::error::AuditError;
pub use crate::file::AuditFile;
pub use crate::line::{AuditEntry, AuditLine, AuditLineError, LostBecause};
pub use crate::log::AuditLog;
pub use crate::status::AuditStatus;
pub use crate::trail::Audit;

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
