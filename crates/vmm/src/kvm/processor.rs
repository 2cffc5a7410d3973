//! The virtual processor, with the bus that its port accesses reach.

use std::sync::Arc;

use kvm_ioctls::{VcpuFd, VmFd};

use crate::board::Board;
use crate::counters::Counting;

/// The virtual processor.
pub(super) struct Processor {
    // Fields are dropped in their order: the vCPU before its virtual machine.
    pub(super) vcpu: VcpuFd,
    pub(super) vm: VmFd,
    pub(super) board: Board,
    pub(super) counting: Arc<Counting>,
}

impl Processor {
    /// The width of the port access for which the vCPU has just exited, in bytes.
    ///
    /// A string instruction makes several accesses to one port, which KVM reports together. Only the width tells a word from
    /// two bytes.
    pub(super) fn pio_width(&mut self) -> usize {
        // SAFETY: the exit was for port I/O, so KVM has filled the field `io` of the union. In any case it consists of
        // integers, for which all bits are valid.
        let width = unsafe { self.vcpu.get_kvm_run().__bindgen_anon_1.io.size };
        usize::from(width)
    }
}
