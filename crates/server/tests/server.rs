//! The server over real sockets: rows E and S of the peers' failures, and clients that misbehave.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use event_manager::{EventManager, SubscriberOps as _};
use vuart_endpoint::{Cause, Console, Input, Mode, Refused, Replay, Symbol};
use vuart_scrollback::{Position, RingOptions, Scrollback, Writer};
use vuart_server::{Claim, Server, ServerOptions};
use vuart_wire::{
    AttachRequest, Client, ClientError, Decoder, DetachRequest, ErrorCode, Event, Frame as _, Hello, Hole,
    LogEnd, LogRequest, MAX_PAYLOAD, Request, RuntimeDir, VERSION,
};

/// A console, served on a thread of its own, and its guest.
struct Fixture {
    _dir: tempfile::TempDir,
    console: Console,
    writer: Writer,
    input: Input,
    raw: std::path::PathBuf,
    control: std::path::PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A hang becomes a failure; nothing is ever measured with it.
const HANG: Duration = Duration::from_secs(60);

impl Fixture {
    fn new(capacity: usize) -> Self {
        Self::on(Scrollback::new(capacity).unwrap())
    }

    /// With a ring of the test's.
    fn on((writer, scrollback): (Writer, Scrollback)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (console, input) = Console::new(scrollback, || ());
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let (raw, control) = (claim.raw_socket().to_owned(), claim.control_socket().to_owned());
        let server = Server::bind(claim, console.clone()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut events = EventManager::new().unwrap();
            events.add_subscriber(server);
            while !stopped.load(SeqCst) {
                events.run().unwrap();
            }
        });
        Self { _dir: dir, console, writer, input, raw, control, stop, thread: Some(thread) }
    }

    fn guest_writes(&mut self, bytes: &[u8]) {
        self.writer.extend(bytes);
        self.console.doorbell().ring_if_armed();
    }

    /// Waits until the guest has got as many bytes.
    fn guest_reads(&mut self, count: usize) -> Vec<u8> {
        let mut read = Vec::new();
        let mut symbols = [Symbol::Break; 16];
        let deadline = std::time::Instant::now() + HANG;
        while read.len() < count {
            let most = (count - read.len()).min(16);
            let taken = self.input.take(&mut symbols[..most]);
            read.extend(symbols[..taken].iter().map(|symbol| match symbol {
                Symbol::Byte(byte) => *byte,
                Symbol::Break => b'^',
            }));
            assert!(std::time::Instant::now() < deadline, "got {read:?}");
            std::thread::yield_now();
        }
        read
    }

    fn client(&self, label: &str) -> Client {
        Client::connect(&self.control, label).unwrap()
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.raw).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream
    }

    /// A control connection without the manners of `Client`.
    fn rude(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.control).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.console.doorbell().ring();
        let joined = self.thread.take().unwrap().join();
        assert!(joined.is_ok() || std::thread::panicking(), "the server's thread panicked");
    }
}

/// Output up to `count` bytes, and where it began.
fn output(client: &mut Client, count: usize) -> (u64, Vec<u8>) {
    let (mut start, mut all) = (None, Vec::new());
    while all.len() < count {
        match client.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, *start.get_or_insert(offset) + all.len() as u64);
                all.extend(bytes);
            }
            other => panic!("{other:?} after {} bytes", all.len()),
        }
    }
    (start.unwrap_or_default(), all)
}

fn read_to(stream: &mut UnixStream, end: &str) -> String {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !all.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Whom it would wake has no session: the guest's next byte costs it nothing.
#[test]
fn the_guest_wakes_nobody_for_nobody() {
    let mut vm = Fixture::new(1 << 16);
    let mut client = vm.client("alice");
    client.status().unwrap();
    assert!(!vm.console.doorbell().ring_if_armed());
    client.attach(Mode::Spectate, Replay::All).unwrap();
    vm.guest_writes(b"login: ");
    assert_eq!(output(&mut client, 7), (0, b"login: ".to_vec()));
}

/// How many page faults this thread has taken that needed no disk.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name, in parentheses, may have spaces in it; minflt is the eighth field after it.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(7).unwrap().parse().unwrap()
}

#[test]
fn the_guest_finds_its_memory_touched() {
    let mut fixture = Fixture::new(1 << 20);
    if let Err(error) = fixture.console.scrollback().touch_ahead(4096) {
        return println!("older than Linux 5.14: {error}");
    }
    // Who answers has begun to serve.
    let _client = fixture.client("alice");
    fixture.guest_writes(b"!");
    let bytes = vec![b'x'; 60 << 10];
    faults();
    let before = faults();
    fixture.guest_writes(&bytes);
    let taken = faults() - before;
    assert!(taken < 8, "{taken} page faults on 15 pages");
}

#[test]
fn attach_type_and_read() {
    let mut vm = Fixture::new(1 << 16);
    let mut alice = vm.client("alice");
    assert_eq!(alice.welcome().console, "vm0");
    let attached = alice.attach(Mode::Exclusive, Replay::None).unwrap();
    assert!(attached.owner);
    alice.send(&Request::Input(b"ls\r".to_vec())).unwrap();
    alice.send(&Request::Break).unwrap();
    assert_eq!(vm.guest_reads(4), b"ls\r^");
    vm.guest_writes(b"bin etc\r\n");
    assert_eq!(output(&mut alice, 9), (0, b"bin etc\r\n".to_vec()));
}

#[test]
fn e1_e2_e3_e4_refused_taken_over_told() {
    let mut vm = Fixture::new(1 << 16);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    alice.send(&Request::Input(b"never run".to_vec())).unwrap();
    while vm.console.input_waiting() < 9 {
        std::thread::yield_now();
    }
    let mut bob = vm.client("bob");
    match bob.attach(Mode::Exclusive, Replay::None) {
        Err(ClientError::Refused(Refused::Held { holder, .. })) => {
            assert_eq!((holder.label(), holder.pid()), ("alice", Some(std::process::id())));
        }
        other => panic!("{other:?}"),
    }
    let attached = bob.attach(Mode::TakeOver, Replay::None).unwrap();
    assert_eq!(attached.evicted.unwrap().label(), "alice");
    match alice.recv().unwrap() {
        Event::Ended(end) => assert!(matches!(end.cause, Cause::Evicted { by } if by.label() == "bob")),
        other => panic!("{other:?}"),
    }
    alice.send(&Request::Input(b"too late".to_vec())).unwrap();
    alice.status().unwrap();
    bob.send(&Request::Input(b"bob".to_vec())).unwrap();
    assert_eq!(vm.guest_reads(3), b"bob");
    assert_eq!(vm.console.counters().input_discarded, 9);
    // The evicted one may come back by asking.
    alice.attach(Mode::TakeOver, Replay::None).unwrap();
}

#[test]
fn e5_replay_and_live_are_one_stream() {
    let mut vm = Fixture::new(1 << 20);
    let all: Vec<u8> = (0..200_000u32).map(|i| (i * 7).to_le_bytes()[1]).collect();
    let (before, after) = all.split_at(100_000);
    vm.guest_writes(before);
    let mut alice = vm.client("alice");
    assert_eq!(alice.attach(Mode::Exclusive, Replay::From(5)).unwrap().offset, 5);
    for piece in after.chunks(977) {
        vm.guest_writes(piece);
    }
    let (offset, received) = output(&mut alice, all.len() - 5);
    assert_eq!(offset, 5);
    assert!(received == all[5..]);
}

#[test]
fn e6_e7_reading_the_history_changes_nothing_and_a_lost_range_is_declared() {
    let mut vm = Fixture::new(1 << 14);
    let all: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
    vm.guest_writes(&all);
    for _ in 0..2 {
        let mut client = vm.client("reader");
        client.log(Replay::From(10), None).unwrap();
        let (mut next, mut lost) = (10, 0);
        loop {
            match client.recv().unwrap() {
                Event::Hole(hole) => {
                    assert_eq!(hole.from, next);
                    lost += hole.to - hole.from;
                    next = hole.to;
                }
                Event::Output { offset, bytes } => {
                    assert_eq!(offset, next);
                    let at = usize::try_from(offset).unwrap();
                    assert!(bytes == all[at..at + bytes.len()]);
                    next += bytes.len() as u64;
                }
                Event::LogEnd(end) => break assert_eq!(end, LogEnd { next: 100_000 }),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(next, 100_000);
        assert!(lost >= 100_000 - (1 << 14));
    }
}

#[test]
fn a_range_of_the_history() {
    let mut vm = Fixture::new(1 << 14);
    vm.guest_writes(b"0123456789");
    let mut client = vm.client("reader");
    for (from, max, expected, next) in [
        (Replay::From(3), Some(4), &b"3456"[..], 7),
        (Replay::Last(2), None, b"89", 10),
        (Replay::All, Some(1), b"0", 1),
        (Replay::None, None, b"", 10),
        (Replay::From(4), Some(0), b"", 4),
        (Replay::Boot, Some(2), b"01", 2),
        (Replay::Lines(1), None, b"0123456789", 10),
        (Replay::Lines(0), None, b"", 10),
    ] {
        client.log(from, max).unwrap();
        assert_eq!(output(&mut client, expected.len()).1, expected, "{from:?} {max:?}");
        assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next }), "{from:?} {max:?}");
    }
    client.log(Replay::From(u64::MAX), Some(u64::MAX)).unwrap();
    assert!(matches!(client.recv().unwrap(), Event::LogEnd(_)));
}

#[test]
fn e14_a_paste_waits_for_a_slow_guest_and_loses_nothing() {
    let mut vm = Fixture::new(1 << 14);
    let paste: Vec<u8> = (0..1_000_000u32).map(|i| (i / 3).to_le_bytes()[0]).collect();
    let sender = std::thread::spawn({
        let (mut alice, paste) = (vm.client("alice"), paste.clone());
        move || {
            alice.attach(Mode::Exclusive, Replay::None).unwrap();
            alice.send(&Request::Input(paste)).unwrap();
            alice.send(&Request::Detach(DetachRequest::default())).unwrap();
            match alice.recv().unwrap() {
                Event::Ended(end) => assert_eq!(end.cause, Cause::Detached),
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(vm.guest_reads(paste.len()) == paste);
    sender.join().unwrap();
}

#[test]
fn e15_s14_a_client_that_dies_gives_the_console_back() {
    let mut vm = Fixture::new(1 << 16);
    for _ in 0..20 {
        let mut alice = vm.client("alice");
        alice.attach(Mode::Exclusive, Replay::All).unwrap();
        // With unread data on both sides, which makes the close a reset.
        vm.guest_writes(&[b'x'; 10_000]);
        alice.send(&Request::Input(vec![b'y'; 60_000])).unwrap();
        drop(alice);
        let mut bob = vm.client("bob");
        while bob.attach(Mode::Exclusive, Replay::None).is_err() {}
    }
}

#[test]
fn s15_a_watcher_that_never_reads_disturbs_nobody() {
    let mut vm = Fixture::new(1 << 14);
    let mut sleepers: Vec<Client> = (0..8).map(|n| vm.client(&format!("sleeper {n}"))).collect();
    for sleeper in &mut sleepers {
        sleeper.attach(Mode::Spectate, Replay::All).unwrap();
    }
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Replay::All).unwrap();
    for round in 0..1_000u32 {
        vm.guest_writes(&[round.to_le_bytes()[0]; 4096]);
        let (_, bytes) = output(&mut alice, 4096);
        assert!(bytes.iter().all(|byte| *byte == round.to_le_bytes()[0]));
    }
    // One that wakes up gets what its socket held, and then the truth about the rest.
    let (mut next, mut lost) = (0, 0);
    while next < 4_096_000 {
        match sleepers[0].recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, next);
                assert!((offset..).zip(&bytes).all(|(at, byte)| *byte == (at / 4096).to_le_bytes()[0]));
                next += bytes.len() as u64;
            }
            Event::Hole(hole) => {
                assert_eq!(hole.from, next);
                (next, lost) = (hole.to, lost + hole.to - hole.from);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0);
}

#[test]
fn a_spectator_sees_all_and_types_nothing() {
    let mut vm = Fixture::new(1 << 14);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    let mut eve = vm.client("eve");
    let attached = eve.attach(Mode::Spectate, Replay::None).unwrap();
    assert!(!attached.owner);
    assert_eq!(attached.held_by.unwrap().label(), "alice");
    eve.send(&Request::Input(b"rm -rf /".to_vec())).unwrap();
    eve.send(&Request::Break).unwrap();
    eve.send(&Request::Status).unwrap();
    assert!(matches!(eve.recv().unwrap(), Event::Status(status) if status.sessions.len() == 2));
    alice.send(&Request::Input(b"ls".to_vec())).unwrap();
    assert_eq!(vm.guest_reads(2), b"ls");
    vm.guest_writes(b"x");
    assert_eq!(output(&mut eve, 1).1, b"x");
}

#[test]
fn the_end_comes_after_the_last_words() {
    let mut vm = Fixture::new(1 << 16);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    vm.guest_writes(&vec![b'x'; 50_000]);
    vm.console.end(&Cause::VmEnded);
    output(&mut alice, 50_000);
    assert!(matches!(alice.recv().unwrap(), Event::Ended(end) if end.cause == Cause::VmEnded));
    assert!(matches!(
        vm.client("bob").attach(Mode::TakeOver, Replay::None),
        Err(ClientError::Refused(Refused::Ended { .. }))
    ));
    // The history is still to be had.
    let mut reader = vm.client("reader");
    reader.log(Replay::Last(5), None).unwrap();
    assert_eq!(output(&mut reader, 5).1, b"xxxxx");
}

#[test]
fn raw_one_byte_is_one_byte() {
    let mut vm = Fixture::new(1 << 16);
    let mut client = vm.raw();
    let all: Vec<u8> = (0..=255).collect();
    client.write_all(&all).unwrap();
    assert_eq!(vm.guest_reads(256), all, "E13");
    vm.guest_writes(&all);
    let mut received = [0; 256];
    client.read_exact(&mut received).unwrap();
    assert_eq!(received[..], all);
}

#[test]
fn raw_refused_and_evicted_in_one_clear_line() {
    let mut vm = Fixture::new(1 << 16);
    let mut first = vm.raw();
    first.write_all(b"x").unwrap();
    vm.guest_reads(1);
    let line = read_to(&mut vm.raw(), "]\r\n");
    assert!(line.starts_with("\r\n[vuart: the console is held by "), "{line:?}");

    let mut bob = vm.client("bob");
    bob.attach(Mode::TakeOver, Replay::None).unwrap();
    let line = read_to(&mut first, "]\r\n");
    assert!(line.starts_with("\r\n[vuart: the console was taken over by bob (uid "), "{line:?}");
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "and closed");
}

#[test]
fn raw_half_closed_input_arrives_and_output_goes_on() {
    let mut vm = Fixture::new(1 << 16);
    let mut client = vm.raw();
    client.write_all(b"script").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(vm.guest_reads(6), b"script");
    vm.guest_writes(b"answer");
    assert_eq!(read_to(&mut client, "answer"), "answer");
}

#[test]
fn raw_input_of_a_client_that_has_closed_already_arrives() {
    let mut vm = Fixture::new(1 << 16);
    vm.raw().write_all(b"one shot").unwrap();
    assert_eq!(vm.guest_reads(8), b"one shot");
}

#[test]
fn raw_a_hole_is_declared() {
    let mut vm = Fixture::new(1 << 14);
    let mut client = vm.raw();
    // Until it is attached.
    while vm.console.owner().is_none() {
        std::thread::yield_now();
    }
    for _ in 0..1_000 {
        vm.guest_writes(&[b'x'; 4096]);
    }
    vm.guest_writes(b"END");
    let all = read_to(&mut client, "END");
    let kept = all.matches('x').count();
    let lost: usize = all
        .split("[vuart: ")
        .skip(1)
        .map(|notice| notice.split(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(kept + lost, 4096 * 1_000);
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    Request::Hello(Hello { version: VERSION, label: "rude".to_owned() }).encode(&mut bytes);
    bytes
}

fn answers(stream: &mut UnixStream) -> Vec<Event> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let mut decoder = Decoder::default();
    decoder.extend(&bytes);
    std::iter::from_fn(|| decoder.next_frame()).map(Result::unwrap).collect()
}

fn code(event: &Event) -> Option<ErrorCode> {
    match event {
        Event::Error(error) => Some(error.code),
        _ => None,
    }
}

#[test]
fn an_unknown_frame_is_refused_politely_and_the_connection_goes_on() {
    let vm = Fixture::new(1 << 14);
    let mut client = vm.rude();
    client.write_all(&hello()).unwrap();
    client.write_all(b"\x03\0\0\0\x7fabc").unwrap(); // an unknown kind
    client.write_all(b"\x03\0\0\0\x02abc").unwrap(); // Attach, not JSON
    client.write_all(b"\x01\0\0\0\x04x").unwrap(); // Break with a payload
    client.write_all(&hello()).unwrap(); // again
    client.write_all(b"\0\0\0\0\x05").unwrap(); // Detach without a session
    client.write_all(b"\0\0\0\0\x06").unwrap(); // Status
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let answers = answers(&mut client);
    let codes: Vec<_> = answers.iter().map(code).collect();
    let (unknown, malformed, order) = (ErrorCode::UnknownFrame, ErrorCode::Malformed, ErrorCode::OutOfOrder);
    assert_eq!(
        codes,
        [None, Some(unknown), Some(malformed), Some(malformed), Some(order), Some(order), None]
    );
    assert!(matches!(answers[6], Event::Status(_)));
}

#[test]
fn a_frame_that_is_too_long_ends_the_connection() {
    let vm = Fixture::new(1 << 14);
    let mut client = vm.rude();
    client.write_all(&hello()).unwrap();
    let length = u32::try_from(MAX_PAYLOAD + 1).unwrap();
    client.write_all(&length.to_le_bytes()).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::TooLong));
}

#[test]
fn nothing_works_before_hello() {
    let vm = Fixture::new(1 << 14);
    let mut client = vm.rude();
    client.write_all(b"\x02\0\0\0\x02{}").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::OutOfOrder));
    assert!(vm.console.owner().is_none());
}

#[test]
fn a_version_that_is_too_old_is_refused() {
    let vm = Fixture::new(1 << 14);
    let mut client = vm.rude();
    let mut bytes = Vec::new();
    Request::Hello(Hello { version: 0, label: String::new() }).encode(&mut bytes);
    client.write_all(&bytes).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::Version));
}

#[test]
fn a_client_that_asks_and_never_reads_costs_only_itself() {
    let vm = Fixture::new(1 << 14);
    let mut client = vm.rude();
    client.write_all(&hello()).unwrap();
    client.set_nonblocking(true).unwrap();
    // Until its own socket is full: the server has stopped reading.
    let status = b"\0\0\0\0\x06".repeat(1000);
    let mut sent = 0;
    let mut refusals = 0;
    while refusals < 3 {
        match client.write(&status) {
            Ok(written) => sent += written,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                refusals += 1;
                vm.client("other").status().unwrap();
            }
        }
        assert!(sent < 64 << 20, "the server hoards requests");
    }
}

#[test]
fn ten_thousand_connections() {
    let vm = Fixture::new(1 << 14);
    let mut mute = Vec::new();
    for n in 0..10_000u32 {
        let stream = UnixStream::connect(&vm.control).unwrap();
        // A third stay and say nothing, a third go at once, a third leave half a frame behind.
        match n % 3 {
            0 if mute.len() < 200 => mute.push(stream),
            1 => {}
            _ => (&stream).write_all(b"\x10\0").unwrap(),
        }
    }
    vm.client("alice").attach(Mode::Exclusive, Replay::None).unwrap();
}

#[test]
fn too_many_with_a_session_are_told_so() {
    let vm = Fixture::new(1 << 14);
    let mut clients: Vec<Client> = (0..ServerOptions::CLIENTS).map(|n| vm.client(&n.to_string())).collect();
    for client in &mut clients {
        client.attach(Mode::Spectate, Replay::None).unwrap();
    }
    match Client::connect(&vm.control, "one more") {
        Err(ClientError::Server(error)) => assert_eq!(error.code, ErrorCode::TooMany),
        other => panic!("{other:?}"),
    }
    drop(clients);
    let deadline = std::time::Instant::now() + HANG;
    while Client::connect(&vm.control, "now").is_err() {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[test]
fn the_sockets_go_with_the_server() {
    let vm = Fixture::new(1 << 14);
    let control = vm.control.clone();
    assert!(control.exists());
    drop(vm);
    assert!(!control.exists());
    assert!(matches!(Client::connect(&control, "late"), Err(ClientError::NotFound { .. })));
}

#[test]
fn a_frame_whose_quotation_grows_costs_nobody_else() {
    let vm = Fixture::new(1 << 14);
    let mut client = vm.rude();
    let mut bytes = Vec::new();
    let json = format!("{{\"version\":\"{}\"}}", "\x7f".repeat(65_000));
    bytes.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
    bytes.push(0x01);
    bytes.extend(json.bytes());
    client.write_all(&bytes).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answers(&mut client).last().and_then(code), Some(ErrorCode::Malformed));
    vm.client("other").status().unwrap();
}

#[test]
fn a_status_fits_into_a_frame_however_many_there_are() {
    let vm = Fixture::new(1 << 14);
    let label = "\u{4e00}".repeat(64);
    let sessions: Vec<_> = (0..1000)
        .map(|_| {
            let who = vuart_endpoint::Identity::new(&label, u32::MAX, Some(u32::MAX));
            vm.console.attach(vuart_endpoint::Attach::new(who).with_mode(Mode::Spectate)).unwrap()
        })
        .collect();
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    let status = vm.client("other").status().unwrap();
    assert!(status.sessions[0].owner);
    assert_eq!(status.sessions.len() as u64 + status.more_sessions, 1001);
    drop(sessions);
}

#[test]
fn the_end_is_told_while_the_guest_writes_on() {
    let mut vm = Fixture::new(1 << 14);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Replay::None).unwrap();
    vm.guest_writes(b"before");
    vm.console.end(&Cause::ShutDown);
    let end = vm.console.scrollback().end();
    let mut next = 0;
    loop {
        vm.guest_writes(&[b'x'; 4096]);
        match alice.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, next);
                next += bytes.len() as u64;
            }
            Event::Hole(hole) => next = hole.to,
            Event::Ended(ended) => break assert_eq!(ended.cause, Cause::ShutDown),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, end, "what came before the end, and nothing after it");
}

#[test]
fn e14_input_that_its_sender_did_not_stay_for_is_counted() {
    let vm = Fixture::new(1 << 14);
    vm.raw().write_all(&vec![b'x'; 100_000]).unwrap();
    let deadline = std::time::Instant::now() + HANG;
    loop {
        let counters = vm.console.counters();
        // The session ends a moment after its last byte has been counted.
        if counters.input_accepted + counters.input_abandoned == 100_000 && vm.console.owner().is_none() {
            break assert_eq!(counters.input_accepted, 4096);
        }
        assert!(std::time::Instant::now() < deadline, "{counters:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_range_that_has_gone_is_declared_and_does_not_count() {
    let mut vm = Fixture::new(1 << 14);
    vm.guest_writes(&vec![b'x'; 100_000]);
    let mut client = vm.client("reader");
    for max in [0, 10] {
        client.log(Replay::From(5), Some(max)).unwrap();
        let Event::Hole(hole) = client.recv().unwrap() else { panic!("no hole") };
        assert_eq!((hole.from, hole.to), (5, vm.console.scrollback().oldest()));
        assert_eq!(output(&mut client, usize::try_from(max).unwrap()).1.len() as u64, max);
        assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: hole.to + max }));
    }
}

#[test]
fn a_hole_behind_the_boot_head_is_declared_and_does_not_count() {
    let options = RingOptions::new(1 << 14).with_boot_head(1000);
    let mut vm = Fixture::on(options.create().unwrap());
    vm.guest_writes(b"an earlier boot\n");
    let boot = vm.writer.mark();
    let text: Vec<u8> = (0..100_000u32).map(|number| (number % 251).to_le_bytes()[0]).collect();
    vm.guest_writes(&text);
    let end = boot + text.len() as u64;
    let newest = vm.console.scrollback().offset(Position::Newest(u64::MAX));
    let mut client = vm.client("reader");
    client.log(Replay::Boot, Some(3000)).unwrap();
    assert_eq!(output(&mut client, 1000), (boot, text[..1000].to_vec()));
    assert_eq!(client.recv().unwrap(), Event::Hole(Hole { from: boot + 1000, to: newest }));
    let at = usize::try_from(newest - boot).unwrap();
    assert_eq!(output(&mut client, 2000), (newest, text[at..at + 2000].to_vec()));
    assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: newest + 2000 }));

    // The oldest byte is the boot's; what is counted from the end stays in the ring.
    client.log(Replay::All, Some(1)).unwrap();
    assert_eq!(output(&mut client, 1).0, boot);
    assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: boot + 1 }));
    client.log(Replay::Last(50_000), Some(1)).unwrap();
    assert_eq!(output(&mut client, 1).0, newest);
    assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: newest + 1 }));

    let attached = client.attach(Mode::Spectate, Replay::Boot).unwrap();
    assert_eq!(attached.offset, boot);
    assert_eq!(output(&mut client, 1000), (boot, text[..1000].to_vec()));
    assert_eq!(client.recv().unwrap(), Event::Hole(Hole { from: boot + 1000, to: newest }));
    assert_eq!(output(&mut client, text.len() - at).0 + (text.len() - at) as u64, end);
}

#[test]
fn lines_and_boots() {
    let mut vm = Fixture::new(1 << 14);
    vm.guest_writes(b"first boot\n");
    vm.writer.mark();
    vm.guest_writes(b"one\ntwo\nthree\nlogin: ");
    let mut client = vm.client("reader");
    for (from, expected) in [
        (Replay::Lines(1), &b"login: "[..]),
        (Replay::Lines(3), b"two\nthree\nlogin: "),
        (Replay::Lines(5), b"first boot\none\ntwo\nthree\nlogin: "),
        (Replay::Lines(u64::MAX), b"first boot\none\ntwo\nthree\nlogin: "),
        (Replay::Boot, b"one\ntwo\nthree\nlogin: "),
    ] {
        client.log(from, None).unwrap();
        assert_eq!(output(&mut client, expected.len()).1, expected, "{from:?}");
        assert_eq!(client.recv().unwrap(), Event::LogEnd(LogEnd { next: 32 }));
        let attached = client.attach(Mode::Spectate, from).unwrap();
        assert_eq!(attached.offset, 32 - expected.len() as u64);
        assert_eq!(output(&mut client, expected.len()).1, expected, "{from:?}");
        client.send(&Request::Detach(DetachRequest::default())).unwrap();
        assert!(matches!(client.recv().unwrap(), Event::Ended(_)));
    }
}

/// Each search ends the connection's turn, and the next turn comes by itself.
#[test]
fn a_client_that_has_the_history_searched_without_end_is_served_in_turns() {
    let mut vm = Fixture::new(1 << 20);
    // No line ends, so that all of it is searched.
    vm.guest_writes(&vec![b'x'; 1 << 20]);
    let mut greedy = vm.rude();
    greedy.write_all(&hello()).unwrap();
    let mut requests = Vec::new();
    for _ in 0..500 {
        let attach =
            AttachRequest { mode: Mode::Spectate, replay: Replay::Lines(1), ..AttachRequest::default() };
        Request::Attach(attach).encode(&mut requests);
        Request::Detach(DetachRequest::default()).encode(&mut requests);
        Request::Log(LogRequest { from: Replay::Lines(1), max: Some(0) }).encode(&mut requests);
    }
    greedy.write_all(&requests).unwrap();
    let mut other = vm.client("other");
    for _ in 0..10 {
        other.status().unwrap();
    }
    // Every request is answered in the end.
    let (mut decoder, mut ends, mut buffer) = (Decoder::default(), 0, [0; 4096]);
    while ends < 500 {
        let received = greedy.read(&mut buffer).unwrap();
        assert!(received > 0, "closed after {ends} of 500");
        decoder.extend(&buffer[..received]);
        while let Some(event) = decoder.next_frame() {
            ends += u32::from(matches!(event.unwrap(), Event::LogEnd(_)));
        }
    }
}

#[test]
fn a_client_that_asks_for_the_history_without_end_does_not_hold_up_others() {
    let mut vm = Fixture::new(1 << 16);
    vm.guest_writes(&vec![b'x'; 1 << 16]);
    let mut greedy = vm.rude();
    greedy.write_all(&hello()).unwrap();
    let mut logs = Vec::new();
    for _ in 0..1000 {
        Request::Log(LogRequest { from: Replay::All, max: None }).encode(&mut logs);
    }
    greedy.write_all(&logs).unwrap();
    // It reads, too, as fast as it can, until the other has been served a hundred times.
    let done = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut buffer = vec![0; 1 << 16];
            let mut total = 0;
            while !done.load(SeqCst) && total < 1000 * 60_000 {
                total += greedy.read(&mut buffer).unwrap();
            }
            total
        }
    });
    let mut other = vm.client("other");
    for _ in 0..100 {
        other.status().unwrap();
    }
    done.store(true, SeqCst);
    reader.join().unwrap();
}
