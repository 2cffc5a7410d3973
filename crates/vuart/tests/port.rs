//! The port as a guest and its host see it: output, edges, odd accesses, modem lines. `input.rs` has the input.

mod support;

use support::{Edges, owner, port};
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Cause, Identity, Mode};
use vuart::uart::spec::{Mcr, Msr, offset::*};
use vuart::{MmioPort, PortBuilder, RingSize, SerialPort};

fn output(port: &SerialPort<Edges>) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 16];
    let read = port.console().scrollback().read_at(0, &mut bytes);
    bytes.truncate(read.len());
    bytes
}

#[test]
fn what_the_guest_writes_is_in_the_ring() {
    let (mut port, _) = port();
    port.write(0, b"h");
    port.write_register(THR, b'i');
    assert_eq!(output(&port), b"hi");
}

#[test]
fn r4_each_rise_of_the_line_is_one_edge() {
    let (mut port, edges) = port();
    port.write_register(IER, 0x0E);
    assert_eq!(edges.take(), 1, "a write: THRE");
    port.read_register(MSR);
    port.write_register(SCR, 0x5A);
    assert_eq!(edges.take(), 0, "the line is high already");
    port.read_register(IIR);
    port.set_modem_inputs(Msr::CTS);
    assert_eq!(edges.take(), 1, "an event of the host");
    port.read_register(MSR);
    assert_eq!(edges.take(), 0, "a fall");

    let mut owner = owner(&port);
    port.write_register(IER, 0x01);
    for key in b"ab" {
        owner.write(&[*key]).unwrap();
        assert_eq!(edges.take(), 1, "input");
        assert_eq!(port.read_register(RBR), *key);
    }
    // The receiver hides a break from a driver that asks for line status alone, until a read moves it up.
    port.write_register(IER, 0x00);
    port.write_register(FCR, 0x01);
    owner.write(b"c").unwrap();
    owner.send_break().unwrap();
    port.write_register(IER, 0x04);
    while port.read_register(LSR) & 0x10 == 0 {
        assert_eq!(edges.take(), 0);
        port.read_register(RBR);
    }
    assert_eq!(edges.take(), 1, "a read");
}

#[test]
fn s6_an_interrupt_that_fails_is_counted_and_the_guest_goes_on() {
    struct Broken;
    impl Trigger for Broken {
        type E = &'static str;
        fn trigger(&self) -> Result<(), &'static str> {
            Err("no interrupt controller")
        }
    }
    let mut port = SerialPort::new(Broken);
    port.write_register(IER, 0x02);
    port.write_register(THR, b'x');
    assert_eq!(port.read_register(IIR), 0x02);
    assert_eq!((port.counters().interrupts, port.counters().interrupts_failed), (1, 1));
}

#[test]
fn s12_every_offset_and_length() {
    let (mut port, _) = port();
    for offset in (0..16).chain([u64::MAX - 1, u64::MAX]) {
        for length in 0..32 {
            let mut data = vec![0xA5; length];
            port.read(offset, &mut data);
            if length > 8 || offset > 7 {
                assert!(data.iter().all(|byte| *byte == 0xFF));
            }
            port.write(offset, &data);
        }
    }
    assert!(port.counters().bad_accesses() > 0);
}

#[test]
fn r15_s12_a_wide_access_is_neighbouring_registers() {
    let (mut port, _) = port();
    port.write(7, &[0x5A, 0x77]);
    let mut two = [0; 2];
    port.read(6, &mut two);
    assert_eq!(two, [0xB0, 0x5A]);
    port.read(7, &mut two);
    assert_eq!(two, [0x5A, 0xFF]);
}

#[test]
fn s5_a_client_that_never_reads_changes_nothing_for_the_guest() {
    let edges = Edges::default();
    let mut port = PortBuilder::new().with_scrollback(RingSize::of::<{ 1 << 14 }>()).build(edges.clone());
    let mut owner = owner(&port);
    for byte in (0..1u32 << 20).map(|i| i.to_le_bytes()[0]) {
        port.write_register(THR, byte);
    }
    let mut buf = vec![0; 1 << 14];
    let read = owner.read(&mut buf);
    assert_eq!((read.start, read.missed), (read.missed, read.start), "the hole is declared");
    assert_eq!(read.next, 1 << 20);
    for (offset, byte) in (read.start..).zip(&buf[..read.len()]) {
        assert_eq!(*byte, offset.to_le_bytes()[0]);
    }
}

#[test]
fn mmio_with_every_shift_and_width() {
    for shift in 0..=4u8 {
        let mut port = MmioPort::new(port().0, shift);
        for width in [1, 2, 4, 8] {
            let stride = 1u64 << shift;
            if shift == 0 && width > 1 {
                continue; // neighbouring registers, as in port I/O
            }
            let mut data = vec![0; width];
            data[0] = 0x5A;
            port.write(7 * stride, &data);
            data.fill(0xEE);
            port.read(7 * stride, &mut data);
            assert_eq!(data[0], 0x5A, "shift {shift} width {width}");
            assert!(data[1..].iter().all(|byte| *byte == 0));
            port.read(8 * stride, &mut data);
            assert_eq!(data[0], 0xFF, "beyond the range");
            if shift > 0 {
                port.read(7 * stride + 1, &mut data);
                assert_eq!(data[0], 0, "between two registers");
            }
        }
    }
}

/// Makes accesses of every size at every offset.
fn access_all(port: &mut SerialPort<Edges>) {
    for offset in 0..9 {
        for length in 0..=9 {
            let mut data = vec![0x5A; length];
            port.read(offset, &mut data);
            port.write(offset, &data);
        }
    }
}

/// S9, S11: an access is answered at every time in a port's life.
#[test]
fn s9_s11_every_access_in_every_state_of_life() {
    let (mut port, _) = port();
    access_all(&mut port);
    let session = owner(&port);
    access_all(&mut port);
    drop(session);
    access_all(&mut port);
    port.console().end(&Cause::VmEnded);
    access_all(&mut port);
    assert!(port.console().ended().is_some());
    let mut port = PortBuilder::restore(&port.state()).build(Edges::default()).unwrap();
    access_all(&mut port);
    port.write_register(LCR, 0x03);
    assert_eq!(port.read_register(LSR) & 0x60, 0x60);
}

#[test]
fn the_host_drives_the_modem_inputs() {
    let (mut port, edges) = port();
    port.write_register(IER, 0x08);
    port.set_modem_inputs(Msr::CTS | Msr::DSR);
    assert_eq!(edges.take(), 1, "the carrier is gone: Linux' getty gets SIGHUP");
    assert_eq!(port.read_register(IIR), 0x00);
    assert_eq!(port.read_register(MSR), 0x38);
    port.set_modem_inputs(Msr::CTS | Msr::DSR);
    assert_eq!(edges.take(), 0, "nothing has changed");
    port.set_modem_inputs(Msr::all());
    assert_eq!(edges.take(), 1);
}

#[test]
fn the_host_sees_the_modem_outputs_and_the_break() {
    let (mut port, _) = port();
    port.write_register(MCR, 0x03);
    assert_eq!(port.modem_outputs(), Mcr::DTR | Mcr::RTS);
    port.write_register(LCR, 0x43);
    assert!(port.break_out());
    port.write_register(MCR, 0x13);
    assert!(port.modem_outputs().is_empty() && !port.break_out(), "loopback");
}

/// S3: plugging a port in and out leaves nothing behind.
#[test]
fn s3_a_hundred_thousand_ports_leave_nothing_behind() {
    fn usage() -> (usize, usize, u64) {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages = statm.split(' ').nth(1).unwrap().parse().unwrap();
        (files, std::fs::read_dir("/proc/self/task").unwrap().count(), pages)
    }
    fn cycle() {
        let mut port = PortBuilder::new().with_scrollback(RingSize::of::<4096>()).build(Edges::default());
        let session = owner(&port);
        port.write_register(THR, b'x');
        let spectator = port
            .console()
            .attach(Attach::new(Identity::new("test", 0, None)).with_mode(Mode::Spectate))
            .unwrap();
        drop((session, port, spectator));
    }
    // In a process of its own, because other tests open files as well.
    const ALONE: &str = "VUART_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "s3_a_hundred_thousand_ports_leave_nothing_behind", "--test-threads=1"])
            .env(ALONE, "1")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        return assert!(status.success());
    }
    (0..1000).for_each(|_| cycle());
    let before = usage();
    (0..100_000).for_each(|_| cycle());
    let after = usage();
    assert_eq!((before.0, before.1), (after.0, after.1), "file descriptors, threads");
    // The allocator's own accounting may grow a little. A leak of a byte a cycle would be 25 pages, and of a ring 100,000.
    assert!(after.2 <= before.2 + 64, "{} pages, then {}", before.2, after.2);
}
