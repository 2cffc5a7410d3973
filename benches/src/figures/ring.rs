//! The ring by itself, beside the queues and rings that could be used instead, and beside `memcpy`.

mod copied;
mod locked;
mod memory;
mod sink;
mod snapshot;
mod tail;
mod writing;

use crate::measure::Effort;
use crate::table::Rows;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = writing::rows(effort)?;
    rows.extend(snapshot::rows(effort)?);
    rows.extend(tail::rows(effort)?);
    Ok(rows)
}
