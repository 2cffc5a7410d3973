//! The sockets of a console, and the limits and time-outs of its clients.

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use support::{answers, hello};
use vuart_endpoint::{Console, Mode};
use vuart_scrollback::{Position, Scrollback};
use vuart_server::{RawPolicy, ServeError, Server, ServerOptions, Sockets};
use vuart_test_support::{HANG, Vm, open_files, part, play, read_to, settle, turn, until};
use vuart_wire::{
    Client, ClientError, DetachRequest, ErrorCode, Event, Frame as _, LogRequest, Request, RuntimeDir,
};

fn all() -> Vm {
    with(ServerOptions::default())
}

fn with(options: ServerOptions) -> Vm {
    Vm::with(options, |claim| Sockets::bind(claim).unwrap())
}

fn connect(path: impl AsRef<std::path::Path>) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

fn last_code(stream: &mut UnixStream) -> Option<ErrorCode> {
    match answers(stream).pop() {
        Some(Event::Error(error)) => Some(error.code),
        _ => None,
    }
}

#[test]
fn f19_a_file_in_the_place_of_a_socket_is_to_be_removed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(temp.path().join("r")).unwrap();
    std::fs::write(dir.raw_socket("vm0").unwrap(), "precious").unwrap();
    let claim = vuart_server::Claim::new(&dir, "vm0").unwrap();
    let error = Sockets::of(claim).bind_raw().unwrap_err().to_string();
    assert!(
        error.ends_with(
            "what is there is in use, or is no socket of this console's; choose another path, or remove it"
        ),
        "{error}"
    );
}

#[test]
fn all_three_sockets_are_private() {
    let vm = all();
    for ending in ["sock", "ro.sock", "ctl"] {
        let mode = std::fs::metadata(vm.file(ending)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{ending}");
    }
}

#[test]
fn only_the_requested_sockets_are_created() {
    let vm = Vm::with(ServerOptions::default(), |claim| Sockets::of(claim).bind_control().unwrap());
    assert!(vm.file("ctl").exists());
    assert!(!vm.file("sock").exists() && !vm.file("ro.sock").exists());
    assert!(matches!(Sockets::default().bind_raw(), Err(ServeError::NoName)));
}

#[test]
fn the_read_only_socket_sends_output_and_takes_no_input() {
    let mut vm = all();
    vm.guest.writes(b"before");
    let mut watcher = connect(vm.file("ro.sock"));
    vm.until("the watcher is there", |console| console.sessions().len() == 1);
    watcher.write_all(b"rm -rf /").unwrap();
    let mut owner = connect(vm.file("sock"));
    owner.write_all(b"ls").unwrap();
    assert_eq!(vm.guest.reads(2), b"ls");
    vm.guest.writes(b"bin etc\n");
    assert_eq!(read_to(&mut watcher, "etc\n"), "bin etc\n");
    assert_eq!(read_to(&mut owner, "etc\n"), "bin etc\n");
    let accepted = vm.console.counters().input_accepted;
    assert_eq!(accepted, 2);
    // It goes on when its client sends nothing more.
    watcher.shutdown(std::net::Shutdown::Write).unwrap();
    vm.guest.writes(b"on\n");
    assert_eq!(read_to(&mut watcher, "on\n"), "on\n");
}

#[test]
fn a_raw_client_takes_over_if_that_is_the_policy() {
    let mut vm = with(ServerOptions::default().with_raw(RawPolicy::TakeOver));
    let mut first = connect(vm.file("sock"));
    first.write_all(b"1").unwrap();
    assert_eq!(vm.guest.reads(1), b"1");
    let mut second = connect(vm.file("sock"));
    assert!(read_to(&mut first, "]\r\n").contains("was taken over by "));
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
    second.write_all(b"2").unwrap();
    assert_eq!(vm.guest.reads(1), b"2");
}

#[test]
fn a_client_that_sends_no_hello_is_told_so_and_sent_away() {
    // Long enough for half a frame to be sent before, on a busy machine too.
    let vm = with(ServerOptions::default().with_handshake(Duration::from_millis(200)));
    let mut mute = connect(vm.file("ctl"));
    // Half a frame is not enough.
    let mut half = connect(vm.file("ctl"));
    half.write_all(&hello()[..7]).unwrap();
    assert_eq!(last_code(&mut mute), Some(ErrorCode::Timeout));
    assert_eq!(last_code(&mut half), Some(ErrorCode::Timeout));
}

#[test]
fn a_client_that_has_sent_hello_has_no_deadline() {
    let vm = with(ServerOptions::default().with_handshake(Duration::from_millis(300)));
    let mut client = Client::connect(&vm.file("ctl"), "alice").unwrap();
    // The deadline of a later client has come, so an earlier one would have come too.
    assert_eq!(last_code(&mut connect(vm.file("ctl"))), Some(ErrorCode::Timeout));
    client.status().unwrap();
}

/// The timer is armed only for clients that have not introduced themselves.
#[test]
fn the_deadline_of_a_client_that_has_sent_hello_does_not_wake_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ctl");
    let sockets = Sockets::default().with_control(UnixListener::bind(&path).unwrap());
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let options = ServerOptions::default().with_handshake(Duration::from_millis(500));
    let mut server = Server::new("vm0", console, sockets, options).unwrap();
    let mut client = connect(&path);
    assert!(turn(&mut server, HANG), "it is not let in");
    client.write_all(&hello()).unwrap();
    assert!(turn(&mut server, HANG), "it is not welcome");
    settle(&mut server);
    assert!(!turn(&mut server, Duration::from_millis(700)));
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(turn(&mut server, HANG), "it is not gone");
    assert!(matches!(answers(&mut client)[..], [Event::Welcome(_)]));
}

#[test]
fn the_longest_handshake_is_no_time_out() {
    let vm = with(ServerOptions::default().with_handshake(Duration::MAX));
    let mut late = connect(vm.file("ctl"));
    Client::connect(&vm.file("ctl"), "alice").unwrap().status().unwrap();
    late.write_all(&hello()).unwrap();
    late.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(matches!(answers(&mut late)[..], [Event::Welcome(_)]));
}

#[test]
fn the_idle_client_that_has_been_silent_longest_gives_way() {
    let vm = with(ServerOptions::default().with_clients(4));
    let ctl = vm.file("ctl");
    let mut owner = Client::connect(&ctl, "owner").unwrap();
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let mut early = Client::connect(&ctl, "early").unwrap();
    let mut idle = Client::connect(&ctl, "idle").unwrap();
    let mut late = Client::connect(&ctl, "late").unwrap();
    early.status().unwrap();
    // Four are connected. The fifth takes the place of the one that has been silent longest.
    let mut fifth = Client::connect(&ctl, "fifth").unwrap();
    assert!(matches!(idle.status(), Err(ClientError::Server(error)) if error.code == ErrorCode::TooMany));
    for client in [&mut owner, &mut early, &mut late, &mut fifth] {
        client.status().unwrap();
    }
    // When all have a session, none gives way.
    for client in [&mut early, &mut late, &mut fifth] {
        client.attach(Mode::Spectate, Position::End).unwrap();
    }
    match Client::connect(&ctl, "too many").unwrap().attach(Mode::Spectate, Position::End) {
        Err(ClientError::Server(error)) => assert_eq!(error.code, ErrorCode::TooMany),
        other => panic!("{other:?}"),
    }
    assert!(read_to(&mut connect(vm.file("ro.sock")), "]\r\n").contains("too many clients"));
}

#[test]
fn a_megabyte_of_garbage_on_each_socket_harms_nobody() {
    let seed = seed();
    let mut random = random(seed);
    let garbage: Vec<u8> = (0..1 << 20).map(|_| random().to_le_bytes()[0]).collect();
    let mut vm = all();
    let mut watcher = connect(vm.file("ro.sock"));
    watcher.write_all(&garbage).unwrap();
    // The garbage soon stops being frames, and the server may not read the rest.
    let mut control = connect(vm.file("ctl"));
    let _ = control.write_all(&garbage);
    assert!(matches!(answers(&mut control).last(), Some(Event::Error(_))), "seed {seed}");
    // Garbage in frames of the right length.
    let mut framed = connect(vm.file("ctl"));
    let sender = std::thread::spawn({
        let (mut framed, garbage) = (framed.try_clone().unwrap(), garbage.clone());
        move || {
            for piece in garbage.chunks(257) {
                let mut frame = u32::try_from(piece.len() - 1).unwrap().to_le_bytes().to_vec();
                frame.extend_from_slice(piece);
                framed.write_all(&frame).unwrap();
            }
            framed.shutdown(std::net::Shutdown::Write).unwrap();
        }
    });
    let answers = answers(&mut framed);
    sender.join().unwrap();
    assert_eq!(answers.len(), garbage.len().div_ceil(257), "each is answered, seed {seed}");
    // On the raw socket it is input.
    let typist = std::thread::spawn({
        let (mut raw, garbage) = (connect(vm.file("sock")), garbage.clone());
        move || {
            raw.write_all(&garbage).unwrap();
            raw
        }
    });
    assert!(vm.guest.reads(garbage.len()) == garbage);
    drop(typist.join().unwrap());
    vm.guest.writes(b"fine\n");
    assert_eq!(read_to(&mut watcher, "fine\n"), "fine\n");
}

#[test]
fn s14_resets_in_the_middle_of_a_replay() {
    let mut vm = all();
    vm.guest.writes(&vec![b'x'; 1 << 16]);
    for round in 0..300 {
        let mut client = connect(vm.file("ctl"));
        let mut bytes = hello();
        Request::Log(LogRequest { from: Position::Oldest, max: None }).encode(&mut bytes);
        // Unread data on both sides makes the close a reset.
        bytes.extend(hello().repeat(round % 3));
        client.write_all(&bytes).unwrap();
        if round % 2 == 0 {
            client.read_exact(&mut [0; 100]).unwrap();
        }
    }
    let mut client = Client::connect(&vm.file("ctl"), "alice").unwrap();
    client.attach(Mode::Exclusive, Position::Newest(1)).unwrap();
    assert!(matches!(client.recv().unwrap(), Event::Output { bytes, .. } if bytes == b"x"));
}

/// Clients connect to all three sockets, and some leave in the middle of a request.
#[test]
fn ten_thousand_clients_that_come_and_go_leave_nothing_behind() {
    // In a process of its own, because it counts open files.
    if part().is_none() {
        let output =
            play("ten_thousand_clients_that_come_and_go_leave_nothing_behind", "alone", |command| command);
        println!("{}", String::from_utf8_lossy(&output.stdout));
        return assert!(output.status.success(), "{output:?}");
    }
    let seed = seed();
    println!("seed {seed}");
    let mut random = random(seed);
    let mut vm = all();
    let mut client = Client::connect(&vm.file("ctl"), "alice").unwrap();
    client.attach(Mode::Spectate, Position::End).unwrap();
    let before = open_files();
    vm.guest.writes(b"history\n");
    let begin = Instant::now();
    for life in 0..10_000 {
        let mut stream = connect(vm.file(["sock", "ro.sock", "ctl"][life % 3]));
        if life % 3 == 2 {
            let mut bytes = hello();
            for request in [
                Request::Status,
                Request::Log(LogRequest::default()),
                Request::Break,
                Request::Detach(DetachRequest::default()),
            ] {
                request.encode(&mut bytes);
            }
            bytes.truncate(usize::try_from(random() % (bytes.len() as u64 + 1)).unwrap());
            let _ = stream.write_all(&bytes);
        }
        if random().is_multiple_of(4) {
            vm.guest.writes(b".");
        }
    }
    println!("10,000 lives in {:?}", begin.elapsed());
    until("the last of them is gone", || vm.console.sessions().len() == 1 && open_files() <= before);
    client.send(&Request::Detach(DetachRequest::default())).unwrap();
}

#[test]
fn the_files_of_a_dead_server_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let run = RuntimeDir::create(dir.path().join("run")).unwrap();
    for ending in ["sock", "ro.sock", "ctl"] {
        drop(UnixListener::bind(run.path().join(format!("vm0.{ending}"))).unwrap());
    }
    std::os::unix::fs::symlink("/nowhere", run.path().join("vm0.pty")).unwrap();
    let vm = Vm::within(dir, 1 << 14, ServerOptions::default(), |claim| Sockets::bind(claim).unwrap());
    Client::connect(&vm.file("ctl"), "alice").unwrap().status().unwrap();
    assert!(!vm.file("pty").is_symlink());
}

fn seed() -> u64 {
    let seed = std::env::var("VUART_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or_else(|| u64::from(std::process::id()) + 1)
}

/// Xorshift.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.max(1);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
