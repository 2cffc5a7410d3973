//! Ownership over real sockets: waiting in the queue, evicted owners that watch on, whose input counts, and a storm of take-overs.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use support::{attach, end, mode};
use vuart_endpoint::{
    Cause, Change, ConsoleEvent, Epoch, EventKind, Evicted, Mode, Policy, SessionId, Standing, Window,
};
use vuart_test_support::{HANG, Vm, take, until};
use vuart_wire::{
    AcceptRequest, AttachRequest, Client, ClientError, DetachRequest, ErrorCode, Event, Request,
};

/// Takes all input until there are `count` symbols, or more.
fn heard(vm: &mut Vm, count: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    until("input has come", || {
        heard.extend(take(&mut vm.guest.input));
        heard.len() >= count
    });
    heard
}

fn change(client: &mut Client) -> Change {
    match client.recv().unwrap() {
        Event::Standing(change) => change,
        other => panic!("{other:?}"),
    }
}

fn accept(client: &mut Client) -> Epoch {
    let Standing::Owner { epoch } = change(client).standing else { panic!("it does not own the console") };
    client.send(&Request::Accept(AcceptRequest { epoch })).unwrap();
    epoch
}

#[test]
fn a_waiting_session_is_told_that_it_owns_the_console_and_types_from_then_on() {
    let mut vm = Vm::new(4096);
    let (mut alice, _) = attach(&vm, "alice", mode(Mode::Exclusive));
    let (mut bob, attached) = attach(&vm, "bob", mode(Mode::Wait));
    assert_eq!((attached.owner, attached.ahead, attached.epoch), (false, Some(0), None));
    assert_eq!(attached.held_by.unwrap().label(), "alice");
    let (mut carol, attached) = attach(&vm, "carol", mode(Mode::Wait));
    assert_eq!(attached.ahead, Some(1));

    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert_eq!(end(&mut alice), Cause::Detached);
    // Bob owns the console but can't know it yet: this input is dropped. STATUS shows that it was served.
    bob.send(&Request::Input(b"too early".to_vec())).unwrap();
    bob.send(&Request::Status).unwrap();
    let epoch = accept(&mut bob);
    assert!(matches!(bob.recv().unwrap(), Event::Status(status) if status.input_waiting == 0));
    bob.send(&Request::Input(b"ls".to_vec())).unwrap();
    assert_eq!(heard(&mut vm, 2), b"ls");
    assert_eq!(change(&mut carol).standing, Standing::Waiting { ahead: 0 });

    drop(bob);
    assert!(accept(&mut carol) > epoch);
    carol.send(&Request::Break).unwrap();
    assert_eq!(heard(&mut vm, 1), b"^");
}

#[test]
fn e2_an_evicted_owner_that_watches_on_is_told_by_whom_and_gets_the_console_back() {
    let mut vm = Vm::new(4096);
    vm.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let returning = AttachRequest { returning: true, ..AttachRequest::default() };
    let (mut alice, _) = attach(&vm, "alice", returning);
    let (bob, attached) = attach(&vm, "bob", mode(Mode::TakeOver));
    assert_eq!(attached.evicted.unwrap().label(), "alice");
    let told = change(&mut alice);
    assert_eq!(told.standing, Standing::Waiting { ahead: 0 });
    assert_eq!(told.evicted.unwrap().by.label(), "bob");

    // Alice watches on, and what she types goes nowhere.
    alice.send(&Request::Input(b"rm".to_vec())).unwrap();
    vm.guest.writer.extend(b"bob's");
    vm.console.doorbell().ring_if_armed();
    assert!(matches!(alice.recv().unwrap(), Event::Output { bytes, .. } if bytes == b"bob's"));
    drop(bob);
    accept(&mut alice);
    alice.send(&Request::Input(b"x".to_vec())).unwrap();
    assert_eq!(heard(&mut vm, 1), b"x");
}

#[test]
fn e14_input_of_a_script_that_drains_before_it_leaves_is_not_discarded() {
    let mut vm = Vm::new(4096);
    let (mut script, _) = attach(&vm, "script", mode(Mode::Exclusive));
    // Bob waits. When he comes to own the console, input that is left over is discarded.
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::Wait));
    script.send(&Request::Input(b"shutdown -h now\r".to_vec())).unwrap();
    script.send(&Request::Detach(DetachRequest { drained: true })).unwrap();
    assert_eq!(heard(&mut vm, 16), b"shutdown -h now\r");
    assert_eq!(end(&mut script), Cause::Detached);
    accept(&mut bob);
    assert_eq!(vm.console.counters().input_discarded, 0);
    // Without waiting input the session ends at once.
    bob.send(&Request::Detach(DetachRequest { drained: true })).unwrap();
    assert_eq!(end(&mut bob), Cause::Detached);
}

#[test]
fn a_draining_session_can_be_evicted() {
    let vm = Vm::new(4096);
    let (mut script, _) = attach(&vm, "script", mode(Mode::Exclusive));
    script.send(&Request::Input(b"never read".to_vec())).unwrap();
    script.send(&Request::Detach(DetachRequest { drained: true })).unwrap();
    let deadline = Instant::now() + HANG;
    while vm.console.input_waiting() == 0 {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    let (_bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    assert!(matches!(end(&mut script), Cause::Evicted { .. }));
    assert_eq!(vm.console.counters().input_discarded, 10);
}

#[test]
fn a_status_shows_who_waits_and_the_size_of_terminals() {
    let vm = Vm::new(4096);
    let (mut alice, _) = attach(&vm, "alice", mode(Mode::Exclusive));
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::Wait));
    let window = Window { columns: 132, rows: 50 };
    bob.send(&Request::Window(window)).unwrap();
    bob.send(&Request::Status).unwrap();
    let Event::Status(status) = bob.recv().unwrap() else { panic!() };
    let seen: Vec<_> = status.sessions.iter().map(|info| (info.owner, info.waiting, info.window)).collect();
    assert_eq!(seen, [(true, false, None), (false, true, Some(window))]);
    // Without a session there is no terminal to show.
    alice.send(&Request::Detach(DetachRequest::default())).unwrap();
    end(&mut alice);
    alice.send(&Request::Window(window)).unwrap();
    assert!(matches!(alice.recv().unwrap(), Event::Error(error) if error.code == ErrorCode::OutOfOrder));
}

/// Take-overs in the storm: a tenth of what `.ci/run` asks for.
fn take_overs() -> usize {
    std::env::var("VUART_TAKE_OVERS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000)
}

/// Two clients take the console over from each other as fast as the server answers, and each types its name. The guest writes
/// without a pause. There is one owner at each instant, each evicted client is told so, and each byte that the console has taken
/// reaches the guest or is counted as discarded.
#[test]
fn e2_e4_a_storm_of_take_overs() {
    let take_overs = take_overs();
    let mut vm = Vm::new(4096);
    let (sender, events) = mpsc::channel::<ConsoleEvent>();
    vm.console.observe(move |event| drop(sender.send(event.clone())));
    let over = Arc::new(AtomicBool::new(false));
    let control = vm.file("ctl");
    let guest = thread::spawn({
        let (over, console) = (Arc::clone(&over), vm.console.clone());
        let mut output = vm.guest.writer;
        move || {
            while !over.load(SeqCst) {
                output.extend(b"a guest that writes without a pause\r\n");
                console.doorbell().ring_if_armed();
            }
        }
    });
    let client = |label: &'static str| {
        let control = control.clone();
        thread::spawn(move || {
            let mut client = Client::connect(&control, label).unwrap();
            let (mut evicted, mut attached) = (Vec::new(), Vec::new());
            for _ in 0..take_overs / 2 {
                client.send(&Request::Attach(mode(Mode::TakeOver))).unwrap();
                client.send(&Request::Input(label.as_bytes().to_vec())).unwrap();
                // When the other client has taken over, this one is told its end, and takes the console back.
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
    // The last session waits for an eviction. This thread brings it.
    let finisher = thread::spawn({
        let console = vm.console.clone();
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
        heard.extend(take(&mut vm.guest.input));
    }
    let (mut attached, mut evicted) = (Vec::new(), Vec::new());
    for client in [alice, bob] {
        let (mine, ends) = client.join().unwrap();
        // The client was told the end of each of its sessions, in order.
        assert_eq!(mine.iter().map(|(session, _)| *session).collect::<Vec<_>>(), ends);
        attached.extend(mine);
        evicted.extend(ends);
    }
    finisher.join().unwrap();
    over.store(true, SeqCst);
    guest.join().unwrap();
    heard.extend(take(&mut vm.guest.input));

    assert_eq!(attached.len(), take_overs);
    attached.sort_by_key(|(_, epoch)| *epoch);
    let epochs: Vec<u64> = attached.iter().map(|(_, epoch)| epoch.to_string().parse().unwrap()).collect();
    assert_eq!(epochs, (1..=take_overs as u64).collect::<Vec<_>>(), "one after another");
    // The observer has seen one owner at each instant, and each was evicted by the next.
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
    assert_eq!(vm.console.counters().events_lost, 0);
    assert_eq!(pairs, take_overs + 1);
    let counters = vm.console.counters();
    assert_eq!(counters.input_accepted, heard.len() as u64 + counters.input_discarded);
    println!("{} bytes heard, {} discarded with their owner", heard.len(), counters.input_discarded);
}

/// A server that is stopped or hangs accepts no client, and after a while its queue is full.
#[test]
fn e1_a_client_does_not_wait_for_ever_for_a_stopped_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm0.ctl");
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 1).unwrap();
    // These fill the queue. The next one must get an answer.
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(std::os::unix::net::UnixStream::connect(&path).unwrap());
    }
    let answer = Client::connect(&path, "alice");
    assert!(matches!(answer, Err(ClientError::Busy { .. })), "{answer:?}");
}

/// A client that asks without a pause is answered, and others are served in between.
#[test]
fn requests_without_a_pause_leave_time_for_other_clients() {
    let vm = Vm::new(4096);
    let label = "x".repeat(64);
    let _watchers: Vec<_> = (0..50).map(|_| attach(&vm, &label, mode(Mode::Spectate))).collect();
    let over = Arc::new(AtomicBool::new(false));
    let flood = thread::spawn({
        let (over, control) = (Arc::clone(&over), vm.file("ctl"));
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
    // If all its requests were answered before others were served, this would take minutes.
    for _ in 0..20 {
        drop(attach(&vm, "bob", mode(Mode::TakeOver)));
    }
    over.store(true, SeqCst);
    println!("{} questions", flood.join().unwrap());
}
