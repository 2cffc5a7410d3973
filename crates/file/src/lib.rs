//! The one place where vuart opens the files that it writes: traces, rings, audit trails, locks.
//!
//! Such a file holds what a guest or a person has written, and a person names it on a command line or in a configuration. So a wrong name
//! must not destroy another file, and nobody else may read it. [`Options::open`] says what is checked.
//!
//! ```
//! use std::io::Write as _;
//! use vuart_file::{Kind, OpenError, Options};
//!
//! const NOTES: Kind = Kind { name: "a file of notes", begins: |bytes| bytes.starts_with(b"# notes") };
//!
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("notes");
//! let mut notes = Options::new(NOTES).open(&path)?;
//! notes.file.write_all(b"# notes\n")?;
//!
//! std::fs::write(dir.path().join("other"), "precious")?;
//! let refused = Options::new(NOTES).open(&dir.path().join("other"));
//! assert!(matches!(refused, Err(OpenError::OtherKind { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod options;

pub use error::OpenError;
pub use options::{Kind, Opened, Options};

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
