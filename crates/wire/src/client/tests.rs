//! A client at a server that is hostile.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use vuart_endpoint::{Change, Epoch, Standing};

use super::*;

/// Runs a server on a socket of its own, for one connection.
fn at_server(server: impl FnOnce(UnixStream) + Send + 'static) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.ctl");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || server(listener.accept().unwrap().0));
    (dir, path)
}

fn welcome() -> Vec<u8> {
    let mut bytes = Vec::new();
    Event::Welcome(Welcome { version: VERSION, console: "vm0".into(), pid: 1 }).encode(&mut bytes);
    bytes
}

#[test]
fn f12_an_introduction_without_end_is_waited_for_for_a_bounded_time() {
    let skipped = [&[0, 0, 0, 0, 0xff][..]; 1000].concat();
    let dripping = [&0x1_0000_u32.to_le_bytes()[..], &[0x81], &[b' '; 100]].concat();
    for bytes in [skipped, dripping] {
        let (_dir, path) = at_server(move |mut stream| while stream.write_all(&bytes[..100]).is_ok() {});
        match Client::introduce(UnixStream::connect(&path).unwrap(), "", Duration::from_millis(100)) {
            // Either nothing but skipped frames, or a payload that is no introduction.
            Err(ClientError::Lost(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            other => assert!(matches!(other, Err(ClientError::NotUnderstood(_))), "{other:?}"),
        }
    }
}

#[test]
fn f12_a_frame_that_announces_too_much_takes_no_memory() {
    for length in [0x1_0001_u32, u32::MAX] {
        let (_dir, path) = at_server(move |mut stream| {
            let _ = stream.write_all(&[&length.to_le_bytes()[..], &[0x81]].concat());
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let error = Client::connect(&path, "").unwrap_err();
        assert!(matches!(error, ClientError::NotUnderstood(WireError::TooLong(_))), "{error}");
    }
}

#[test]
fn f12_a_server_that_makes_the_client_answer_and_takes_nothing_is_left() {
    let (_dir, path) = at_server(|mut stream| {
        let _ = stream.write_all(&welcome());
        let mut bytes = Vec::new();
        let epoch = Epoch::new(u64::MAX);
        let json = serde_json::json!({"standing": "owner", "epoch": epoch});
        let change: Change = serde_json::from_value(json).unwrap();
        assert!(matches!(change.standing, Standing::Owner { .. }));
        Event::Standing(change).encode(&mut bytes);
        while stream.write_all(&bytes).is_ok() {}
    });
    let mut client = Client::connect(&path, "").unwrap();
    client.set_nonblocking(true).unwrap();
    let error = loop {
        while let Some(event) = client.next_event().unwrap() {
            // What a session does with each.
            assert!(matches!(event, Event::Standing(_)));
            client.queue(&Request::Input(vec![0; 1 << 10]));
            assert!(client.queued() < 64 << 20, "the client answers without end");
        }
        client.flush().unwrap();
        match client.fill() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ClientError::Deaf), "{error}");
}
