//! The reset of the machine: processor, memory and interrupt controllers as they were before the guest ran.
//!
//! KVM has no call that resets a virtual machine. So all that the guest can change is read before it runs, and set again.

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_fpu, kvm_irqchip, kvm_lapic_state,
    kvm_mp_state, kvm_pit_state2, kvm_regs, kvm_sregs, kvm_vcpu_events,
};
use kvm_ioctls::{VcpuFd, VmFd};
use vmm_sys_util::errno;

use super::system::refused;
use crate::Error;

/// The state of a virtual machine with one processor before its guest runs.
pub(super) struct PowerOn {
    registers: kvm_regs,
    special: kvm_sregs,
    fpu: kvm_fpu,
    events: kvm_vcpu_events,
    lapic: kvm_lapic_state,
    running: kvm_mp_state,
    controllers: [kvm_irqchip; 3],
    timer: kvm_pit_state2,
}

impl PowerOn {
    /// Reads the state.
    pub(super) fn of(vm: &VmFd, vcpu: &VcpuFd) -> Result<Self, Error> {
        let read = || {
            let controller = |chip_id| {
                let mut controller = kvm_irqchip { chip_id, ..kvm_irqchip::default() };
                vm.get_irqchip(&mut controller).map(|()| controller)
            };
            Ok::<_, errno::Error>(Self {
                registers: vcpu.get_regs()?,
                special: vcpu.get_sregs()?,
                fpu: vcpu.get_fpu()?,
                events: vcpu.get_vcpu_events()?,
                lapic: vcpu.get_lapic()?,
                running: vcpu.get_mp_state()?,
                controllers: [
                    controller(KVM_IRQCHIP_PIC_MASTER)?,
                    controller(KVM_IRQCHIP_PIC_SLAVE)?,
                    controller(KVM_IRQCHIP_IOAPIC)?,
                ],
                timer: vm.get_pit2()?,
            })
        };
        read().map_err(refused("read the machine's state before it runs"))
    }

    /// Sets the state again. An access for which the vCPU has exited is over before that.
    pub(super) fn restore(&self, vm: &VmFd, vcpu: &mut VcpuFd) -> Result<(), Error> {
        // The rest of an access happens as the guest is entered again, and would then change the new guest's registers. With
        // `immediate_exit` the vCPU is entered for that only. A request to stop is not lost: see kick.rs.
        vcpu.set_kvm_immediate_exit(1);
        let left = vcpu.run().map(|_| ());
        vcpu.set_kvm_immediate_exit(0);
        // After a triple fault KVM may refuse to enter the guest at all, or say again that it has shut down.
        if let Err(error) = left
            && error.errno() != libc::EINTR
        {
            log::debug!("the access before the reset did not end: {error}");
        }
        let write = || {
            for controller in &self.controllers {
                vm.set_irqchip(controller)?;
            }
            vm.set_pit2(&self.timer)?;
            vcpu.set_lapic(&self.lapic)?;
            vcpu.set_sregs(&self.special)?;
            vcpu.set_regs(&self.registers)?;
            vcpu.set_fpu(&self.fpu)?;
            vcpu.set_mp_state(self.running)?;
            vcpu.set_vcpu_events(&self.events)
        };
        write().map_err(refused("reset the machine"))
    }
}
