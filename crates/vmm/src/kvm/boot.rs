//! The virtual processor, and loading the guest: memory with its code, and a vCPU at the first instruction.

use std::sync::Arc;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{VcpuFd, VmFd};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use super::system::refused;
use crate::Error;
use crate::board::Board;
use crate::counters::Counting;

/// The size of the guest's memory: the vector table of real mode, and from 64 KiB on the guest's segment.
const MEMORY_SIZE: usize = 0x2_0000;

/// The guest's segment. Its address is 16 times this.
const SEGMENT: u16 = 0x1000;

/// The virtual processor, with the bus that its port accesses reach.
pub(super) struct Processor {
    // Fields are dropped in their order: the vCPU before its virtual machine.
    pub(super) vcpu: VcpuFd,
    pub(super) vm: Arc<VmFd>,
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

/// Gives the virtual machine its memory, which is empty. The memory must be dropped after the virtual machine.
pub(super) fn add_memory(vm: &VmFd) -> Result<GuestMemoryMmap, Error> {
    let memory: GuestMemoryMmap =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_SIZE)]).map_err(|error| failed(&error))?;
    let host_address = memory.get_host_address(GuestAddress(0)).map_err(|error| failed(&error))?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY_SIZE as u64,
        userspace_addr: host_address as u64,
    };
    // SAFETY: the region is all of a mapping that `memory` owns, and `Vm` drops `memory` after the virtual machine. This
    // process holds no reference into the mapping.
    unsafe { vm.set_user_memory_region(region) }.map_err(refused("give the machine its memory"))?;
    Ok(memory)
}

/// Fills the memory anew: the program, and nothing else.
pub(super) fn load(memory: &GuestMemoryMmap, program: &[u8]) -> Result<(), Error> {
    memory.write_slice(&vec![0; MEMORY_SIZE], GuestAddress(0)).map_err(|error| failed(&error))?;
    memory.write_slice(program, GuestAddress(u64::from(SEGMENT) << 4)).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Memory(error.to_string())
}

/// Sets the vCPU to the first byte of the program, with two arguments. After a reset the vCPU is in real mode.
pub(super) fn enter_guest(vcpu: &VcpuFd, [rbx, rcx]: [u64; 2]) -> Result<(), Error> {
    let mut special = vcpu.get_sregs().map_err(refused("read the processor's registers"))?;
    special.cs.selector = SEGMENT;
    special.cs.base = u64::from(SEGMENT) << 4;
    vcpu.set_sregs(&special).map_err(refused("set the processor's registers"))?;

    let mut registers = vcpu.get_regs().map_err(refused("read the processor's registers"))?;
    (registers.rip, registers.rbx, registers.rcx) = (0, rbx, rcx);
    // All flags are clear. Bit 1 is always set.
    registers.rflags = 0x2;
    vcpu.set_regs(&registers).map_err(refused("set the processor's registers"))
}
