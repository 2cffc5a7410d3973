//! Firecracker's wrapper of vm-superio's device, and its integration tests of the serial console.

use std::fs::OpenOptions;

use vuart::PortBuilder;
use vuart::scrollback::{Position, RingOptions, Scrollback};
use vuart::uart::spec::offset::{FCR, IER, IIR, LSR, RBR, THR};
use vuart_test_support::Served;

use crate::bench::{Guest, IDLE, output};

#[test]
fn a_byte_access_reads_what_has_come() {
    let mut guest = Guest::new();
    guest.owner().write(b"abc").unwrap();
    assert_eq!(guest.read(RBR), b'a');
    assert_eq!(guest.port.counters().bad_accesses(), 0);
}

/// Firecracker drops an access of two bytes and counts it. A PC's bus splits it among neighbouring registers.
#[test]
fn a_wide_access_reads_neighbouring_registers() {
    let mut guest = Guest::new();
    guest.write(IER, 0x0A);
    guest.owner().write(b"abc").unwrap();
    guest.read(LSR);
    let mut two = [0; 2];
    guest.port.read(0, &mut two);
    assert_eq!(two, [b'a', 0x0A]);
    guest.port.read(0, &mut [0; 9]);
    assert_eq!(guest.port.counters().bad_accesses(), 1, "this is no register access");
}

#[test]
fn restored_input_is_read_without_a_look_at_lsr() {
    let guest = Guest::new();
    guest.owner().write(b"abc").unwrap();
    assert_eq!(Guest::restored(&guest.port.state()).reads(3), b"abc");
}

#[test]
fn output_within_the_ring_is_whole() {
    let mut guest = Guest::with_ring(4096);
    guest.port.write_string(THR.into(), b"hello");
    assert_eq!(guest.output(), b"hello");
}

/// Firecracker throttles by dropping what is new, and counts that. Here the guest runs at full speed, the newest stays, and each reader
/// is told what it has missed.
#[test]
fn output_beyond_the_ring_replaces_the_oldest_and_is_declared() {
    let mut guest = Guest::with_ring(4096);
    let mut watcher = guest.watch(Position::End);
    guest.port.write_string(THR.into(), b"abcd");
    guest.port.write_string(THR.into(), &[b'X'; 5000]);
    let mut buf = [0; 8192];
    let read = watcher.read(&mut buf);
    assert_eq!(read.missed + read.len() as u64, 5004);
    assert!(buf[..read.len()].iter().all(|byte| *byte == b'X'));
    assert_eq!(guest.port.console().counters().lagged_bytes, read.missed);
}

#[test]
fn without_a_client_output_is_taken() {
    let mut guest = Guest::new();
    guest.port.write_string(THR.into(), b"anything");
    assert_eq!(guest.read(LSR), IDLE);
    assert_eq!(guest.port.console().counters().bytes_out, 8);
}

/// `test_serial_after_snapshot`, with the shell played by the test.
#[test]
fn after_a_restore_a_command_is_read_and_answered() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x01);
    let mut restored = Guest::restored(&guest.port.state());
    let mut owner = restored.owner();
    restored.edges();
    owner.write(b"pwd\n").unwrap();
    assert_eq!(restored.edges(), 1);
    assert_eq!(restored.drains(), b"pwd\n");
    restored.port.write_string(THR.into(), b"/root\n# ");
    assert_eq!(output(&mut owner), b"/root\n# ");
}

/// `test_serial_active_tx_snapshot`: after each of the driver's bursts.
#[test]
fn a_snapshot_in_the_middle_of_output_lets_it_go_on() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x02);
    for burst in 1..=10 {
        assert_eq!(guest.edges(), 1, "burst {burst}");
        assert_eq!(guest.read(IIR), 0xC2);
        (0..16).for_each(|_| guest.write(THR, b'z'));
        guest = Guest::restored(&guest.port.state());
    }
    assert_eq!(guest.port.console().counters().bytes_out, 160);
}

/// `test_serial_dos`: Firecracker looks at its memory. What could grow is the queue.
#[test]
fn a_guest_that_does_not_read_takes_no_more_than_a_queue() {
    let guest = Guest::new();
    let mut owner = guest.owner();
    let lines = vec![b'\n'; 100_000];
    let taken: usize = (0..1000).map(|_| owner.write(&lines).unwrap()).sum();
    assert_eq!((taken, guest.port.console().input_waiting()), (4096, 4096));
}

/// `test_serial_block`: a client that has stopped does not stop the guest, and what it has missed is counted.
#[test]
fn a_client_that_has_stopped_reading_does_not_stop_the_guest() {
    let mut guest = Guest::with_ring(1 << 16);
    let served = Served::new(guest.port.console());
    let _stopped = served.connect("sock");
    vuart_test_support::until("the client owns the console", || guest.port.console().owner().is_some());
    for _ in 0..1000 {
        guest.port.write_string(THR.into(), &[b'x'; 4096]);
        assert_eq!(guest.read(LSR), IDLE);
    }
    vuart_test_support::until("the lag is counted", || guest.port.console().counters().lags > 0);
}

/// `test_serial_file_output`: there the file is the sink, and here the ring itself is in a file.
#[test]
fn output_is_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.path().join("ring"))
    };
    let (ring, _) = RingOptions::new(4096).with_disk(true).create_in(open().unwrap()).unwrap();
    let mut guest = Guest::built(|edges| PortBuilder::new().with_writer(ring).build(edges));
    guest.port.write_string(THR.into(), b"hello");
    drop(guest);
    let left = Scrollback::load(&open().unwrap()).unwrap();
    let mut buf = [0; 16];
    assert_eq!((left.read_at(0, &mut buf).len(), &buf[..5]), (5, &b"hello"[..]));
}

/// `test_serial_rate_limiting`: the file grows with what the limiter lets pass. A ring's file has its size from the beginning.
#[test]
fn the_file_does_not_grow_with_the_output() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    let (ring, _) = RingOptions::new(1 << 16).with_disk(true).create_in(file).unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    let mut guest = Guest::built(|edges| PortBuilder::new().with_writer(ring).build(edges));
    guest.port.write_string(THR.into(), &vec![b'x'; 1_000_000]);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
}
