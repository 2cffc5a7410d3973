//! The figures, one file for each family.
//!
//! # Where to add a figure
//!
//! 1. Write a function that measures it, in the file of the family to which it belongs (`src/figures/FAMILY.rs`). Measure the peer in
//!    the same call, with [`compare`](crate::measure::compare) or [`medians`](crate::measure::medians), so that both alternate. Check
//!    with [`verify`](crate::verify) that all bytes arrived.
//! 2. Add a [`Row`](crate::table::Row) to the family's `rows` function. [`Row::new`](crate::table::Row::new) says how to write the
//!    title. Set a goal where one was agreed on.
//! 3. Only for a new family: write `src/figures/FAMILY.rs` with a function `rows`, and add a line to [`FAMILIES`].
//!
//! `cargo run --release -p vuart-benches -- table --only FAMILY` shows the result. Remove figures that neither help an embedder to
//! decide nor show a regression of the ring, the port or the server.

mod attach;
mod clients;
mod delivery;
mod doorbell;
mod drivers;
mod exits;
mod idle;
mod register;
mod ring;
mod shared;
mod sinks;
mod syscalls;
mod takeover;

pub(crate) use self::idle::{Kind, crowd};
use crate::measure::Effort;
use crate::table::Rows;

/// A function that measures the rows of a family.
type Family = fn(Effort) -> Rows;

/// All families by the name that `--only` takes, in the order of the table.
const FAMILIES: &[(&str, Family)] = &[
    ("register", register::rows),
    ("drivers", drivers::rows),
    ("shared", shared::rows),
    ("sinks", sinks::rows),
    ("delivery", delivery::rows),
    ("exits", exits::rows),
    ("clients", clients::rows),
    ("idle", idle::rows),
    ("syscalls", syscalls::rows),
    ("attach", attach::rows),
    ("takeover", takeover::rows),
    ("ring", ring::rows),
    ("doorbell", doorbell::rows),
];

/// Returns the families whose name contains `only`, or all of them without `only`.
///
/// # Errors
///
/// When no name contains `only`. The error lists the names.
pub(crate) fn chosen(only: Option<&str>) -> Result<Vec<(&'static str, Family)>, String> {
    let only = only.unwrap_or_default();
    let chosen: Vec<_> = FAMILIES.iter().copied().filter(|(name, _)| name.contains(only)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = FAMILIES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no family's name contains {only:?}; the families are {}", names.join(", ")));
    }
    Ok(chosen)
}
