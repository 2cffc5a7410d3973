//! What a VMM may give to a port as its interrupt, and what a failing one does.

mod support;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use support::{Edges, port};
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Identity, Session};
use vuart::interrupt::{BoxedCallback, Callback};
use vuart::level::LevelLine;
use vuart::uart::spec::{Ier, offset::*};
use vuart::{EventFd, IrqFd, PortBuilder, PortState, SerialPort};

/// Makes the line rise: the THRE interrupt of an idle transmitter.
fn raise<T: Trigger>(port: &mut SerialPort<T>) {
    port.write_register(IER, Ier::ETBEI.bits());
}

#[test]
fn a_closure_an_eventfd_and_a_trigger_are_interrupts() {
    let calls = Arc::new(AtomicUsize::new(0));
    let call = {
        let calls = Arc::clone(&calls);
        move || _ = calls.fetch_add(1, SeqCst)
    };
    raise(&mut SerialPort::new(call.clone()));
    let fallible = call.clone();
    raise(&mut SerialPort::new(move || {
        fallible();
        io::Result::Ok(())
    }));
    raise(&mut PortBuilder::new().build(call.clone()));
    let mut boxed: SerialPort<BoxedCallback> = SerialPort::new(Callback::boxed(move || {
        call();
        Ok(())
    }));
    raise(&mut boxed);
    assert_eq!(calls.load(SeqCst), 4);

    let mut eventfd: SerialPort<IrqFd> = SerialPort::new(EventFd::new(0).unwrap());
    raise(&mut eventfd);
    assert_eq!(eventfd.trigger().0.read().unwrap(), 1);

    let edges = Edges::default();
    let mut trigger: SerialPort<Edges> = SerialPort::new(edges.clone());
    raise(&mut trigger);
    assert_eq!(edges.take(), 1);
}

/// A VMM that is generic in its interrupt needs no more bounds than the port has.
#[test]
fn a_generic_function_makes_a_port() {
    fn of_trigger<T: Trigger + Send + Sync + 'static>(trigger: T) -> SerialPort<T> {
        SerialPort::new(trigger)
    }
    fn of_closure<F: Fn() + Send + Sync + 'static>(call: F) -> SerialPort<Callback<F>> {
        SerialPort::new(call)
    }
    let edges = Edges::default();
    raise(&mut of_trigger(edges.clone()));
    assert_eq!(edges.take(), 1);
    let mut port = of_closure(|| ());
    raise(&mut port);
    assert_eq!(port.counters().interrupts, 1);
}

#[test]
fn a_restored_port_interrupts_by_a_closure() {
    let (mut port, _) = port();
    raise(&mut port);
    let state: PortState = port.state();
    let (called, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let call = Arc::clone(&called);
    drop(PortBuilder::restore(&state).build(move || call.store(true, SeqCst)).unwrap());
    assert!(called.load(SeqCst));

    let (output, _) = vuart::scrollback::RingOptions::default().create().unwrap();
    let call = Arc::clone(&seen);
    drop(PortBuilder::restore(&state).with_writer(output).build(move || call.store(true, SeqCst)).unwrap());
    assert!(seen.load(SeqCst));
}

#[test]
fn a_trigger_is_given_back() {
    let (port, edges) = port();
    port.trigger().trigger().unwrap();
    assert_eq!(edges.take(), 1);
    assert_eq!(port.counters().interrupts, 0, "it was not the port");
}

/// Counts what is logged. (A real one may block.)
struct Log(AtomicUsize);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn flush(&self) {}
}

static LOG: Log = Log(AtomicUsize::new(0));

#[test]
fn s6_s7_a_failing_trigger_is_counted_and_never_logged() {
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let mut port = SerialPort::new(|| Err("no controller"));
    for byte in 0..100 {
        raise(&mut port);
        assert_eq!(port.read_register(IIR), 0x02, "the guest goes on");
        port.write_register(THR, byte);
        port.write_register(IER, 0);
    }
    let counters = port.counters();
    assert!(counters.interrupts >= 100);
    assert_eq!(counters.interrupts_failed, counters.interrupts);
    assert_eq!(port.console().scrollback().end(), 100);
    assert_eq!(LOG.0.load(Relaxed), 0);
}

#[test]
fn a_controller_is_told_of_each_rise_and_each_fall() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let line = LevelLine::new({
        let told = Arc::clone(&told);
        move |high| told.lock().unwrap().push(high)
    });
    let mut port = SerialPort::new(line.clone());
    let level = port.interrupt_level();
    line.settle(&level).unwrap();
    assert!(told.lock().unwrap().is_empty(), "it was low");
    raise(&mut port);
    line.settle(&level).unwrap();
    assert_eq!(*told.lock().unwrap(), [true]);
    port.write_register(IER, 0);
    line.settle(&level).unwrap();
    line.settle(&level).unwrap();
    assert_eq!(*told.lock().unwrap(), [true, false], "it fell once");
}

/// A person types after the port has seen that its line is low, and before the controller has heard of it: the controller is told of the
/// rise first, and then of the older fall.
#[test]
fn f6_input_that_comes_while_the_line_falls_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let person: Arc<Mutex<Option<Session>>> = Arc::default();
    let line = LevelLine::new({
        let (told, person) = (Arc::clone(&told), Arc::clone(&person));
        move |high: bool| {
            let typing = if high { None } else { person.lock().unwrap().take() };
            if let Some(mut owner) = typing {
                assert_eq!(owner.write(b"x").unwrap(), 1);
                *person.lock().unwrap() = Some(owner);
            }
            told.lock().unwrap().push(high);
        }
    });
    let mut port = SerialPort::new(line.clone());
    let level = port.interrupt_level();
    port.write_register(MCR, 0x0B);
    port.write_register(IER, Ier::ERBFI.bits());
    let mut owner = port.console().attach(Attach::new(Identity::this_process())).unwrap();
    assert_eq!(owner.write(b"x").unwrap(), 1);
    *person.lock().unwrap() = Some(owner);

    assert_eq!(port.read_register(RBR), b'x');
    line.settle(&level).unwrap();
    assert_eq!(*told.lock().unwrap(), [true, true, false, true]);
    assert!(level.is_high());
    drop(person.lock().unwrap().take());
}

/// A thread types while the guest reads what has come. Whenever the guest finds the input of its controller low, it sleeps, and it must be
/// woken: after the last character, too.
#[test]
fn f6_a_controller_that_is_told_of_falls_loses_no_interrupt() {
    const COUNT: usize = 20_000;
    struct Input {
        high: Mutex<bool>,
        rises: std::sync::Condvar,
    }
    let input = Arc::new(Input { high: Mutex::new(false), rises: std::sync::Condvar::new() });
    let line = LevelLine::new({
        let input = Arc::clone(&input);
        move |high| {
            *input.high.lock().unwrap() = high;
            input.rises.notify_all();
        }
    });
    let edges = line.clone();
    let mut port = SerialPort::new(edges);
    let level = port.interrupt_level();
    port.write_register(MCR, 0x0B);
    port.write_register(FCR, 0x01);
    port.write_register(IER, Ier::ERBFI.bits());
    line.settle(&level).unwrap();

    let console = port.console().clone();
    let person = thread::spawn(move || {
        let mut owner = console.attach(Attach::new(Identity::this_process())).unwrap();
        let mut typed = 0;
        while typed < COUNT {
            typed += owner.write(b"x").unwrap();
        }
        owner
    });
    let mut read = 0;
    while read < COUNT {
        // The guest sleeps until its input is high. A lost interrupt is a test that hangs, so it waits a minute at the most.
        let high = input.high.lock().unwrap();
        let minute = std::time::Duration::from_secs(60);
        let (high, waited) = input.rises.wait_timeout_while(high, minute, |high| !*high).unwrap();
        assert!(!waited.timed_out(), "an interrupt was lost after {read} characters");
        drop(high);
        while port.read_register(LSR) & 1 != 0 {
            assert_eq!(port.read_register(RBR), b'x');
            read += 1;
        }
        port.read_register(IIR);
        line.settle(&level).unwrap();
    }
    drop(person.join().unwrap());
    line.settle(&level).unwrap();
    assert!(!*input.high.lock().unwrap(), "nothing waits");
}
