//! When to let KVM collect a guest's output, instead of leaving the guest for each byte.
//!
//! A guest that polls (firmware, `earlycon`, the kernel's own messages) writes up to 16 bytes to THR for each look at LSR, and each write
//! costs an exit to user space. KVM can put the writes into a ring that it shares with the VMM (`KVM_CAP_COALESCED_PIO`), while the
//! VMM has registered THR's port as a zone. While the guest polls, it can't tell the difference:
//! [`SerialPort::defers_output`](crate::SerialPort::defers_output). The VMM does three things:
//!
//! * It **drains** the ring into the port before it handles any exit, so that the port sees all accesses in the guest's order. It also
//!   drains when it takes the port's state, and when the guest ends.
//! * It tells [`Coalescing`] of each access, and **registers** or **unregisters** the zone when that says so.
//! * While the zone is registered, it gets a vCPU out of the guest for a **tick**, every 10 ms or so. A guest that has nothing more to say
//!   makes no access before which its last words could be drained. After some ticks without output the zone is unregistered, so an
//!   idle guest has no timer.
//!
//! ```
//! use std::collections::VecDeque;
//! use vuart::SerialPort;
//! use vuart::coalescing::{Change, Coalescing};
//! # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
//!
//! // As much of KVM as matters here, and an exit's handler.
//! #[derive(Default)]
//! struct Vm { registered: bool, ring: VecDeque<u8>, exits: u32 }
//!
//! fn on_write(vm: &mut Vm, port: &mut SerialPort<Irq>, coalescing: &mut Coalescing, register: u8, value: u8) {
//!     if vm.registered && register == 0 {
//!         return vm.ring.push_back(value); // KVM does that: no exit
//!     }
//!     vm.exits += 1;
//!     let drained = vm.ring.make_contiguous();
//!     port.write_string(0, drained);
//!     let written = drained.len() + usize::from(register == 0);
//!     vm.ring.clear();
//!     port.write_register(register, value);
//!     match coalescing.accessed(written, port.defers_output()) {
//!         Some(Change::Register) => vm.registered = true, // VmFd::register_coalesced_mmio, and start the timer
//!         Some(Change::Unregister) => vm.registered = false, // and stop it, and drain once more
//!         None => {}
//!     }
//! }
//!
//! let (mut vm, mut port, mut coalescing) = (Vm::default(), SerialPort::new(Irq), Coalescing::new());
//! for byte in [b'.'; 300] {
//!     on_write(&mut vm, &mut port, &mut coalescing, 0, byte);
//! }
//! assert_eq!((vm.exits, vm.ring.len()), (128, 172));
//! on_write(&mut vm, &mut port, &mut coalescing, 1, 0x02); // IER: the THRE interrupt
//! assert_eq!((port.console().scrollback().end(), vm.registered), (300, false));
//! ```
//!
//! With the feature `kvm`, `CoalescedPort` does all three. This module alone is for a VMM that drains on its vCPUs' threads only.
//!
//! `vuart-vmm` does it with a real KVM (`crates/vmm/src/kvm/coalesced.rs`). It has no timer thread: the tick is a POSIX timer that signals
//! the vCPU's own thread, so no other thread ever takes the port's lock.
//!
//! # Several vCPUs
//!
//! The ring belongs to the VM, not to a vCPU: a drain gets what all vCPUs have written. So drain, access and change of the zone are one
//! step, under the lock that the VMM has around the port anyway and that only vCPU threads take. The tick may go to any vCPU. This is
//! right because the port gets the accesses in an order that each vCPU agrees with:
//!
//! * *Accesses of one vCPU.* Its write is in the ring before the same vCPU's next exit, which drains it.
//! * *Accesses of two vCPUs.* A write that was in the ring when another vCPU's exit drained it comes before that vCPU's access. A write that
//!   came later was concurrent with that access, so either may be first, and the write counts as later. This also holds if the access
//!   changed what the write means: a byte that comes out of the ring after another vCPU has set DLAB is a write to offset 0 after
//!   DLAB was set, so it goes to the divisor. A chip would have done the same. The ring holds accesses, not output.
//! * *The end of deferring.* When an access ends the port's deferring, writes may enter the ring until the zone is gone.
//!   `KVM_UNREGISTER_COALESCED_MMIO` returns when no vCPU can add to the ring any more. Hence the drain after it.
//!
//! # What to know about KVM
//!
//! * When the ring (169 entries) is full, the write is an exit. Drain, then handle it, and the order is right. Do without coalescing only for
//!   guests with encrypted registers (SEV-ES): KVM takes their `rep outsb` as a whole, and bytes that do not fit into the ring are
//!   lost (Linux 5.18 and later) or doubled (before). For other guests it takes the string byte by byte.
//! * A zone of one byte takes single bytes only. A wider access to THR's port is an exit.
//! * To unregister, KVM waits until all vCPUs have left its device code (an SRCU grace period), and the guest waits with it. That takes
//!   some 20 µs. From Linux 6.18 on it takes up to two ticks of the host (8 ms were measured, with 250 ticks a second) if the zone was
//!   registered less than about 100 ms before, because registering has then begun a grace period that nothing hurries. An exit takes
//!   one or two microseconds. Hence [`Coalescing::WORTH`] and [`Coalescing::SILENCE`].
//! * What KVM has collected belongs to the VM. A VMM that is killed loses the last 10 ms of a guest that polls, 169 bytes at most. Without
//!   coalescing they would be in a ring that [outlives it](crate::PortBuilder::with_writer).

/// A change of the zone that the VMM is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Register the zone, and begin to tick.
    Register,
    /// Unregister the zone, drain once more, and stop ticking.
    Unregister,
}

/// Decides whether THR's port is to be a coalesced zone. The [module](self) says what a VMM does with it.
#[derive(Debug, Clone)]
pub struct Coalescing {
    /// The number of bytes to THR since the port began to defer, or since the zone was last registered or unregistered.
    run: usize,
    /// The number of bytes at which the zone is registered.
    wanted: usize,
    registered: bool,
    /// The number of ticks since output has come.
    silent: u32,
    /// KVM has refused to register the zone.
    refused: bool,
}

impl Coalescing {
    /// The number of bytes in a row, to a port that defers, after which the zone is registered for the first time.
    pub const RUN: usize = 128;

    /// The number of bytes that a zone must collect to be worth its registration, and the longest run that is waited for.
    ///
    /// After a zone that was not worth it, the next one needs a run four times as long. So a guest that switches the THRE interrupt on
    /// for its user space and off around each text line of its kernel pays for a zone at one of its first lines, and not at each.
    /// Whatever a guest does, in the long run it has made 8192 exits for each useless registration, and these take longer than one
    /// unregistration.
    pub const WORTH: usize = 8192;

    /// The number of ticks without output after which the zone is unregistered. With ticks of 10 ms, KVM's slow grace period is then over, and
    /// the unregistration takes microseconds.
    pub const SILENCE: u32 = 16;

    /// Begins without a zone.
    pub fn new() -> Self {
        Self { run: 0, wanted: Self::RUN, registered: false, silent: 0, refused: false }
    }

    /// Notes that the guest has accessed the port. `written` is the number of bytes that were written to THR since the last call, the drained
    /// ones and the access itself included. `defers` says whether the port [defers](crate::SerialPort::defers_output) now.
    #[inline]
    pub fn accessed(&mut self, written: usize, defers: bool) -> Option<Change> {
        self.came(written);
        if !defers {
            let change = self.unregister();
            self.run = 0;
            return change;
        }
        if self.registered || self.refused || self.run < self.wanted {
            return None;
        }
        (self.registered, self.run, self.silent) = (true, 0, 0);
        Some(Change::Register)
    }

    /// Notes that a tick has passed, after which `written` bytes were drained.
    pub fn ticked(&mut self, written: usize) -> Option<Change> {
        self.silent = self.silent.saturating_add(1);
        self.came(written);
        if self.silent < Self::SILENCE { None } else { self.unregister() }
    }

    #[inline]
    fn came(&mut self, written: usize) {
        self.run = self.run.saturating_add(written);
        if written != 0 {
            self.silent = 0;
        }
    }

    fn unregister(&mut self) -> Option<Change> {
        if !self.registered {
            return None;
        }
        self.wanted =
            if self.run >= Self::WORTH { Self::RUN } else { Self::WORTH.min(self.wanted.saturating_mul(4)) };
        (self.registered, self.run) = (false, 0);
        Some(Change::Unregister)
    }

    /// Notes that the change could not be made. A zone that can't be registered is not asked for again. A zone that can't be unregistered is
    /// still there, with its ticks, and is unregistered as soon as possible.
    pub fn failed(&mut self, change: Change) {
        match change {
            Change::Register => (self.registered, self.refused) = (false, true),
            Change::Unregister => self.registered = true,
        }
    }

    /// Whether the zone is registered, so that [ticks](Self::ticked) are wanted.
    #[inline]
    pub fn wants_ticks(&self) -> bool {
        self.registered
    }
}

impl Default for Coalescing {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coalescing that has just registered its zone.
    fn registered() -> Coalescing {
        let mut it = Coalescing::new();
        assert_eq!(it.accessed(Coalescing::RUN, true), Some(Change::Register));
        it
    }

    #[test]
    fn a_run_registers_once() {
        let mut it = Coalescing::new();
        for _ in 1..Coalescing::RUN {
            assert_eq!(it.accessed(1, true), None);
            assert_eq!(it.accessed(0, true), None, "a look at LSR");
        }
        assert!(!it.wants_ticks());
        assert_eq!(it.accessed(1, true), Some(Change::Register));
        assert!(it.wants_ticks());
        assert_eq!(it.accessed(1000, true), None);
    }

    #[test]
    fn text_lines_with_interrupts_on_between_them_are_no_run() {
        let mut it = Coalescing::new();
        for _ in 0..100 {
            assert_eq!(it.accessed(Coalescing::RUN - 1, true), None);
            assert_eq!(it.accessed(0, false), None);
        }
        assert!(!it.wants_ticks());
    }

    #[test]
    fn the_zone_ends_at_once_with_the_deferring() {
        let mut it = registered();
        assert_eq!(it.accessed(16, false), Some(Change::Unregister));
        assert!(!it.wants_ticks());
        assert_eq!(it.accessed(0, false), None);
    }

    #[test]
    fn the_zone_ends_after_silence() {
        let mut it = registered();
        for _ in 1..Coalescing::SILENCE {
            assert_eq!(it.ticked(0), None);
        }
        assert_eq!(it.ticked(5), None, "something came with the tick");
        for _ in 1..Coalescing::SILENCE {
            assert_eq!(it.ticked(0), None);
        }
        assert_eq!(it.accessed(1, true), None, "something came with an access");
        for _ in 1..Coalescing::SILENCE {
            assert_eq!(it.ticked(0), None);
            assert_eq!(it.accessed(0, true), None, "a read of LSR is no output");
        }
        assert_eq!(it.ticked(0), Some(Change::Unregister));
        assert_eq!(it.ticked(0), None, "a tick that was under way");
    }

    /// The length of the run that registers the zone.
    fn run(it: &mut Coalescing) -> usize {
        (1..=2 * Coalescing::WORTH).find(|_| it.accessed(1, true).is_some()).unwrap()
    }

    #[test]
    fn a_zone_that_was_not_worth_it_needs_a_longer_run_the_next_time() {
        let mut it = Coalescing::new();
        for wanted in [128, 512, 2048, 8192, 8192] {
            assert_eq!(run(&mut it), wanted);
            it.accessed(Coalescing::WORTH - 1, true);
            assert_eq!(it.accessed(0, false), Some(Change::Unregister));
        }
        assert_eq!(run(&mut it), 8192);
        it.accessed(Coalescing::WORTH, false);
        assert_eq!(run(&mut it), Coalescing::RUN);
    }

    #[test]
    fn a_refusal_is_final() {
        let mut it = registered();
        it.failed(Change::Register);
        assert!(!it.wants_ticks());
        assert_eq!(it.accessed(10 * Coalescing::RUN, true), None);
    }

    #[test]
    fn a_zone_that_can_not_be_unregistered_is_tried_again() {
        let mut it = registered();
        assert_eq!(it.accessed(0, false), Some(Change::Unregister));
        it.failed(Change::Unregister);
        assert!(it.wants_ticks());
        assert_eq!(it.accessed(0, false), Some(Change::Unregister));
    }
}
