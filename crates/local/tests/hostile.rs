//! What goes wrong around a console: no byte gets to the wrong login, nothing spins, and nothing ends the VMM.

mod support;

use std::fs::File;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use support::terminal::{is_raw, terminal};
use support::{Rig, a_pipe, fill, pattern};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::{Console, Mode};
use vuart_local::{Limit, Local};
use vuart_scrollback::Scrollback;

/// Drives it until nothing is left to do, and fails if there is always something.
fn comes_to_rest(rig: &mut Rig, state: &str) {
    let longer_than_a_tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    for _ in 0..100 {
        if !support::readable(&rig.local, &longer_than_a_tick) {
            return;
        }
        rig.local.dispatch().unwrap();
    }
    panic!("it does not come to rest: {state}");
}

/// The console has been taken over and given back before the loop comes round: it only sees that it owns the console.
#[test]
fn what_was_typed_before_a_take_over_is_not_typed_after_it() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_both(&ours));
    // More than the console takes while the guest does not read.
    fill(&mut theirs, &[b'a'; 5000]);
    rig.settle();
    assert_eq!(rig.console.input_waiting(), 4096);
    // And some that nobody has received yet.
    fill(&mut theirs, &[b'b'; 10_000]);
    drop(rig.attach(Mode::Exclusive));
    rig.settle();
    assert_eq!(rig.takes(), b"", "the take-over has discarded the beginning of it");
    rig.settle();
    assert_eq!(rig.takes(), b"");
    assert!(rig.local.is_owner());
    let counters = rig.console.counters();
    assert_eq!((counters.input_discarded, counters.input_abandoned), (4096, 904 + 10_000));
    fill(&mut theirs, b"ls\r");
    rig.until(|rig| rig.console.input_waiting() == 3);
    assert_eq!(rig.takes(), b"ls\r");
}

/// The other one leaves in the moment in which somebody types at the console: the loop learns of both at once.
#[test]
fn what_was_typed_while_another_owned_it_is_not_typed_when_that_one_has_left() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_both(&ours));
    for round in 1..=3 {
        let alice = rig.attach(Mode::Exclusive);
        rig.settle();
        fill(&mut theirs, b"rm -r /\r");
        drop(alice);
        rig.settle();
        assert_eq!(rig.takes(), b"", "round {round}");
        assert_eq!(rig.console.counters().input_abandoned, 8 * round);
    }
}

/// A script in a pipe waits for its turn. What it has said before a take-over is not said again.
#[test]
fn a_script_goes_on_after_a_take_over_with_what_it_has_not_said() {
    let (typed, mut keyboard) = a_pipe();
    let mut rig = Rig::new(1 << 16, |local| local.with_input(&typed));
    fill(&mut keyboard, &[b'a'; 5000]);
    rig.settle();
    drop(rig.attach(Mode::Exclusive));
    fill(&mut keyboard, b"next\r");
    rig.settle();
    assert_eq!(rig.takes(), b"next\r");
}

struct Panics(Arc<Mutex<u32>>);

impl io::Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        *self.0.lock().unwrap() += 1;
        std::panic::resume_unwind(Box::new("a bug of the VMM's writer"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A second panic, while the first one unwinds, would end the process.
#[test]
fn a_writer_that_panics_is_not_called_by_the_drop_that_unwinding_causes() {
    let calls = Arc::new(Mutex::new(0));
    let mut rig = Rig::new(4096, |local| local.with_writer(Panics(Arc::clone(&calls))));
    rig.writes(b"x");
    thread::spawn(move || rig.turn()).join().unwrap_err();
    assert_eq!(calls.lock().map_or_else(|poisoned| *poisoned.into_inner(), |calls| *calls), 1);
}

/// A filter runs in the same places as a writer.
#[test]
fn a_filter_that_panics_is_not_called_by_the_drop_that_unwinding_causes() {
    let (_reader, writer) = a_pipe();
    let panics = |_: &[u8], _: &mut Vec<u8>| std::panic::resume_unwind(Box::new("a bug of the VMM's filter"));
    let mut rig = Rig::new(4096, |local| local.with_output(&writer).with_output_filter(panics));
    rig.writes(b"x");
    thread::spawn(move || rig.turn()).join().unwrap_err();
}

/// The thread panics for another reason: its console still gets the guest's last words.
#[test]
fn after_a_panic_a_pipe_has_the_last_words() {
    let (mut reader, writer) = a_pipe();
    let mut rig = Rig::new(4096, |local| local.with_output(&writer));
    drop(writer);
    let vmm = thread::spawn(move || {
        rig.writer.extend(b"Kernel panic");
        let _rig = rig;
        std::panic::resume_unwind(Box::new("a bug of the VMM"))
    });
    vmm.join().unwrap_err();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "Kernel panic");
}

/// `local = Local::stdio(..)?` makes the new one before it drops the old one.
#[test]
fn a_terminal_that_two_have_made_raw_is_restored_in_whatever_order_they_go() {
    for first in [0, 1] {
        let (_screen, device) = terminal();
        let rig = || Rig::new(4096, |local| local.with_both(&device).with_raw_mode());
        let mut rigs = vec![rig(), rig()];
        drop(rigs.remove(first));
        assert!(is_raw(&device), "the other one needs it raw");
        drop(rigs);
        assert!(!is_raw(&device), "dropped first: {first}");
    }
}

/// Takes each second call only.
struct Interrupted(Arc<Mutex<Vec<u8>>>, bool);

impl io::Write for Interrupted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_signal_at_the_end_loses_no_last_words() {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let mut rig = Rig::new(4096, |local| local.with_writer(Interrupted(Arc::clone(&written), false)));
    rig.writer.extend(b"Kernel panic");
    drop(rig);
    assert_eq!(*written.lock().unwrap(), b"Kernel panic");
}

/// Says that it has taken more than there was.
struct Boasts;

impl io::Write for Boasts {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Ok(usize::MAX)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_miscounts_harms_nobody() {
    let limit = Limit { rate: 1 << 40, burst: 1 << 40 };
    let mut rig = Rig::new(4096, |local| local.with_writer(Boasts).with_limit(limit));
    rig.writes(&pattern(1000));
    rig.settle();
    assert_eq!(rig.local.left(), 0);
    rig.writes(&pattern(1000));
    rig.until(|rig| rig.local.left() == 0);
}

/// The others on the thread wait for as long as one call takes, also if nothing comes of what is read.
#[test]
fn a_filter_that_swallows_everything_does_not_keep_the_loop() {
    let (_reader, writer) = a_pipe();
    let swallows = |_: &[u8], _: &mut Vec<u8>| ();
    let mut rig = Rig::new(4 << 20, |local| local.with_output(&writer).with_output_filter(swallows));
    rig.writes(&pattern(4 << 20));
    rig.turn();
    assert!(rig.local.left() >= 3 << 20, "{} bytes", rig.local.left());
    rig.until(|rig| rig.local.left() == 0);
}

#[test]
fn a_filter_that_grows_each_byte_loses_none() {
    let (mut reader, writer) = a_pipe();
    let grows = |bytes: &[u8], out: &mut Vec<u8>| out.extend(bytes.iter().flat_map(|byte| [*byte; 100]));
    let mut rig = Rig::new(1 << 16, |local| local.with_output(&writer).with_output_filter(grows));
    rig.writes(&pattern(50_000));
    let read = rig.reads(&mut reader, 5_000_000);
    assert!(read.iter().step_by(100).eq(pattern(50_000).iter()));
}

/// What happens to the other end of a connection.
type Happens = Box<dyn Fn(&mut Rig, UnixStream)>;

/// Nobody who has gone, and nothing that is full, keeps the loop busy.
#[test]
fn in_no_state_it_spins() {
    let null = || File::options().read(true).write(true).open("/dev/null").unwrap();
    let full = File::options().read(true).write(true).open("/dev/full").unwrap();
    let states: [(&str, Happens); 6] = [
        ("nobody reads", Box::new(|_, theirs| std::mem::forget(theirs))),
        ("it sends no more", Box::new(|_, theirs| theirs.shutdown(Shutdown::Write).unwrap())),
        ("it reads no more", Box::new(|_, theirs| theirs.shutdown(Shutdown::Read).unwrap())),
        (
            "it is shut both ways",
            Box::new(|_, theirs| {
                theirs.shutdown(Shutdown::Both).unwrap();
                std::mem::forget(theirs);
            }),
        ),
        ("it is gone", Box::new(|_, theirs| drop(theirs))),
        ("it is gone after sending", Box::new(|_, mut theirs| fill(&mut theirs, &pattern(5000)))),
    ];
    for (state, happens) in states {
        for policy in [Mode::Yield, Mode::Spectate] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut rig = Rig::new(1 << 20, |local| local.with_both(&ours).with_mode(policy));
            rig.writes(&pattern(1 << 19));
            happens(&mut rig, theirs);
            comes_to_rest(&mut rig, state);
            rig.writes(b"more");
            comes_to_rest(&mut rig, state);
            rig.console.disable();
            comes_to_rest(&mut rig, state);
            rig.console.enable();
            comes_to_rest(&mut rig, state);
        }
    }
    let mut rig = Rig::new(4096, |local| local.with_both(null()));
    rig.writes(b"x");
    comes_to_rest(&mut rig, "nothing in, nothing out");
    let mut rig = Rig::new(4096, |local| local.with_both(&full));
    rig.writes(b"x");
    comes_to_rest(&mut rig, "zeros in, and no room out");
    assert_eq!(rig.console.input_waiting(), 4096);
    drop(rig.attach(Mode::Exclusive));
    comes_to_rest(&mut rig, "zeros in, after a take-over");
}

/// One call for each event, as `Dispatch` says.
#[test]
fn an_edge_triggered_loop_misses_nothing() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(8 << 20, |local| local.with_both(&ours));
    let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    epoll::add(&epoll, rig.local.as_fd(), EventData::new_u64(0), EventFlags::IN | EventFlags::ET).unwrap();
    let (output, input) = (pattern(4 << 20), pattern(1 << 20));
    let mut reader = theirs.try_clone().unwrap();
    let reads = thread::spawn(move || {
        let mut all = vec![0; 4 << 20];
        reader.read_exact(&mut all).unwrap();
        all
    });
    let types = thread::spawn({
        let input = input.clone();
        move || fill(&mut theirs, &input)
    });
    rig.writes(&output);
    let mut taken = Vec::new();
    while rig.local.left() > 0 || taken.len() < input.len() {
        let mut events = Vec::with_capacity(4);
        let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
        let woken = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience));
        assert!(woken.unwrap() > 0, "left {}, taken {}", rig.local.left(), taken.len());
        rig.local.dispatch().unwrap();
        while let Some(more) = Some(rig.takes()).filter(|more| !more.is_empty()) {
            taken.extend(more);
        }
    }
    types.join().unwrap();
    assert!(reads.join().unwrap() == output && taken == input);
}

/// Two consoles on one thread: one that floods does not keep the other waiting.
#[test]
fn a_console_that_floods_lets_others_have_their_turn() {
    let null = File::create("/dev/null").unwrap();
    let mut flood = Rig::new(16 << 20, |local| local.with_output(&null));
    flood.writes(&pattern(16 << 20));
    flood.turn();
    assert!(flood.local.left() > 14 << 20, "{} bytes", flood.local.left());
    assert!(flood.is_readable(), "it asks for another turn");
}

/// Others take the console over again and again, while nobody reads what this one writes, and each types: the guest gets what its owner
/// types.
#[test]
fn a_storm_of_take_overs_beside_a_pipe_that_nobody_reads_mixes_nothing() {
    let (_reader, writer) = a_pipe();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 20, |local| local.with_input(&ours).with_output(&writer));
    rig.writes(&pattern(1 << 18));
    for round in 0..500 {
        fill(&mut theirs, b"local ");
        if round % 3 == 0 {
            rig.local.dispatch().unwrap();
        }
        let mode = [Mode::Exclusive, Mode::TakeOver, Mode::Wait][round % 3];
        let mut alice = rig.attach(mode);
        alice.write(b"alice").unwrap();
        if round % 2 == 0 {
            rig.local.dispatch().unwrap();
        }
        assert_eq!(rig.takes(), b"alice", "round {round}");
        drop(alice);
        if round % 5 == 0 {
            rig.local.dispatch().unwrap();
            assert_eq!(rig.takes(), b"", "round {round}");
        }
    }
}

/// What is closed, or of the wrong kind, is an error or an end. It is never a panic.
#[test]
fn whatever_it_is_put_on_it_answers() {
    let (_writer, scrollback) = Scrollback::new(4096).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let listener = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let epoll: OwnedFd = epoll::create(CreateFlags::CLOEXEC).unwrap();
    let directory = File::open("/").unwrap();
    let read_only = File::open("/dev/null").unwrap();
    let fds = [listener.as_fd(), eventfd.as_fd(), epoll.as_fd(), directory.as_fd(), read_only.as_fd()];
    for fd in fds {
        if let Ok(mut local) = Local::builder(&console).with_both(fd).with_raw_mode().build() {
            for _ in 0..10 {
                local.dispatch().unwrap();
            }
            let _ = local.finish(Duration::ZERO);
        }
    }
    assert!(console.sessions().is_empty());
}
