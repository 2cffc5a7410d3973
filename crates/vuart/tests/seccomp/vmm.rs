//! A VMM whose threads are filtered.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vmm_sys_util::eventfd::EventFd;
use vuart::endpoint::{Cause, Console};
use vuart::seccomp::{self, Rules};
use vuart::server::{Claim, RuntimeDir, Server, ServerOptions, ServerThread, Sockets};
use vuart::uart::spec::offset::{IER, LSR, RBR, THR};
use vuart::wire::{Client, Event};
use vuart::{IrqFd, SerialPort, SharedPort};
use vuart_test_support::allow;

/// A guard against hanging: longer than any of this takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Vmm {
    pub(crate) port: SharedPort<IrqFd>,
    pub(crate) console: Console,
    pub(crate) server: ServerThread,
    pub(crate) run: PathBuf,
    _dir: tempfile::TempDir,
}

impl Vmm {
    /// Serves a console on a thread with these rules.
    pub(crate) fn new(
        options: ServerOptions,
        rules: Rules,
        sockets: impl FnOnce(Sockets, &Path) -> Sockets,
    ) -> Self {
        Self::with_server(options, rules, sockets, |_| ())
    }

    /// The same. `begin` does something with the server before its thread has it.
    pub(crate) fn with_server(
        options: ServerOptions,
        rules: Rules,
        sockets: impl FnOnce(Sockets, &Path) -> Sockets,
        begin: impl FnOnce(&Server),
    ) -> Self {
        let port = SerialPort::new(IrqFd(EventFd::new(libc::EFD_NONBLOCK).unwrap()));
        let console = port.console().clone();
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let claim = Claim::new(&RuntimeDir::create(run.clone()).unwrap(), "vm0").unwrap();
        let sockets = sockets(Sockets::bind(claim).unwrap(), dir.path());
        let server = Server::new("vm0", console.clone(), sockets, options).unwrap();
        begin(&server);
        let server = ServerThread::builder().on_start(move || allow(&rules)).serve(server).start().unwrap();
        Self { port: SharedPort::new(port), console, server, run, _dir: dir }
    }

    pub(crate) fn path(&self, ending: &str) -> PathBuf {
        self.run.join(format!("vm0.{ending}"))
    }

    pub(crate) fn client(&self, label: &str) -> Client {
        Client::connect(&self.path("ctl"), label).unwrap()
    }

    /// A vCPU that writes `count` bytes, echoes what is typed, and waits for a byte `q`.
    pub(crate) fn run_guest(&self, count: usize) -> JoinHandle<()> {
        let port = self.port.clone();
        thread::spawn(move || {
            allow(&seccomp::vcpu().and(&seccomp::any_thread())).unwrap();
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

    /// Ends as a VMM does that waits for its clients.
    pub(crate) fn finish(self) {
        self.console.end(&Cause::VmEnded);
        self.server.finish(LONG).unwrap();
        assert_eq!(std::fs::read_dir(self.run).unwrap().count(), 0);
    }

    /// Ends as a VMM does that waits for nobody.
    pub(crate) fn dropped(self) {
        drop(self.server);
        assert_eq!(std::fs::read_dir(self.run).unwrap().count(), 0);
    }
}

/// Reads until the text has come.
pub(crate) fn read_until(stream: &mut impl Read, text: &[u8]) {
    let mut received = Vec::new();
    while !received.windows(text.len()).any(|window| window == text) {
        let mut buf = [0; 4096];
        let count = stream.read(&mut buf).unwrap();
        assert_ne!(count, 0, "the end, without {:?}", text.escape_ascii().to_string());
        received.extend_from_slice(&buf[..count]);
    }
}

pub(crate) fn receive_until_end(mut client: Client) -> u64 {
    let mut count = 0;
    loop {
        match client.recv().unwrap() {
            Event::Output { bytes, .. } => count += bytes.len() as u64,
            Event::Ended(_) => return count,
            _ => {}
        }
    }
}
