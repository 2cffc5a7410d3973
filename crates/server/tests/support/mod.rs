//! What the tests of the server share.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod terminal;

use vuart_server::Sockets;
use vuart_wire::{Client, Event, Frame as _, Hello, Request, VERSION};

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
