//! A process without a file descriptor left. A test program of its own, because it sets its own limit.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use event_manager::{EventManager, SubscriberOps as _};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vuart_endpoint::Console;
use vuart_scrollback::Scrollback;
use vuart_server::{Claim, Server};
use vuart_test_support::HANG;
use vuart_wire::{Decoder, Event, Frame as _, Hello, Request, RuntimeDir, VERSION};

/// The limit on open files: soon reached.
const FILES: u64 = 256;

/// Clients come while there is no descriptor, and another thread takes each one that becomes free. When there are some again, the
/// next client is let in, although nothing else happens at the console.
#[test]
fn e1_without_a_file_descriptor_clients_wait_and_are_let_in_when_there_is_one() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: hard }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (_writer, scrollback) = Scrollback::new(4096).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let address = SocketAddrUnix::new(claim.control_socket()).unwrap();
    let mut events = EventManager::new().unwrap();
    events.add_subscriber(Server::bind(claim, console).unwrap());

    // Created beforehand: connecting takes no descriptor.
    let sockets: Vec<_> =
        (0..64).map(|_| socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap()).collect();
    let hungry = Arc::new(AtomicBool::new(true));
    let thief = std::thread::spawn({
        let (hungry, seed) = (Arc::clone(&hungry), sockets[0].try_clone().unwrap());
        move || {
            let mut stolen = Vec::new();
            while hungry.load(SeqCst) {
                stolen.extend(seed.try_clone());
                std::thread::yield_now();
            }
            stolen.len()
        }
    });
    // The thief has all descriptors when this thread gets none.
    let deadline = Instant::now() + HANG;
    while let Ok(one) = sockets[0].try_clone() {
        drop(one);
        assert!(Instant::now() < deadline);
    }
    let mut sockets = sockets.into_iter();
    for socket in sockets.by_ref().take(32) {
        connect(&socket, &address).unwrap();
        events.run_with_timeout(0).unwrap();
        // Its end is dropped here, which frees a descriptor for the thief.
    }
    hungry.store(false, SeqCst);
    assert!(thief.join().unwrap() > 100);

    let client = sockets.next().unwrap();
    connect(&client, &address).unwrap();
    let mut client = UnixStream::from(client);
    client.set_nonblocking(true).unwrap();
    let mut hello = Vec::new();
    Request::Hello(Hello { version: VERSION, label: "alice".to_owned() }).encode(&mut hello);
    std::io::Write::write_all(&mut client, &hello).unwrap();
    let (mut decoder, mut buffer) = (Decoder::default(), [0; 1024]);
    let deadline = Instant::now() + HANG;
    loop {
        events.run_with_timeout(100).unwrap();
        match std::io::Read::read(&mut client, &mut buffer) {
            Ok(0) => panic!("sent away, though there are file descriptors again"),
            Ok(count) => decoder.extend(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        match decoder.next_frame() {
            Some(Ok(Event::Welcome(_))) => break,
            Some(other) => panic!("{other:?}"),
            None => assert!(Instant::now() < deadline, "nobody lets it in"),
        }
    }
}
