//! What is called while KVM collects a guest's writes.

use crate::rule::{Rule, call, equal, with};

pub(super) const VCPU_COALESCING: &[Rule] = &[
    with(
        "ioctl",
        libc::SYS_ioctl,
        &[equal(1, REGISTER, "KVM_REGISTER_COALESCED_MMIO")],
        "KVM begins to collect",
    ),
    with(
        "ioctl",
        libc::SYS_ioctl,
        &[equal(1, UNREGISTER, "KVM_UNREGISTER_COALESCED_MMIO")],
        "KVM collects no more",
    ),
    with("timerfd_settime", libc::SYS_timerfd_settime, &[equal(1, 0, "relative")], "the first tick"),
];

pub(super) const TICKS: &[Rule] = &[
    call("read", libc::SYS_read, "the timer"),
    with("timerfd_settime", libc::SYS_timerfd_settime, &[equal(1, 0, "relative")], "the next tick"),
    call("write", libc::SYS_write, "the eventfds of readers that sleep"),
    with(
        "ioctl",
        libc::SYS_ioctl,
        &[equal(1, UNREGISTER, "KVM_UNREGISTER_COALESCED_MMIO")],
        "the guest is silent, or the port goes",
    ),
    call("munmap", libc::SYS_munmap, "KVM's page, when the port goes"),
    call("close", libc::SYS_close, "the timer and the virtual machine, when the port goes"),
    with(
        "fcntl",
        libc::SYS_fcntl,
        &[equal(1, libc::F_GETFD.cast_unsigned(), "F_GETFD")],
        "std looks before it closes, in builds with debug assertions",
    ),
];

pub(super) const SETUP: &[Rule] =
    &[with("ioctl", libc::SYS_ioctl, &[equal(1, CHECK, "KVM_CHECK_EXTENSION")], "whether KVM can collect")];

const CHECK: u32 = 0xAE03;
const REGISTER: u32 = 0x4010_AE67;
const UNREGISTER: u32 = 0x4010_AE68;
