//! What the thread calls that drives a `Local`.

use crate::rule::{Rule, call};

/// The rest is that of any event loop.
pub(super) const LOCAL: &[Rule] = &[
    call("recvfrom", libc::SYS_recvfrom, "input from a socket"),
    call("sendto", libc::SYS_sendto, "output to a socket"),
    call("ppoll", libc::SYS_ppoll, "a device, or what can't be opened anew; `finish`"),
];
