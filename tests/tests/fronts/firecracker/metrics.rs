//! What keeps the names of Firecracker's `SerialDeviceMetrics`, in the place of `SerialEventsWrapper`.

use vuart::{Meter, Metrics};

// What Firecracker has.
use super::stand_ins::METRICS;

/// Called before `METRICS.write()`, with the port's meter and what was counted last.
pub(crate) fn count(meter: &Meter, last: &mut Metrics) {
    let now = meter.read();
    let new = now.since(last).port;
    METRICS.read_count.add(new.bytes_read);
    METRICS.write_count.add(new.bytes_sent);
    METRICS.missed_read_count.add(new.bad_reads);
    METRICS.missed_write_count.add(new.bad_writes);
    METRICS.error_count.add(new.interrupts_failed);
    *last = now;
}
