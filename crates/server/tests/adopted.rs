//! Connections that the VMM has already and gives to the server.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use rustix::net::{AddressFamily, SocketType, socket};
use support::{answers, hello};
use vuart_endpoint::{Cause, Console, Mode};
use vuart_scrollback::Position;
use vuart_server::{
    AdoptError, Adopter, RawReplay, Role, Server, ServerOptions, ServerThread, SocketKind, Sockets,
};
use vuart_test_support::{Guest, HANG, open_files, part, play, read_to, until};
use vuart_wire::{Client, ErrorCode, Event};

struct Rig {
    guest: Guest,
    adopter: Adopter,
    server: ServerThread,
}

/// A console without any socket.
fn rig(options: ServerOptions) -> Rig {
    let guest = Guest::new(1 << 16);
    let server = server(&guest.console, options);
    let adopter = server.adopter();
    Rig { guest, adopter, server: ServerThread::start(server).unwrap() }
}

fn server(console: &Console, options: ServerOptions) -> Server {
    Server::new("vm0", console.clone(), Sockets::default(), options).unwrap()
}

impl Rig {
    /// A client at the other end of a socket pair.
    fn connect(&self, kind: SocketKind) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(HANG)).unwrap();
        self.adopter.adopt(ours, kind).unwrap();
        theirs
    }
}

#[test]
fn a_socket_pair_is_served_as_each_kind_of_socket() {
    let mut rig = rig(ServerOptions::default().with_raw_replay(RawReplay::All));
    rig.guest.writes(b"boot.");
    let mut raw = rig.connect(SocketKind::Raw);
    assert_eq!(read_to(&mut raw, "."), "boot.");
    raw.write_all(b"typed").unwrap();
    assert_eq!(rig.guest.reads(5), b"typed");
    let mut watcher = rig.connect(SocketKind::ReadOnly);
    assert_eq!(read_to(&mut watcher, "."), "boot.");
    watcher.write_all(b"nothing").unwrap();
    let second = read_to(&mut rig.connect(SocketKind::Raw), "]\r\n");
    assert!(second.contains("[vuart: the console is held by "), "{second}");

    let mut control = rig.connect(SocketKind::Control);
    control.write_all(&hello()).unwrap();
    control.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(matches!(&answers(&mut control)[..], [Event::Welcome(welcome)] if welcome.console == "vm0"));
    assert_eq!(rig.guest.console.input_waiting(), 0);

    rig.guest.writes(b"bye");
    rig.guest.console.end(&Cause::VmEnded);
    rig.server.finish(HANG).unwrap();
    assert!(read_to(&mut raw, "]\r\n").starts_with("bye\r\n[vuart: the guest has ended at "));
}

/// The VMM may give the connection before the event loop runs.
#[test]
fn a_connection_that_is_given_before_the_service_begins_is_served_then() {
    let mut guest = Guest::new(1 << 14);
    let server = server(&guest.console, ServerOptions::default());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    server.adopt(ours, SocketKind::Raw).unwrap();
    theirs.write_all(b"early").unwrap();
    assert!(guest.console.owner().is_none());
    let _server = ServerThread::start(server).unwrap();
    assert_eq!(guest.reads(5), b"early");
}

/// As with systemd's `Accept=yes`: another process has connected, and its credentials count.
#[test]
fn the_peer_is_the_process_that_has_connected() {
    const TEST: &str = "the_peer_is_the_process_that_has_connected";
    if part().as_deref() == Some("client") {
        let path = std::env::var_os("TEST_SOCKET").unwrap();
        let mut client = Client::connect(std::path::Path::new(&path), "child").unwrap();
        assert!(client.attach(Mode::Exclusive, Position::End).unwrap().owner);
        return println!("pid {}", std::process::id());
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("accepted");
    let listener = UnixListener::bind(&path).unwrap();
    let seen = Arc::new(Mutex::new(None));
    let rig = rig(ServerOptions::default().with_authoriser({
        let seen = Arc::clone(&seen);
        move |peer| {
            *seen.lock().unwrap() = Some((peer.pid, peer.uid, peer.socket, peer.group_role));
            peer.default_role()
        }
    }));
    let output = std::thread::scope(|scope| {
        let child = scope.spawn(|| play(TEST, "client", |command| command.env("TEST_SOCKET", &path)));
        rig.adopter.adopt(listener.accept().unwrap().0, SocketKind::Control).unwrap();
        child.join().unwrap()
    });
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let (pid, uid, kind, group) = seen.lock().unwrap().unwrap();
    assert!(stdout.contains(&format!("pid {}\n", pid.unwrap())), "{stdout}");
    assert_ne!(pid, Some(std::process::id()));
    assert_eq!((uid, kind, group), (rustix::process::geteuid().as_raw(), SocketKind::Control, None));
}

#[test]
fn roles_and_places_are_those_of_the_sockets() {
    let watch = rig(ServerOptions::default().with_authoriser(|peer| match peer.socket {
        SocketKind::Control => None,
        _ => Some(Role::Spectator),
    }));
    let mut control = watch.connect(SocketKind::Control);
    let forbidden = answers(&mut control);
    assert!(matches!(&forbidden[..], [Event::Error(error)] if error.code == ErrorCode::Forbidden));
    let line = read_to(&mut watch.connect(SocketKind::Raw), "]\r\n");
    assert_eq!(line, "\r\n[vuart: you may watch this console, and not own it]\r\n");

    let full = rig(ServerOptions::default().with_clients(1));
    let _one = full.connect(SocketKind::ReadOnly);
    until("it is there", || full.guest.console.sessions().len() == 1);
    let line = read_to(&mut full.connect(SocketKind::ReadOnly), "]\r\n");
    assert!(line.contains("[vuart: too many clients: "), "{line}");
}

#[test]
fn what_can_t_be_served_is_refused_at_once() {
    let rig = rig(ServerOptions::default());
    let pair = || UnixStream::pair().unwrap().0;
    assert!(matches!(rig.adopter.adopt(pair(), SocketKind::Pty), Err(AdoptError::Pty)));
    let unconnected = UnixStream::from(socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap());
    let error = rig.adopter.adopt(unconnected, SocketKind::Raw).unwrap_err();
    assert!(matches!(error, AdoptError::NoPeer(_)), "{error:?}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let error = rig.adopter.adopt(UnixStream::from(OwnedFd::from(tcp)), SocketKind::Raw).unwrap_err();
    assert!(error.to_string().contains("only a connected Unix stream socket"), "{error}");
    // A listening socket has a peer by the kernel's account, and ends as soon as it is read.
    let dir = tempfile::tempdir().unwrap();
    let listening = UnixListener::bind(dir.path().join("l")).unwrap();
    rig.adopter.adopt(UnixStream::from(OwnedFd::from(listening)), SocketKind::Raw).unwrap();
    until("it is gone", || rig.guest.console.counters().ended == 1);
    drop(rig.server);
    assert!(matches!(rig.adopter.adopt(pair(), SocketKind::Raw), Err(AdoptError::Gone)));
}

/// A server that does not run keeps so many, and closes them when it is dropped.
#[test]
fn so_many_connections_wait_for_the_server_and_no_more() {
    let guest = Guest::new(1 << 14);
    let server = server(&guest.console, ServerOptions::default());
    let mut theirs = Vec::new();
    let refused = loop {
        let (ours, other) = UnixStream::pair().unwrap();
        theirs.push(other);
        match server.adopt(ours, SocketKind::Raw) {
            Ok(()) => assert!(theirs.len() <= 1000, "without a limit"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AdoptError::Busy), "{refused:?}");
    assert_eq!(theirs.len(), 65);
    drop(server);
    for mut stream in theirs {
        // The server's last pass may have told it something.
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
}

/// More come at once than are admitted in one pass. All are served.
#[test]
fn every_connection_that_has_been_taken_is_served() {
    let guest = Guest::new(1 << 14);
    let server = server(&guest.console, ServerOptions::default());
    let theirs: Vec<_> = (0..64)
        .map(|_| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            server.adopt(ours, SocketKind::ReadOnly).unwrap();
            theirs
        })
        .collect();
    let _server = ServerThread::start(server).unwrap();
    until("all are there", || guest.console.sessions().len() == 64);
    drop(theirs);
    until("all are gone", || guest.console.sessions().is_empty());
}

/// Garbage, a client that stops reading, one that dies before it is admitted, and a flood: the owner is served all the time, and nothing
/// is left of them.
#[test]
fn hostile_connections_harm_nobody() {
    const TEST: &str = "hostile_connections_harm_nobody";
    // In a process of its own, so that other tests do not change what is open.
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let mut rig = rig(ServerOptions::default().with_raw_replay(RawReplay::All));
    let mut owner = rig.connect(SocketKind::Raw);
    owner.write_all(b"x").unwrap();
    rig.guest.reads(1);
    let stopped: Vec<_> = (0..4).map(|_| rig.connect(SocketKind::ReadOnly)).collect();
    until("they are there", || rig.guest.console.sessions().len() == 5);
    let before = open_files();
    for n in 0..2_000_u32 {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        match n % 3 {
            0 => drop(theirs.write_all(&[0xee; 5000])),
            1 => {}
            _ => drop(theirs.shutdown(std::net::Shutdown::Both)),
        }
        drop(theirs);
        let kind = [SocketKind::Control, SocketKind::Raw, SocketKind::ReadOnly][n as usize % 3];
        match rig.adopter.adopt(ours, kind) {
            Ok(()) | Err(AdoptError::Busy) => {}
            Err(error) => panic!("{error:?}"),
        }
        if n % 200 == 0 {
            rig.guest.writes(b"alive.");
            assert!(read_to(&mut owner, "alive.").ends_with("alive."));
        }
    }
    for _ in 0..100 {
        rig.guest.writes(&[b'y'; 4096]);
    }
    rig.guest.writes(b"END");
    read_to(&mut owner, "END");
    until("nothing stays open", || open_files() <= before);
    drop(stopped);
}
