//! The thread that serves a console: how it ends.

use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use vuart_scrollback::{Position, Scrollback, Writer};

use vuart_endpoint::{Cause, Console, Input, Mode};
use vuart_server::{Claim, Dispatch, FinishError, Server, ServerThread};
use vuart_wire::{Client, RuntimeDir};

/// A guard against hanging: longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

struct Rig {
    dir: tempfile::TempDir,
    writer: Writer,
    console: Console,
    /// The guest's end: without it the console would end.
    _input: Input,
    server: ServerThread,
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let (writer, scrollback) = Scrollback::new(1 << 20).unwrap();
    let (console, input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("r")).unwrap(), "vm0").unwrap();
    let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
    Rig { dir, writer, console, _input: input, server }
}

impl Rig {
    fn socket(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join("r").join(file)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("r")).unwrap().count()
    }
}

#[test]
fn clients_get_the_last_output_and_the_sockets_are_removed() {
    let mut rig = rig();
    let mut client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
    client.attach(Mode::Exclusive, Position::Oldest).unwrap();
    let mut raw = UnixStream::connect(rig.socket("vm0.sock")).unwrap();
    rig.writer.extend(b"good bye");
    rig.console.end(&Cause::VmEnded);
    assert_eq!(rig.files(), 4);
    let dir = rig.dir;
    rig.server.finish(LONG).unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("r")).unwrap().count(), 0);

    let output = client.recv().unwrap();
    assert_eq!(output, vuart_wire::Event::Output { offset: 0, bytes: b"good bye".to_vec() });
    let ended = client.recv().unwrap();
    assert!(matches!(&ended, vuart_wire::Event::Ended(end) if end.cause == Cause::VmEnded), "{ended:?}");
    let mut told = String::new();
    raw.read_to_string(&mut told).unwrap();
    assert!(told.contains("[vuart: "), "{told}");
}

#[test]
fn finish_waits_no_longer_than_its_patience_for_a_client_that_does_not_read() {
    let mut rig = rig();
    let mut client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
    client.attach(Mode::Exclusive, Position::Oldest).unwrap();
    // More than a socket's buffer holds.
    rig.writer.extend(&vec![b'x'; 1 << 20]);
    rig.console.end(&Cause::VmEnded);
    let finished = rig.server.finish(Duration::from_millis(10));
    assert!(matches!(finished, Err(FinishError::Unread)), "{finished:?}");
}

#[test]
fn finish_with_the_longest_patience_returns_when_clients_are_settled() {
    let rig = rig();
    rig.console.end(&Cause::ShutDown);
    rig.server.finish(Duration::MAX).unwrap();
}

/// A part that panics on the server's thread.
struct Panics(UnixStream);

impl AsFd for Panics {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Dispatch for Panics {
    fn dispatch(&mut self) -> std::io::Result<()> {
        panic!("this panic belongs to the test");
    }

    fn is_settled(&self) -> bool {
        true
    }
}

/// It is not the same as a client that is slow.
#[test]
fn f25_a_thread_that_has_panicked_says_so_when_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("r")).unwrap(), "vm0").unwrap();
    let server = Server::bind(claim, console.clone()).unwrap();
    let panics = Panics(UnixStream::pair().unwrap().0);
    let server = ServerThread::builder().serve(server).serve(panics).start().unwrap();
    console.end(&Cause::ShutDown);
    let finished = server.finish(LONG);
    assert!(matches!(finished, Err(FinishError::Panicked)), "{finished:?}");
}

#[test]
fn dropping_the_thread_removes_all_files() {
    let rig = rig();
    let _client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
    let Rig { dir, server, .. } = rig;
    drop(server);
    assert_eq!(std::fs::read_dir(dir.path().join("r")).unwrap().count(), 0);
}
