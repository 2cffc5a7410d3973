//! Announcements: the console's side interrupts the guest.

mod support;

use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};

use support::listener::Guest;
use vm_superio::Trigger;
use vuart::SerialPort;
use vuart::endpoint::{Attach, Console, ConsoleEvent, EventKind, HangUp, Identity, Mode, Policy};
use vuart::uart::spec::{Ier, Mcr, offset::*};

/// Who owns the console, and how much input waits.
type Found = (Option<String>, u64);

/// A trigger that uses the console, as one may that logs who types.
#[derive(Debug, Clone, Default)]
struct Nosy {
    console: Arc<OnceLock<Console>>,
    found: Arc<Mutex<Vec<Found>>>,
}

impl Trigger for Nosy {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        let Some(console) = self.console.get() else { return Ok(()) };
        console.set_policy(console.policy());
        let owner = console.owner().map(|owner| owner.identity.label().to_owned());
        self.found.lock().unwrap().push((owner, console.input_waiting()));
        Ok(())
    }
}

#[test]
fn a_trigger_may_use_the_console_whoever_interrupts() {
    let nosy = Nosy::default();
    let mut port = SerialPort::new(nosy.clone());
    let console = port.console().clone();
    nosy.console.set(console.clone()).unwrap();
    console.set_policy(Policy::default().with_hang_up(HangUp::OnTakeover));
    port.write_register(MCR, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
    port.write_register(IER, (Ier::ERBFI | Ier::EDSSI).bits());
    let attach = |label: &str| {
        console.attach(Attach::new(Identity::new(label, 0, None)).with_mode(Mode::TakeOver)).unwrap()
    };
    let found = || std::mem::take(&mut *nosy.found.lock().unwrap());

    let mut alice = attach("alice");
    alice.write(b"key").unwrap();
    assert_eq!(found(), [(Some("alice".to_owned()), 3)], "a thread that types");
    for _ in 0..3 {
        port.read_register(RBR);
    }
    found();
    let bob = attach("bob");
    assert_eq!(found(), [(Some("bob".to_owned()), 0)], "one that takes over, and hangs up");
    while port.read_register(IIR) & 0x01 == 0 {
        port.read_register(MSR);
    }
    found();
    console.hang_up();
    assert_eq!(found(), [(Some("bob".to_owned()), 0)], "the VMM hangs up");
    drop(bob);
}

/// An observer that does not return delays nobody's interrupt, not even that of its own thread.
#[test]
fn the_guest_is_interrupted_before_observers_are_told() {
    let mut guest = Guest::new(HangUp::OnTakeover);
    let (sender, interrupts) = mpsc::channel();
    let edges = guest.edges.clone();
    guest.port.console().observe(move |event: &ConsoleEvent| {
        if let EventKind::HangUp { .. } = event.kind {
            let _ = sender.send(edges.count());
        }
    });
    let _alice = guest.attach("alice", Mode::Exclusive);
    let _bob = guest.attach("bob", Mode::TakeOver);
    assert_eq!(interrupts.try_recv(), Ok(1));
    assert_eq!(guest.hung_up(), 1);
}
