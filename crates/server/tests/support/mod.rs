//! What the tests of the server share.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod adopted;
pub(crate) mod terminal;

use std::io::Read as _;
use std::os::unix::net::UnixStream;

use vuart_endpoint::{Cause, Mode};
use vuart_server::Sockets;
use vuart_test_support::Vm;
use vuart_wire::{AttachRequest, Attached, Client, Decoder, Event, Frame as _, Hello, Request, VERSION};

/// The sockets with a pseudo-terminal.
pub(crate) fn with_pty(mut sockets: Sockets) -> Sockets {
    sockets.open_pty().unwrap();
    sockets
}

/// The bytes of a `HELLO`.
pub(crate) fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    Request::Hello(Hello { version: VERSION, label: "rude".to_owned() }).encode(&mut bytes);
    bytes
}

/// Receives `count` bytes of output. Returns the offset of the first one, and the bytes.
pub(crate) fn output(client: &mut Client, count: usize) -> (u64, Vec<u8>) {
    let (mut start, mut all) = (None, Vec::new());
    while all.len() < count {
        match client.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, *start.get_or_insert(offset) + all.len() as u64);
                all.extend(bytes);
            }
            other => panic!("{other:?} after {} bytes", all.len()),
        }
    }
    (start.unwrap_or_default(), all)
}

/// A client, attached.
pub(crate) fn attach(vm: &Vm, label: &str, request: AttachRequest) -> (Client, Attached) {
    let mut client = vm.client(label);
    let attached = client.attach_with(request).unwrap();
    (client, attached)
}

/// The request for a session in a mode.
pub(crate) fn mode(mode: Mode) -> AttachRequest {
    AttachRequest { mode, ..AttachRequest::default() }
}

/// The cause that the client is told next.
pub(crate) fn end(client: &mut Client) -> Cause {
    match client.recv().unwrap() {
        Event::Ended(end) => end.cause,
        other => panic!("{other:?}"),
    }
}

/// Reads every frame up to the end of the connection.
pub(crate) fn answers(stream: &mut UnixStream) -> Vec<Event> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    // The end may be a reset, if the server has not read everything.
    while let Ok(received @ 1..) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..received]);
    }
    let mut decoder = Decoder::default();
    decoder.extend(&bytes);
    std::iter::from_fn(|| decoder.next_frame()).map(Result::unwrap).collect()
}
