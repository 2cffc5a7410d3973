//! A port that is dropped ends its console, in whatever way it goes.

mod support;

use std::panic;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use support::{Edges, owner, port};
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Cause, Console, Identity, Session};
use vuart::uart::spec::offset::*;
use vuart::{MmioPort, PortBuilder, SerialPort, SharedMmioPort, SharedPort};

/// A port with an owner, and output that nobody has read.
fn owned() -> (SerialPort<Edges>, Console, Session) {
    let (mut port, _) = port();
    let (console, owner) = (port.console().clone(), owner(&port));
    port.write_string(THR.into(), b"last words");
    (port, console, owner)
}

/// The console has ended because its port was dropped, and the output is there.
fn assert_dropped(console: &Console, mut owner: Session) {
    assert_eq!(owner.end().unwrap().cause, Cause::PortDropped);
    assert_eq!(console.ended().unwrap().cause, Cause::PortDropped);
    assert_eq!(owner.write(b"more").unwrap_err().cause, Cause::PortDropped);
    let mut text = [0; 64];
    let read = owner.read(&mut text);
    assert_eq!(&text[..read.len()], b"last words");
    assert!(console.attach(Attach::new(Identity::new("late", 0, None))).is_err());
}

#[test]
fn f7_a_dropped_port_ends_its_console() {
    let (port, console, owner) = owned();
    assert!(owner.end().is_none());
    drop(port);
    assert_dropped(&console, owner);

    let (port, console, owner) = owned();
    drop(MmioPort::new(port, 2));
    assert_dropped(&console, owner);
}

#[test]
fn f7_a_shared_port_ends_its_console_with_its_last_handle() {
    let (port, console, owner) = owned();
    let port = SharedPort::new(port);
    let vcpu = port.clone();
    drop(port);
    assert!(owner.end().is_none());
    thread::spawn(move || drop(vcpu)).join().unwrap();
    assert_dropped(&console, owner);

    let (port, console, owner) = owned();
    drop(SharedMmioPort::new(MmioPort::new(port, 2)));
    assert_dropped(&console, owner);
}

#[test]
fn f7_a_port_whose_place_another_takes_ends_its_console_and_the_other_goes_on() {
    let (port, console, old_owner) = owned();
    let shared = SharedPort::new(port);
    let next = shared.with(|port| {
        *port = PortBuilder::restore(&port.state()).build(Edges::default()).unwrap();
        owner(port)
    });
    assert_dropped(&console, old_owner);
    assert!(next.end().is_none());
}

#[test]
fn f7_a_panic_on_a_vcpus_thread_ends_the_console() {
    let (mut port, console, owner) = owned();
    let vcpu = thread::spawn(move || {
        port.write_register(SCR, 1);
        panic::resume_unwind(Box::new("a device of the VMM panics"));
    });
    vcpu.join().unwrap_err();
    assert_dropped(&console, owner);
}

/// Drops what it is given when it is called: the last thing that a VMM should do in a trigger.
#[derive(Default, Clone)]
struct Drops(Arc<Mutex<Option<Box<dyn Send>>>>);

impl Drops {
    fn give(&self, port: impl Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(port));
    }
}

impl Trigger for Drops {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        let given = self.0.lock().unwrap().take();
        drop(given);
        Ok(())
    }
}

#[test]
fn f7_a_port_may_be_dropped_in_its_own_trigger() {
    // The thread that types calls it, in the midst of its use of the console.
    let drops = Drops::default();
    let mut port = SerialPort::new(drops.clone());
    port.write_register(IER, 0x01);
    let console = port.console().clone();
    let mut owner = console.attach(Attach::new(Identity::new("test", 0, None))).unwrap();
    drops.give(port);
    assert_eq!(owner.write(b"a"), Ok(1), "it was taken before");
    assert_eq!(owner.end().unwrap().cause, Cause::PortDropped);
}

#[test]
fn f7_the_drop_calls_no_observer_and_the_next_look_does() {
    // An observer that panics would otherwise end the process where a panic drops the port.
    let (port, console, owner) = owned();
    let (sender, told) = mpsc::channel();
    console.observe(move |_| {
        let _ = sender.send(thread::current().id());
    });
    thread::spawn(move || drop(port)).join().unwrap();
    assert!(told.try_recv().is_err());
    assert_dropped(&console, owner);
    assert_eq!(told.recv().unwrap(), thread::current().id());
}

#[test]
fn f7_an_end_that_says_why_wins() {
    for cause in [Cause::VmEnded, Cause::Migrating, Cause::ShutDown] {
        let (port, console, owner) = owned();
        port.console().end(&cause);
        let state = port.state();
        drop(port);
        assert_eq!(owner.end().unwrap().cause, cause);
        assert_eq!(console.ended().unwrap().cause, cause);
        // The port that goes on has a console of its own.
        let next = PortBuilder::restore(&state).build(Edges::default()).unwrap();
        assert!(next.console().ended().is_none());
    }
}

#[test]
fn a_hang_up_after_the_port_was_dropped_interrupts_nobody() {
    let (mut port, edges) = port();
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x08);
    let console = port.console().clone();
    let _owner = owner(&port);
    edges.take();
    drop(port);
    assert!(!console.hang_up());
    assert_eq!(edges.take(), 0);
}
