//! The end is told: a guest writes its last byte, and its VMM is gone in the same moment.

mod support;

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use support::terminal::{open, read_until};
use support::{mode, with_pty};
use vuart_endpoint::{Attach, Cause, Console, Identity, Input, Mode};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{
    Claim, Dispatch as _, FinishError, RuntimeDir, Server, ServerOptions, ServerThread, Sockets,
};
use vuart_test_support::{HANG, settle, turn, until};
use vuart_wire::{AttachRequest, Client, Event};

/// How often a guest resets.
const RESETS: usize = 1000;

/// A guest, and its VMM, which has everything on one thread.
struct Vmm {
    writer: Writer,
    console: Console,
    _input: Input,
    server: Server,
    _dir: tempfile::TempDir,
    run: RuntimeDir,
}

impl Vmm {
    fn new(sockets: impl FnOnce(Claim) -> Sockets) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = RuntimeDir::create(dir.path().join("run")).unwrap();
        let (writer, scrollback) = Scrollback::new(1 << 16).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        let claim = Claim::new(&run, "vm0").unwrap();
        let mut server =
            Server::new("vm0", console.clone(), sockets(claim), ServerOptions::default()).unwrap();
        server.dispatch().unwrap();
        Self { writer, console, _input: input, server, _dir: dir, run }
    }

    fn connect(&self, ending: &str) -> UnixStream {
        let stream = UnixStream::connect(self.run.path().join(format!("vm0.{ending}"))).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream
    }

    /// A client of the control socket that watches, while this thread serves.
    fn spectator(&mut self) -> Client {
        let path = self.run.path().join("vm0.ctl");
        let client = std::thread::spawn(move || {
            let mut client = Client::connect(&path, "alice").unwrap();
            client.attach_with(AttachRequest { ..mode(Mode::Spectate) }).unwrap();
            client
        });
        while !client.is_finished() {
            turn(&mut self.server, Duration::from_millis(1));
        }
        client.join().unwrap()
    }

    fn serve_until(&mut self, what: &str, so: impl Fn(&Console) -> bool) {
        until(what, || {
            turn(&mut self.server, Duration::from_millis(1));
            so(&self.console)
        });
    }

    /// The guest's last words. The VMM leaves its loop at once, and drops all that it has, in one of the ways that there are. Returns why
    /// the sessions have ended.
    fn reset(self, n: usize, last_words: &[u8]) -> Cause {
        let Self { mut writer, console, server, _input, _dir, run: _ } = self;
        // On a thread of the server's own, or on the VMM's.
        if n.is_multiple_of(2) {
            let thread = ServerThread::start(server).unwrap();
            writer.extend(last_words);
            let cause = said(n, &console);
            drop(thread);
            cause
        } else {
            writer.extend(last_words);
            let cause = said(n, &console);
            drop(server);
            cause
        }
    }
}

/// Some VMMs say why the console ends, and some just go.
fn said(n: usize, console: &Console) -> Cause {
    if n % 4 < 2 {
        console.end(&Cause::VmEnded);
        Cause::VmEnded
    } else {
        Cause::ShutDown
    }
}

fn told(cause: &Cause) -> &str {
    if *cause == Cause::VmEnded {
        "[vuart: the guest has ended at "
    } else {
        "[vuart: the console's server has shut down at "
    }
}

fn last_words(n: usize) -> Vec<u8> {
    let mut words = vec![b'.'; n * 37 % 20_000];
    words.extend(format!("reset {n}\n").bytes());
    words
}

#[test]
fn clients_of_the_sockets_have_the_last_byte_and_the_cause_of_each_of_a_thousand_resets() {
    for n in 0..RESETS {
        let mut vmm = Vmm::new(|claim| Sockets::bind(claim).unwrap());
        let mut raw = vmm.connect("sock");
        let mut read_only = vmm.connect("ro.sock");
        vmm.serve_until("both are let in", |console| console.sessions().len() == 2);
        let mut client = vmm.spectator();
        let words = last_words(n);
        let cause = vmm.reset(n, &words);

        for stream in [&mut raw, &mut read_only] {
            let mut received = Vec::new();
            stream.read_to_end(&mut received).unwrap_or_else(|error| panic!("reset {n}: {error}"));
            assert!(received.starts_with(&words), "reset {n}: {} of {} bytes", received.len(), words.len());
            let end = String::from_utf8_lossy(&received[words.len()..]);
            assert!(end.trim_start().starts_with(told(&cause)), "reset {n}: {end}");
        }
        let mut received = Vec::new();
        let ended = loop {
            match client.recv().unwrap_or_else(|error| panic!("reset {n}: {error}")) {
                Event::Output { bytes, .. } => received.extend(bytes),
                Event::Ended(end) => break end.cause,
                other => panic!("reset {n}: {other:?}"),
            }
        };
        assert!(received == words, "reset {n}: {} of {} bytes", received.len(), words.len());
        assert_eq!(ended, cause, "reset {n}");
    }
}

#[test]
fn a_program_at_the_terminal_has_the_last_byte_and_the_cause_of_each_of_a_thousand_resets() {
    for n in 0..RESETS {
        let mut vmm = Vmm::new(|claim| with_pty(Sockets::of(claim)));
        let mut terminal = open(vmm.run.path().join("vm0.pty"));
        vmm.serve_until("it is let in", |console| console.owner().is_some());
        // No more than a terminal takes at once.
        let words = &last_words(n)[..];
        let words = &words[words.len().saturating_sub(3000)..];
        let cause = vmm.reset(n, words);
        let received = read_until(&mut terminal, "]\r\n");
        assert!(received.as_bytes().starts_with(words), "reset {n}: {received:?}");
        assert!(received[words.len()..].trim_start().starts_with(told(&cause)), "reset {n}: {received}");
    }
}

/// A client that has typed what nobody has read still sees an end, and no failure.
#[test]
fn input_that_nobody_has_read_does_not_spoil_the_end() {
    use std::io::Write as _;
    let mut vmm = Vmm::new(|claim| Sockets::bind(claim).unwrap());
    let mut raw = vmm.connect("sock");
    vmm.serve_until("it is let in", |console| console.owner().is_some());
    raw.write_all(&vec![b'x'; 30_000]).unwrap();
    vmm.reset(1, b"last");
    let mut received = String::new();
    raw.read_to_string(&mut received).unwrap();
    assert!(received.starts_with("last\r\n[vuart: "), "{received}");
}

/// The console goes on, and another server may serve it.
#[test]
fn a_console_outlives_its_server() {
    let mut vmm = Vmm::new(|claim| Sockets::bind(claim).unwrap());
    let own = vmm.console.attach(Attach::new(Identity::new("vmm", 0, None))).unwrap();
    let client = vmm.spectator();
    let Vmm { console, server, run, _input, .. } = vmm;
    drop(server);
    assert!(console.ended().is_none() && own.end().is_none());
    assert_eq!(console.sessions().len(), 1, "the client's session is over");
    assert!(std::fs::read_dir(run.path()).unwrap().next().is_none(), "its files are gone");
    drop(client);
    let server = Server::bind(Claim::new(&run, "vm0").unwrap(), console).unwrap();
    drop(server);
}

#[test]
fn finish_waits_for_clients_that_read_and_for_no_others() {
    let mut vmm = Vmm::new(|claim| Sockets::bind(claim).unwrap());
    let mut reader = vmm.spectator();
    let words = vec![b'x'; 60_000];
    vmm.writer.extend(&words);
    vmm.console.end(&Cause::VmEnded);
    let reading = std::thread::spawn(move || {
        let mut received = 0;
        loop {
            match reader.recv().unwrap() {
                Event::Output { bytes, .. } => received += bytes.len(),
                Event::Ended(end) => return (received, end.cause),
                other => panic!("{other:?}"),
            }
        }
    });
    vmm.server.finish(HANG).unwrap();
    assert_eq!(reading.join().unwrap(), (words.len(), Cause::VmEnded));

    let mut vmm = Vmm::new(|claim| Sockets::bind(claim).unwrap());
    let _deaf = vmm.spectator();
    // More than a socket holds.
    for _ in 0..64 {
        vmm.writer.extend(&vec![b'x'; 1 << 15]);
        settle_without_waiting(&mut vmm.server, &vmm.console);
    }
    assert!(matches!(vmm.server.finish(Duration::from_millis(10)), Err(FinishError::Unread)));
}

fn settle_without_waiting(server: &mut Server, console: &Console) {
    console.doorbell().ring();
    while turn(server, Duration::ZERO) {}
}

/// While a server finishes, nobody begins a session at a console that goes on.
#[test]
fn who_comes_while_the_server_goes_is_told_so() {
    let mut vmm = Vmm::new(|claim| Sockets::bind(claim).unwrap());
    vmm.server.shut_down();
    let mut raw = vmm.connect("sock");
    settle(&mut vmm.server);
    let mut received = String::new();
    raw.read_to_string(&mut received).unwrap();
    assert!(received.contains("shut down"), "{received}");
    assert!(vmm.console.sessions().is_empty());
}
