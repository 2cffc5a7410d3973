//! Other projects' programs at a console. Their output is compared with `docs/transcripts`; `docs/interop.md` explains it.
//!
//! `.ci/interop` installs the programs. Without them these tests report that and pass. See `programs.rs`.

#![cfg(feature = "demo")]

mod person;
mod programs;
mod scene;
mod serial;
mod sockets;
mod ssh;
mod sshd;
#[path = "../support/mod.rs"]
mod support;
mod transcript;
