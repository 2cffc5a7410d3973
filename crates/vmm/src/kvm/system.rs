//! `/dev/kvm`: opens it, and checks that it has what the machine needs.

use std::ffi::CStr;

use kvm_bindings::{KVM_API_VERSION, kvm_pit_config};
use kvm_ioctls::{Cap, Kvm, VmFd};
use vmm_sys_util::errno;

use crate::Error;

const DEVICE: &CStr = c"/dev/kvm";

/// The capabilities that the machine needs, with their names for the user.
const NEEDED: [(Cap, &str); 6] = [
    (Cap::UserMemory, "user memory"),
    (Cap::SetTssAddr, "real mode (KVM_CAP_SET_TSS_ADDR)"),
    (Cap::Irqchip, "interrupt controller"),
    (Cap::Pit2, "timer (KVM_CAP_PIT2)"),
    (Cap::Irqfd, "interrupt by event (KVM_CAP_IRQFD)"),
    (Cap::ImmediateExit, "immediate exit (KVM_CAP_IMMEDIATE_EXIT)"),
];

/// The address of three pages that the guest does not use, below the place of the firmware at the top of 4 GiB. Intel
/// processors without unrestricted-guest support need them for real mode.
const TSS: usize = 0xfffb_d000;

/// Finds out whether a virtual machine can be made, by making one.
pub(crate) fn probe() -> Result<(), Error> {
    let vm = create_vm(&open()?)?;
    vm.create_vcpu(0).map_err(refused("make a processor"))?;
    Ok(())
}

/// Opens KVM and checks its version and capabilities.
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

/// Makes a virtual machine with interrupt controllers and a timer.
pub(super) fn create_vm(kvm: &Kvm) -> Result<VmFd, Error> {
    let vm = loop {
        match kvm.create_vm() {
            Ok(vm) => break vm,
            // Interrupted by a signal. Some kernels do not restart the call.
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
    fn a_missing_device_is_reported() {
        let error = open_at(c"/nonexistent/kvm").err();
        assert!(matches!(error, Some(Error::NoKvm)), "{error:?}");
    }

    #[test]
    fn another_device_is_not_kvm() {
        let error = open_at(c"/dev/null").err();
        assert!(matches!(error, Some(Error::KvmVersion(-1))), "{error:?}");
    }
}
