//! What observers are told, and what they may do.

use std::panic;
use std::sync::mpsc;
use std::thread;

use vuart_endpoint::{Cause, Console, EventKind, Identity, Mode, Window};
use vuart_scrollback::{Position, Scrollback};

use crate::support::{console, take, told, who};

#[test]
fn an_observer_is_told_of_everything_in_order() {
    let (mut writer, console, _input) = console();
    let mut told = told(&console);
    writer.extend(b"boot");
    let mut alice = console.attach(who("alice")).unwrap();
    alice.write(b"abc").unwrap();
    alice.send_break().unwrap();
    alice.set_window(Window { columns: 80, rows: 24 });
    alice.set_window(Window { columns: 80, rows: 24 });
    console.attach(who("bob")).unwrap_err();
    writer.extend(b"!");
    assert_eq!(alice.read(&mut [0; 8]).len(), 1);
    let carol = console.attach(who("carol").with_mode(Mode::TakeOver).with_replay(Position::Oldest)).unwrap();
    drop(carol);
    console.end(&Cause::VmEnded);

    let events = told();
    let of = |member: &str| events.iter().map(|event| event[member].clone()).collect::<Vec<_>>();
    assert_eq!(
        of("event"),
        ["attached", "break", "resized", "refused", "ended", "input-discarded", "attached", "ended", "over"]
    );
    assert_eq!(of("number"), (0..9).collect::<Vec<_>>());
    assert_eq!(of("offset"), [4, 4, 4, 4, 5, 5, 5, 5, 5]);
    let evicted = &events[4];
    assert_eq!(evicted["identity"]["label"], "alice");
    assert_eq!(evicted["cause"]["code"], "evicted");
    assert_eq!(evicted["cause"]["by"]["label"], "carol");
    assert_eq!([&evicted["bytes_in"], &evicted["bytes_out"], &evicted["missed"]], [4, 1, 0]);
    assert_eq!(events[5]["symbols"], 4);
    assert_eq!((&events[6]["mode"], &events[6]["evicted"]["session"]), (&"take-over".into(), &0.into()));
    assert_eq!([&events[6]["epoch"], &events[6]["from"]], [2, 0]);
    assert_eq!(events[7]["cause"]["code"], "detached");
}

/// Whatever a session was given, missed, asked for too late, or had not read yet.
#[test]
fn f25_the_numbers_of_a_session_s_end_add_up_to_its_offset() {
    let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let mut told = told(&console);
    writer.extend(&[b'a'; 10_000]);
    let mut buf = [0; 1000];
    // It asks for what is lost, reads some, is lapped, reads some, and leaves some.
    let mut all = console.attach(who("all").with_replay(Position::Offset(0))).unwrap();
    assert!(all.read(&mut buf).missed > 0);
    writer.extend(&[b'b'; 9000]);
    assert!(all.read(&mut buf).missed > 0);
    // It reads nothing.
    let none =
        console.attach(who("none").with_mode(Mode::TakeOver).with_replay(Position::Newest(7))).unwrap();
    // It reads everything, after its end too.
    let mut rest =
        console.attach(who("rest").with_mode(Mode::Spectate).with_replay(Position::Newest(500))).unwrap();
    assert_eq!(rest.read(&mut buf[..100]).len(), 100);
    console.end(&Cause::VmEnded);
    assert_eq!(rest.read(&mut buf).len(), 400);
    drop((all, none, rest));

    let events = told();
    let number = |event: &serde_json::Value, member: &str| event[member].as_u64().unwrap();
    let mut ends = 0;
    for end in events.iter().filter(|event| event["event"] == "ended") {
        let begin =
            events.iter().find(|event| event["event"] == "attached" && event["session"] == end["session"]);
        let read = ["bytes_out", "missed", "lost_before", "unread"].map(|member| number(end, member));
        let sum = number(begin.unwrap(), "from") + read.iter().sum::<u64>();
        assert_eq!(sum, number(end, "offset"), "{end}");
        match end["identity"]["label"].as_str().unwrap() {
            "all" => assert!(read.iter().all(|count| *count > 0), "{end}"),
            "none" => assert_eq!(read, [0, 0, 0, 7]),
            _ => assert_eq!(read, [100, 0, 0, 400]),
        }
        ends += 1;
    }
    assert_eq!(ends, 3);
}

#[test]
fn an_observer_may_use_the_console() {
    let (_writer, console, _input) = console();
    let (sender, seen) = mpsc::channel();
    console.observe({
        let console = console.clone();
        move |event| {
            if let EventKind::Attached { who, .. } = &event.kind
                && who.identity.label() == "mallory"
            {
                console.kick(who.session, &Identity::new("guard", 0, None));
            }
            let _ = sender.send((event.number, console.sessions().len()));
        }
    });
    let mallory = console.attach(who("mallory")).unwrap();
    assert!(matches!(mallory.end().unwrap().cause, Cause::Kicked { .. }));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [(0, 0), (1, 0)]);
}

#[test]
fn an_observer_that_does_not_return_delays_no_other_thread() {
    let (_writer, console, mut input) = console();
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (sender, seen) = mpsc::channel();
    console.observe(move |event| {
        if event.number == 0 {
            entered.send(()).unwrap();
            // Until the test drops the other end.
            let _ = released.recv();
        }
        let _ = sender.send(event.number);
    });
    let stuck = thread::spawn({
        let console = console.clone();
        move || console.attach(who("alice")).unwrap()
    });
    has_entered.recv().unwrap();

    // The console works on, through 2,000 events.
    for _ in 0..1000 {
        let mut bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
        assert_eq!(bob.write(b"b"), Ok(1));
        assert_eq!(take(&mut input), b"b");
    }
    let lost = console.counters().events_lost;
    assert!(lost > 900, "{lost}: memory is bounded");
    drop(release);
    drop(stuck.join().unwrap());
    // Alice's attachment and eviction, and a beginning and an end for each of Bob's sessions. Alice's session had ended before it was
    // dropped.
    let total = 1 + 1 + 2 * 1000;
    let seen: Vec<u64> = seen.try_iter().collect();
    assert!(seen.is_sorted());
    assert_eq!(seen.len() as u64 + lost, total, "events that it was not told of are counted");
}

#[test]
fn an_observer_may_add_another() {
    let (_writer, console, _input) = console();
    let (sender, seen) = mpsc::channel();
    console.observe({
        let (console, mut sender) = (console.clone(), Some(sender));
        move |_| {
            if let Some(sender) = sender.take() {
                console.observe(move |event| sender.send(event.number).unwrap());
            }
        }
    });
    drop(console.attach(who("alice")).unwrap());
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1], "earlier events are not for it");
}

/// The session that was about to begin does not own the console for ever, and the panic stays one.
#[test]
fn an_observer_that_panics_at_everything_ends_its_thread_and_no_more() {
    let (_writer, console, _input) = console();
    let mut told = told(&console);
    console.observe(|_| panic::resume_unwind(Box::new("a bug of the VMM")));
    for mode in [Mode::Exclusive, Mode::TakeOver, Mode::Wait, Mode::Yield, Mode::Spectate] {
        let at = console.clone();
        thread::spawn(move || at.attach(who("alice").with_mode(mode))).join().unwrap_err();
        assert!(console.sessions().is_empty(), "{mode:?}");
    }
    assert_eq!(console.counters().attached, console.counters().ended);
    let at = console.clone();
    thread::spawn(move || at.end(&Cause::VmEnded)).join().unwrap_err();
    assert!(console.ended().is_some());
    assert!(!told().is_empty());
}
