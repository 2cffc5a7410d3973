//! The same under filters that allow the documented calls, with their arguments, and kill the process at any other.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use vuart::{CoalescedPort, SerialPort};

use crate::machine::{PRINTER, Port, Role, Unheard, machine, print_all};

const KVM_RUN: u64 = 0xAE80;
const KVM_REGISTER_COALESCED_MMIO: u64 = 0x4010_AE67;
const KVM_UNREGISTER_COALESCED_MMIO: u64 = 0x4010_AE68;

/// What any thread of this test does besides: it looks at the time, waits for a lock, and ends.
const OTHER: [i64; 9] = [
    libc::SYS_clock_gettime,
    libc::SYS_exit,
    libc::SYS_futex,
    libc::SYS_madvise,
    libc::SYS_munmap,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];

/// The rules for a call whose second argument is one of these.
fn second_is(values: &[u64]) -> Vec<SeccompRule> {
    let condition =
        |value| SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
    values.iter().map(|value| SeccompRule::new(vec![condition(*value)]).unwrap()).collect()
}

fn filter(role: Role) {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = OTHER.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_timerfd_settime, second_is(&[0]));
    match role {
        Role::Vcpu => {
            let requests = [KVM_RUN, KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO];
            rules.insert(libc::SYS_ioctl, second_is(&requests));
        }
        Role::EventLoop => {
            rules.insert(libc::SYS_ioctl, second_is(&[KVM_UNREGISTER_COALESCED_MMIO]));
            // The wait is the loop's own.
            for call in [libc::SYS_poll, libc::SYS_ppoll, libc::SYS_read] {
                rules.insert(call, Vec::new());
            }
        }
    }
    let (kill, allow) = (SeccompAction::KillProcess, SeccompAction::Allow);
    let filter = SeccompFilter::new(rules, kill, allow, TargetArch::x86_64).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

#[test]
fn each_thread_makes_the_documented_calls_only() {
    let Some(machine) = machine(&PRINTER) else { return };
    let port = SerialPort::new(Unheard);
    let scrollback = port.console().scrollback().clone();
    print_all(machine, &Port::Pio(CoalescedPort::new(port)), &scrollback, filter);
}
