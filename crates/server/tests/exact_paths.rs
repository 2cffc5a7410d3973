//! Sockets at exact paths, without a claimed name: permissions, what is removed for them, and that they are removed.

mod support;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use support::answers;
use tempfile::TempDir;
use vuart_endpoint::{Console, Mode};
use vuart_scrollback::Position;
use vuart_server::{RawPolicy, Role, ServeError, Server, ServerOptions, ServerThread, Sockets};
use vuart_test_support::{Guest, HANG, part, play, read_to, until};
use vuart_wire::{Client, Event};

fn paths() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm0 serial");
    (dir, path)
}

fn serve(console: &Console, sockets: Sockets, options: ServerOptions) -> ServerThread {
    ServerThread::start(Server::new("vm0", console.clone(), sockets, options).unwrap()).unwrap()
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

fn refused_with(error: &ServeError, kind: ErrorKind) {
    assert!(matches!(error, ServeError::Bind { source, .. } if source.kind() == kind), "{error:?}");
}

#[test]
fn cloud_hypervisor_s_socket_is_at_the_path_that_was_given() {
    let (dir, raw) = paths();
    let (read_only, control) = (dir.path().join("a.sock"), dir.path().join("b"));
    let sockets = Sockets::default().bind_raw_at(&raw).unwrap();
    let sockets = sockets.bind_read_only_at(&read_only).unwrap().bind_control_at(&control).unwrap();
    for path in [&raw, &read_only, &control] {
        let found = fs::metadata(path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o7777, 0o600, "{}", path.display());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is there");
    let mut guest = Guest::new(1 << 14);
    let server = serve(&guest.console, sockets, ServerOptions::default());
    let mut owner = connect(&raw);
    owner.write_all(b"typed").unwrap();
    assert_eq!(guest.reads(5), b"typed");
    let mut watcher = connect(&read_only);
    let mut client = Client::connect(&control, "alice").unwrap();
    assert_eq!(client.welcome().console, "vm0");
    client.attach(Mode::Spectate, Position::End).unwrap();
    until("all are there", || guest.console.sessions().len() == 3);
    guest.writes(b"login: ");
    assert_eq!(read_to(&mut owner, ": "), "login: ");
    assert_eq!(read_to(&mut watcher, ": "), "login: ");
    assert_eq!(support::output(&mut client, 7).1, b"login: ");
    drop(server);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "all are removed");
}

#[test]
fn a_socket_of_a_group_has_its_group_and_mode() {
    let (_dir, path) = paths();
    let gid = rustix::process::getegid().as_raw();
    let _sockets = Sockets::default().with_group(gid, Role::Owner).bind_raw_at(&path).unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.permissions().mode() & 0o7777, found.gid()), (0o660, gid));
}

#[test]
fn the_socket_of_a_dead_server_is_replaced() {
    let (dir, path) = paths();
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let sockets = Sockets::default().bind_raw_at(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    drop(sockets);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Also one that does not listen yet, or is of another type.
#[test]
fn a_socket_that_a_process_has_open_stays() {
    let (dir, path) = paths();
    let live = UnixListener::bind(&path).unwrap();
    live.set_nonblocking(true).unwrap();
    let error = Sockets::default().bind_raw_at(&path).unwrap_err();
    refused_with(&error, ErrorKind::AddrInUse);
    assert!(error.to_string().contains("is in use"), "{error}");
    // Nobody has connected to find that out, and it is there still.
    assert_eq!(live.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    UnixStream::connect(&path).unwrap();
    let other = dir.path().join("other");
    let _datagram = UnixDatagram::bind(&other).unwrap();
    refused_with(&Sockets::default().bind_raw_at(&other).unwrap_err(), ErrorKind::AddrInUse);
    assert!(other.exists());
}

/// The second server does not disturb the owner of the first, whatever the policy is.
#[test]
fn a_second_server_at_the_path_of_a_live_one_evicts_nobody() {
    let (_dir, path) = paths();
    let mut guest = Guest::new(1 << 14);
    let options = ServerOptions::default().with_raw(RawPolicy::TakeOver);
    let _server = serve(&guest.console, Sockets::default().bind_raw_at(&path).unwrap(), options);
    let mut owner = connect(&path);
    owner.write_all(b"x").unwrap();
    guest.reads(1);
    refused_with(&Sockets::default().bind_raw_at(&path).unwrap_err(), ErrorKind::AddrInUse);
    guest.writes(b"mine");
    assert_eq!(read_to(&mut owner, "e"), "mine");
    assert_eq!(guest.console.counters().attached, 1);
}

#[test]
fn what_is_no_socket_stays() {
    let (dir, path) = paths();
    fs::write(&path, "precious").unwrap();
    refused_with(&Sockets::default().bind_control_at(&path).unwrap_err(), ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    refused_with(&Sockets::default().bind_control_at(&link).unwrap_err(), ErrorKind::AddrInUse);
    assert!(link.is_symlink() && !dir.path().join("nowhere").exists());
    let missing = dir.path().join("missing/vm0");
    refused_with(&Sockets::default().bind_raw_at(missing).unwrap_err(), ErrorKind::NotFound);
    refused_with(&Sockets::default().bind_raw_at("/").unwrap_err(), ErrorKind::InvalidInput);
}

#[test]
fn a_socket_that_has_taken_the_place_of_ours_stays() {
    let (_dir, path) = paths();
    let sockets = Sockets::default().bind_raw_at(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    drop(sockets);
    UnixStream::connect(&path).unwrap();
}

/// Servers begin at the same time, where a dead one has left its socket. One of them has the path, and the others know that they
/// have not.
#[test]
fn of_servers_that_begin_at_once_one_has_the_path() {
    for _ in 0..100 {
        let (dir, path) = paths();
        drop(UnixListener::bind(&path).unwrap());
        let bind = || Sockets::default().bind_raw_at(&path);
        let (one, other) = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(bind), scope.spawn(bind));
            (one.join().unwrap(), other.join().unwrap())
        });
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        UnixStream::connect(&path).unwrap();
        drop((one, other));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

/// A path that is relative is that of the directory in which the process was when it was given.
#[test]
fn a_relative_path_is_removed_after_the_directory_has_changed() {
    const TEST: &str = "a_relative_path_is_removed_after_the_directory_has_changed";
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let (dir, _) = paths();
    std::env::set_current_dir(dir.path()).unwrap();
    let sockets = Sockets::default().bind_raw_at("vm0.sock").unwrap();
    std::env::set_current_dir("/").unwrap();
    assert!(dir.path().join("vm0.sock").exists());
    drop(sockets);
    assert!(!dir.path().join("vm0.sock").exists());
}

#[test]
fn garbage_and_death_at_an_exact_path_harm_nobody() {
    let (_dir, path) = paths();
    let mut guest = Guest::new(1 << 14);
    let sockets = Sockets::default().bind_control_at(&path).unwrap();
    let _server = serve(&guest.console, sockets, ServerOptions::default());
    let mut owner = Client::connect(&path, "alice").unwrap();
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let _stopped = UnixStream::connect(&path).unwrap();
    for n in 0..100_u8 {
        let mut rude = connect(&path);
        let _ = rude.write_all(&vec![n ^ 0xa5; 70_000]);
        if n % 2 == 0 {
            rude.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(answers(&mut rude).iter().all(|answer| matches!(answer, Event::Error(_))));
        }
    }
    guest.writes(b"alive");
    assert_eq!(support::output(&mut owner, 5).1, b"alive");
}
