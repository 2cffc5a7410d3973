#![doc = include_str!("../README.md")]
//!
//! # A tour of the modules
//!
//! An arrow points to what is used. Types without behaviour (`symbol`, `counters`, `identity`, …) and
//! [`printable`](is_printable), the rule for text that others have chosen, are left out.
//!
//! ```text
//! builder ──▶ console ──▶ session        handles: what a VMM and a server hold
//!                │           │
//!                └─────┬─────┘
//!                console_core            the lock, and what follows it: announcement, doorbell, observers
//!                      │
//!                    state               who owns, waits and watches; deadlines; counters; events
//!                      │
//!      ┌───────────────┼───────────┐
//!    input     carrier, hold     link    lock-free: to the guest's port, and to a session's handle
//!      │               │
//!   changes ──▶ bell ◀─┘
//! ```
//!
//! The words of the interface are beside them: [`attach`](Attach) (a request), [`standing`](Standing) (what a session may do),
//! [`info`](SessionInfo), [`policy`](Policy), [`end`](End) and [`refused`](Refused), [`event`](ConsoleEvent),
//! [`identity`](Identity) and [`timestamp`](Timestamp).
//!
//! Numbers such as E4 and S14 are rows of [the rules](https://docs.rs/vuart/latest/vuart/rules/index.html): how other consoles have
//! failed, and what must hold here.

#![forbid(unsafe_code)]

mod announcement;
mod attach;
mod bell;
mod builder;
mod carrier;
mod changes;
mod console;
mod console_core;
mod counters;
mod end;
mod event;
#[cfg(feature = "serde")]
mod flat;
mod hold;
mod identity;
mod info;
mod input;
mod link;
mod observer;
mod policy;
mod printable;
mod refused;
mod session;
mod standing;
mod state;
mod symbol;
mod sync;
#[cfg(test)]
mod testing;
mod timestamp;
mod warnings;

pub use attach::{Attach, Mode, OnLag};
pub use builder::{ConsoleBuilder, ConsoleParts};
pub use carrier::{DropDue, DropWatch, GuestLines};
pub use console::Console;
pub use counters::Counters;
pub use end::{Cause, End};
pub use event::{ConsoleEvent, EventKind, HangUpReason, Who};
pub use hold::{HoldWatch, OutputHold};
pub use identity::Identity;
pub use info::{SessionId, SessionInfo, Window};
pub use input::{Input, InputWatch};
pub use policy::{Evicted, HangUp, OutputPolicy, Policy};
pub use printable::{Printable, is_printable};
pub use refused::Refused;
pub use session::Session;
pub use standing::{Change, Epoch, Eviction, Standing};
pub use symbol::{LineError, Symbol};
pub use timestamp::Timestamp;
pub use warnings::Warning;
