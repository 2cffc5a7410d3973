//! The budget of output that the clients of a console share in one pass.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use vuart_endpoint::Console;
use vuart_scrollback::Scrollback;
use vuart_server::{Claim, Server};
use vuart_test_support::{HANG, settle, turn};
use vuart_wire::RuntimeDir;

/// The budget of a pass, in bytes.
const BUDGET: usize = 256 << 10;

/// The number of bytes that can be read at the moment.
fn received(mut client: &UnixStream) -> usize {
    let mut bytes = Vec::new();
    // This ends with "would block".
    let _ = client.read_to_end(&mut bytes);
    bytes.len()
}

#[test]
fn clients_with_a_session_share_the_budget() {
    const WATCHERS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, scrollback) = Scrollback::new(1 << 20).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let (socket, control) = (claim.read_only_socket().to_owned(), claim.control_socket().to_owned());
    let mut server = Server::bind(claim, console.clone()).unwrap();
    let watchers: Vec<_> = (0..WATCHERS).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    // Clients without a session have no share.
    let _others: Vec<_> = (0..WATCHERS).map(|_| UnixStream::connect(&control).unwrap()).collect();
    let begin = Instant::now();
    while console.sessions().len() < WATCHERS {
        assert!(begin.elapsed() < HANG, "somebody is not let in");
        turn(&mut server, Duration::from_millis(100));
    }
    settle(&mut server);
    for watcher in &watchers {
        watcher.set_nonblocking(true).unwrap();
    }

    writer.extend(&vec![b'x'; 2 * BUDGET]);
    console.doorbell().ring_if_armed();
    assert!(turn(&mut server, HANG), "the guest has woken the server");
    let first: Vec<_> = watchers.iter().map(received).collect();
    assert_eq!(first, [BUDGET / WATCHERS; WATCHERS]);

    let mut left = [2 * BUDGET - BUDGET / WATCHERS; WATCHERS];
    let begin = Instant::now();
    while left.iter().any(|left| *left > 0) {
        assert!(begin.elapsed() < HANG, "{left:?} bytes have not come");
        turn(&mut server, Duration::from_millis(100));
        for (left, watcher) in left.iter_mut().zip(&watchers) {
            *left -= received(watcher);
        }
    }
}
