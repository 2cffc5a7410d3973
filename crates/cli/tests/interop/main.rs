//! Other people's programs at a console. What they show here is what `docs/transcripts` has, and `docs/interop.md` explains.
//!
//! `.ci/interop` installs the programs; without them these tests say so and pass. See `programs.rs`.

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
