//! A console that is served as the test says, and its guest.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event_manager::{EventManager, SubscriberOps as _};
use vuart_endpoint::{Console, Input, Symbol};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{Claim, Server, ServerOptions, Sockets};
use vuart_wire::RuntimeDir;

/// A hang becomes a failure; nothing is ever measured with it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// A console, served on a thread of its own.
pub(crate) struct Served {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) console: Console,
    pub(crate) writer: Writer,
    pub(crate) input: Input,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// On what `sockets` makes of the claimed name `vm0`, in a directory that the test has made already or not.
    pub(crate) fn start(options: ServerOptions, sockets: impl FnOnce(Claim) -> Sockets) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start_in(dir, 1 << 16, options, sockets)
    }

    pub(crate) fn start_in(
        dir: tempfile::TempDir,
        capacity: usize,
        options: ServerOptions,
        sockets: impl FnOnce(Claim) -> Sockets,
    ) -> Self {
        let (writer, scrollback) = Scrollback::new(capacity).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let server = Server::new("vm0", console.clone(), sockets(claim), options).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut events = EventManager::new().unwrap();
            events.add_subscriber(server);
            while !stopped.load(SeqCst) {
                events.run().unwrap();
            }
        });
        Self { dir, console, writer, input, stop, thread: Some(thread) }
    }

    /// A file of the console's, by what comes after its name.
    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        self.dir.path().join("run").join(format!("vm0.{ending}"))
    }

    pub(crate) fn guest_writes(&mut self, bytes: &[u8]) {
        self.writer.extend(bytes);
        self.console.doorbell().ring_if_armed();
    }

    /// Waits until the guest has got as many bytes.
    pub(crate) fn guest_reads(&mut self, count: usize) -> Vec<u8> {
        let mut read = Vec::new();
        let mut symbols = [Symbol::Break; 16];
        let deadline = Instant::now() + HANG;
        while read.len() < count {
            let most = (count - read.len()).min(16);
            let taken = self.input.take(&mut symbols[..most]);
            read.extend(bytes(&symbols[..taken]));
            assert!(Instant::now() < deadline, "got {read:?}");
            std::thread::yield_now();
        }
        read
    }

    /// Waits until something is so.
    pub(crate) fn until(&self, what: &str, so: impl Fn(&Console) -> bool) {
        until(what, || so(&self.console));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.console.doorbell().ring();
        let joined = self.thread.take().unwrap().join();
        assert!(joined.is_ok() || std::thread::panicking(), "the server's thread panicked");
    }
}

/// What the guest hears, with `^` for a break.
pub(crate) fn bytes(symbols: &[Symbol]) -> impl Iterator<Item = u8> {
    symbols.iter().map(|symbol| match symbol {
        Symbol::Byte(byte) => *byte,
        Symbol::Break => b'^',
    })
}

/// What waits for the guest, 64 symbols at most.
pub(crate) fn take(input: &mut Input) -> Vec<u8> {
    let mut symbols = [Symbol::Break; 64];
    let count = input.take(&mut symbols);
    bytes(&symbols[..count]).collect()
}

/// The sockets, and a pseudo-terminal with them.
pub(crate) fn with_pty(mut sockets: Sockets) -> Sockets {
    sockets.open_pty().unwrap();
    sockets
}

/// How much memory this process has at present.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANG;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

/// Everything up to and with `end`.
pub(crate) fn read_to(stream: &mut impl Read, end: &str) -> String {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !all.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// What the present test program is told when it is to play a part in another process.
pub(crate) const PART: &str = "VUART_TEST_PART";

/// Runs the test `name` of this program in another process, which `change` changes, to play `part` there.
pub(crate) fn play(name: &str, part: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(PART, part).stdin(Stdio::null());
    change(&mut command).output().unwrap()
}

/// The part to play, if this is such a process.
pub(crate) fn part() -> Option<String> {
    std::env::var(PART).ok()
}
