//! What a VMM hands in by mistake, and what happens around its sockets: nothing spins, and nothing is lost.

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::Shutdown;
use support::{mode, with_pty};
use vuart_endpoint::{Cause, Console, Input, Mode};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{
    Dispatch as _, FinishError, RawPolicy, Server, ServerOptions, ServerThread, SocketKind, Sockets,
};
use vuart_test_support::{HANG, settle, turn, until};
use vuart_wire::{AttachRequest, Client};

fn console() -> (Writer, Console, Input) {
    let (writer, scrollback) = Scrollback::new(1 << 20).unwrap();
    let (console, input) = Console::new(scrollback, || ());
    (writer, console, input)
}

fn server(console: &Console, sockets: Sockets) -> Server {
    let mut server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    server.dispatch().unwrap();
    server
}

/// Drives it until nothing is left to do, and fails if there is always something.
fn comes_to_rest(server: &mut Server, state: &str) {
    for _ in 0..200 {
        if !turn(server, Duration::from_millis(30)) {
            return;
        }
    }
    panic!("it does not come to rest: {state}");
}

/// The file descriptors of a unit file are in another order than the program thinks; or another process that has the socket shuts it.
#[test]
fn what_is_no_listener_does_not_spin() {
    let dir = tempfile::tempdir().unwrap();
    let datagram = UnixDatagram::bind(dir.path().join("datagram")).unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"hello", dir.path().join("datagram")).unwrap();
    let (connected, mut other) = UnixStream::pair().unwrap();
    other.write_all(b"hello").unwrap();
    let shut = UnixListener::bind(dir.path().join("shut")).unwrap();
    rustix::net::shutdown(&shut, Shutdown::Both).unwrap();
    let (pipe, mut typed): (OwnedFd, File) =
        rustix::pipe::pipe().map(|(one, other)| (one, other.into())).unwrap();
    typed.write_all(b"hello").unwrap();
    let fds: [(&str, OwnedFd); 4] = [
        ("a datagram socket", datagram.into()),
        ("a connection", connected.into()),
        ("a listener that is shut", shut.into()),
        ("a pipe", pipe),
    ];
    for (what, fd) in fds {
        let (_writer, console, _input) = console();
        let good = dir.path().join("good");
        let sockets = Sockets::default().with_raw(fd.into()).bind_control_at(&good).unwrap();
        let mut server = server(&console, sockets);
        comes_to_rest(&mut server, what);
        // The other socket is served.
        let client = thread::spawn(move || Client::connect(&good, "alice").unwrap());
        while !client.is_finished() {
            turn(&mut server, Duration::from_millis(1));
        }
        client.join().unwrap();
        comes_to_rest(&mut server, what);
    }
}

/// One call for each event, with clients of all kinds at once.
#[test]
fn an_edge_triggered_loop_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["raw", "ro", "ctl"].map(|name| dir.path().join(name));
    let sockets = Sockets::default().bind_raw_at(&paths[0]).unwrap();
    let sockets = sockets.bind_read_only_at(&paths[1]).unwrap().bind_control_at(&paths[2]).unwrap();
    let (mut writer, console, mut input) = console();
    let mut server = server(&console, sockets);
    let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    epoll::add(&epoll, server.as_fd(), EventData::new_u64(0), EventFlags::IN | EventFlags::ET).unwrap();
    let typed = vec![b't'; 1 << 20];
    let mut owner = UnixStream::connect(&paths[0]).unwrap();
    let typist = thread::spawn({
        let (typed, owner) = (typed.clone(), owner.try_clone().unwrap());
        move || (&owner).write_all(&typed).unwrap()
    });
    let watchers: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = UnixStream::connect(&paths[1]).unwrap();
            thread::spawn(move || {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                all.len()
            })
        })
        .collect();
    let reads = thread::spawn(move || {
        let mut all = Vec::new();
        owner.read_to_end(&mut all).unwrap();
        all.len()
    });
    let (mut taken, mut ended) = (0, false);
    loop {
        let mut events = Vec::with_capacity(4);
        let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
        let woken = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience));
        assert!(woken.unwrap() > 0, "taken {taken}, {} sessions", console.sessions().len());
        server.dispatch().unwrap();
        while let count @ 1.. = vuart_test_support::take(&mut input).len() {
            taken += count;
        }
        if taken == typed.len() && console.sessions().len() == 31 && !ended {
            ended = true;
            writer.extend(&vec![b'x'; 1 << 19]);
            console.end(&Cause::VmEnded);
        }
        if ended && server.is_settled() {
            break;
        }
    }
    drop(server);
    typist.join().unwrap();
    assert!(reads.join().unwrap() > 1 << 19);
    for watcher in watchers {
        assert!(watcher.join().unwrap() > 1 << 19);
    }
}

/// `finish` in all the orders that a VMM may have it in.
#[test]
fn finish_may_be_called_at_any_time_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("raw");
    let (mut writer, console, _input) = console();
    let mut server = server(&console, Sockets::default().bind_raw_at(&path).unwrap());
    server.finish(Duration::ZERO).unwrap();
    server.finish(Duration::MAX).unwrap();
    // One that comes afterwards is told, and waits for nothing.
    let mut late = UnixStream::connect(&path).unwrap();
    late.set_read_timeout(Some(HANG)).unwrap();
    comes_to_rest(&mut server, "after the end");
    server.finish(Duration::ZERO).unwrap();
    let mut told = String::new();
    late.read_to_string(&mut told).unwrap();
    assert!(told.contains("shut"), "{told}");
    writer.extend(b"nobody");
    console.end(&Cause::VmEnded);
    server.finish(Duration::ZERO).unwrap();
    drop(server);
    // Before the first call.
    let (_writer, console, _input) = self::console();
    let mut fresh = Server::new(
        "vm0",
        console.clone(),
        Sockets::default().bind_raw_at(&path).unwrap(),
        ServerOptions::default(),
    )
    .unwrap();
    let mut early = UnixStream::connect(&path).unwrap();
    early.set_read_timeout(Some(HANG)).unwrap();
    fresh.finish(Duration::from_secs(60)).unwrap();
    drop(fresh);
    told.clear();
    early.read_to_string(&mut told).unwrap();
    assert!(told.contains("shut"), "{told}");
}

/// A client that takes a byte now and then has no end that others wait for, and nothing spins for it.
#[test]
fn a_client_that_reads_slowly_costs_the_end_its_patience_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("raw");
    let (mut writer, console, _input) = console();
    let mut server = server(&console, Sockets::default().bind_raw_at(&path).unwrap());
    let mut slow = UnixStream::connect(&path).unwrap();
    settle(&mut server);
    writer.extend(&vec![b'x'; 1 << 20]);
    console.end(&Cause::VmEnded);
    comes_to_rest(&mut server, "its socket is full");
    for _ in 0..20 {
        slow.read_exact(&mut [0]).unwrap();
        comes_to_rest(&mut server, "it has read a byte");
    }
    assert!(matches!(server.finish(Duration::from_millis(5)), Err(FinishError::Unread)));
    assert!(matches!(server.finish(Duration::ZERO), Err(FinishError::Unread)));
}

/// The console ends in the middle of everything that clients do.
#[test]
fn an_end_while_clients_flood_reaches_all() {
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let (raw, ctl) = (dir.path().join("raw"), dir.path().join("ctl"));
        let (mut writer, console, _input) = console();
        let sockets = Sockets::default().bind_raw_at(&raw).unwrap().bind_control_at(&ctl).unwrap();
        let options = ServerOptions::default().with_raw(RawPolicy::TakeOver);
        let thread =
            ServerThread::start(Server::new("vm0", console.clone(), sockets, options).unwrap()).unwrap();
        let floods: Vec<_> = (0..4)
            .map(|_| {
                let mut stream = UnixStream::connect(&raw).unwrap();
                thread::spawn(move || while stream.write_all(&[b'x'; 4096]).is_ok() {})
            })
            .collect();
        let mut client = Client::connect(&ctl, "alice").unwrap();
        client.attach_with(AttachRequest { ..mode(Mode::Spectate) }).unwrap();
        until("somebody owns it", || console.owner().is_some());
        writer.extend(&vec![b'x'; round * 10_000]);
        console.end(&Cause::VmEnded);
        let told = thread::spawn(move || {
            loop {
                if let vuart_wire::Event::Ended(end) = client.recv().unwrap() {
                    return end.cause;
                }
            }
        });
        // The floods never read.
        let _ = thread.finish(Duration::from_millis(200));
        assert_eq!(told.join().unwrap(), Cause::VmEnded);
        for flood in floods {
            flood.join().unwrap();
        }
    }
}

/// What can't be adopted is refused, and what is adopted and turns out to be no connection costs nothing.
#[test]
fn whatever_is_adopted_does_not_spin() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, console, _input) = console();
    let mut server = server(&console, Sockets::default());
    let adopter = server.adopter();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let listener = UnixListener::bind(dir.path().join("l")).unwrap();
    let (pipe, _typed) = rustix::pipe::pipe().unwrap();
    let (datagram, other) = UnixDatagram::pair().unwrap();
    other.send(b"").unwrap();
    other.send(&[b'x'; 1000]).unwrap();
    let (half, closed) = UnixStream::pair().unwrap();
    drop(closed);
    let file = File::open("/dev/null").unwrap();
    let things: [(&str, OwnedFd); 6] = [
        ("tcp", tcp.into()),
        ("a listener", listener.into()),
        ("a pipe", pipe),
        ("datagrams", datagram.into()),
        ("one whose other end is closed", half.into()),
        ("a file", file.into()),
    ];
    for (what, thing) in things {
        for kind in [SocketKind::Raw, SocketKind::ReadOnly, SocketKind::Control, SocketKind::Pty] {
            let _ = adopter.adopt(thing.try_clone().unwrap().into(), kind);
            comes_to_rest(&mut server, what);
        }
    }
    drop(server);
    assert!(console.sessions().is_empty());
    assert!(adopter.adopt(UnixStream::pair().unwrap().0, SocketKind::Raw).is_err());
}

/// Programs open and close the terminal a thousand times, and some leave it in a bad state.
#[test]
fn a_terminal_that_is_opened_and_closed_a_thousand_times_is_served_the_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, console, _input) = console();
    let run = vuart_server::RuntimeDir::create(dir.path().join("run")).unwrap();
    let claim = vuart_server::Claim::new(&run, "vm0").unwrap();
    let mut server = server(&console, with_pty(Sockets::of(claim)));
    let open = |server: &Server| File::options().read(true).write(true).open(server.pty().unwrap());
    let before = vuart_test_support::open_files();
    for round in 0..1000 {
        if let Ok(terminal) = open(&server) {
            if round % 7 == 0 {
                let _ = rustix::termios::ioctl_tiocexcl(&terminal);
            }
            if round % 3 == 0 {
                server.dispatch().unwrap();
            }
        }
        if round % 5 == 0 {
            server.dispatch().unwrap();
        }
    }
    // Other tests of this process have files open, too: a leak of one each time would be more.
    assert!(vuart_test_support::open_files() < before + 200);
    until("it is served", || {
        comes_to_rest(&mut server, "nobody is there");
        let Ok(mut terminal) = open(&server) else { return false };
        for _ in 0..50 {
            turn(&mut server, Duration::from_millis(30));
            if console.owner().is_some() {
                break;
            }
        }
        writer.extend(b"login: ");
        console.doorbell().ring_if_armed();
        turn(&mut server, Duration::from_millis(100));
        let mut some = [0; 7];
        console.owner().is_some() && terminal.read_exact(&mut some).is_ok()
    });
}
