//! The state machine, through its public face: no socket, no thread.

mod support;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;
use support::take as typed;
use vuart_endpoint::{
    Attach, Cause, Change, Console, ConsoleEvent, End, EventKind, Evicted, Identity, Input, Mode, OnLag,
    Policy, Refused, Session, SessionId, Standing, Window,
};
use vuart_scrollback::{Position, RingOptions, Scrollback, Writer};

fn console() -> (Writer, Console, Input) {
    let (writer, scrollback) = Scrollback::new(1 << 16).unwrap();
    let (console, input) = Console::new(scrollback, || ());
    (writer, console, input)
}

fn who(label: &str) -> Attach {
    Attach::new(Identity::new(label, 1000, None))
}

#[test]
fn e1_a_second_client_is_refused_and_told_by_whom_and_since_when() {
    let (_writer, console, _input) = console();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
    let first = console.attach(who("alice").with_time(at)).unwrap();
    let refused = console.attach(who("bob")).unwrap_err();
    assert_eq!(refused, Refused::Held { holder: first.info().identity.clone(), since: at.into() });
    assert_eq!(refused.to_string(), "the console is held by alice (uid 1000) since 1970-01-01T00:00:05Z");
    assert_eq!(console.counters().refused, 1);
}

#[test]
fn e2_e3_the_evicted_one_is_told_by_whom_and_when_with_a_cause_of_its_own() {
    let (_writer, console, _input) = console();
    let mut first = console.attach(who("alice")).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let second = console.attach(who("bob").with_mode(Mode::TakeOver).with_time(at)).unwrap();
    let end = End { cause: Cause::Evicted { by: second.info().identity.clone() }, at: at.into() };
    assert_eq!(first.end(), Some(&end));
    assert_eq!(first.write(b"x"), Err(end));
    assert_eq!(second.evicted().unwrap().label(), "alice");
    assert_eq!(console.owner().unwrap().id, second.info().id);
}

#[test]
fn e4_what_the_old_owner_queued_is_discarded_and_counted() {
    let (_writer, console, mut input) = console();
    let mut first = console.attach(who("alice")).unwrap();
    assert_eq!(first.write(b"sudo reboot"), Ok(11));
    let mut second = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
    second.write(b"ls").unwrap();
    assert_eq!(typed(&mut input), b"ls");
    let counters = console.counters();
    assert_eq!((counters.input_accepted, counters.input_discarded, console.input_taken()), (13, 11, 2));
}

#[test]
fn what_was_typed_before_a_detach_reaches_the_guest_unless_a_new_owner_comes_first() {
    let (_writer, console, mut input) = console();
    let mut first = console.attach(who("alice")).unwrap();
    first.write(b"halt").unwrap();
    first.send_break().unwrap();
    drop(first);
    assert_eq!(typed(&mut input), b"halt^");

    console.attach(who("alice")).unwrap().write(b"left behind").unwrap();
    let _second = console.attach(who("bob")).unwrap();
    assert_eq!(typed(&mut input), b"");
}

#[test]
fn e5_one_cursor_from_replay_to_live() {
    let (mut writer, console, _input) = console();
    writer.extend(b"booted\n");
    let mut session =
        console.attach(who("alice").with_mode(Mode::Spectate).with_replay(Position::Newest(3))).unwrap();
    writer.extend(b"login:");
    let mut buf = [0; 64];
    let read = session.read(&mut buf);
    assert_eq!((&buf[..read.len()], read.start, read.missed), (&b"ed\nlogin:"[..], 4, 0));
}

#[test]
fn e15_ownership_ends_with_the_session() {
    let (_writer, console, _input) = console();
    drop(console.attach(who("alice")).unwrap());
    assert!(console.owner().is_none());
    assert!(console.attach(who("bob")).is_ok());
}

#[test]
fn spectators_never_type_and_disturb_nobody() {
    let (_writer, console, mut input) = console();
    let owner = console.attach(who("alice")).unwrap();
    let mut spectator = console.attach(who("eve").with_mode(Mode::Spectate)).unwrap();
    assert_eq!(spectator.write(b"rm"), Ok(0));
    assert_eq!(spectator.send_break(), Ok(false));
    assert_eq!(typed(&mut input), b"");
    assert!(owner.end().is_none());
    assert_eq!(console.sessions().len(), 2);
    // One that leaves takes nothing from the owner.
    drop(spectator);
    assert_eq!(console.owner().unwrap().id, owner.info().id);
}

#[test]
fn the_end_of_the_vm_ends_everybody_and_refuses_newcomers() {
    let (mut writer, console, _input) = console();
    let mut owner = console.attach(who("alice")).unwrap();
    writer.extend(b"halting");
    console.end(&Cause::VmEnded);
    console.end(&Cause::ShutDown);
    assert_eq!(owner.end().unwrap().cause, Cause::VmEnded);
    let mut buf = [0; 64];
    assert_eq!(owner.read(&mut buf).len(), 7, "the last words are readable");
    assert!(matches!(
        console.attach(who("bob")),
        Err(Refused::Ended { end: End { cause: Cause::VmEnded, .. } })
    ));
}

#[test]
fn an_offset_from_the_future_begins_now() {
    let (mut writer, console, _input) = console();
    writer.extend(b"abc");
    let session = console.attach(who("alice").with_replay(Position::Offset(u64::MAX))).unwrap();
    assert_eq!(session.output().cursor(), 3);
    let session2 =
        console.attach(who("bob").with_mode(Mode::Spectate).with_replay(Position::Newest(u64::MAX))).unwrap();
    assert_eq!(session2.output().cursor(), 0);
}

/// The changes of a session's standing until none is left.
fn changes(session: &mut Session) -> Vec<Change> {
    std::iter::from_fn(|| session.changed()).collect()
}

fn standing(session: &mut Session) -> Standing {
    changes(session).last().expect("a change").standing
}

#[test]
fn who_waits_in_line_comes_to_own_the_console_in_turn() {
    let (_writer, console, mut input) = console();
    let alice = console.attach(who("alice").with_mode(Mode::Wait)).unwrap();
    assert!(alice.is_owner(), "nobody did");
    let mut bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    let mut carol = console.attach(who("carol").with_mode(Mode::Wait)).unwrap();
    assert_eq!((bob.ahead(), carol.ahead(), bob.is_owner()), (Some(0), Some(1), false));
    assert_eq!(bob.write(b"too early"), Ok(0));
    assert!(console.sessions()[1].waiting && !console.sessions()[0].waiting);

    drop(alice);
    assert_eq!(console.owner().unwrap().identity.label(), "bob");
    assert_eq!(standing(&mut carol), Standing::Waiting { ahead: 0 });
    // He owns it and does not know: what he offers was typed by somebody who only watched.
    assert_eq!(bob.write(b"still too early"), Ok(0));
    assert!(matches!(standing(&mut bob), Standing::Owner { .. }));
    assert_eq!(bob.write(b"ls"), Ok(2));
    assert_eq!(typed(&mut input), b"ls");

    drop(bob);
    assert!(matches!(standing(&mut carol), Standing::Owner { .. }));
    assert_eq!(console.counters().promoted, 2);
    drop(carol);
    assert!(console.owner().is_none());
}

#[test]
fn who_gives_up_waiting_leaves_the_line() {
    let (_writer, console, _input) = console();
    let alice = console.attach(who("alice")).unwrap();
    let bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    let mut carol = console.attach(who("carol").with_mode(Mode::Wait)).unwrap();
    drop(bob);
    assert_eq!(standing(&mut carol), Standing::Waiting { ahead: 0 });
    drop(alice);
    assert!(matches!(standing(&mut carol), Standing::Owner { .. }));
    assert!(carol.changed().is_none());
}

#[test]
fn e2_an_evicted_owner_may_watch_on_and_have_the_console_back() {
    let (_writer, console, mut input) = console();
    console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut alice = console.attach(who("alice").with_returning(true)).unwrap();
    alice.write(b"half a comm").unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let bob = console.attach(who("bob").with_mode(Mode::TakeOver).with_time(at)).unwrap();

    let told = changes(&mut alice).pop().expect("a change");
    assert_eq!(told.standing, Standing::Waiting { ahead: 0 });
    let eviction = told.evicted.expect("by whom");
    assert_eq!((&eviction.by, eviction.at), (&bob.info().identity, at.into()));
    assert_eq!(alice.write(b"and"), Ok(0));
    assert_eq!(typed(&mut input), b"", "what she had queued is discarded");

    // A third one comes and goes: those who were evicted come back in the reverse order, before all who wait.
    let mut dave = console.attach(who("dave").with_mode(Mode::Wait)).unwrap();
    let carol = console.attach(who("carol").with_mode(Mode::TakeOver).with_returning(true)).unwrap();
    assert_eq!(console.sessions().len(), 4);
    drop(carol);
    // Bob had not asked for it.
    assert!(matches!(standing(&mut alice), Standing::Owner { .. }));
    assert_eq!(alice.write(b"back"), Ok(4));
    assert_eq!(typed(&mut input), b"back");
    assert_eq!(standing(&mut dave), Standing::Waiting { ahead: 0 });
    drop(alice);
    assert!(matches!(standing(&mut dave), Standing::Owner { .. }));
    assert!(bob.end().is_none() && !console.owner().unwrap().identity.is_same_person(&bob.info().identity));
    let counters = console.counters();
    assert_eq!((counters.taken_over, counters.demoted, counters.promoted), (2, 2, 2));
}

/// However a session came to lose the console in between, what it typed for one ownership is not for the next.
#[test]
fn e4_each_ownership_is_another_even_of_the_same_session() {
    let (_writer, console, mut input) = console();
    console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut alice = console.attach(who("alice").with_returning(true)).unwrap();
    let first = alice.epoch().unwrap();
    let bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
    drop(bob);
    // She has been evicted and has the console back, all before she looked.
    assert_eq!(alice.write(b"meant for before"), Ok(0));
    assert_eq!(alice.send_break(), Ok(false));
    let Standing::Owner { epoch } = standing(&mut alice) else { panic!("she owns it") };
    assert!(epoch > first);
    assert_eq!(alice.write(b"x"), Ok(1));
    assert_eq!(typed(&mut input), b"x");
}

#[test]
fn a_session_that_is_to_miss_nothing_ends_when_it_does() {
    let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    writer.extend(b"early");
    let mut all =
        console.attach(who("alice").with_replay(Position::Oldest).with_on_lag(OnLag::Disconnect)).unwrap();
    let mut noted =
        console.attach(who("bob").with_mode(Mode::Spectate).with_replay(Position::Offset(2))).unwrap();
    let mut ignored =
        console.attach(who("carol").with_mode(Mode::Spectate).with_on_lag(OnLag::Ignore)).unwrap();
    writer.extend(&[b'x'; 10_000]);
    let (oldest, mut buf) = (console.scrollback().oldest(), [0; 16]);

    assert_eq!(noted.read(&mut buf).missed, oldest - 2);
    assert_eq!(ignored.read(&mut buf).missed, oldest - 5);
    assert_eq!(all.read(&mut buf).missed, oldest);
    assert_eq!(all.end().unwrap().cause, Cause::Lagged { from: 0, to: oldest });
    assert!(noted.end().is_none() && ignored.end().is_none() && console.owner().is_none());
    let counters = console.counters();
    assert_eq!((counters.lags, counters.lagged_bytes), (3, 3 * oldest - 7));
}

#[test]
fn what_was_gone_before_a_session_is_no_lag_of_it() {
    let (mut writer, scrollback) = RingOptions::new(4096).with_boot_head(128).create().unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    writer.extend(&[b'x'; 10_000]);
    let mut session =
        console.attach(who("alice").with_replay(Position::Boot).with_on_lag(OnLag::Disconnect)).unwrap();
    let mut buf = [0; 8192];
    assert_eq!(session.read(&mut buf).next, 128, "the boot's head");
    let read = session.read(&mut buf);
    assert!(read.missed > 0 && read.next == 10_000, "{read:?}");
    assert!(session.end().is_none());
    let mut old = console.attach(
        who("bob")
            .with_mode(Mode::Spectate)
            .with_replay(Position::Offset(200))
            .with_on_lag(OnLag::Disconnect),
    );
    assert!(old.as_mut().unwrap().read(&mut buf).missed > 0);
    assert!(old.unwrap().end().is_none());
    assert_eq!(console.counters().lags, 0);
    // From there on it is.
    writer.extend(&[b'y'; 10_000]);
    assert!(session.read(&mut buf).missed > 0);
    let oldest = console.scrollback().offset(Position::Newest(u64::MAX));
    assert_eq!(session.end().unwrap().cause, Cause::Lagged { from: 10_000, to: oldest });
}

#[test]
fn who_is_kicked_is_told_by_whom() {
    let (_writer, console, _input) = console();
    let alice = console.attach(who("alice")).unwrap();
    let mut bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    let root = Identity::new("root", 0, None);
    assert!(console.kick(alice.info().id, &root));
    assert_eq!(alice.end().unwrap().cause, Cause::Kicked { by: root.clone() });
    assert!(matches!(standing(&mut bob), Standing::Owner { .. }));
    assert!(!console.kick(alice.info().id, &root), "once");
    drop(alice);
    let counters = console.counters();
    assert_eq!((counters.kicked, counters.ended), (1, 1));
}

#[test]
fn switched_off_it_sends_everybody_away_and_on_again_it_goes_on() {
    let (mut writer, console, mut input) = console();
    let alice = console.attach(who("alice")).unwrap();
    let bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    console.disable();
    for session in [&alice, &bob] {
        assert_eq!(session.end().unwrap().cause, Cause::Disabled);
    }
    for mode in [Mode::Exclusive, Mode::TakeOver, Mode::Spectate, Mode::Wait] {
        assert!(matches!(console.attach(who("carol").with_mode(mode)), Err(Refused::Disabled { .. })));
    }
    writer.extend(b"written meanwhile");
    console.enable();
    assert!(console.disabled().is_none());
    let mut carol = console.attach(who("carol").with_replay(Position::Oldest)).unwrap();
    assert_eq!(carol.read(&mut [0; 64]).len(), 17);
    carol.write(b"x").unwrap();
    assert_eq!(typed(&mut input), b"x");
}

#[test]
fn an_owner_who_types_nothing_is_detached_after_a_time() {
    let (_writer, console, _input) = console();
    let hour = Duration::from_secs(3600);
    let before = Instant::now();
    assert_eq!(console.service(before + hour), None, "nothing to wait for");
    console.set_policy(Policy::default().with_idle(hour));
    let mut alice = console.attach(who("alice")).unwrap();
    let watcher = console.attach(who("bob").with_mode(Mode::Spectate)).unwrap();
    let deadline = console.service(before).unwrap();
    assert!(deadline >= before + hour);
    let just_before = deadline.checked_sub(Duration::from_nanos(1)).unwrap();
    assert_eq!(console.service(just_before), Some(deadline));

    alice.write(b"x").unwrap();
    let later = console.service(just_before).unwrap();
    assert!(later > deadline, "she has typed since");
    assert_eq!(console.service(later), None);
    assert_eq!(alice.end().unwrap().cause, Cause::Idle);
    assert!(watcher.end().is_none() && console.owner().is_none());
}

#[test]
fn who_leaves_may_wait_until_the_guest_has_taken_everything() {
    let (_writer, console, mut input) = console();
    let mut alice = console.attach(who("alice")).unwrap();
    alice.write(b"halt\r").unwrap();
    let mut sleeper = console.doorbell().sleeper().unwrap();
    sleeper.arm();
    assert_eq!(alice.input_left(), 5);
    assert_eq!(typed(&mut input), b"halt\r");
    // Were it not rung, this would wait for ever.
    sleeper.wait(|| console.input_waiting() == 0, None).unwrap();
    assert_eq!(alice.input_left(), 0);
    // What somebody else has typed since is not hers.
    let mut bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
    bob.write(b"xx").unwrap();
    assert_eq!((alice.input_left(), bob.input_left()), (0, 2));
}

/// What an observer is told, as JSON without the times.
fn told(console: &Console) -> impl FnMut() -> Vec<serde_json::Value> + use<> {
    let (sender, events) = mpsc::channel();
    console.observe(move |event| drop(sender.send(event.clone())));
    move || events.try_iter().map(|event: ConsoleEvent| serde_json::to_value(event).unwrap()).collect()
}

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
fn an_observer_that_does_not_return_holds_up_nobody_else() {
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

    // 2,000 events, and the console is as it should be.
    for _ in 0..1000 {
        let mut bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
        assert_eq!(bob.write(b"b"), Ok(1));
        assert_eq!(typed(&mut input), b"b");
    }
    let lost = console.counters().events_lost;
    assert!(lost > 900, "{lost}: its memory is bounded");
    drop(release);
    drop(stuck.join().unwrap());
    // Alice's eviction and Bob's thousand comings and goings; hers was over before she let go.
    let total = 1 + 1 + 2 * 1000;
    let seen: Vec<u64> = seen.try_iter().collect();
    assert!(seen.is_sorted());
    assert_eq!(seen.len() as u64 + lost, total, "what it was not told of is counted");
}

/// Anything in any order, against what must always hold.
#[derive(Debug, Clone, Copy)]
enum Step {
    Attach { person: u8, mode: Mode, returning: bool },
    Drop { which: usize },
    Kick { which: usize },
    Look { which: usize },
    Type { which: usize },
    Take,
    Policy(Evicted),
    Switch(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop::sample::select(vec![Mode::Exclusive, Mode::TakeOver, Mode::Spectate, Mode::Wait]);
    let which = 0..8_usize;
    prop_oneof![
        6 => (0..4_u8, mode, any::<bool>()).prop_map(|(person, mode, returning)| Step::Attach { person, mode, returning }),
        3 => which.clone().prop_map(|which| Step::Drop { which }),
        1 => which.clone().prop_map(|which| Step::Kick { which }),
        4 => which.clone().prop_map(|which| Step::Look { which }),
        4 => which.prop_map(|which| Step::Type { which }),
        3 => Just(Step::Take),
        1 => prop::sample::select(vec![Evicted::Disconnected, Evicted::Spectates]).prop_map(Step::Policy),
        1 => any::<bool>().prop_map(Step::Switch),
    ]
}

proptest! {
    #[test]
    fn one_owner_at_each_instant_whatever_happens(steps in prop::collection::vec(step(), 1..200)) {
        let (_writer, console, mut input) = console();
        let mut told = told(&console);
        let mut sessions: Vec<Session> = Vec::new();
        // Who has typed what the guest has not taken: at most the owner.
        let mut queued: Vec<SessionId> = Vec::new();
        for step in steps {
            let before = console.owner().map(|owner| owner.id);
            match step {
                Step::Attach { person, mode, returning } => {
                    let request = who(["alice", "bob", "carol", "dave"][usize::from(person)]);
                    if let Ok(session) = console.attach(request.with_mode(mode).with_returning(returning)) {
                        prop_assert!(mode != Mode::TakeOver || console.owner().unwrap().id == session.info().id);
                        if sessions.len() == 8 {
                            sessions.remove(0);
                        }
                        sessions.push(session);
                    }
                }
                Step::Drop { which } if which < sessions.len() => drop(sessions.remove(which)),
                Step::Kick { which } if which < sessions.len() => {
                    console.kick(sessions[which].info().id, &Identity::new("root", 0, None));
                }
                Step::Look { which } if which < sessions.len() => drop(changes(&mut sessions[which])),
                Step::Type { which } if which < sessions.len() => {
                    let session = &mut sessions[which];
                    let owns = console.owner().is_some_and(|owner| owner.id == session.info().id);
                    let knows = session.is_owner();
                    if let Ok(1) = session.write(b"x") {
                        prop_assert!(owns && knows);
                        queued.push(session.info().id);
                    }
                }
                Step::Take => {
                    let taken = typed(&mut input).len();
                    prop_assert_eq!(taken, queued.len());
                    queued.clear();
                }
                Step::Policy(evicted) => console.set_policy(Policy::default().with_evicted(evicted)),
                Step::Switch(true) => console.enable(),
                Step::Switch(false) => console.disable(),
                _ => {}
            }
            let owner = console.owner();
            if owner.as_ref().map(|owner| owner.id) != before && owner.is_some() {
                // A new ownership: whatever waited is gone.
                queued.clear();
            }
            let infos = console.sessions();
            prop_assert_eq!(infos.iter().filter(|info| info.owner).count(), usize::from(owner.is_some()));
            prop_assert!(owner.is_some() || infos.iter().all(|info| !info.waiting), "nobody waits for nothing");
            prop_assert!(infos.iter().all(|info| !(info.owner && info.waiting)));
            for session in &sessions {
                let there = infos.iter().any(|info| info.id == session.info().id);
                prop_assert_eq!(there, session.end().is_none());
            }
            prop_assert!(console.input_waiting() >= queued.len() as u64);
        }
        drop(sessions);
        prop_assert!(console.sessions().is_empty());
        let counters = console.counters();
        prop_assert_eq!(counters.attached, counters.ended);
        prop_assert_eq!(
            counters.input_accepted,
            console.input_taken() + counters.input_discarded + console.input_waiting()
        );
        // Each beginning has its end, and each take-over its eviction.
        let events = told();
        let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count() as u64;
        prop_assert_eq!((count("attached"), count("ended")), (counters.attached, counters.ended));
        let evictions = events.iter().filter(|event| event["cause"]["code"] == "evicted").count() as u64;
        prop_assert_eq!(evictions + count("demoted"), counters.taken_over);
        prop_assert_eq!(events.iter().filter(|event| event["evicted"].is_object()).count() as u64, counters.taken_over);
        prop_assert_eq!(count("promoted"), counters.promoted);
    }
}

#[test]
fn an_observer_may_bring_another() {
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
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1], "what was before is not for it");
}

#[test]
fn an_owner_who_has_just_typed_is_not_idle_by_a_new_policy() {
    let (_writer, console, _input) = console();
    let mut alice = console.attach(who("alice")).unwrap();
    let attached = Instant::now();
    while Instant::now() == attached {}
    alice.write(b"x").unwrap();
    let typed = Instant::now();
    let idle = Duration::from_secs(1);
    console.set_policy(Policy::default().with_idle(idle));
    // She has been there longer than that, and has typed since.
    assert!(console.service(attached + idle).is_some_and(|deadline| deadline <= typed + idle));
    assert!(alice.end().is_none());
}
