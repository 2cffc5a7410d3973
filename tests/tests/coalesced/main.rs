//! Two vCPUs of one virtual machine at one port whose output KVM collects.
#![cfg(target_arch = "x86_64")]

mod filtered;
mod machine;

use machine::{
    COM1, MEMORY_PRINTER, PRINTER, Port, Unheard, borrowed, machine, not_tested, print_all, printed,
};
use vuart::kvm::OpenError;
use vuart::{CoalescedMmioPort, CoalescedPort, MmioPort, SerialPort};

#[test]
fn two_vcpus_print_into_kvms_page() {
    let Some(machine) = machine(&PRINTER) else { return };
    let port = SerialPort::new(Unheard);
    let scrollback = port.console().scrollback().clone();
    print_all(machine, &Port::Pio(CoalescedPort::new(port)), &scrollback, |_| ());
}

#[test]
fn two_vcpus_print_into_kvms_page_by_memory() {
    let Some(machine) = machine(&MEMORY_PRINTER) else { return };
    let port = SerialPort::new(Unheard);
    let scrollback = port.console().scrollback().clone();
    print_all(machine, &Port::Mmio(CoalescedMmioPort::new(MmioPort::new(port, 0))), &scrollback, |_| ());
}

/// KVM has one page for all ports. Each of two would drop what the other's guest has written.
#[test]
fn a_second_port_of_a_virtual_machine_is_refused_until_the_first_is_done() {
    let Some((vm, vcpus, _memory)) = machine(&PRINTER) else { return };
    let (vm, [vcpu, other_vcpu]) = (borrowed(&vm), vcpus.each_ref().map(borrowed));
    let [com1, com2] = [(); 2].map(|()| CoalescedPort::new(SerialPort::new(Unheard)));
    let ticks = match com1.coalesce(vm, vcpu, COM1) {
        Ok(ticks) => ticks,
        Err(error @ OpenError::Unsupported) => return not_tested(&error),
        Err(error) => panic!("{error}"),
    };
    assert!(matches!(com2.coalesce(vm, other_vcpu, 0x2f8), Err(OpenError::Busy)));
    assert!(matches!(com1.coalesce(vm, vcpu, COM1), Err(OpenError::Twice)));

    drop(ticks);
    let again = com1.coalesce(vm, vcpu, COM1).unwrap();
    assert!(matches!(com2.coalesce(vm, other_vcpu, 0x2f8), Err(OpenError::Busy)));
    drop((again, com1));
    drop(com2.coalesce(vm, other_vcpu, 0x2f8).unwrap());
}

#[test]
fn what_is_no_virtual_machine_is_refused() {
    let port = CoalescedPort::new(SerialPort::new(Unheard));
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(matches!(port.coalesce(&null, &null, COM1), Err(OpenError::Ask(_))));
    port.write(0, b"A");
    assert_eq!(printed(&port.with(|port| port.console().scrollback().clone())), b"A");
}

/// The examples of the guide and of the README: what a VMM writes.
#[test]
fn coalescing_takes_at_most_thirty_lines() {
    for (document, text) in [
        ("docs/guide/embedding.md", include_str!("../../../docs/guide/embedding.md")),
        ("crates/vuart/README.md", include_str!("../../../crates/vuart/README.md")),
    ] {
        let example =
            text.split("```").find(|block| block.starts_with("rust") && block.contains(".coalesce("));
        let lines =
            example.unwrap_or_else(|| panic!("{document} has no example")).trim().lines().skip(1).count();
        assert!(lines <= 30, "{document}: {lines} lines");
    }
}
