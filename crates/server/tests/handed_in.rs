//! Sockets that somebody else has opened: a supervisor, a jailer, systemd.

mod support;

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use support::{answers, hello};
use vuart_endpoint::{Cause, Console, Mode};
use vuart_scrollback::{Position, Scrollback};
use vuart_server::{Server, ServerOptions, ServerThread, Sockets};
use vuart_test_support::{HANG, PART, Vm, part, play, read_to, until};
use vuart_wire::{Client, Event};

/// As with a jailer: the sockets were opened elsewhere, and the server has no path to them.
#[test]
fn sockets_that_were_handed_in_are_served_without_their_directory() {
    let dir = tempfile::tempdir().unwrap();
    let bind = |name: &str| UnixListener::bind(dir.path().join(name)).unwrap();
    let sockets = Sockets::default().with_raw(bind("a")).with_read_only(bind("b")).with_control(bind("c"));
    let (mut writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    assert!(server.claim().is_none());
    let server = ServerThread::start(server).unwrap();
    // The clients can use the path, the server can't.
    let path = dir.path().join("c");
    let mut client = Client::connect(&path, "alice").unwrap();
    let queued = UnixStream::connect(dir.path().join("b")).unwrap();
    drop(dir);
    assert_eq!(client.welcome().console, "vm0");
    client.attach(Mode::Exclusive, Position::End).unwrap();
    until("the watcher is there", || console.sessions().len() == 2);
    writer.extend(b"login: ");
    console.doorbell().ring_if_armed();
    let mut queued = queued;
    assert_eq!(read_to(&mut queued, ": "), "login: ");
    console.end(&Cause::VmEnded);
    drop((client, queued));
    server.finish(HANG).unwrap();
}

/// The process can open no file: its root is an empty directory.
#[test]
fn a_server_in_an_empty_jail_goes_on() {
    const TEST: &str = "a_server_in_an_empty_jail_goes_on";
    if part().as_deref() == Some("jailed") {
        let dir = tempfile::tempdir().unwrap();
        let sockets = |claim| Sockets::bind(claim).unwrap();
        let options = ServerOptions::default();
        let stream = {
            let vm = Vm::with(options, sockets);
            // The clients connect before, as there is no path afterwards.
            let (raw, control) = (vm.file("sock"), vm.file("ctl"));
            let before = [UnixStream::connect(raw).unwrap(), UnixStream::connect(control).unwrap()];
            std::os::unix::fs::chroot(dir.path()).unwrap();
            std::env::set_current_dir("/").unwrap();
            assert_eq!(std::fs::read_dir("/").unwrap().count(), 0);
            let mut vm = vm;
            let [mut raw, mut control] = before;
            raw.write_all(b"typed").unwrap();
            assert_eq!(vm.guest.reads(5), b"typed");
            vm.guest.writes(b"answer");
            assert_eq!(read_to(&mut raw, "answer"), "answer");
            control.write_all(&hello()).unwrap();
            control.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(matches!(answers(&mut control)[..], [Event::Welcome(_)]));
            raw
        };
        drop(stream);
        // Its files can't be removed: they have no path here.
        std::mem::forget(dir);
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return println!("not shown here: only root can change its root");
    }
    let output = play(TEST, "jailed", |command| command);
    assert!(output.status.success(), "{output:?}");
}

/// As with systemd: descriptors from 3 on, and `LISTEN_FDS`.
#[test]
fn sockets_of_systemd_are_served() {
    const TEST: &str = "sockets_of_systemd_are_served";
    if part().as_deref() == Some("service") {
        let mut handed_in = listenfd::ListenFd::from_env();
        let control = handed_in.take_unix_listener(0).unwrap().expect("a socket is handed in");
        let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
        let (console, _input) = Console::new(scrollback, || ());
        let sockets = Sockets::default().with_control(control);
        let server = Server::new("activated", console.clone(), sockets, ServerOptions::default()).unwrap();
        let server = ServerThread::start(server).unwrap();
        until("somebody has come and gone", || console.counters().attached == 1 && console.owner().is_none());
        return drop(server);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("activated.ctl");
    let listener = UnixListener::bind(&path).unwrap();
    // A client that comes before the service runs waits in the socket's queue.
    let early = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut client = Client::connect(&path, "early").unwrap();
            client.attach(Mode::Exclusive, Position::End).unwrap();
            client.welcome().console.to_string()
        }
    });
    let run = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" --exact \"$1\" --nocapture";
    let output = Command::new("sh")
        .args(["-c", run])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(PART, "service")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(early.join().unwrap(), "activated");
}
