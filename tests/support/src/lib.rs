//! What the tests of several crates share. It is a dev-dependency only (`.ci/arrows` checks that), and is not published.
//!
//! | to | use |
//! |---|---|
//! | wait for something without a hang | [`until`], [`read_to`], [`HANG`] |
//! | be the guest at a console | [`Guest`], [`take`] |
//! | serve a console, and connect to it | `Served`, `Vm` (feature `served`) |
//! | play a part in another process | [`play`], [`part`] |
//! | filter threads as a VMM does | `in_a_process`, `allow` (feature `filtered`) |
//! | measure this process | [`resident_kib`], [`open_files`] |
#![deny(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a test fails by a panic")]

#[cfg(feature = "filtered")]
#[expect(unsafe_code, reason = "a signal handler says which call was refused")]
mod filtered;
mod guest;
mod process;
#[cfg(feature = "served")]
mod served;
mod wait;

#[cfg(feature = "filtered")]
pub use filtered::{allow, allow_also, in_a_process, refusal};
pub use guest::{Guest, take};
pub use process::{PART, open_files, part, play, resident_kib};
#[cfg(feature = "served")]
pub use served::{Served, Vm, settle, turn};
pub use wait::{HANG, kept_and_lost, read_to, until};
