//! The same under filters that allow the published calls, with their arguments, and refuse any other.

use vuart::seccomp;
use vuart::{CoalescedPort, SerialPort};
use vuart_test_support::{allow_also, in_a_process};

use crate::machine::{PRINTER, Port, Role, Unheard, machine, print_all};

const KVM_RUN: u64 = 0xAE80;

fn filter(role: Role) {
    let any = seccomp::any_thread();
    let filtered = match role {
        Role::Vcpu => {
            let rules = seccomp::vcpu().and(&seccomp::vcpu_coalescing()).and(&any);
            allow_also(&rules, [(libc::SYS_ioctl, &[KVM_RUN]), (libc::SYS_sched_yield, &[])])
        }
        // The wait is the loop's own.
        Role::EventLoop => {
            let rules = seccomp::ticks().and(&any);
            allow_also(&rules, [(libc::SYS_poll, &[]), (libc::SYS_ppoll, &[])])
        }
    };
    filtered.unwrap();
}

#[test]
fn each_thread_makes_the_published_calls_only() {
    in_a_process("filtered::each_thread_makes_the_published_calls_only", || {
        let Some(machine) = machine(&PRINTER) else { return };
        let port = SerialPort::new(Unheard);
        let scrollback = port.console().scrollback().clone();
        print_all(machine, &Port::Pio(CoalescedPort::new(port)), &scrollback, filter);
    });
}
