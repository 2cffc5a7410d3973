//! Who types, when others come to the console.

mod support;

use support::{Rig, a_pipe, fill};
use vuart_endpoint::{Evicted, Identity, Mode, Policy};

#[test]
fn it_gives_way_and_has_the_console_back() {
    let (mut reader, writer) = a_pipe();
    let (typed, mut keyboard) = a_pipe();
    let mut rig =
        Rig::new(1 << 16, |local| local.with_input(&typed).with_output(&writer).with_label("stdio"));
    let sessions = rig.console.sessions();
    assert_eq!(
        (sessions[0].identity.label(), sessions[0].identity.pid()),
        ("stdio", Some(std::process::id()))
    );
    assert!(sessions[0].owner && sessions[0].yields);
    for evicted in [Evicted::Disconnected, Evicted::Spectates] {
        rig.console.set_policy(Policy::default().with_evicted(evicted));
        let mut alice = rig.attach(Mode::Exclusive);
        rig.settle();
        // A script that is piped into the VMM waits.
        fill(&mut keyboard, b"script\r");
        rig.settle();
        alice.write(b"ls\r").unwrap();
        assert_eq!(rig.takes(), b"ls\r");
        rig.writes(b"it watches");
        assert_eq!(rig.reads(&mut reader, 10), b"it watches");
        drop(alice);
        rig.until(|rig| rig.console.input_waiting() == 7);
        assert_eq!(rig.takes(), b"script\r", "now it is wanted");
    }
    assert_eq!(rig.console.counters().yielded, 2);
}

#[test]
fn without_input_it_watches() {
    let (_reader, writer) = a_pipe();
    let rig = Rig::new(4096, |local| local.with_output(&writer));
    assert!(!rig.local.is_owner() && rig.console.owner().is_none());
}

#[test]
fn a_session_that_is_ended_begins_again() {
    let (mut reader, writer) = a_pipe();
    let (typed, mut keyboard) = a_pipe();
    let mut rig = Rig::new(1 << 16, |local| local.with_input(&typed).with_output(&writer));
    rig.writes(b"before ");
    rig.settle();
    assert!(rig.console.kick(rig.console.owner().unwrap().id, &Identity::new("root", 0, None)));
    rig.writes(b"kicked ");
    rig.settle();
    assert!(rig.local.is_owner());

    rig.console.disable();
    rig.writes(b"disabled ");
    fill(&mut keyboard, b"no");
    rig.settle();
    assert!(rig.console.sessions().is_empty());
    assert_eq!(rig.takes(), b"", "nothing is typed at a console that is off");
    assert_eq!(rig.console.counters().refused, 0, "it does not knock");
    rig.console.enable();
    rig.until(|rig| rig.console.input_waiting() == 2);
    assert_eq!(rig.takes(), b"no", "a script waits until its commands are wanted");
    rig.writes(b"enabled");
    assert_eq!(rig.reads(&mut reader, 30), b"before kicked disabled enabled");
    assert!(rig.local.is_owner());
}

#[test]
fn an_owner_of_another_mode_that_is_evicted_waits_in_line() {
    let (typed, _keyboard) = a_pipe();
    let mut rig = Rig::new(4096, |local| local.with_input(&typed).with_mode(Mode::Exclusive));
    let alice = rig.attach(Mode::TakeOver);
    rig.settle();
    assert!(rig.console.sessions()[1].waiting);
    assert_eq!(rig.console.counters().refused, 0);
    drop(alice);
    rig.settle();
    assert!(rig.local.is_owner());
}
