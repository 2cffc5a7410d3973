//! A console that is served on real sockets, on a thread of its own.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;
use vuart_endpoint::Console;
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{Claim, Dispatch, Server, ServerOptions, Sockets};
use vuart_wire::{Client, RuntimeDir};

use crate::guest::Guest;
use crate::wait::{HANG, until};

/// The server of a console, under the name `vm0` in a runtime directory of its own. Dropping it stops the server, and fails
/// the test if the server has panicked.
#[derive(Debug)]
pub struct Served {
    dir: TempDir,
    console: Console,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves on all three sockets, with the default options.
    pub fn new(console: &Console) -> Self {
        Self::with(console, ServerOptions::default(), |claim| Sockets::bind(claim).unwrap())
    }

    /// Serves on what `sockets` makes of the claimed name.
    pub fn with(console: &Console, options: ServerOptions, sockets: impl FnOnce(Claim) -> Sockets) -> Self {
        Self::within(tempfile::tempdir().unwrap(), console, options, sockets)
    }

    /// Serves in the runtime directory `run` of this directory, which may be there already.
    pub fn within(
        dir: TempDir,
        console: &Console,
        options: ServerOptions,
        sockets: impl FnOnce(Claim) -> Sockets,
    ) -> Self {
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let mut server = Server::new("vm0", console.clone(), sockets(claim), options).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        // Not a `ServerThread`, which does not say whether it has panicked.
        let thread = std::thread::spawn(move || {
            server.dispatch().unwrap();
            while !stopped.load(SeqCst) {
                turn(&mut server, HANG);
            }
        });
        Self { dir, console: console.clone(), stop, thread: Some(thread) }
    }

    /// The path of a file of the console, by its ending: `ctl`, `sock`, `ro.sock`, `pty`.
    pub fn file(&self, ending: &str) -> PathBuf {
        self.dir.path().join("run").join(format!("vm0.{ending}"))
    }

    /// Connects to the control socket.
    pub fn client(&self, label: &str) -> Client {
        Client::connect(&self.file("ctl"), label).unwrap()
    }

    /// Connects to a socket without a protocol.
    pub fn connect(&self, ending: &str) -> UnixStream {
        let stream = UnixStream::connect(self.file(ending)).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream
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

/// A guest, and the server of its console.
#[derive(Debug)]
pub struct Vm {
    // Dropped first, while the guest is still there.
    served: Served,
    /// The guest.
    pub guest: Guest,
    /// The guest's console.
    pub console: Console,
}

impl Vm {
    /// A guest whose console has a ring of `capacity` bytes and is served on all three sockets.
    pub fn new(capacity: usize) -> Self {
        Self::on(Scrollback::new(capacity).unwrap())
    }

    /// A guest whose console has this ring and is served on all three sockets.
    pub fn on(ring: (Writer, Scrollback)) -> Self {
        let guest = Guest::on(ring);
        Self { served: Served::new(&guest.console), console: guest.console.clone(), guest }
    }

    /// A guest whose console has a ring of 64 KiB and is served on what `sockets` makes of its claimed name.
    pub fn with(options: ServerOptions, sockets: impl FnOnce(Claim) -> Sockets) -> Self {
        Self::within(tempfile::tempdir().unwrap(), 1 << 16, options, sockets)
    }

    /// A guest whose console is served in the runtime directory `run` of this directory.
    pub fn within(
        dir: TempDir,
        capacity: usize,
        options: ServerOptions,
        sockets: impl FnOnce(Claim) -> Sockets,
    ) -> Self {
        let guest = Guest::new(capacity);
        let served = Served::within(dir, &guest.console, options, sockets);
        Self { served, console: guest.console.clone(), guest }
    }

    /// The path of a file of the console: see [`Served::file`].
    pub fn file(&self, ending: &str) -> PathBuf {
        self.served.file(ending)
    }

    /// Connects to the control socket.
    pub fn client(&self, label: &str) -> Client {
        self.served.client(label)
    }

    /// Connects to a socket without a protocol.
    pub fn connect(&self, ending: &str) -> UnixStream {
        self.served.connect(ending)
    }

    /// Waits until something is true of the console.
    pub fn until(&self, what: &str, so: impl Fn(&Console) -> bool) {
        until(what, || so(&self.console));
    }
}

/// Waits for so long until a part of a console has something to do, and lets it. Returns whether it had.
pub fn turn(part: &mut impl Dispatch, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).unwrap();
    let ready = poll(&mut [PollFd::new(part, PollFlags::IN)], Some(&patience)).unwrap() == 1;
    if ready {
        part.dispatch().unwrap();
    }
    ready
}

/// Lets a part of a console do all that there is to do now.
pub fn settle(part: &mut impl Dispatch) {
    while turn(part, Duration::from_millis(20)) {}
}
