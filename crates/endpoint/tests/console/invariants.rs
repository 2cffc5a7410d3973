//! What always holds, whatever happens in whatever order.

use proptest::prelude::*;
use vuart_endpoint::{Evicted, Identity, Mode, Policy, Session, SessionId};

use crate::support::{changes, console, take, told, who};

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
    let mode =
        prop::sample::select(vec![Mode::Exclusive, Mode::TakeOver, Mode::Spectate, Mode::Wait, Mode::Yield]);
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
        // The sessions whose symbols the guest has not taken: only the owner's.
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
                    let taken = take(&mut input).len();
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
                // A new ownership: what waited is discarded.
                queued.clear();
            }
            let infos = console.sessions();
            let yields = infos.iter().find(|info| info.yields);
            prop_assert!(owner.is_some() || yields.is_none(), "one that yields owns it when nobody else does");
            if let Some(owner) = owner.as_ref().filter(|owner| owner.yields) {
                prop_assert_eq!(Some(owner.id), yields.map(|info| info.id), "the oldest");
                prop_assert!(infos.iter().all(|info| !info.waiting), "nobody waits for one that yields");
            }
            prop_assert_eq!(infos.iter().filter(|info| info.owner).count(), usize::from(owner.is_some()));
            prop_assert!(owner.is_some() || infos.iter().all(|info| !info.waiting), "none waits for a console without an owner");
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
        // Each session that began has ended, and each take-over has evicted an owner.
        let events = told();
        let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count() as u64;
        prop_assert_eq!((count("attached"), count("ended")), (counters.attached, counters.ended));
        let evictions = events.iter().filter(|event| event["cause"]["code"] == "evicted").count() as u64;
        prop_assert_eq!(evictions + count("demoted"), counters.taken_over);
        prop_assert_eq!(events.iter().filter(|event| event["evicted"].is_object()).count() as u64, counters.taken_over);
        prop_assert_eq!((count("promoted"), count("yielded")), (counters.promoted, counters.yielded));
    }
}
