//! Who types, when others come to the console.

mod support;

use std::os::unix::net::UnixStream;

use support::{Rig, a_pipe, fill};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::{Attach, Console, Evicted, Identity, Mode, Policy, Symbol};
use vuart_local::Local;
use vuart_scrollback::Scrollback;

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

/// Three local consoles, and everything that happens to them: one owns the console while it is on and nobody else does, and only what is
/// typed there reaches the guest.
#[test]
fn of_three_that_yield_one_owns_it_whatever_happens() {
    let (_writer, scrollback) = Scrollback::new(1 << 16).unwrap();
    let (console, mut input) = Console::new(scrollback, || ());
    let mut ends = Vec::new();
    let mut locals: Vec<Local> = (0..3)
        .map(|n| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ends.push(theirs);
            Local::builder(&console).with_both(&ours).with_label(&n.to_string()).build().unwrap()
        })
        .collect();
    let (mut others, mut seed) = (Vec::new(), 1_u32);
    for step in 0..3000 {
        // Any sequence will do, if it is always the same.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match seed >> 28 {
            0..4 => {
                if let Some(session) = console.sessions().get(seed as usize % 3) {
                    console.kick(session.id, &Identity::new("root", 0, None));
                }
            }
            4 => console.disable(),
            5..8 => console.enable(),
            8 => console.set_policy(Policy::default().with_evicted(Evicted::Spectates)),
            9 => console.set_policy(Policy::default().with_evicted(Evicted::Disconnected)),
            n @ 10..13 => {
                let mode = [Mode::Wait, Mode::TakeOver, Mode::Exclusive][n as usize - 10];
                let alice = Identity::new("alice", 1000, None);
                others
                    .extend(console.attach(Attach::new(alice).with_mode(mode).with_returning(seed & 1 == 0)));
            }
            _ => drop(others.pop()),
        }
        for _ in 0..2 {
            for local in &mut locals {
                local.dispatch().unwrap();
            }
        }
        let is_on = console.disabled().is_none();
        assert_eq!(console.owner().is_some(), is_on, "step {step}");
        let owners: Vec<_> = (0..3).filter(|n| locals[*n].is_owner()).collect();
        assert!(owners.len() <= 1 || !is_on, "step {step}: {owners:?}");
        for (n, end) in ends.iter_mut().enumerate() {
            fill(end, &[b"012"[n]]);
        }
        for local in &mut locals {
            local.dispatch().unwrap();
        }
        let mut symbols = [Symbol::Break; 64];
        let count = input.take(&mut symbols);
        let owner = console.owner().filter(|owner| owner.yields);
        let label = owner.map(|owner| owner.identity.label().to_owned());
        let expected: Vec<_> = label.into_iter().map(|label| Symbol::Byte(label.as_bytes()[0])).collect();
        assert_eq!(&symbols[..count], expected, "step {step}");
    }
    assert!(console.counters().kicked > 100 && console.counters().yielded > 100);
}
