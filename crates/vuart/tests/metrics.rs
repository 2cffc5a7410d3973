//! What is counted of a port and its console, and how a VMM gets it.

mod support;

use std::collections::HashSet;

use support::{owner, port};
use vuart::uart::spec::offset::*;
use vuart::{MmioPort, PortBuilder, SerialPort, SharedMmioPort, SharedPort};

#[test]
fn reads_and_writes_are_counted_apart() {
    let (mut port, _) = port();
    let mut owner = owner(&port);
    port.write_register(FCR, 0x01);
    port.write_register(IER, 0x01);
    assert_eq!(owner.write(b"abc").unwrap(), 3);
    while port.read_register(LSR) & 1 != 0 {
        port.read_register(RBR);
    }
    port.read_register(RBR); // nothing
    port.write_string(THR.into(), b"hello");
    port.write_register(THR, b'!');
    port.write_register(LCR, 0x80);
    port.write_register(DLL, 1); // no output
    port.read_register(DLL); // no input
    port.write_register(LCR, 0x03);

    let counters = port.counters();
    assert_eq!((counters.bytes_sent, counters.bytes_read), (6, 3));
    assert_eq!(counters.register_writes, 5);
    assert_eq!(counters.bad_accesses(), 0);

    port.read(7, &mut [0; 3]); // SCR, and two bytes beyond
    port.read(0, &mut [0; 9]);
    port.read_string(8, &mut [0; 9]);
    port.write(6, &[0; 4]); // MSR, SCR, and two bytes beyond
    port.write_string(99, b"text");
    let counters = port.counters();
    assert_eq!((counters.bad_reads, counters.bad_writes), (4, 3));
    assert_eq!(counters.register_writes, 7);
}

#[test]
fn a_loopback_sends_nothing_and_is_read() {
    let (mut port, _) = port();
    port.write_register(MCR, 0x10);
    port.write_register(THR, b'a');
    assert_eq!(port.read_register(RBR), b'a');
    let counters = port.counters();
    assert_eq!((counters.bytes_sent, counters.bytes_read, counters.register_writes), (0, 1, 2));
}

#[test]
fn a_meter_reads_on_another_thread_and_after_the_port() {
    let (mut port, _) = port();
    let mut owner = owner(&port);
    let meter = port.meter();
    port.write_register(IER, 0x01);
    let typed = owner.write(&[b'x'; 5000]).unwrap();
    port.write_register(THR, b'y');
    let before = std::thread::spawn({
        let meter = meter.clone();
        move || meter.read()
    });
    let before = before.join().unwrap();
    assert_eq!(before.port, port.counters());
    assert_eq!((before.port.bytes_sent, before.port.interrupts), (1, 1));
    assert_eq!(
        (before.console.input_accepted, before.console.input_refused),
        (typed as u64, 5000 - typed as u64)
    );

    port.write_register(THR, b'z');
    drop(port);
    let after = meter.read();
    assert_eq!(after.port.bytes_sent, 2);
    assert_eq!(after.since(&before).port.bytes_sent, 1);
    assert_eq!(after.since(&before).console.input_accepted, 0);
}

#[test]
fn a_restored_port_counts_from_its_own_beginning() {
    let (mut port, edges) = port();
    port.write_string(THR.into(), b"before");
    let mut port = PortBuilder::restore(&port.state()).build(edges).unwrap();
    assert_eq!(port.counters().bytes_sent, 0);
    port.write_string(THR.into(), b"after");
    assert_eq!(port.meter().read().port.bytes_sent, 5);
    assert_eq!(port.meter().read().console.bytes_out, 11, "the offset goes on");
}

#[test]
fn every_number_has_a_name_of_its_own() {
    let metrics = SerialPort::new(|| ()).meter().read();
    let names: Vec<_> = metrics.entries().map(|(name, _)| name).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");

    // The serialised form has all of them, under the same names.
    let json = serde_json::to_value(metrics).unwrap();
    let of = |part: &str| json[part].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let serialised: HashSet<_> = [of("port"), of("console")].concat().into_iter().collect();
    assert_eq!(serialised, names.into_iter().map(str::to_owned).collect());
    let back: vuart::Metrics = serde_json::from_value(json).unwrap();
    assert_eq!(back, metrics);
}

#[test]
fn the_rest_of_a_difference_is_what_was_counted_between() {
    let (mut port, _) = port();
    let meter = port.meter();
    let mut last = meter.read();
    let mut sum = 0;
    for round in 1..=3 {
        port.write_string(THR.into(), &vec![b'.'; round]);
        let now = meter.read();
        sum += now.since(&last).port.bytes_sent;
        last = now;
    }
    assert_eq!(sum, 6);
}

#[test]
fn a_shared_port_gives_its_handles_without_a_closure() {
    let (port, _) = port();
    let com1 = SharedPort::new(port);
    let (console, meter) = (com1.console(), com1.meter());
    assert!(com1.defers_output());
    com1.write_register(IER, 0x02);
    assert!(!com1.defers_output() && com1.interrupt() && com1.interrupt_level().is_high());
    assert_eq!(com1.mark_boot(), 0);
    com1.write_register(THR, b'a');
    assert_eq!((console.scrollback().end(), com1.state().offset()), (1, 1));
    assert_eq!(meter.read().port, com1.counters());

    let mmio = SharedMmioPort::new(MmioPort::new(SerialPort::new(|| ()), 2));
    mmio.write(0, &[b'a', 0, 0, 0]);
    assert_eq!((mmio.console().scrollback().end(), mmio.counters().bytes_sent), (1, 1));
}

#[cfg(feature = "vm-device")]
#[test]
fn a_shared_port_is_a_device_of_both_buses() {
    use vm_device::bus::{MmioAddress, PioAddress};
    use vm_device::{DeviceMmio, DevicePio};

    let com1 = SharedPort::new(SerialPort::new(|| ()));
    let mut lsr = [0];
    DevicePio::pio_write(&com1, PioAddress(0x3f8), 0, b"p");
    DeviceMmio::mmio_write(&com1, MmioAddress(0x900_0000), 0, b"m");
    DeviceMmio::mmio_read(&com1, MmioAddress(0x900_0000), 5, &mut lsr);
    assert_eq!((lsr, com1.console().scrollback().end()), ([0x60], 2));
}

/// A VMM may get counters from a file or from another process.
#[test]
fn counters_with_any_numbers_add_up_without_an_overflow() {
    let mut counters = vuart::PortCounters::default();
    (counters.bad_reads, counters.bad_writes) = (u64::MAX, 1);
    assert_eq!(counters.bad_accesses(), u64::MAX);
}
