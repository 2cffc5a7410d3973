//! Two vCPUs of one virtual machine at one port whose output KVM collects.
#![cfg(target_arch = "x86_64")]

mod filtered;
mod machine;

use machine::{COM1, MEMORY_PRINTER, PRINTER, Port, Unheard, machine, print_all, printed};
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
