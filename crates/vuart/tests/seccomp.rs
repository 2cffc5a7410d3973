//! A console under filters of exactly the rules that are published. Each test runs in a process of its own, in which a refused call is
//! fatal.

#[path = "support/filtered.rs"]
mod filtered;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use filtered::{allow, in_a_process};
use vmm_sys_util::eventfd::EventFd;
use vuart::endpoint::{Cause, Console, Mode};
use vuart::scrollback::Position;
use vuart::seccomp::{self, Rules};
use vuart::server::{Claim, RuntimeDir, Server, ServerOptions, ServerThread, Sockets};
use vuart::uart::spec::offset::{IER, LSR, RBR, THR};
use vuart::wire::{Client, Event};
use vuart::{IrqFd, SerialPort, SharedPort};

/// A VMM whose threads are filtered.
struct Vmm {
    port: SharedPort<IrqFd>,
    console: Console,
    server: ServerThread,
    run: PathBuf,
    _dir: tempfile::TempDir,
}

impl Vmm {
    /// Serves a console on a thread with these rules.
    fn new(options: ServerOptions, rules: Rules, sockets: impl FnOnce(Sockets) -> Sockets) -> Self {
        let port = SerialPort::new(IrqFd(EventFd::new(libc::EFD_NONBLOCK).unwrap()));
        let console = port.console().clone();
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let claim = Claim::new(&RuntimeDir::create(run.clone()).unwrap(), "vm0").unwrap();
        let sockets = sockets(Sockets::bind(claim).unwrap());
        let server = Server::new("vm0", console.clone(), sockets, options).unwrap();
        let server = ServerThread::builder().on_start(move || allow(&rules)).serve(server).start().unwrap();
        Self { port: SharedPort::new(port), console, server, run, _dir: dir }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.run.join(format!("vm0.{ending}"))
    }

    fn client(&self, label: &str) -> Client {
        Client::connect(&self.path("ctl"), label).unwrap()
    }

    /// A program that opens the terminal device and switches its echo off.
    fn terminal(&self) -> std::fs::File {
        loop {
            let opened = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NOCTTY)
                .open(self.path("pty"));
            // In between two sessions there is none.
            if let Ok(terminal) = opened {
                return terminal;
            }
            thread::yield_now();
        }
    }

    /// A vCPU that writes `count` bytes, echoes what is typed, and waits for a byte `q`.
    fn run_guest(&self, count: usize) -> JoinHandle<()> {
        let port = self.port.clone();
        thread::spawn(move || {
            let rules = seccomp::vcpu().and(&thread_end());
            allow(&rules).unwrap();
            for byte in (0..=u8::MAX).cycle().take(count) {
                port.write_register(THR, byte);
            }
            port.write_register(IER, 0x03);
            loop {
                if port.read_register(LSR) & 1 == 0 {
                    std::hint::spin_loop();
                    continue;
                }
                match port.read_register(RBR) {
                    b'q' => return,
                    byte => port.write_register(THR, byte),
                }
            }
        })
    }

    /// Ends as a VMM does.
    fn finish(self) {
        self.console.end(&Cause::VmEnded);
        self.server.finish(Duration::from_secs(60)).unwrap();
        assert!(!self.run.join("vm0.ctl").exists());
    }
}

/// What a thread of `std` does at its end, beside the vCPU's own calls.
fn thread_end() -> Rules {
    seccomp::server()
}

/// Reads until the text has come.
fn read_until(stream: &mut impl std::io::Read, text: &[u8]) {
    let mut received = Vec::new();
    while !received.windows(text.len()).any(|window| window == text) {
        let mut buf = [0; 4096];
        let count = stream.read(&mut buf).unwrap();
        assert_ne!(count, 0, "the end, without {:?}", text.escape_ascii().to_string());
        received.extend_from_slice(&buf[..count]);
    }
}

fn receive_until_end(mut client: Client) -> u64 {
    let mut count = 0;
    loop {
        match client.recv().unwrap() {
            Event::Output { bytes, .. } => count += bytes.len() as u64,
            Event::Ended(_) => return count,
            _ => {}
        }
    }
}

/// The terminal device: programs open it, type, and go.
#[test]
fn programs_at_the_terminal() {
    in_a_process("programs_at_the_terminal", || {
        let rules = seccomp::server().and(&seccomp::pty());
        let vmm = Vmm::new(ServerOptions::default(), rules, |mut sockets| {
            sockets.open_pty().unwrap();
            sockets
        });
        let guest = vmm.run_guest(100_000);
        for _ in 0..3 {
            let mut terminal = vmm.terminal();
            terminal.write_all(b"tty?\n").unwrap();
            read_until(&mut terminal, b"tty?");
            drop(terminal);
            let free = || vmm.console.owner().is_none();
            while !free() {
                thread::yield_now();
            }
        }
        // Somebody takes the console over from a program.
        let mut terminal = vmm.terminal();
        terminal.write_all(b"more\n").unwrap();
        read_until(&mut terminal, b"more");
        let mut client = vmm.client("owner");
        client.attach(Mode::TakeOver, Position::End).unwrap();
        client.send(&vuart::wire::Request::Input(b"q".to_vec())).unwrap();
        guest.join().unwrap();
        drop((terminal, client));
        vmm.finish();
    });
}

#[test]
fn a_server_that_reads_the_names_of_programs() {
    in_a_process("a_server_that_reads_the_names_of_programs", || {
        let rules = seccomp::server().and(&seccomp::program_names());
        let vmm = Vmm::new(ServerOptions::default(), rules, |sockets| sockets);
        let guest = vmm.run_guest(1000);
        let mut raw = UnixStream::connect(vmm.path("sock")).unwrap();
        raw.write_all(b"raw?").unwrap();
        read_until(&mut raw, b"raw?");
        raw.write_all(b"q").unwrap();
        guest.join().unwrap();
        drop(raw);
        vmm.finish();
    });
}

#[test]
fn clients_of_all_sockets() {
    in_a_process("clients_of_all_sockets", || {
        let vmm = Vmm::new(ServerOptions::default(), seccomp::server(), |it| it);
        let guest = vmm.run_guest(300_000);
        // Somebody sends garbage, somebody goes at once, somebody never reads.
        let mut garbage = UnixStream::connect(vmm.path("ctl")).unwrap();
        garbage.write_all(&[0xFF; 4096]).unwrap();
        drop(UnixStream::connect(vmm.path("ro.sock")).unwrap());
        let deaf = UnixStream::connect(vmm.path("ro.sock")).unwrap();

        let mut raw = UnixStream::connect(vmm.path("sock")).unwrap();
        raw.write_all(b"raw?").unwrap();
        read_until(&mut raw, b"raw?");
        let mut watcher = vmm.client("watcher");
        watcher.attach(Mode::Spectate, Position::Oldest).unwrap();
        let watcher = thread::spawn(move || receive_until_end(watcher));
        let mut owner = vmm.client("owner");
        owner.attach(Mode::TakeOver, Position::End).unwrap();
        owner.status().unwrap();
        let mut second = vmm.client("second");
        second.attach(Mode::Exclusive, Position::End).unwrap_err();
        // A hundred come and go.
        for n in 0..100 {
            drop(vmm.client(&format!("client {n}")));
        }
        let mut client = vmm.client("quitter");
        client.attach(Mode::TakeOver, Position::End).unwrap();
        client.send(&vuart::wire::Request::Input(b"q".to_vec())).unwrap();
        guest.join().unwrap();
        drop(deaf);
        vmm.finish();
        assert!(watcher.join().unwrap() > 0);
    });
}
