//! System calls and allocations of the guest's accesses.

mod support;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use support::{Edges, port};
use vuart::SerialPort;
use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::offset::{IIR, LSR, THR};
use vuart::wire::{Client, Event, RuntimeDir};

const MIB: u32 = 1 << 20;

/// One test of this program runs at a time, because others would disturb the counts.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that is served on a thread of its own, as a VMM has it.
struct Served {
    port: SerialPort<Edges>,
    control: PathBuf,
    _server: ServerThread,
    _dir: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        let (port, _) = port();
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, port.console().clone()).unwrap()).unwrap();
        // A server that answers has begun to serve.
        drop(Client::connect(&control, "first").unwrap());
        Self { port, control, _server: server, _dir: dir }
    }
}

/// The number of writing system calls that this thread has made. (Reading this number is not one.)
fn writes() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let count = io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap();
    count.parse().unwrap()
}

/// A guest that exits for each byte writes a megabyte, to a reader that keeps up. A wake-up for each byte would be a million wake-ups. There
/// may be one for each time that the guest was kept from running for more than a millisecond, because it then catches up with the clock.
/// (There may be none, if the guest begins before the server has gone to sleep after letting the reader in.)
#[test]
fn a_guest_that_writes_steadily_does_not_wake_a_server_that_polls() {
    let _turn = turn();
    let Served { mut port, control, _server, _dir } = Served::new();
    let mut client = Client::connect(&control, "reader").unwrap();
    client.attach(Mode::Exclusive, Position::Oldest).unwrap();
    let reader = thread::spawn(move || {
        let mut received = 0;
        loop {
            match client.recv().unwrap() {
                Event::Output { bytes, .. } => received += bytes.len(),
                Event::Ended(_) => return received,
                other => panic!("{other:?}"),
            }
        }
    });
    let guest = thread::spawn(move || {
        let (begin, before) = (Instant::now(), writes());
        for n in 1..=MIB {
            while begin.elapsed() < Duration::from_micros(1) * n {
                std::hint::spin_loop();
            }
            port.write_register(THR, b'x');
        }
        (port, writes() - before)
    });
    let (port, writes) = guest.join().unwrap();
    port.console().end(&Cause::VmEnded);
    assert_eq!(reader.join().unwrap(), MIB as usize, "the reader has kept up");
    println!("{writes} wake-ups");
    assert!(writes <= 256, "{writes} system calls for a megabyte");
}

/// The variable that tells this test program to play a part in another process.
const PART: &str = "VUART_TEST_PART";

/// Plays the guest of a console without clients. The first system call of any kind kills its thread, and the process with it.
fn play(part: &str) -> ! {
    let Served { mut port, _server, _dir, .. } = Served::new();
    let doorbell = port.console().doorbell().clone();
    let done = Arc::new(AtomicBool::new(false));
    let (rings, written) = (part == "ring", Arc::clone(&done));
    thread::spawn(move || {
        let rules = BTreeMap::new();
        let (no, yes) = (SeccompAction::KillProcess, SeccompAction::Allow);
        let here = TargetArch::try_from(std::env::consts::ARCH).unwrap();
        let filter: BpfProgram = SeccompFilter::new(rules, no, yes, here).unwrap().try_into().unwrap();
        apply_filter(&filter).unwrap();
        for _ in 0..MIB {
            port.write_register(THR, b'x');
            std::hint::black_box((port.read_register(LSR), port.read_register(IIR)));
        }
        if rings {
            doorbell.ring();
        }
        written.store(true, Release);
        // To end would be a system call.
        loop {
            std::hint::spin_loop();
        }
    });
    while !done.load(Acquire) {
        thread::yield_now();
    }
    std::process::exit(0)
}

fn played(part: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "no_access_makes_a_system_call", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).stdin(Stdio::null()).stdout(Stdio::null());
    command.status().unwrap()
}

#[test]
fn no_access_makes_a_system_call() {
    if let Ok(part) = std::env::var(PART) {
        play(&part);
    }
    let _turn = turn();
    let status = played("write");
    assert!(status.success(), "{status:?}");
    // A system call would have killed it.
    let status = played("ring");
    assert_eq!(status.signal(), Some(31), "SIGSYS, not {status:?}");
}

#[test]
fn no_access_allocates() {
    let _turn = turn();
    let (mut port, _) = port();
    let accesses = |port: &mut SerialPort<Edges>| {
        for _ in 0..4 * MIB {
            port.write_register(THR, b'x');
        }
        for register in [LSR, IIR] {
            std::hint::black_box(port.read_register(register));
        }
    };
    let counted = allocation_counter::measure(|| accesses(&mut port));
    assert_eq!(counted.count_total, 0);
    // The counter counts.
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}
