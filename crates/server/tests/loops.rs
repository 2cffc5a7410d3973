//! The examples with event loops: the server works in each, also where a loop reports an event once only.

#![allow(clippy::duplicate_mod, reason = "the examples share their guest, which is not used here")]

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use vuart_endpoint::{Cause, Console, Input, Mode};
use vuart_scrollback::{Position, Scrollback, Writer};
use vuart_server::{Claim, Server};
use vuart_test_support::{HANG, take, until};
use vuart_wire::{Client, Event, Request, RuntimeDir};

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/calloop.rs"]
mod calloop_example;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/epoll.rs"]
mod epoll_example;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/event_manager.rs"]
mod event_manager_example;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/mio.rs"]
mod mio_example;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/tokio.rs"]
mod tokio_example;

/// More than a socket and the budget of a pass take.
const OUTPUT: usize = 1 << 20;

/// More clients than are accepted for one event.
const CLIENTS: usize = 40;

fn serves(run: impl FnOnce(Server, Console) -> io::Result<()> + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let (writer, scrollback) = Scrollback::new(2 * OUTPUT).unwrap();
    let (console, input) = Console::new(scrollback, || ());
    let run_dir = RuntimeDir::create(dir.path().join("run")).unwrap();
    let server = Server::bind(Claim::new(&run_dir, "vm0").unwrap(), console.clone()).unwrap();
    let path = run_dir.path().to_owned();
    // All of them before the loop begins: the sockets are never readable anew.
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(&path, "ro.sock")).collect();
    let looping = thread::spawn({
        let console = console.clone();
        move || run(server, console)
    });
    use_it(&path, clients, writer, input, &console);
    looping.join().unwrap().unwrap();
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "all files are gone");
}

fn connect(dir: &Path, ending: &str) -> UnixStream {
    let stream = UnixStream::connect(dir.join(format!("vm0.{ending}"))).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

fn use_it(dir: &Path, clients: Vec<UnixStream>, mut writer: Writer, mut input: Input, console: &Console) {
    until("all are let in", || console.sessions().len() == CLIENTS);
    drop(clients);
    until("all have left", || console.sessions().is_empty());

    // A megabyte at once, to clients that read as fast as they can, and to one that begins late.
    let mut raw = connect(dir, "sock");
    until("it is let in", || console.owner().is_some());
    let mut late = Client::connect(&dir.join("vm0.ctl"), "late").unwrap();
    late.attach(Mode::Spectate, Position::Oldest).unwrap();
    writer.extend(&vec![b'x'; OUTPUT]);
    console.doorbell().ring_if_armed();
    let mut received = vec![0; OUTPUT];
    raw.read_exact(&mut received).unwrap();
    let mut received = 0;
    while received < OUTPUT {
        match late.recv().unwrap() {
            Event::Output { bytes, .. } => received += bytes.len(),
            other => panic!("{other:?}"),
        }
    }

    // More input than the guest takes at once.
    let typed = vec![b'k'; 40_000];
    let typing = thread::spawn({
        let (mut raw, typed) = (raw.try_clone().unwrap(), typed.clone());
        move || raw.write_all(&typed).unwrap()
    });
    let mut taken = Vec::new();
    until("the guest has read everything", || {
        let some = take(&mut input);
        if !some.is_empty() {
            console.doorbell().ring_if_armed();
        }
        taken.extend(some);
        taken.len() == typed.len()
    });
    typing.join().unwrap();
    late.send(&Request::Status).unwrap();
    assert!(matches!(late.recv().unwrap(), Event::Status(_)));

    console.end(&Cause::VmEnded);
    let mut told = String::new();
    raw.read_to_string(&mut told).unwrap();
    assert!(told.contains("[vuart: the guest has ended"), "{told}");
    assert!(matches!(late.recv().unwrap(), Event::Ended(end) if end.cause == Cause::VmEnded));
}

/// Edge-triggered.
#[test]
fn a_server_works_in_an_epoll_loop() {
    serves(|server, console| epoll_example::run(server, || console.ended().is_some()));
}

/// Edge-triggered.
#[test]
fn a_server_works_in_a_loop_of_mio() {
    serves(|server, console| mio_example::run(server, || console.ended().is_some()));
}

/// Edge-triggered inside.
#[test]
fn a_server_works_in_a_runtime_of_tokio() {
    serves(|server, console| tokio_example::run(server, || console.ended().is_some()));
}

/// Level-triggered.
#[test]
fn a_server_works_in_a_loop_of_calloop() {
    serves(|server, console| calloop_example::run(server, || console.ended().is_some()));
}

/// Level-triggered.
#[test]
fn a_server_works_in_an_event_manager() {
    serves(|server, console| event_manager_example::run(server, || console.ended().is_some()));
}
