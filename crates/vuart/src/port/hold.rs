//! Output that waits for the owner: when the port holds the chip's transmitter.
//!
//! [`OutputHold`](vuart_endpoint::OutputHold) decides when, and says why no wake-up is lost. A hold begins after a THR write, as on a chip
//! whose register that write has filled. It ends before a look at LSR or IIR, which shows THRE and its interrupt, or at the end of any
//! access of a guest that waits for the interrupt. The guest ends it too: by a reset of the transmitter or by loopback.
//!
//! While the policy applies, no THR write takes the [fast path](crate::cache), and during a hold no read does.
//!
//! A port that records does not hold: a trace has no line for it, and a device that replays it has no owner.

use vm_superio::Trigger;

use super::SerialPort;
use crate::chip;

impl<T: Trigger> SerialPort<T> {
    /// After a character of output: holds the transmitter if the owner is too far behind.
    #[inline]
    pub(super) fn hold_if_due(&mut self) {
        if self.hold.is_on() {
            self.begin_hold_if_due();
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_hold_if_due(&mut self) {
        if !chip::is_recording(&self.chip) && self.hold.begins(self.output.end()) {
            self.chip.hold_transmitter();
        }
    }

    /// Before the guest looks at THRE: ends a hold that is over.
    #[inline]
    pub(super) fn look_at_hold(&mut self) {
        if self.hold.is_held() {
            self.end_hold_if_over();
        }
    }

    #[cold]
    #[inline(never)]
    fn end_hold_if_over(&mut self) {
        if self.hold.is_over() {
            self.end_hold();
        }
    }

    /// At the end of an access: asks for the announcement of the end of a hold, if the guest may sleep until then. Returns whether it may.
    #[inline]
    pub(super) fn settle_hold(&mut self) -> bool {
        self.hold.is_held() && self.await_end_of_hold()
    }

    #[cold]
    #[inline(never)]
    fn await_end_of_hold(&mut self) -> bool {
        if !self.chip.holds_transmitter() {
            // The guest has released it. An announcement that is on its way finds THRE pending, or nothing.
            self.hold.end();
        } else if !self.chip.awaits_transmitter() {
            // An announcement would come to nothing.
            self.hold.announced();
        } else if self.hold.want() {
            return true;
        } else {
            self.end_hold();
        }
        false
    }

    fn end_hold(&mut self) {
        let announced = self.hold.end();
        let before = self.chip.interrupt();
        // The line has been low, perhaps only within this access: the owner may be gone as soon as the hold has begun.
        self.edge.saw(before);
        self.chip.release_transmitter();
        if announced {
            self.edge.announced_elsewhere(before, self.chip.interrupt());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use vuart_16550::spec::offset::{IER, LSR};

    use super::*;

    #[test]
    fn r3_r9_a_hold_that_ends_in_the_access_in_which_it_began_is_a_rise() {
        let edges = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&edges);
        let mut port = SerialPort::new(move || _ = count.fetch_add(1, Relaxed));
        port.write_register(IER, 0x02);
        assert_eq!((port.read_register(LSR), edges.load(Relaxed)), (0x60, 1));
        // The rest of a THR write, while another thread takes the owner away.
        port.chip.hold_transmitter();
        port.end_hold();
        port.settle();
        assert_eq!(edges.load(Relaxed), 2);
    }
}
