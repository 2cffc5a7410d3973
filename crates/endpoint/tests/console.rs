//! The console through its public interface, without sockets: who owns it, who waits, who watches. `console/` has the observers,
//! and what always holds.

#[path = "console/dropped.rs"]
mod dropped;
#[path = "console/invariants.rs"]
mod invariants;
#[path = "console/observers.rs"]
mod observers;
mod support;
#[path = "console/yielding.rs"]
mod yielding;

use std::time::{Duration, Instant, SystemTime};

use support::{changes, console, take, told, who};
use vuart_endpoint::{
    Cause, Console, End, Evicted, Identity, Mode, OnLag, Policy, Refused, Session, Standing,
};
use vuart_scrollback::{Position, RingOptions, Scrollback};

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
    assert_eq!(take(&mut input), b"ls");
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
    assert_eq!(take(&mut input), b"halt^");

    console.attach(who("alice")).unwrap().write(b"left behind").unwrap();
    let _second = console.attach(who("bob")).unwrap();
    assert_eq!(take(&mut input), b"");
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
fn spectators_never_type_and_disturb_no_one_else() {
    let (_writer, console, mut input) = console();
    let owner = console.attach(who("alice")).unwrap();
    let mut spectator = console.attach(who("eve").with_mode(Mode::Spectate)).unwrap();
    assert_eq!(spectator.write(b"rm"), Ok(0));
    assert_eq!(spectator.send_break(), Ok(false));
    assert_eq!(take(&mut input), b"");
    assert!(owner.end().is_none());
    assert_eq!(console.sessions().len(), 2);
    // A spectator that leaves takes nothing from the owner.
    drop(spectator);
    assert_eq!(console.owner().unwrap().id, owner.info().id);
}

#[test]
fn the_end_of_the_vm_ends_every_session_and_refuses_new_ones() {
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

fn standing(session: &mut Session) -> Standing {
    changes(session).last().expect("a change").standing
}

#[test]
fn sessions_in_the_queue_own_the_console_one_after_another() {
    let (_writer, console, mut input) = console();
    let alice = console.attach(who("alice").with_mode(Mode::Wait)).unwrap();
    assert!(alice.is_owner(), "the console had no owner");
    let mut bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    let mut carol = console.attach(who("carol").with_mode(Mode::Wait)).unwrap();
    assert_eq!((bob.ahead(), carol.ahead(), bob.is_owner()), (Some(0), Some(1), false));
    assert_eq!(bob.write(b"too early"), Ok(0));
    assert!(console.sessions()[1].waiting && !console.sessions()[0].waiting);

    drop(alice);
    assert_eq!(console.owner().unwrap().identity.label(), "bob");
    assert_eq!(standing(&mut carol), Standing::Waiting { ahead: 0 });
    // Bob owns it but does not know yet: he typed this as a spectator.
    assert_eq!(bob.write(b"still too early"), Ok(0));
    assert!(matches!(standing(&mut bob), Standing::Owner { .. }));
    assert_eq!(bob.write(b"ls"), Ok(2));
    assert_eq!(take(&mut input), b"ls");

    drop(bob);
    assert!(matches!(standing(&mut carol), Standing::Owner { .. }));
    assert_eq!(console.counters().promoted, 2);
    drop(carol);
    assert!(console.owner().is_none());
}

#[test]
fn a_session_that_ends_leaves_the_queue() {
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
fn e2_an_evicted_owner_may_stay_and_get_the_console_back() {
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
    assert_eq!(take(&mut input), b"", "what Alice had queued is discarded");

    // A third owner comes and goes: evicted owners get the console back in the reverse order, before all that wait.
    let mut dave = console.attach(who("dave").with_mode(Mode::Wait)).unwrap();
    let carol = console.attach(who("carol").with_mode(Mode::TakeOver).with_returning(true)).unwrap();
    assert_eq!(console.sessions().len(), 4);
    drop(carol);
    // Bob had not asked to get it back.
    assert!(matches!(standing(&mut alice), Standing::Owner { .. }));
    assert_eq!(alice.write(b"back"), Ok(4));
    assert_eq!(take(&mut input), b"back");
    assert_eq!(standing(&mut dave), Standing::Waiting { ahead: 0 });
    drop(alice);
    assert!(matches!(standing(&mut dave), Standing::Owner { .. }));
    assert!(bob.end().is_none() && !console.owner().unwrap().identity.is_same_person(&bob.info().identity));
    let counters = console.counters();
    assert_eq!((counters.taken_over, counters.demoted, counters.promoted), (2, 2, 2));
}

/// What a session typed in one ownership is not for its next one, however it lost the console in between.
#[test]
fn e4_input_of_one_ownership_is_not_for_the_next_of_the_same_session() {
    let (_writer, console, mut input) = console();
    console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut alice = console.attach(who("alice").with_returning(true)).unwrap();
    let first = alice.epoch().unwrap();
    let bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
    drop(bob);
    // Alice was evicted and owns the console again, all before she looked.
    assert_eq!(alice.write(b"meant for before"), Ok(0));
    assert_eq!(alice.send_break(), Ok(false));
    let Standing::Owner { epoch } = standing(&mut alice) else { panic!("Alice owns it") };
    assert!(epoch > first);
    assert_eq!(alice.write(b"x"), Ok(1));
    assert_eq!(take(&mut input), b"x");
}

#[test]
fn a_session_that_must_not_miss_output_ends_when_it_does() {
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
fn output_that_was_gone_before_a_session_is_not_its_lag() {
    let (mut writer, scrollback) = RingOptions::new(4096).with_boot_head(128).create().unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    writer.extend(&[b'x'; 10_000]);
    let mut session =
        console.attach(who("alice").with_replay(Position::Boot).with_on_lag(OnLag::Disconnect)).unwrap();
    let mut buf = [0; 8192];
    assert_eq!(session.read(&mut buf).next, 128, "the boot head");
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
    // Output that is lost after its start is.
    writer.extend(&[b'y'; 10_000]);
    assert!(session.read(&mut buf).missed > 0);
    let oldest = console.scrollback().offset(Position::Newest(u64::MAX));
    assert_eq!(session.end().unwrap().cause, Cause::Lagged { from: 10_000, to: oldest });
}

#[test]
fn a_kicked_session_is_told_by_whom() {
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

/// As a server does that goes: the console goes on.
#[test]
fn a_session_that_is_ended_has_the_output_up_to_then_and_the_others_go_on() {
    let (mut writer, console, _input) = console();
    let mut alice = console.attach(who("alice")).unwrap();
    let mut bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    writer.extend(b"before");
    assert!(console.end_session(alice.info().id, &Cause::ShutDown));
    writer.extend(b"after");
    assert_eq!(alice.end().unwrap().cause, Cause::ShutDown);
    assert_eq!(alice.end_offset(), Some(6));
    assert_eq!(alice.read(&mut [0; 6]).len(), 6);
    assert!(matches!(standing(&mut bob), Standing::Owner { .. }));
    assert!(console.ended().is_none());
    assert!(!console.end_session(alice.info().id, &Cause::ShutDown), "once");
}

#[test]
fn a_switched_off_console_ends_every_session_and_can_be_switched_on_again() {
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
    assert_eq!(take(&mut input), b"x");
}

#[test]
fn an_idle_owner_is_detached() {
    let (_writer, console, _input) = console();
    let hour = Duration::from_secs(3600);
    let before = Instant::now();
    assert_eq!(console.service(before + hour), None, "there is no deadline");
    console.set_policy(Policy::default().with_idle(hour));
    let mut alice = console.attach(who("alice")).unwrap();
    let watcher = console.attach(who("bob").with_mode(Mode::Spectate)).unwrap();
    let deadline = console.service(before).unwrap();
    assert!(deadline >= before + hour);
    let just_before = deadline.checked_sub(Duration::from_nanos(1)).unwrap();
    assert_eq!(console.service(just_before), Some(deadline));

    alice.write(b"x").unwrap();
    let later = console.service(just_before).unwrap();
    assert!(later > deadline, "Alice has typed since");
    assert_eq!(console.service(later), None);
    assert_eq!(alice.end().unwrap().cause, Cause::Idle);
    assert!(watcher.end().is_none() && console.owner().is_none());
}

#[test]
fn an_owner_may_wait_until_the_guest_has_taken_its_input() {
    let (_writer, console, mut input) = console();
    let mut alice = console.attach(who("alice")).unwrap();
    alice.write(b"halt\r").unwrap();
    let mut sleeper = console.doorbell().sleeper().unwrap();
    sleeper.arm_at_once();
    assert_eq!(alice.input_left(), 5);
    assert_eq!(take(&mut input), b"halt\r");
    // If it did not ring, this would wait for ever.
    sleeper.wait_at_once(|| console.input_waiting() == 0, None).unwrap();
    assert_eq!(alice.input_left(), 0);
    // What Bob types is not Alice's.
    let mut bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
    bob.write(b"xx").unwrap();
    assert_eq!((alice.input_left(), bob.input_left()), (0, 2));
}

#[test]
fn a_server_that_sleeps_hears_of_an_owner_who_may_become_idle() {
    let (_writer, console, _input) = console();
    console.set_policy(Policy::default().with_idle(Duration::from_secs(60)));
    let mut sleeper = console.doorbell().sleeper().unwrap();
    sleeper.arm_at_once();
    let _alice = console.attach(who("alice")).unwrap();
    assert!(sleeper.acknowledge(), "there is a deadline since");
}

#[test]
fn an_owner_who_has_just_typed_is_not_idle_under_a_new_policy() {
    let (_writer, console, _input) = console();
    let mut alice = console.attach(who("alice")).unwrap();
    let attached = Instant::now();
    while Instant::now() == attached {}
    alice.write(b"x").unwrap();
    let typed = Instant::now();
    let idle = Duration::from_secs(1);
    console.set_policy(Policy::default().with_idle(idle));
    // Alice began longer ago than that, but has typed since.
    assert!(console.service(attached + idle).is_some_and(|deadline| deadline <= typed + idle));
    assert!(alice.end().is_none());
}
