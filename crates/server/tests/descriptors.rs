//! The file descriptors of servers, and a process that has none left. A test program of its own, because it sets its own limit.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use vuart_endpoint::{Attach, Cause, Identity, Mode, Policy};
use vuart_server::{Claim, Server, ServerOptions, Sockets};
use vuart_test_support::{Guest, HANG, open_files, settle, turn};
use vuart_wire::{AttachRequest, Decoder, ErrorCode, Event, Frame as _, Hello, Request, RuntimeDir, VERSION};

/// The limit on open files: soon reached.
const FILES: u64 = 256;

/// The tests of this program share its descriptors, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: hard }).unwrap();
    alone
}

/// A guest whose console is served on this thread, whenever the test says so.
struct Rig {
    guest: Guest,
    server: Server,
    control: SocketAddrUnix,
    dir: TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::with(|claim| Sockets::bind(claim).unwrap())
    }

    fn with(sockets: impl FnOnce(Claim) -> Sockets) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let control = SocketAddrUnix::new(claim.control_socket()).unwrap();
        let guest = Guest::new(4096);
        let server = Server::new("vm0", guest.console.clone(), sockets(claim), ServerOptions::default());
        Self { guest, server: server.unwrap(), control, dir }
    }

    /// Serves until something holds, with few events: a server that waits does not spin.
    fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let (begin, mut events) = (Instant::now(), 0);
        while !holds() {
            events += u64::from(turn(&mut self.server, Duration::from_millis(20)));
            assert!(begin.elapsed() < HANG, "{what} never happens");
            let most = 40 * (1 + begin.elapsed().as_secs());
            assert!(events < most, "{events} events in {:?}, and not yet: {what}", begin.elapsed());
        }
    }

    /// Serves whatever there is to serve now.
    fn settle(&mut self) {
        settle(&mut self.server);
    }

    /// Introduces a client over this socket.
    fn hello(&mut self, socket: OwnedFd) -> UnixStream {
        connect(&socket, &self.control).unwrap();
        let mut client = UnixStream::from(socket);
        client.set_nonblocking(true).unwrap();
        let mut hello = Vec::new();
        Request::Hello(Hello { version: VERSION, label: "alice".to_owned() }).encode(&mut hello);
        client.write_all(&hello).unwrap();
        client
    }

    /// Serves a client until it is welcome.
    fn welcome(&mut self, client: &mut UnixStream) {
        let (mut decoder, mut buffer) = (Decoder::default(), [0; 1024]);
        self.until("the welcome", || {
            match client.read(&mut buffer) {
                Ok(0) => panic!("sent away, though there are file descriptors again"),
                Ok(count) => decoder.extend(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            match decoder.next_frame() {
                Some(Ok(Event::Welcome(_))) => true,
                None => false,
                Some(other) => panic!("{other:?}"),
            }
        });
    }
}

/// A socket that is not connected yet. Connecting takes no descriptor.
fn unconnected() -> OwnedFd {
    socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap()
}

/// Takes all descriptors that are left.
fn all_of_them() -> Vec<File> {
    let mut all = vec![File::open("/dev/null").unwrap()];
    while let Ok(one) = all[0].try_clone() {
        all.push(one);
    }
    all
}

/// Whether the other end has closed the connection. It may have said why before.
fn is_sent_away(client: &mut UnixStream) -> bool {
    let mut buffer = [0; 1024];
    match client.read(&mut buffer) {
        Ok(0) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        // What it had sent was not read.
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
        Ok(count) => {
            let mut decoder = Decoder::default();
            decoder.extend(&buffer[..count]);
            let Some(Ok(Event::Error(error))) = decoder.next_frame() else { panic!("it is welcome") };
            assert_eq!(error.code, ErrorCode::TooMany);
            false
        }
    }
}

#[test]
fn an_idle_served_console_has_seven_descriptors_of_its_own() {
    let _alone = alone();
    // The first server makes the spare descriptor of the process.
    drop(Rig::new());
    let before = open_files();
    let mut rig = Rig::new();
    rig.settle();
    let idle = before + 7 + 1;
    assert_eq!(
        open_files(),
        idle,
        "three sockets, the lock, the doorbell, the timer, the epoll instance; and the directory of all consoles"
    );

    let mut client = rig.hello(unconnected());
    rig.welcome(&mut client);
    assert_eq!(open_files(), idle + 2, "both ends of a connection");
    drop(client);
    rig.settle();
    assert_eq!(open_files(), idle);
}

/// Without a descriptor: an owner of this process who is idle is detached, a client is sent away, and a program at the
/// pseudo-terminal gets its output.
#[test]
fn a_server_without_a_descriptor_left_goes_on_serving() {
    let _alone = alone();
    let mut rig = Rig::with(|claim| {
        let mut sockets = Sockets::bind(claim).unwrap();
        sockets.open_pty().unwrap();
        sockets
    });
    rig.settle();
    let sockets = [unconnected(), unconnected()];
    let mut rest = all_of_them();

    rig.guest.console.set_policy(Policy::default().with_idle(Duration::from_millis(100)));
    let session = rig.guest.console.attach(Attach::new(Identity::new("vmm", 0, None))).unwrap();
    rig.until("the owner is detached", || session.end().is_some());
    assert_eq!(session.end().unwrap().cause, Cause::Idle);
    drop(session);
    rig.guest.console.set_policy(Policy::default());
    rig.settle();

    let [first, second] = sockets;
    let mut client = rig.hello(first);
    rig.until("the client is sent away", || is_sent_away(&mut client));

    // The program takes the descriptor of that client.
    drop(client);
    let mut terminal = open(&rig.dir.path().join("run/vm0.pty"));
    rest.extend(rest[0].try_clone());
    let console = rig.guest.console.clone();
    rig.until("the terminal's session", || console.owner().is_some());
    for line in ["one\n", "two\n"] {
        rig.guest.writes(line.as_bytes());
        let mut read = String::new();
        rig.until("the output", || {
            let mut buffer = [0; 16];
            if let Ok(count) = terminal.read(&mut buffer) {
                read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            read == line
        });
    }
    drop(terminal);
    rig.until("the end of the terminal's session", || console.owner().is_none());

    drop(rest);
    let mut client = rig.hello(second);
    rig.welcome(&mut client);
}

fn open(device: &Path) -> File {
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(device).unwrap()
}

/// Both have the one spare descriptor of the process.
#[test]
fn two_servers_at_the_limit_send_clients_away_and_let_them_in_again() {
    let _alone = alone();
    let (mut one, mut other) = (Rig::new(), Rig::new());
    one.settle();
    other.settle();
    let mut sockets: Vec<_> = (0..12).map(|_| unconnected()).collect();
    let rest = all_of_them();
    let mut sent_away = Vec::new();
    for _ in 0..5 {
        for rig in [&mut one, &mut other] {
            let mut client = rig.hello(sockets.pop().unwrap());
            rig.until("the client is sent away", || is_sent_away(&mut client));
            // Kept, so that no descriptor becomes free.
            sent_away.push(client);
        }
    }
    drop((rest, sent_away));
    for rig in [&mut one, &mut other] {
        let mut client = rig.hello(sockets.pop().unwrap());
        rig.welcome(&mut client);
    }
}

/// An admin gets the descriptor of somebody who only watches, and nobody that of the owner.
#[test]
fn f20_without_a_file_descriptor_an_admin_gets_that_of_a_spectator() {
    let _alone = alone();
    let mut rig = Rig::new();
    rig.settle();
    let mut sockets: Vec<_> = (0..4).map(|_| unconnected()).collect();
    let mut attached = [Mode::Exclusive, Mode::Spectate].map(|mode| {
        let mut client = rig.hello(sockets.pop().unwrap());
        rig.welcome(&mut client);
        let mut attach = Vec::new();
        Request::Attach(AttachRequest { mode, ..AttachRequest::default() }).encode(&mut attach);
        client.write_all(&attach).unwrap();
        let mut answer = [0; 1024];
        rig.until("the session", || client.read(&mut answer).is_ok());
        client
    });
    let rest = all_of_them();
    let mut admin = rig.hello(sockets.pop().unwrap());
    rig.welcome(&mut admin);
    let [owner, spectator] = &mut attached;
    rig.until("the spectator is sent away", || is_sent_away(spectator));
    assert!(!is_sent_away(owner));
    // The admin has asked nothing yet, so it gives way to the next one.
    let mut next = rig.hello(sockets.pop().unwrap());
    rig.welcome(&mut next);
    rig.until("the idle admin is sent away", || is_sent_away(&mut admin));
    assert!(!is_sent_away(owner));
    assert!(rig.guest.console.owner().is_some());
    drop(rest);
}

/// Clients come while there is no descriptor, and another thread takes each one that becomes free. When there are some again, the
/// next client is let in, although nothing else happens at the console.
#[test]
fn e1_without_a_file_descriptor_clients_wait_and_are_let_in_when_there_is_one() {
    let _alone = alone();
    let mut rig = Rig::new();
    // Created beforehand: connecting takes no descriptor.
    let sockets: Vec<_> = (0..64).map(|_| unconnected()).collect();
    let hungry = Arc::new(AtomicBool::new(true));
    let thief = std::thread::spawn({
        let (hungry, seed) = (Arc::clone(&hungry), sockets[0].try_clone().unwrap());
        move || {
            let mut stolen = Vec::new();
            while hungry.load(SeqCst) {
                stolen.extend(seed.try_clone());
                std::thread::yield_now();
            }
            stolen.len()
        }
    });
    // The thief has all descriptors when this thread gets none.
    let deadline = Instant::now() + HANG;
    while let Ok(one) = sockets[0].try_clone() {
        drop(one);
        assert!(Instant::now() < deadline);
    }
    let mut sockets = sockets.into_iter();
    for socket in sockets.by_ref().take(32) {
        connect(&socket, &rig.control).unwrap();
        turn(&mut rig.server, Duration::ZERO);
        // Its end is dropped here, which frees a descriptor for the thief.
    }
    hungry.store(false, SeqCst);
    assert!(thief.join().unwrap() > 100);

    let mut client = rig.hello(sockets.next().unwrap());
    rig.welcome(&mut client);
}
