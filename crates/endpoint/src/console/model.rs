//! Take-overs under `loom`: `RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-endpoint model`.
//!
//! This is the real console, with loom's lock and atomics. The ring of output and the doorbell play no part here: they keep `std`'s
//! atomics, which loom does not explore.

use vuart_explore::{explore, explore_within, thread};
use vuart_scrollback::Writer;

use super::*;
use crate::input::Input;
use crate::policy::Evicted;
use crate::standing::Standing;
use crate::symbol::Symbol;
use crate::sync::AtomicBool;
use crate::sync::Ordering::SeqCst;
use crate::testing::latch_bell;

fn console() -> (Writer, Console, Input) {
    let (writer, scrollback) = Scrollback::new(4096).unwrap();
    let parts = Console::builder(scrollback).build(|| ());
    (writer, parts.console, parts.input)
}

fn who(label: &str) -> Attach {
    Attach::new(Identity::new(label, 1000, None))
}

/// Takes what waits in the input queue.
fn take(input: &mut Input) -> Vec<u8> {
    let mut symbols = [Symbol::Break; 2];
    let count = input.take(&mut symbols);
    symbols[..count]
        .iter()
        .map(|symbol| match symbol {
            Symbol::Byte(byte) | Symbol::Damaged(byte, _) => *byte,
            Symbol::Break => b'^',
        })
        .collect()
}

/// The old owner types and the guest reads while a take-over happens. Once it has returned, the guest gets none of the old owner's
/// input, and all of the new owner's.
#[test]
fn e4_once_a_take_over_has_returned_the_guest_hears_the_new_owner_alone() {
    explore(100_000, || {
        let (_writer, console, mut input) = console();
        let mut alice = console.attach(who("alice")).unwrap();
        let taken_over = Arc::new(AtomicBool::new(false));
        let typist = thread::spawn(move || {
            let typed = [alice.write(b"a").unwrap_or(0), alice.write(b"a").unwrap_or(0)];
            (alice, typed)
        });
        let take_over = thread::spawn({
            let (console, taken_over) = (console.clone(), Arc::clone(&taken_over));
            move || {
                let mut bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
                taken_over.store(true, SeqCst);
                assert_eq!(bob.write(b"b"), Ok(1), "there is room: the old input is discarded");
                bob
            }
        });
        let mut heard = Vec::new();
        for _ in 0..2 {
            let fenced = taken_over.load(SeqCst);
            let taken = take(&mut input);
            assert!(!fenced || !taken.contains(&b'a'), "{taken:?} after the take-over");
            heard.extend(taken);
        }
        let (alice, typed) = typist.join().unwrap();
        let bob = take_over.join().unwrap();
        heard.extend(take(&mut input));

        assert!(alice.end().is_some() && bob.end().is_none());
        assert_eq!(
            heard.iter().position(|byte| *byte == b'b'),
            heard.len().checked_sub(1),
            "{heard:?}: Bob's input once, and last"
        );
        assert_eq!(heard.last(), Some(&b'b'), "{heard:?}: none of Alice's input comes after Bob's");
        let counters = console.counters();
        let of_alice = typed.iter().sum::<usize>() as u64;
        assert_eq!(counters.input_accepted, of_alice + 1);
        assert_eq!(heard.len() as u64 + counters.input_discarded, counters.input_accepted, "counted");
    });
}

/// An evicted owner gets the console back when the new owner leaves. At each instant one session owns the console, and input that a
/// session offers before it knows of its new ownership does not reach the guest.
#[test]
fn e4_an_owner_that_comes_back_types_for_its_new_ownership_only() {
    // Without a bound this takes hours: each call of the console looks whether the port was dropped, and each take-over moves the queue
    // by two steps.
    explore_within(6, 100_000, || {
        let (_writer, console, mut input) = console();
        console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
        let mut alice = console.attach(who("alice").with_returning(true)).unwrap();
        let typist = thread::spawn(move || {
            // For her first ownership, if it goes on.
            let stale = alice.write(b"a").unwrap();
            let now = alice.changed();
            let fresh = alice.write(b"A").unwrap();
            let owns = now.is_none_or(|change| matches!(change.standing, Standing::Owner { .. }));
            assert!(owns || fresh == 0, "she watches, and yet types");
            (alice, stale + fresh)
        });
        let take_over = thread::spawn({
            let console = console.clone();
            move || {
                let mut bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
                assert_eq!(bob.write(b"b"), Ok(1));
            }
        });
        let mut heard = take(&mut input);
        let (alice, of_alice) = typist.join().unwrap();
        take_over.join().unwrap();
        heard.extend(take(&mut input));

        assert_eq!(console.owner().map(|owner| owner.id), Some(alice.info().id), "Alice owns it again");
        let text = String::from_utf8(heard).unwrap();
        assert!(["", "a", "A", "aA", "b", "ab", "bA", "abA", "aAb", "Ab"].contains(&text.as_str()), "{text}");
        let counters = console.counters();
        assert_eq!(counters.input_accepted, of_alice as u64 + 1);
        assert_eq!(text.len() as u64 + counters.input_discarded, counters.input_accepted, "counted");
    });
}

/// A session that yields gives way, and has the console back. It types for an ownership that it knows of, or not at all.
#[test]
fn e4_a_session_that_yields_types_for_its_own_ownership_only() {
    explore_within(3, 1000, || {
        let (_writer, console, mut input) = console();
        let mut local = console.attach(who("stdio").with_mode(Mode::Yield)).unwrap();
        let typist = thread::spawn(move || {
            let stale = local.write(b"l").unwrap();
            let now = local.changed();
            let fresh = local.write(b"L").unwrap();
            let owns = now.is_none_or(|change| matches!(change.standing, Standing::Owner { .. }));
            assert!(owns || fresh == 0, "it watches, and yet types");
            (local, stale + fresh)
        });
        let alice = thread::spawn({
            let console = console.clone();
            move || {
                let mut alice = console.attach(who("alice")).unwrap();
                assert_eq!(alice.write(b"a"), Ok(1), "at once");
            }
        });
        let mut heard = take(&mut input);
        let (local, typed) = typist.join().unwrap();
        alice.join().unwrap();
        heard.extend(take(&mut input));

        assert!(local.end().is_none());
        assert_eq!(console.owner().map(|owner| owner.id), Some(local.info().id), "it owns it again");
        let counters = console.counters();
        assert_eq!(counters.input_accepted, typed as u64 + 1);
        assert_eq!(heard.len() as u64 + counters.input_discarded, counters.input_accepted, "counted");
        let text = String::from_utf8(heard).unwrap();
        assert!(!text.contains("al"), "{text}: typed without knowing of the second ownership");
    });
}

/// An observer is told of every event, in order, by either thread.
#[test]
fn every_event_is_delivered_in_order() {
    explore(20_000, || {
        let (_writer, console, _input) = console();
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        console.observe({
            let told = Arc::clone(&told);
            move |event| told.lock().unwrap().push(event.number)
        });
        let other = thread::spawn({
            let console = console.clone();
            move || drop(console.attach(who("bob").with_mode(Mode::Spectate)))
        });
        drop(console.attach(who("alice").with_mode(Mode::Spectate)));
        other.join().unwrap();
        assert_eq!(*told.lock().unwrap(), [0, 1, 2, 3]);
    });
}

/// A trigger that uses the console. It is called without the lock, so no thread waits for itself, and the guest, which sleeps until it is
/// interrupted, hears what was typed.
#[test]
fn an_announcement_that_uses_the_console_is_made_and_not_lost() {
    explore(10, || {
        let (_writer, scrollback) = Scrollback::new(4096).unwrap();
        let (interrupt, announce) = latch_bell();
        let handle = Arc::new(std::sync::OnceLock::<std::sync::Weak<ConsoleCore>>::new());
        let parts = Console::builder(scrollback).build({
            let handle = Arc::clone(&handle);
            move || {
                if let Some(core) = handle.get().and_then(std::sync::Weak::upgrade) {
                    Console(core).input_waiting();
                }
                announce();
            }
        });
        let (console, mut input) = (parts.console, parts.input);
        handle.set(Arc::downgrade(&console.0)).unwrap();
        let mut alice = console.attach(who("alice")).unwrap();
        let typist = thread::spawn(move || {
            assert_eq!(alice.write(b"a"), Ok(1));
            alice
        });
        if input.is_empty() && input.want() {
            interrupt.wait();
        }
        assert_eq!(take(&mut input), b"a");
        drop(typist.join().unwrap());
    });
}
