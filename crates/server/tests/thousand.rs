//! A thousand consoles in one process, on one thread, with a client each.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vuart_endpoint::{Console, Input, Mode};
use vuart_scrollback::{Position, Scrollback, Writer};
use vuart_server::{Claim, Server, ServerThread, ServerThreadBuilder};
use vuart_test_support::{open_files, resident_kib, take};
use vuart_wire::{Client, Event, Request, RuntimeDir};

const CONSOLES: usize = 1000;

/// The lock, three sockets, the doorbell, the timer and the epoll instance; both ends of the client's connection.
const FILES_EACH: u64 = 7 + 2;

/// Open files of the test program itself and of its harness.
const FILES_ELSE: u64 = 64;

/// The limit of every wait: longer than elsewhere, because there are a thousand consoles.
const HANG: Duration = Duration::from_secs(120);

struct Guest {
    name: String,
    console: Console,
    writer: Writer,
    input: Input,
}

/// Raises the limit on open files, and returns how many consoles that is enough for.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).unwrap();
    let fit = hard.map_or(u64::MAX, |hard| hard.saturating_sub(FILES_ELSE) / FILES_EACH);
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    if fit < CONSOLES {
        println!("a hard limit of {hard:?} open files is enough for {fit} consoles only (see `ulimit -Hn`)");
    }
    fit.min(CONSOLES)
}

#[test]
fn a_thousand_consoles_are_served_on_one_thread() {
    let count = raise_limit();
    let dir = tempfile::tempdir().unwrap();
    let run = RuntimeDir::create(dir.path().join("run")).unwrap();
    let (memory, open) = (resident_kib(), open_files());
    let begin = Instant::now();
    let mut servers = Vec::new();
    let mut guests: Vec<Guest> = (0..count)
        .map(|number| {
            let (writer, scrollback) = Scrollback::new(64 << 10).unwrap();
            let (console, input) = Console::new(scrollback, || ());
            let name = format!("vm{number}");
            let claim = Claim::new(&run, &name).unwrap();
            servers.push(Server::bind(claim, console.clone()).unwrap());
            Guest { name, console, writer, input }
        })
        .collect();
    println!(
        "{count} consoles with rings of 64 KiB in {:?}: {} KiB and {} files each",
        begin.elapsed(),
        (resident_kib() - memory) / count as u64,
        (open_files() - open) / count,
    );
    let thread =
        servers.into_iter().fold(ServerThread::builder(), ServerThreadBuilder::serve).start().unwrap();

    let (memory, open, begin) = (resident_kib(), open_files(), Instant::now());
    let mut clients: Vec<Client> = guests
        .iter()
        .map(|guest| {
            let path = run.control_socket(&guest.name).unwrap();
            let mut client = Client::connect(&path, &guest.name).unwrap();
            assert_eq!(client.welcome().console, guest.name.as_str());
            assert!(client.attach(Mode::Exclusive, Position::End).unwrap().owner);
            client
        })
        .collect();
    println!(
        "a client each, attached, in {:?}: {} KiB and {} files each, both ends",
        begin.elapsed(),
        (resident_kib() - memory) / count as u64,
        (open_files() - open) / count,
    );

    let begin = Instant::now();
    for guest in &mut guests {
        guest.writer.extend(format!("this is {}\n", guest.name).as_bytes());
        guest.console.doorbell().ring_if_armed();
    }
    for (guest, client) in guests.iter().zip(&mut clients) {
        let Event::Output { offset: 0, bytes } = client.recv().unwrap() else { panic!("no output") };
        assert_eq!(bytes, format!("this is {}\n", guest.name).as_bytes());
        client.send(&Request::Input(format!("for {}\r", guest.name).into_bytes())).unwrap();
    }
    let deadline = Instant::now() + HANG;
    for guest in &mut guests {
        let expected = format!("for {}\r", guest.name);
        let mut typed = Vec::new();
        while typed.len() < expected.len() {
            typed.extend(take(&mut guest.input));
            assert!(Instant::now() < deadline, "{} got {typed:?}", guest.name);
        }
        assert_eq!(typed, expected.as_bytes());
    }
    println!("a line out and a line in, for all: {:?}", begin.elapsed());

    // A second client finds each console held by its own client.
    for guest in guests.iter().step_by(97) {
        let mut raw = UnixStream::connect(run.path().join(format!("{}.sock", guest.name))).unwrap();
        let mut told = String::new();
        raw.read_to_string(&mut told).unwrap();
        assert!(told.contains(&format!("held by {} ", guest.name)), "{told:?}");
    }

    drop(clients);
    thread.finish(HANG).unwrap();
    assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0, "all files are gone");
}
