//! `OutputPolicy::Hold` with threads: a guest that sleeps until the THRE interrupt is woken at the end of each hold, however it ends. A lost
//! interrupt is a guest that waits for ever.

mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use vuart::endpoint::{Attach, Console, Identity, Mode, OutputPolicy, Policy, Session};
use vuart::scrollback::Position;
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, RingSize, SerialPort, Trigger};

const RING: usize = 4096;
/// What each guest writes.
const COUNT: usize = if cfg!(debug_assertions) { 200_000 } else { 2_000_000 };

/// An interrupt that a thread sleeps until.
#[derive(Debug, Clone, Default)]
struct Irq(Arc<(Mutex<bool>, Condvar)>);

impl Trigger for Irq {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_one();
        Ok(())
    }
}

impl Irq {
    /// The limit only guards against hanging.
    fn wait(&self, written: usize) {
        let pending = self.0.0.lock().unwrap();
        let minute = Duration::from_secs(60);
        let (mut pending, waited) =
            self.0.1.wait_timeout_while(pending, minute, |pending| !*pending).unwrap();
        assert!(!waited.timed_out(), "an interrupt was lost after {written} bytes");
        *pending = false;
    }
}

/// A driver's interrupt handler. It writes no more than so many bytes, and returns how many.
type Handler = fn(&mut SerialPort<Irq>, usize) -> usize;

/// Linux' and the BSDs': IIR says why, LSR whether there is room, and a FIFO is filled.
fn fills_the_fifo(port: &mut SerialPort<Irq>, most: usize) -> usize {
    let mut written = 0;
    while port.read_register(IIR) & 0x0F == 0x02 {
        if port.read_register(LSR) & 0x20 != 0 && written < most {
            let fifo = 16.min(most - written);
            (0..fifo).for_each(|_| port.write_register(THR, b'x'));
            written += fifo;
        }
    }
    written
}

/// xv6': LSR alone, and one byte.
fn looks_at_lsr(port: &mut SerialPort<Irq>, most: usize) -> usize {
    if most == 0 || port.read_register(LSR) & 0x20 == 0 {
        return 0;
    }
    port.write_register(THR, b'x');
    1
}

/// Prints by this handler, as a guest that sleeps between its interrupts.
fn print(port: &mut SerialPort<Irq>, irq: &Irq, handler: Handler) {
    port.write_register(FCR, 0x01);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x02);
    let mut written = 0;
    while written < COUNT {
        irq.wait(written);
        written += handler(port, COUNT - written);
    }
}

/// A guest prints while `others` do what ends holds, until it has.
fn run(handler: Handler, deadline: Duration, others: impl Fn(&Console, &AtomicBool) + Sync) -> Console {
    let irq = Irq::default();
    let mut port = PortBuilder::new().with_scrollback(RingSize::of::<RING>()).build(irq.clone());
    let console = port.console().clone();
    console.set_policy(hold(deadline));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| others(&console, &done));
        let printed =
            thread::Builder::new().spawn_scoped(scope, || print(&mut port, &irq, handler)).unwrap().join();
        done.store(true, SeqCst);
        others.join().unwrap();
        printed.unwrap();
    });
    console
}

fn hold(deadline: Duration) -> Policy {
    Policy::default().with_output(OutputPolicy::Hold { deadline })
}

fn take_over(console: &Console, replay: Position) -> Session {
    let request = Attach::new(Identity::new("test", 0, None)).with_mode(Mode::TakeOver).with_replay(replay);
    console.attach(request).unwrap()
}

const HANDLERS: [Handler; 2] = [fills_the_fifo, looks_at_lsr];

#[test]
fn r3_r9_a_guest_that_sleeps_is_woken_by_an_owner_that_reads() {
    for handler in HANDLERS {
        let console = run(handler, OutputPolicy::LONGEST_HOLD, |console, done| {
            let mut session = take_over(console, Position::Oldest);
            let (mut buf, mut sizes) = ([0; 3000], (1..3000).step_by(37).cycle());
            while !done.load(SeqCst) {
                let read = session.read(&mut buf[..sizes.next().unwrap()]);
                assert_eq!(read.missed, 0);
            }
        });
        assert_eq!((console.counters().output_holds_missed, console.counters().output_unheeded), (0, 0));
    }
}

#[test]
fn r3_r9_a_guest_that_sleeps_is_woken_by_owners_that_come_and_go() {
    for handler in HANDLERS {
        run(handler, OutputPolicy::LONGEST_HOLD, |console, done| {
            while !done.load(SeqCst) {
                // Far behind, so that a hold begins with the next byte, and ends as soon as the owner is gone: in the same access now and
                // then.
                drop(take_over(console, Position::Oldest));
                let mut session = take_over(console, Position::Newest(4000));
                let _ = session.read(&mut [0; 1000]);
                let _replaces_it = take_over(console, Position::Oldest);
                console.set_policy(Policy::default());
                console.set_policy(hold(OutputPolicy::LONGEST_HOLD));
            }
        });
    }
}

#[test]
fn r3_r9_a_guest_that_sleeps_is_woken_at_the_deadline() {
    for handler in HANDLERS {
        run(handler, Duration::from_nanos(1), |console, done| {
            let mut session = take_over(console, Position::Oldest);
            while !done.load(SeqCst) {
                let _ = console.service(Instant::now());
                // It catches up, so that the next hold may begin.
                let _ = session.read(&mut [0; RING]);
            }
        });
    }
}
