//! Figures of a few nanoseconds, measured on several copies of the same code.
//!
//! The cost of some ten instructions depends on their addresses: on their place in the cache lines, and on what else has the same
//! place in the branch predictor's tables. A change elsewhere in the program moves them, and a figure of one copy by a third. So such
//! a figure is measured on [`COPIES`] copies, and the row shows the copy whose ratio is the median.

use std::error::Error;

use crate::measure::{Effort, Pair};

/// The number of copies of the devices' code. [`copies!`] lists as many.
pub(crate) const COPIES: usize = 7;

/// Makes an array of the copies of a function that is generic over the copy.
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
pub(crate) use copies;

type Measure = fn(Effort) -> Result<Pair, Box<dyn Error>>;

/// Measures each copy, and returns the pair whose ratio is the median.
pub(crate) fn over_copies(effort: Effort, copies: [Measure; COPIES]) -> Result<Pair, Box<dyn Error>> {
    // Three times the rounds of another figure, shared among the copies.
    let effort = effort.scaled(3, COPIES);
    let mut pairs = Vec::with_capacity(COPIES);
    for measure in copies {
        pairs.push(measure(effort)?);
    }
    pairs.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    Ok(pairs[COPIES / 2])
}
