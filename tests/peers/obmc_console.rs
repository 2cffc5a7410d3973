//! obmc-console: its ring buffer, its server's sockets, its log. Its client's escapes are in `crates/cli/tests/inside/escape.rs`.

use std::io::{ErrorKind, Read as _, Write as _};

use vuart::scrollback::{Position, Scrollback};
use vuart::uart::spec::offset::THR;
use vuart_test_support::{Served, read_to, until};

use crate::bench::{Guest, output};

/// What a reader sees from this offset on.
fn seen(ring: &Scrollback, from: u64) -> Vec<u8> {
    let mut buf = [0; 8192];
    let read = ring.read_at(from, &mut buf);
    buf[..read.len()].to_vec()
}

#[test]
fn what_was_written_is_read_from_each_offset() {
    let (mut writer, ring) = Scrollback::new(4096).unwrap();
    writer.extend(b"abc");
    for (from, rest) in [(0, &b"abc"[..]), (1, b"bc"), (2, b"c"), (3, b"")] {
        assert_eq!(seen(&ring, from), rest);
    }
}

#[test]
fn what_a_reader_has_read_it_does_not_read_again() {
    let (mut writer, ring) = Scrollback::new(4096).unwrap();
    let mut reader = ring.reader_at(0);
    writer.extend(b"abc");
    let mut buf = [0; 16];
    assert_eq!(reader.peek(&mut buf).len(), 3);
    reader.advance(3);
    assert!(reader.peek(&mut buf).is_empty());
}

#[test]
fn output_that_crosses_the_end_of_the_buffer_is_whole() {
    let (mut writer, ring) = Scrollback::new(4096).unwrap();
    let mut reader = ring.reader_at(0);
    let mut buf = [0; 4096];
    for round in 0..3_u8 {
        let text = vec![b'A' + round; 3000];
        writer.extend(&text);
        let read = reader.read(&mut buf);
        assert_eq!((read.missed, &buf[..read.len()]), (0, &text[..]));
    }
}

#[test]
fn a_reader_is_told_when_there_is_something() {
    let mut guest = Guest::new();
    let mut sleeper = guest.port.console().doorbell().sleeper().unwrap();
    sleeper.arm_at_once();
    assert!(!sleeper.acknowledge(), "nothing has rung");
    sleeper.arm_at_once();
    guest.port.write_string(THR.into(), b"abcdef");
    assert!(sleeper.acknowledge());
    assert_eq!(guest.output(), b"abcdef");
}

/// obmc-console makes a slow consumer take the oldest bytes before they are overwritten, and waits for it: the guest waits, too. Here
/// the writer waits for nobody, and the reader learns what it has missed.
#[test]
fn a_slow_reader_is_lapped_and_told_how_much_it_missed() {
    let mut guest = Guest::with_ring(4096);
    let mut slow = guest.watch(Position::End);
    for _ in 0..10 {
        guest.port.write_string(THR.into(), &[b'x'; 4096]);
    }
    let mut buf = [0; 8192];
    let read = slow.read(&mut buf);
    assert_eq!(read.missed + read.len() as u64, 40_960);
    assert!(read.missed > 0);
}

/// `test-console-socket-read` and `-client-can-read`.
#[test]
fn a_client_reads_what_the_guest_writes() {
    let mut guest = Guest::new();
    let served = Served::new(guest.port.console());
    let mut raw = served.connect("sock");
    until("the client owns the console", || guest.port.console().owner().is_some());
    guest.port.write_string(THR.into(), b"socket-read\n");
    assert!(read_to(&mut raw, "socket-read\n").ends_with("socket-read\n"));
}

/// `test-console-socket-write` and `-client-can-write`.
#[test]
fn the_guest_reads_what_a_client_writes_before_it_goes() {
    let mut guest = Guest::new();
    let served = Served::new(guest.port.console());
    let mut raw = served.connect("sock");
    raw.write_all(b"socket-write\n").unwrap();
    drop(raw);
    let mut read = Vec::new();
    until("the line is there", || {
        read.extend(guest.drains());
        read.len() == 13
    });
    assert_eq!(read, b"socket-write\n");
}

/// `test-console-logs-to-file`: the log has a size that it does not exceed. Here the log is the ring.
#[test]
fn the_log_has_the_newest_and_keeps_its_size() {
    let mut guest = Guest::with_ring(4096);
    guest.port.write_string(THR.into(), &[0; 5 * 1024]);
    guest.port.write_string(THR.into(), b"console-should-log");
    let log = guest.output();
    assert!(log.ends_with(b"console-should-log") && log.len() <= 4096);
}

/// `test-multiple-consoles`. obmc-console has one host behind a multiplexer, which a client switches by connecting. Here each port has
/// a console of its own.
#[test]
fn two_consoles_have_nothing_of_each_other() {
    let (mut one, two) = (Guest::new(), Guest::new());
    let (mut at_one, mut at_two) = (one.watch(Position::End), two.watch(Position::End));
    one.port.write_string(THR.into(), b"log-for-console-a");
    assert_eq!((output(&mut at_one), output(&mut at_two)), (b"log-for-console-a".to_vec(), vec![]));
}

/// `test-console-client-no-args`.
#[test]
fn nobody_is_there_when_nobody_serves() {
    let guest = Guest::new();
    let served = Served::new(guest.port.console());
    let path = served.file("sock");
    let mut client = served.connect("sock");
    until("the client owns the console", || guest.port.console().owner().is_some());
    drop(served);
    let error = std::os::unix::net::UnixStream::connect(path).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound), "{error}");
    let mut rest = Vec::new();
    assert!(client.read_to_end(&mut rest).is_ok(), "the one that was there is told by the end");
}
