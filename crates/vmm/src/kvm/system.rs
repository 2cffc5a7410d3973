//! `/dev/kvm`: whether it is there, may be used, and has what the machine is made of.

use std::ffi::CStr;

use kvm_bindings::{KVM_API_VERSION, kvm_pit_config};
use kvm_ioctls::{Cap, Kvm, VmFd};
use vmm_sys_util::errno;

use crate::Error;

const DEVICE: &CStr = c"/dev/kvm";

/// What the machine is made of.
const NEEDED: [(Cap, &str); 6] = [
    (Cap::UserMemory, "user memory"),
    (Cap::SetTssAddr, "real mode (KVM_CAP_SET_TSS_ADDR)"),
    (Cap::Irqchip, "interrupt controller"),
    (Cap::Pit2, "timer (KVM_CAP_PIT2)"),
    (Cap::Irqfd, "interrupt by event (KVM_CAP_IRQFD)"),
    (Cap::ImmediateExit, "immediate exit (KVM_CAP_IMMEDIATE_EXIT)"),
];

/// Three pages that the guest does not use, below the firmware's place at the top of 4 GiB. Intel processors that can't
/// run real mode by themselves need them.
const TSS: usize = 0xfffb_d000;

/// Finds out whether a machine can be made, by making one.
pub(crate) fn probe() -> Result<(), Error> {
    let vm = create_vm(&open()?)?;
    vm.create_vcpu(0).map_err(refused("make a processor"))?;
    Ok(())
}

/// Opens KVM, if it is the KVM that the machine needs.
pub(super) fn open() -> Result<Kvm, Error> {
    open_at(DEVICE)
}

fn open_at(path: &CStr) -> Result<Kvm, Error> {
    let kvm = Kvm::new_with_path(path).map_err(|cause| match cause.errno() {
        libc::ENOENT | libc::ENXIO | libc::ENODEV => Error::NoKvm,
        libc::EACCES | libc::EPERM => Error::KvmPermission,
        _ => Error::Kvm { operation: "open it", cause },
    })?;
    let version = kvm.get_api_version();
    if i64::from(version) != i64::from(KVM_API_VERSION) {
        return Err(Error::KvmVersion(version));
    }
    match NEEDED.iter().find(|(capability, _)| !kvm.check_extension(*capability)) {
        Some((_, name)) => Err(Error::KvmCapability(name)),
        None => Ok(kvm),
    }
}

/// Makes a machine with interrupt controllers and a timer, and nothing else.
pub(super) fn create_vm(kvm: &Kvm) -> Result<VmFd, Error> {
    let vm = loop {
        match kvm.create_vm() {
            Ok(vm) => break vm,
            // A signal came; some kernels do not start over by themselves.
            Err(cause) if cause.errno() == libc::EINTR => {}
            Err(cause) if cause.errno() == libc::EBUSY => return Err(Error::KvmBusy),
            Err(cause) => return Err(refused("make a machine")(cause)),
        }
    };
    vm.set_tss_address(TSS).map_err(refused("prepare for real mode"))?;
    vm.create_irq_chip().map_err(refused("make the interrupt controllers"))?;
    vm.create_pit2(kvm_pit_config::default()).map_err(refused("make the timer"))?;
    Ok(vm)
}

/// The error for an operation that KVM refused.
pub(super) fn refused(operation: &'static str) -> impl FnOnce(errno::Error) -> Error {
    move |cause| Error::Kvm { operation, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_said_to_be_missing() {
        let error = open_at(c"/nonexistent/kvm").err();
        assert!(matches!(error, Some(Error::NoKvm)), "{error:?}");
    }

    #[test]
    fn another_device_is_not_kvm() {
        let error = open_at(c"/dev/null").err();
        assert!(matches!(error, Some(Error::KvmVersion(-1))), "{error:?}");
    }
}
