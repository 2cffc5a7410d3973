//! Who owns the console, over real sockets: waiting in line, evictions that leave one watching, what typing is for whom, and a storm
//! of take-overs.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::{HANG, take};
use vuart_endpoint::{
    Cause, Change, Console, ConsoleEvent, Epoch, EventKind, Evicted, Input, Mode, OnLag, Policy, Refused,
    Replay, SessionId, Standing, Window,
};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{Claim, Server, ServerThread};
use vuart_wire::{
    AcceptRequest, AttachRequest, Attached, Client, ClientError, DetachRequest, ErrorCode, Event, Request,
    RuntimeDir,
};

struct Fixture {
    control: std::path::PathBuf,
    raw: std::path::PathBuf,
    console: Console,
    output: Writer,
    input: Input,
    // Before the directory, which it still uses.
    _server: ServerThread,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (output, scrollback) = Scrollback::new(4096).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let (control, raw) = (claim.control_socket().to_owned(), claim.raw_socket().to_owned());
        let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
        Self { control, raw, console, output, input, _server: server, _dir: dir }
    }

    fn client(&self, label: &str) -> Client {
        Client::connect(&self.control, label).unwrap()
    }

    fn attach(&self, label: &str, request: AttachRequest) -> (Client, Attached) {
        let mut client = self.client(label);
        let attached = client.attach_with(request).unwrap();
        (client, attached)
    }

    /// What the guest gets, until it has so much.
    fn heard(&mut self, count: usize) -> Vec<u8> {
        let deadline = Instant::now() + HANG;
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.extend(take(&mut self.input));
            assert!(Instant::now() < deadline, "{heard:?}");
            thread::yield_now();
        }
        heard
    }
}

fn mode(mode: Mode) -> AttachRequest {
    AttachRequest { mode, ..AttachRequest::default() }
}

fn change(client: &mut Client) -> Change {
    match client.recv().unwrap() {
        Event::Standing(change) => change,
        other => panic!("{other:?}"),
    }
}

fn end(client: &mut Client) -> Cause {
    match client.recv().unwrap() {
        Event::Ended(end) => end.cause,
        other => panic!("{other:?}"),
    }
}

fn accept(client: &mut Client) -> Epoch {
    let Standing::Owner { epoch } = change(client).standing else { panic!("it does not own the console") };
    client.send(&Request::Accept(AcceptRequest { epoch })).unwrap();
    epoch
}

#[test]
fn who_waits_is_told_of_the_turn_and_types_from_there_on() {
    let mut fixture = Fixture::new();
    let (mut alice, _) = fixture.attach("alice", mode(Mode::Exclusive));
    let (mut bob, attached) = fixture.attach("bob", mode(Mode::Wait));
    assert_eq!((attached.owner, attached.ahead, attached.epoch), (false, Some(0), None));
    assert_eq!(attached.held_by.unwrap().label(), "alice");
    let (mut carol, attached) = fixture.attach("carol", mode(Mode::Wait));
    assert_eq!(attached.ahead, Some(1));

    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert_eq!(end(&mut alice), Cause::Detached);
    // What he sends when he owns it already, but can't have known: nobody's. STATUS shows that it was served.
    bob.send(&Request::Input(b"too early".to_vec())).unwrap();
    bob.send(&Request::Status).unwrap();
    let epoch = accept(&mut bob);
    assert!(matches!(bob.recv().unwrap(), Event::Status(status) if status.input_waiting == 0));
    bob.send(&Request::Input(b"ls".to_vec())).unwrap();
    assert_eq!(fixture.heard(2), b"ls");
    assert_eq!(change(&mut carol).standing, Standing::Waiting { ahead: 0 });

    drop(bob);
    assert!(accept(&mut carol) > epoch);
    carol.send(&Request::Break).unwrap();
    assert_eq!(fixture.heard(1), b"^");
}

#[test]
fn e2_an_owner_that_is_left_watching_is_told_by_whom_and_has_the_console_back() {
    let mut fixture = Fixture::new();
    fixture.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let returning = AttachRequest { returning: true, ..AttachRequest::default() };
    let (mut alice, _) = fixture.attach("alice", returning);
    let (bob, attached) = fixture.attach("bob", mode(Mode::TakeOver));
    assert_eq!(attached.evicted.unwrap().label(), "alice");
    let told = change(&mut alice);
    assert_eq!(told.standing, Standing::Waiting { ahead: 0 });
    assert_eq!(told.evicted.unwrap().by.label(), "bob");

    // She watches on, and what she types goes nowhere.
    alice.send(&Request::Input(b"rm".to_vec())).unwrap();
    fixture.output.extend(b"bob's");
    fixture.console.doorbell().ring_if_armed();
    assert!(matches!(alice.recv().unwrap(), Event::Output { bytes, .. } if bytes == b"bob's"));
    drop(bob);
    accept(&mut alice);
    alice.send(&Request::Input(b"x".to_vec())).unwrap();
    assert_eq!(fixture.heard(1), b"x");
}

/// A stream of bytes has no way to say that it only watches from here on.
#[test]
fn a_raw_client_that_is_evicted_is_told_so_and_goes_under_any_policy() {
    use std::io::Read as _;
    let fixture = Fixture::new();
    fixture.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut raw = std::os::unix::net::UnixStream::connect(&fixture.raw).unwrap();
    raw.set_read_timeout(Some(HANG)).unwrap();
    let deadline = Instant::now() + HANG;
    while fixture.console.owner().is_none() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    let (_bob, _) = fixture.attach("bob", mode(Mode::TakeOver));
    let mut told = String::new();
    raw.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("\r\n[vuart: the console was taken over by bob (uid "), "{told}");
}

#[test]
fn a_session_that_is_to_miss_nothing_ends_at_the_hole() {
    let mut fixture = Fixture::new();
    let mut other = fixture.client("bob");
    let request =
        AttachRequest { on_lag: OnLag::Disconnect, mode: Mode::Spectate, ..AttachRequest::default() };
    let (mut client, _) = fixture.attach("alice", request);
    // More than the socket and the ring take together.
    for _ in 0..4096 {
        fixture.output.extend(&[b'x'; 1024]);
        fixture.console.doorbell().ring_if_armed();
        // So that the server has looked.
        other.status().unwrap();
    }
    let mut next = 0;
    let cause = loop {
        match client.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, next, "no byte is missing before the end");
                next += bytes.len() as u64;
            }
            Event::Ended(end) => break end.cause,
            other => panic!("{other:?}"),
        }
    };
    let Cause::Lagged { from, to } = cause else { panic!("{cause:?}") };
    assert!(from == next && to > from, "{from}..{to}, received up to {next}");
    assert_eq!(fixture.console.counters().lags, 1);
}

#[test]
fn e14_a_script_that_leaves_takes_nothing_along() {
    let mut fixture = Fixture::new();
    let (mut script, _) = fixture.attach("script", mode(Mode::Exclusive));
    // One waits who has what is left of her predecessor's input discarded.
    let (mut bob, _) = fixture.attach("bob", mode(Mode::Wait));
    script.send(&Request::Input(b"shutdown -h now\r".to_vec())).unwrap();
    script.send(&Request::Detach(DetachRequest { drained: true })).unwrap();
    assert_eq!(fixture.heard(16), b"shutdown -h now\r");
    assert_eq!(end(&mut script), Cause::Detached);
    accept(&mut bob);
    assert_eq!(fixture.console.counters().input_discarded, 0);
    // Without anything to wait for, it ends at once.
    bob.send(&Request::Detach(DetachRequest { drained: true })).unwrap();
    assert_eq!(end(&mut bob), Cause::Detached);
}

#[test]
fn who_waits_for_a_guest_that_never_reads_can_be_evicted() {
    let fixture = Fixture::new();
    let (mut script, _) = fixture.attach("script", mode(Mode::Exclusive));
    script.send(&Request::Input(b"never read".to_vec())).unwrap();
    script.send(&Request::Detach(DetachRequest { drained: true })).unwrap();
    let deadline = Instant::now() + HANG;
    while fixture.console.input_waiting() == 0 {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    let (_bob, _) = fixture.attach("bob", mode(Mode::TakeOver));
    assert!(matches!(end(&mut script), Cause::Evicted { .. }));
    assert_eq!(fixture.console.counters().input_discarded, 10);
}

#[test]
fn kicked_and_told_by_whom() {
    let fixture = Fixture::new();
    let (mut alice, attached) = fixture.attach("alice", mode(Mode::Exclusive));
    let mut guard = fixture.client("guard");
    guard.kick(attached.session).unwrap();
    assert!(matches!(end(&mut alice), Cause::Kicked { by } if by.label() == "guard"));
    match guard.kick(attached.session) {
        Err(ClientError::Server(error)) => assert_eq!(error.code, ErrorCode::NoSession),
        other => panic!("{other:?}"),
    }
    // Its connection goes on.
    assert!(alice.attach(Mode::Exclusive, Replay::None).unwrap().owner);
}

#[test]
fn switched_off_it_refuses_and_says_since_when() {
    let fixture = Fixture::new();
    let (mut alice, _) = fixture.attach("alice", mode(Mode::Spectate));
    fixture.console.disable();
    assert_eq!(end(&mut alice), Cause::Disabled);
    let since = fixture.console.disabled().unwrap();
    match alice.attach(Mode::Wait, Replay::None) {
        Err(ClientError::Refused(refused)) => assert_eq!(refused, Refused::Disabled { since }),
        other => panic!("{other:?}"),
    }
    assert_eq!(alice.status().unwrap().disabled, Some(since));
    fixture.console.enable();
    alice.attach(Mode::Wait, Replay::None).unwrap();
}

#[test]
fn others_see_who_waits_and_how_large_a_terminal_is() {
    let fixture = Fixture::new();
    let (mut alice, _) = fixture.attach("alice", mode(Mode::Exclusive));
    let (mut bob, _) = fixture.attach("bob", mode(Mode::Wait));
    let window = Window { columns: 132, rows: 50 };
    bob.send(&Request::Window(window)).unwrap();
    bob.send(&Request::Status).unwrap();
    let Event::Status(status) = bob.recv().unwrap() else { panic!() };
    let seen: Vec<_> = status.sessions.iter().map(|info| (info.owner, info.waiting, info.window)).collect();
    assert_eq!(seen, [(true, false, None), (false, true, Some(window))]);
    // Without a session there is nothing to be seen.
    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    end(&mut alice);
    alice.send(&Request::Window(window)).unwrap();
    assert!(matches!(alice.recv().unwrap(), Event::Error(error) if error.code == ErrorCode::OutOfOrder));
}

/// Take-overs in the storm: a tenth of what `.ci/run` asks for.
fn take_overs() -> usize {
    std::env::var("VUART_TAKE_OVERS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000)
}

/// Two clients take the console over from each other as fast as the server answers, each typing its name, while the guest writes
/// without a pause: one owns it at each instant, each eviction is told to the one it is of, and each byte that was taken is heard or counted as
/// discarded.
#[test]
fn e2_e4_a_storm_of_take_overs() {
    let take_overs = take_overs();
    let mut fixture = Fixture::new();
    let (sender, events) = mpsc::channel::<ConsoleEvent>();
    fixture.console.observe(move |event| drop(sender.send(event.clone())));
    let over = Arc::new(AtomicBool::new(false));
    let guest = thread::spawn({
        let (over, console) = (Arc::clone(&over), fixture.console.clone());
        let mut output = fixture.output;
        move || {
            while !over.load(SeqCst) {
                output.extend(b"a guest that writes without a pause\r\n");
                console.doorbell().ring_if_armed();
            }
        }
    });
    let client = |label: &'static str| {
        let control = fixture.control.clone();
        thread::spawn(move || {
            let mut client = Client::connect(&control, label).unwrap();
            let (mut evicted, mut attached) = (Vec::new(), Vec::new());
            for _ in 0..take_overs / 2 {
                client.send(&Request::Attach(mode(Mode::TakeOver))).unwrap();
                client.send(&Request::Input(label.as_bytes().to_vec())).unwrap();
                // Its own end comes when the other has taken over, and is its cue to take it back.
                loop {
                    match client.recv().unwrap() {
                        Event::Attached(answer) => {
                            assert!(answer.owner);
                            attached.push((answer.session, answer.epoch.unwrap()));
                        }
                        Event::Ended(end) => {
                            let Cause::Evicted { by } = end.cause else { panic!("{end:?}") };
                            assert_ne!(by.label(), label);
                            evicted.push(attached.last().unwrap().0);
                            break;
                        }
                        Event::Output { .. } | Event::Hole(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            (attached, evicted)
        })
    };
    let (alice, bob) = (client("a"), client("b"));
    // The last one of them waits for an eviction that nobody else would bring.
    let finisher = thread::spawn({
        let console = fixture.console.clone();
        move || {
            let identity = vuart_endpoint::Identity::new("finisher", 0, None);
            while console.counters().taken_over < take_overs as u64 - 1 {
                thread::yield_now();
            }
            drop(console.attach(vuart_endpoint::Attach::new(identity).with_mode(Mode::TakeOver)).unwrap());
        }
    });
    let mut heard = Vec::new();
    while !finisher.is_finished() {
        heard.extend(take(&mut fixture.input));
    }
    let (mut attached, mut evicted) = (Vec::new(), Vec::new());
    for client in [alice, bob] {
        let (mine, ends) = client.join().unwrap();
        // Each of its sessions was ended, in order, and it was told.
        assert_eq!(mine.iter().map(|(session, _)| *session).collect::<Vec<_>>(), ends);
        attached.extend(mine);
        evicted.extend(ends);
    }
    finisher.join().unwrap();
    over.store(true, SeqCst);
    guest.join().unwrap();
    heard.extend(take(&mut fixture.input));

    assert_eq!(attached.len(), take_overs);
    attached.sort_by_key(|(_, epoch)| *epoch);
    let epochs: Vec<u64> = attached.iter().map(|(_, epoch)| epoch.to_string().parse().unwrap()).collect();
    assert_eq!(epochs, (1..=take_overs as u64).collect::<Vec<_>>(), "one after another");
    // What observers saw: at each instant one owner, who is evicted by the next.
    let mut owner: Option<SessionId> = None;
    let mut pairs = 0;
    for event in events.try_iter() {
        match event.kind {
            EventKind::Attached { who, evicted, .. } => {
                assert_eq!(evicted.map(|evicted| evicted.session), owner.filter(|_| pairs > 0));
                owner = Some(who.session);
                pairs += 1;
            }
            EventKind::Ended { who, cause: Cause::Evicted { .. }, .. } => {
                assert_eq!(Some(who.session), owner);
            }
            _ => {}
        }
    }
    assert_eq!(fixture.console.counters().events_lost, 0);
    assert_eq!(pairs, take_overs + 1);
    let counters = fixture.console.counters();
    assert_eq!(counters.input_accepted, heard.len() as u64 + counters.input_discarded);
    println!("{} bytes heard, {} discarded with their owner", heard.len(), counters.input_discarded);
}

/// A server that was stopped, or hangs: nobody is let in, and after a while there is no place left to wait in.
#[test]
fn e1_a_server_that_lets_nobody_in_holds_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm0.ctl");
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 1).unwrap();
    // Those who fill the queue. What matters is that the last one gets an answer.
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(std::os::unix::net::UnixStream::connect(&path).unwrap());
    }
    let answer = Client::connect(&path, "alice");
    assert!(matches!(answer, Err(ClientError::Busy { .. })), "{answer:?}");
}

#[test]
fn e3_each_cause_has_a_code_of_its_own() {
    let mut codes = Vec::new();
    // However a session ends whose console goes on.
    let fixture = Fixture::new();
    for number in 0..4 {
        let (mut client, attached) = fixture.attach("alice", mode(Mode::TakeOver));
        match number {
            0 => client.send(&Request::Detach(DetachRequest::default())).unwrap(),
            1 => drop(fixture.attach("bob", mode(Mode::TakeOver))),
            2 => fixture.client("guard").kick(attached.session).unwrap(),
            _ => fixture.console.disable(),
        }
        codes.push(end(&mut client));
    }
    // And how the console itself does.
    for cause in [Cause::VmEnded, Cause::Migrating, Cause::ShutDown] {
        let fixture = Fixture::new();
        let (mut client, _) = fixture.attach("alice", mode(Mode::Exclusive));
        fixture.console.end(&cause);
        assert_eq!(end(&mut client), cause);
        codes.push(cause);
    }
    // The others need a guest or time: `crates/vuart/tests/hang_up_served.rs`, and above.
    codes.extend([Cause::Idle, Cause::GuestHungUp, Cause::Lagged { from: 0, to: 1 }]);
    let mut codes: Vec<String> = codes
        .iter()
        .map(|cause| serde_json::to_value(cause).unwrap()["code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            "detached",
            "disabled",
            "evicted",
            "guest-hung-up",
            "idle",
            "kicked",
            "lagged",
            "migrating",
            "shut-down",
            "vm-ended"
        ]
    );
}

/// Answers are written for a client that asks without a pause, and others have their turn in between.
#[test]
fn who_asks_without_a_pause_holds_nobody_up() {
    let fixture = Fixture::new();
    let label = "x".repeat(64);
    let _watchers: Vec<_> = (0..50).map(|_| fixture.attach(&label, mode(Mode::Spectate))).collect();
    let over = Arc::new(AtomicBool::new(false));
    let flood = thread::spawn({
        let (over, control) = (Arc::clone(&over), fixture.control.clone());
        move || {
            let mut client = Client::connect(&control, "flood").unwrap();
            client.set_nonblocking(true).unwrap();
            let mut asked = 0;
            while !over.load(SeqCst) {
                if client.queued() < 1 << 16 {
                    client.queue(&Request::Status);
                    asked += 1;
                }
                client.flush().unwrap();
                while client.fill().unwrap() {}
                while client.next_event().unwrap().is_some() {}
            }
            asked
        }
    });
    // Were all that it has asked answered before anybody else has a turn, this would take minutes.
    for _ in 0..20 {
        drop(fixture.attach("bob", mode(Mode::TakeOver)));
    }
    over.store(true, SeqCst);
    println!("{} questions", flood.join().unwrap());
}

#[test]
fn an_end_leaves_nothing_to_be_waited_for() {
    let fixture = Fixture::new();
    fixture.console.set_policy(Policy::default().with_idle(Duration::from_millis(1)));
    let (_alice, _) = fixture.attach("alice", mode(Mode::Spectate));
    let (_bob, _) = fixture.attach("bob", mode(Mode::Exclusive));
    fixture.console.end(&Cause::VmEnded);
    assert_eq!(fixture.console.service(Instant::now() + HANG), None);
}
