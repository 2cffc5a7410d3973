//! When a VMM lets KVM collect a guest's output, instead of leaving the guest for each byte.
//!
//! A console that polls (firmware, `earlycon`, the kernel's own messages) writes up to 16 bytes to THR for each look at LSR, and
//! each of these writes costs an exit to user space. KVM can put them into a ring that it shares with the VMM instead
//! (`KVM_CAP_COALESCED_PIO`), for as long as the VMM has registered THR's port as a zone. While the guest polls, nobody can tell
//! the difference: [`SerialPort::defers_output`](crate::SerialPort::defers_output). The VMM then does three things:
//!
//! * It **drains** the ring into the port before it handles any exit, so that the port sees all accesses in the guest's order; also
//!   when it takes the port's state, and when the guest is over.
//! * It tells [`Coalescing`] of each access, and **registers** or **unregisters** the zone when that says so.
//! * While the zone is registered, it gets a vCPU out of the guest for a **tick**, every 10 ms or so, because a guest that has
//!   nothing more to say makes no access before which its last words could be drained. After some ticks in which nothing came
//!   the zone is unregistered, so an idle guest has no timer.
//!
//! ```
//! use std::collections::VecDeque;
//! use vuart::SerialPort;
//! use vuart::coalescing::{Change, Coalescing};
//! # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
//!
//! // KVM, in so far as it is of interest here, and an exit's handler.
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
//! let (mut vm, mut port, mut coalescing) = (Vm::default(), SerialPort::new(Irq)?, Coalescing::new());
//! for byte in [b'.'; 300] {
//!     on_write(&mut vm, &mut port, &mut coalescing, 0, byte);
//! }
//! assert_eq!((vm.exits, vm.ring.len()), (128, 172));
//! on_write(&mut vm, &mut port, &mut coalescing, 1, 0x02); // IER: the THRE interrupt
//! assert_eq!((port.console().scrollback().end(), vm.registered), (300, false));
//! # Ok::<(), vuart::NewPortError>(())
//! ```
//!
//! `vuart-vmm` does it with a real KVM (`crates/vmm/src/kvm/coalesced.rs`); there is no timer thread: the tick is a POSIX timer that
//! signals the vCPU's own thread, so that no other thread ever takes the port's lock.
//!
//! # Several vCPUs
//!
//! The ring is the VM's, not the vCPU's: whoever drains it drains what all have written. So drain, access and change of the zone
//! are one step, under the lock that the VMM has around the port anyway, which only vCPUs' threads take; the tick may go
//! to any one of them. That is right because there is an order of the accesses that each vCPU agrees with, in which the port has
//! got them:
//!
//! * Of one vCPU: its write is in the ring before the same vCPU's next exit, which drains it.
//! * Of two: a write that was in the ring when another's exit drained it comes before that other's access. One that came later has
//!   met an access that was not yet answered, so either may be first, and it counts as later. Also when that access changed
//!   what the write means: a byte that comes out of the ring after another vCPU has set DLAB is a write to offset 0 after
//!   DLAB was set, and that is the divisor's. A chip would have done the same; the ring holds accesses, not output.
//! * When an access ends the port's deferring, writes may enter the ring until the zone is gone. `KVM_UNREGISTER_COALESCED_MMIO`
//!   returns when no vCPU can add to the ring any more; hence the drain after it.
//!
//! # What to know about KVM
//!
//! * When the ring (169 entries) is full, the write is an exit: drain, then handle it, and the order is right. Only guests with
//!   encrypted registers (SEV-ES) are to do without: KVM takes their `rep outsb` as a whole, and what does not fit into the ring any
//!   more is lost (Linux from 5.18 on) or doubled (before). Other guests' it takes byte by byte.
//! * A zone of one byte takes single bytes only: a wider access to THR's port is an exit.
//! * To unregister, KVM waits for all vCPUs to have left what they do with devices (an SRCU grace period), and the guest waits with
//!   it. That takes some 20 µs; but from Linux 6.18 on up to two ticks of the host (8 ms were measured, with 250 a second) when
//!   the zone was registered less than about 100 ms before, for then registering has begun a grace period that nobody hurries. An
//!   exit takes one or two. Hence [`Coalescing::WORTH`] and [`Coalescing::SILENCE`].
//! * What KVM has collected is the VM's: a VMM that is killed takes the last 10 ms of a guest that polls with it, 169 bytes at the
//!   most, which without coalescing would be in a ring that [outlives it](crate::PortBuilder::with_writer).

/// What is to be done about the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Register it, and begin to tick.
    Register,
    /// Unregister it, drain once more, and tick no more.
    Unregister,
}

/// Decides whether THR's port is to be a coalesced zone. See the [module](self) for what a VMM does.
#[derive(Debug, Clone)]
pub struct Coalescing {
    /// Bytes to THR since the port began to defer, or since the zone was last registered or unregistered.
    run: usize,
    /// How many of them register the zone.
    wanted: usize,
    registered: bool,
    /// Ticks since something has come.
    silent: u32,
    /// KVM does not want to.
    refused: bool,
}

impl Coalescing {
    /// After how many bytes in a row to a port that defers the zone is registered for the first time.
    pub const RUN: usize = 128;

    /// How many bytes a zone must have collected to have been worth it; and the longest run that is waited for.
    ///
    /// After a zone that was not, four times as many bytes as the last time must come. So a guest that turns the THRE interrupt on
    /// for its user space and off around each line of its kernel's pays for a zone with one of its first lines, and not with each:
    /// whatever a guest does, in the long run it has made 8192 exits for each registration that was in vain, which together
    /// take longer than an unregistration does.
    pub const WORTH: usize = 8192;

    /// After how many ticks in which nothing came the zone is unregistered. With ticks of 10 ms, KVM has then done what makes an
    /// unregistration slow: it takes microseconds.
    pub const SILENCE: u32 = 16;

    /// Nothing is registered, and nothing has been written.
    pub fn new() -> Self {
        Self { run: 0, wanted: Self::RUN, registered: false, silent: 0, refused: false }
    }

    /// The guest has accessed the port: `written` bytes were written to THR since the last call, drained ones and the access
    /// itself, and now the port [defers](crate::SerialPort::defers_output), or not.
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

    /// A tick's time has passed, and `written` bytes were drained after it.
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

    /// The change could not be made. A zone that can't be registered is not asked for again; one that can't be unregistered is
    /// there still, with its ticks, and is unregistered as soon as that can be done.
    pub fn failed(&mut self, change: Change) {
        match change {
            Change::Register => (self.registered, self.refused) = (false, true),
            Change::Unregister => self.registered = true,
        }
    }

    /// Whether the zone is registered, and [ticks](Self::ticked) are wanted.
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

    /// One that has just registered its zone.
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
    fn lines_between_which_interrupts_are_on_are_no_run() {
        let mut it = Coalescing::new();
        for _ in 0..100 {
            assert_eq!(it.accessed(Coalescing::RUN - 1, true), None);
            assert_eq!(it.accessed(0, false), None);
        }
        assert!(!it.wants_ticks());
    }

    #[test]
    fn it_ends_at_once_with_the_deferring() {
        let mut it = registered();
        assert_eq!(it.accessed(16, false), Some(Change::Unregister));
        assert!(!it.wants_ticks());
        assert_eq!(it.accessed(0, false), None);
    }

    #[test]
    fn it_ends_after_silence() {
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
            assert_eq!(it.accessed(0, true), None, "a look at LSR is nothing");
        }
        assert_eq!(it.ticked(0), Some(Change::Unregister));
        assert_eq!(it.ticked(0), None, "a tick that was under way");
    }

    /// How long a run registers it.
    fn run(it: &mut Coalescing) -> usize {
        (1..=2 * Coalescing::WORTH).find(|_| it.accessed(1, true).is_some()).unwrap()
    }

    #[test]
    fn a_zone_that_was_not_worth_it_is_a_longer_run_the_next_time() {
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
    fn a_zone_that_stays_is_tried_again() {
        let mut it = registered();
        assert_eq!(it.accessed(0, false), Some(Change::Unregister));
        it.failed(Change::Unregister);
        assert!(it.wants_ticks());
        assert_eq!(it.accessed(0, false), Some(Change::Unregister));
    }
}
