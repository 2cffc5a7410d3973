//! A session that owns the console only while nobody else wants to.

use std::time::{Duration, Instant};

use vuart_endpoint::{Attach, ConsoleParts, HangUp};

use super::*;

fn local(console: &Console) -> Session {
    console.attach(Attach::new(Identity::new("stdio", 0, None)).with_mode(Mode::Yield)).unwrap()
}

/// Whose hang-ups the console has made.
fn hung_up(events: &[serde_json::Value]) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("nobody").to_owned();
    let hang_ups = events.iter().filter(|event| event["event"] == "hang-up");
    hang_ups.map(|event| (text(&event["because"]), text(&event["person"]["label"]))).collect()
}

#[test]
fn it_gives_way_to_a_plain_attach_and_has_the_console_back() {
    for mode in [Mode::Exclusive, Mode::Wait, Mode::TakeOver] {
        for evicted in [Evicted::Disconnected, Evicted::Spectates] {
            let (_writer, console, mut input) = console();
            console.set_policy(Policy::default().with_evicted(evicted));
            let mut told = told(&console);
            let mut local = local(&console);
            assert!(local.is_owner());
            assert_eq!(local.write(b"half a comm"), Ok(11));

            let mut alice = console.attach(who("alice").with_mode(mode)).unwrap();
            assert!(alice.is_owner() && alice.evicted().is_none(), "at once, and nobody is evicted");
            assert_eq!(local.write(b"and"), Ok(0));
            alice.write(b"ls").unwrap();
            assert_eq!(take(&mut input), b"ls", "what was typed before is discarded");
            let change = changes(&mut local).pop().expect("it is told");
            assert_eq!((change.standing, change.evicted), (Standing::Spectator, None));
            assert!(local.end().is_none());

            drop(alice);
            assert_eq!(local.write(b"too early"), Ok(0), "typed as a spectator");
            assert!(matches!(standing(&mut local), Standing::Owner { .. }));
            assert_eq!(local.write(b"id"), Ok(2));
            assert_eq!(take(&mut input), b"id");

            let events = told();
            let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
            let all = ["attached", "yielded", "input-discarded", "attached", "ended", "promoted"];
            assert_eq!(kinds, all, "{mode:?} {evicted:?}");
            assert_eq!(events[0]["mode"], "yield");
            assert_eq!(events[1]["by"]["identity"]["label"], "alice");
            let counters = console.counters();
            assert_eq!((counters.yielded, counters.promoted), (1, 1));
            assert_eq!((counters.taken_over, counters.demoted, counters.refused), (0, 0, 0));
            assert_eq!(counters.input_discarded, 11);
        }
    }
}

#[test]
fn those_who_wait_come_before_it() {
    let (_writer, console, _input) = console();
    let alice = console.attach(who("alice")).unwrap();
    let mut local = local(&console);
    assert!(!local.is_owner() && local.ahead().is_none(), "it watches, and is in no queue");
    let bob = console.attach(who("bob").with_mode(Mode::Wait)).unwrap();
    drop(alice);
    assert_eq!(console.owner().unwrap().id, bob.info().id);
    drop(bob);
    assert!(matches!(standing(&mut local), Standing::Owner { .. }));
}

#[test]
fn of_several_the_oldest_owns_the_console() {
    let (_writer, console, _input) = console();
    let first = local(&console);
    let mut second = local(&console);
    let third = local(&console);
    assert!(first.is_owner() && !second.is_owner() && !third.is_owner());
    drop(console.attach(who("alice")).unwrap());
    assert_eq!(console.owner().unwrap().id, first.info().id);
    drop(first);
    assert!(matches!(standing(&mut second), Standing::Owner { .. }));
    assert!(console.sessions().iter().all(|info| info.yields));
    assert!(!console.attach(who("bob")).unwrap().info().yields);
}

#[test]
fn it_is_not_idle_and_not_left_by_the_guest() {
    let (_writer, scrollback) = Scrollback::new(4096).unwrap();
    let ConsoleParts { console, mut guest_lines, input: _input, .. } =
        Console::builder(scrollback).build(|| ());
    let policy =
        Policy::default().with_idle(Duration::from_secs(1)).with_detach_on_dtr().with_detach_on_reset();
    console.set_policy(policy);
    let mut local = local(&console);
    local.write(b"x").unwrap();
    let now = Instant::now();
    assert_eq!(console.service(now), None, "there is no deadline");
    let _ = console.service(now + Duration::from_secs(3600));
    guest_lines.dtr(true);
    guest_lines.dtr(false);
    guest_lines.dtr(true);
    let _ = console.service(now);
    guest_lines.reset();
    let _ = console.service(now);
    assert_eq!(console.counters().guest_hang_ups, 1);
    assert_eq!(console.counters().guest_resets, 1);
    assert_eq!(local.end(), None);
    assert_eq!(local.write(b"x"), Ok(1));
}

#[test]
fn it_is_nobody_until_it_types() {
    let (_writer, console, _input) = console();
    console.set_policy(Policy::default().with_hang_up(HangUp::OnTakeover));
    let mut told = told(&console);
    let mut local = local(&console);
    drop(console.attach(who("alice")).unwrap());
    assert_eq!(changes(&mut local).len(), 1);
    drop(console.attach(who("alice")).unwrap());
    assert!(hung_up(&told()).is_empty(), "alice comes back, and nobody else was there");

    changes(&mut local);
    local.write(b"x").unwrap();
    assert_eq!(
        hung_up(&told()),
        [("other-person".into(), "alice".into())],
        "her shell is not for whoever types there"
    );
    local.write(b"x").unwrap();
    assert!(hung_up(&told()).is_empty());
    drop(console.attach(who("alice")).unwrap());
    assert_eq!(hung_up(&told()), [("other-person".into(), "stdio".into())], "nor the other way round");
}

#[test]
fn the_grace_time_of_a_person_who_has_left_runs_while_it_has_the_console() {
    let (_writer, console, _input) = console();
    let grace = Duration::from_secs(10);
    console.set_policy(Policy::default().with_hang_up(HangUp::OnDetach { grace }));
    let mut told = told(&console);
    let local = local(&console);
    assert_eq!(console.service(Instant::now()), None);
    drop(console.attach(who("alice")).unwrap());
    let left = Instant::now();
    let deadline = console.service(left).expect("the end of the grace time");
    drop(local);
    assert_eq!(console.service(left), Some(deadline), "nobody has left");
    assert!(hung_up(&told()).is_empty());
    assert_eq!(console.service(left + grace), None);
    assert_eq!(hung_up(&told()), [("left".into(), "alice".into())]);
}

#[test]
fn the_vmm_may_hang_up_while_it_has_the_console() {
    let (_writer, scrollback) = Scrollback::new(4096).unwrap();
    let ConsoleParts { console, mut guest_lines, input: _input, .. } =
        Console::builder(scrollback).build(|| ());
    console.set_policy(Policy::default().with_hang_up(HangUp::OnTakeover));
    let mut told = told(&console);
    guest_lines.listen(true);
    let _local = local(&console);
    drop(console.attach(who("alice")).unwrap());
    assert!(console.hang_up(), "the guest listens");
    drop(console.attach(who("bob")).unwrap());
    assert_eq!(hung_up(&told()), [("vmm".into(), "alice".into())], "no login session is left");
}
