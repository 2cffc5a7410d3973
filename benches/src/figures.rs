//! The figures, a file for each family.

mod attach;
mod attached;
mod consumers;
mod drivers;
mod exits;
mod idle;
mod register;
mod ring;
mod shared;
mod sinks;
mod string;
mod syscalls;
mod takeover;
mod waking;

use std::error::Error;

pub(crate) use self::idle::{Kind, crowd};
pub(crate) use self::register::character;
use crate::measure::{Effort, Pair};
use crate::table::Row;

/// What a family returns; an error when something did not arrive as it should.
pub(crate) type Rows = Result<Vec<Row>, Box<dyn Error>>;

/// A family measures its rows.
pub(crate) type Family = fn(Effort) -> Rows;

/// All of them, in the order of the table.
pub(crate) const FAMILIES: &[(&str, Family)] = &[
    ("one register access", register::rows),
    ("several bytes in one access", string::rows),
    ("what drivers do besides", drivers::rows),
    ("a port that several vCPUs share", shared::rows),
    ("output into files, pipes and sockets", sinks::rows),
    ("output while the console is served", attached::rows),
    ("console output in a KVM guest", exits::rows),
    ("a THR write, and who is attached", consumers::rows),
    ("an idle console", idle::rows),
    ("what output costs the guest in system calls", syscalls::rows),
    ("attaching to a long history", attach::rows),
    ("taking over", takeover::rows),
    ("the ring by itself", ring::rows),
    ("a push and those who sleep", waking::rows),
];

/// How many copies of the devices' code a figure of some nanoseconds is taken over.
const COPIES: usize = 7;

/// Measures one of them.
type Measure = fn(Effort) -> Result<Pair, Box<dyn Error>>;

/// A measurement of a function that is generic over the copy, for each of them.
macro_rules! copies {
    ($measure:ident) => {
        [
            $measure::<0>,
            $measure::<1>,
            $measure::<2>,
            $measure::<3>,
            $measure::<4>,
            $measure::<5>,
            $measure::<6>,
        ]
    };
}
use copies;

/// Measures each copy, and gives the one whose ratio is the median.
///
/// What some ten instructions cost depends on where they are: how they lie in the lines of the caches, and what else has the same place
/// in the tables of the branch predictor. A change elsewhere in the program moves them, and a figure of one address by a third.
pub(crate) fn over_copies(effort: Effort, copies: [Measure; COPIES]) -> Result<Pair, Box<dyn Error>> {
    let effort = effort.part_of(COPIES);
    let pairs = copies.iter().map(|measure| measure(effort)).collect::<Result<Vec<_>, _>>()?;
    Ok(Pair::typical(pairs).ok_or("there are no copies")?)
}

/// Those whose name contains `only`; all of them when nothing is asked for.
pub(crate) fn chosen(only: Option<&str>) -> Result<Vec<(&'static str, Family)>, String> {
    let only = only.unwrap_or_default();
    let chosen: Vec<_> = FAMILIES.iter().copied().filter(|(name, _)| name.contains(only)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = FAMILIES.iter().map(|(name, _)| format!("{name:?}")).collect();
        let names = names.join(", ");
        return Err(format!("no family is named {only:?}; there are {names}"));
    }
    Ok(chosen)
}

/// What a verification found, when it was not what it should be.
pub(crate) fn expect(what: &str, found: u64, expected: u64) -> Result<(), Box<dyn Error>> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found} bytes arrived, {expected} were written").into())
    }
}
