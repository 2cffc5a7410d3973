//! The control socket, with clients that send invalid frames or do not read.

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use support::hello;
use vuart_test_support::Vm;
use vuart_wire::{Decoder, ErrorCode, Event, Frame as _, Hello, MAX_PAYLOAD, Request};

fn answers(stream: &mut UnixStream) -> Vec<Event> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let mut decoder = Decoder::default();
    decoder.extend(&bytes);
    std::iter::from_fn(|| decoder.next_frame()).map(Result::unwrap).collect()
}

fn code(event: &Event) -> Option<ErrorCode> {
    match event {
        Event::Error(error) => Some(error.code),
        _ => None,
    }
}

#[test]
fn an_invalid_frame_is_answered_with_an_error_and_skipped() {
    let vm = Vm::new(1 << 14);
    let mut client = vm.connect("ctl");
    client.write_all(&hello()).unwrap();
    client.write_all(b"\x03\0\0\0\x7fabc").unwrap(); // an unknown kind
    client.write_all(b"\x03\0\0\0\x02abc").unwrap(); // Attach, not JSON
    client.write_all(b"\x01\0\0\0\x04x").unwrap(); // Break with a payload
    client.write_all(&hello()).unwrap(); // again
    client.write_all(b"\0\0\0\0\x05").unwrap(); // Detach without a session
    client.write_all(b"\0\0\0\0\x06").unwrap(); // Status
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let answers = answers(&mut client);
    let codes: Vec<_> = answers.iter().map(code).collect();
    let (unknown, malformed, order) = (ErrorCode::UnknownFrame, ErrorCode::Malformed, ErrorCode::OutOfOrder);
    assert_eq!(
        codes,
        [None, Some(unknown), Some(malformed), Some(malformed), Some(order), Some(order), None]
    );
    assert!(matches!(answers[6], Event::Status(_)));
}

#[test]
fn a_frame_that_is_too_long_ends_the_connection() {
    let vm = Vm::new(1 << 14);
    let mut client = vm.connect("ctl");
    client.write_all(&hello()).unwrap();
    let length = u32::try_from(MAX_PAYLOAD + 1).unwrap();
    client.write_all(&length.to_le_bytes()).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::TooLong));
}

#[test]
fn requests_before_hello_are_refused() {
    let vm = Vm::new(1 << 14);
    let mut client = vm.connect("ctl");
    client.write_all(b"\x02\0\0\0\x02{}").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::OutOfOrder));
    assert!(vm.console.owner().is_none());
}

#[test]
fn a_version_that_is_too_old_is_refused() {
    let vm = Vm::new(1 << 14);
    let mut client = vm.connect("ctl");
    let mut bytes = Vec::new();
    Request::Hello(Hello { version: 0, label: String::new() }).encode(&mut bytes);
    client.write_all(&bytes).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::Version));
}

#[test]
fn a_malformed_payload_is_quoted_only_in_part() {
    let vm = Vm::new(1 << 14);
    let mut client = vm.connect("ctl");
    let mut bytes = Vec::new();
    let json = format!("{{\"version\":\"{}\"}}", "\x7f".repeat(65_000));
    bytes.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
    bytes.push(0x01);
    bytes.extend(json.bytes());
    client.write_all(&bytes).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::Malformed));
    vm.client("other").status().unwrap();
}

#[test]
fn a_client_that_asks_and_never_reads_costs_only_itself() {
    let vm = Vm::new(1 << 14);
    let mut client = vm.connect("ctl");
    client.write_all(&hello()).unwrap();
    client.set_nonblocking(true).unwrap();
    // Until its own socket is full, because the server has stopped reading.
    let status = b"\0\0\0\0\x06".repeat(1000);
    let mut sent = 0;
    let mut refusals = 0;
    while refusals < 3 {
        match client.write(&status) {
            Ok(written) => sent += written,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                refusals += 1;
                vm.client("other").status().unwrap();
            }
        }
        assert!(sent < 64 << 20, "the server hoards requests");
    }
}
