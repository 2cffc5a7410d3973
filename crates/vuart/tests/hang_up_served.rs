//! Hang-ups of a port that is served: clients come to its sockets, and its guest hears of it.

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::{Edges, port};
use vuart::SerialPort;
use vuart::endpoint::{Cause, EventKind, HangUp, Mode, Policy};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::{Ier, Mcr, Msr, offset::*};
use vuart::wire::{Client, DetachRequest, Event, Request, RuntimeDir};

/// A time after which a hang is a failure. Nothing is measured with it.
const HANG: Duration = Duration::from_secs(60);

struct Served {
    port: SerialPort<Edges>,
    edges: Edges,
    control: PathBuf,
    _server: ServerThread,
    _dir: tempfile::TempDir,
}

impl Served {
    fn new(policy: Policy) -> Self {
        let (mut port, edges) = port();
        port.console().set_policy(policy);
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, port.console().clone()).unwrap()).unwrap();
        port.write_register(MCR, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
        port.write_register(IER, Ier::EDSSI.bits());
        edges.take();
        Self { port, edges, control, _server: server, _dir: dir }
    }

    fn attach(&self, label: &str, mode: Mode) -> Client {
        let mut client = Client::connect(&self.control, label).unwrap();
        client.attach(mode, Position::End).unwrap();
        client
    }

    /// Runs the guest's handler, if it was interrupted. Returns the number of hang-ups.
    fn hung_up(&mut self) -> usize {
        let mut hung_up = 0;
        if self.edges.take() > 0 {
            while self.port.read_register(IIR) & 0x01 == 0 {
                let status = Msr::from_bits_retain(self.port.read_register(MSR));
                hung_up += usize::from(status.contains(Msr::DDCD) && !status.contains(Msr::DCD));
            }
        }
        hung_up
    }

    /// Waits until the guest has been hung up on.
    fn hears(&mut self) {
        let deadline = Instant::now() + HANG;
        while self.hung_up() == 0 {
            assert!(Instant::now() < deadline, "nobody has hung up");
            std::thread::yield_now();
        }
    }
}

fn leave(mut client: Client) {
    client.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert_eq!(ended(&mut client), Cause::Detached);
}

fn ended(client: &mut Client) -> Cause {
    loop {
        match client.recv().unwrap() {
            Event::Ended(end) => return end.cause,
            Event::Output { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn e16_e18_the_same_person_is_not_hung_up_on_and_another_is() {
    // Longer than the test.
    let mut served = Served::new(Policy::default().with_hang_up(HangUp::OnDetach { grace: 10 * HANG }));
    leave(served.attach("alice", Mode::Exclusive));
    let alice = served.attach("alice", Mode::Exclusive);
    assert_eq!(served.hung_up(), 0, "she is back");
    let mut again = served.attach("alice", Mode::TakeOver);
    drop(alice);
    assert_eq!(served.hung_up(), 0, "from another terminal");

    let _bob = served.attach("bob", Mode::TakeOver);
    assert_eq!(served.hung_up(), 1);
    assert!(matches!(ended(&mut again), Cause::Evicted { .. }));
}

#[test]
fn e16_the_server_hangs_up_when_the_time_of_grace_is_over() {
    let mut served =
        Served::new(Policy::default().with_hang_up(HangUp::OnDetach { grace: Duration::from_millis(1) }));
    leave(served.attach("alice", Mode::Exclusive));
    // No client is there, and nothing else happens.
    served.hears();
    assert_eq!(served.port.console().counters().hang_ups, 1);
}

#[test]
fn e3_an_owner_is_detached_by_time_and_by_the_guest() {
    let served = Served::new(Policy::default().with_idle(Duration::from_millis(1)));
    let mut alice = served.attach("alice", Mode::Exclusive);
    assert_eq!(ended(&mut alice), Cause::Idle);

    let mut served = Served::new(Policy::default().with_detach_on_dtr());
    let mut alice = served.attach("alice", Mode::Exclusive);
    let mut watcher = served.attach("bob", Mode::Spectate);
    served.port.write_register(MCR, Mcr::OUT2.bits());
    assert_eq!(ended(&mut alice), Cause::GuestHungUp);
    // The evicted owner goes on watching.
    served.port.write_register(THR, b'x');
    assert!(matches!(watcher.recv().unwrap(), Event::Output { bytes, .. } if bytes == b"x"));
}

#[test]
fn the_console_knows_the_guests_lines_at_once_without_a_client() {
    let mut served = Served::new(Policy::default());
    // A server that answers has begun to serve.
    drop(Client::connect(&served.control, "first").unwrap());
    let (sender, events) = std::sync::mpsc::channel();
    served.port.console().observe(move |event| drop(sender.send(event.kind.clone())));
    served.port.write_register(LCR, 0x40);
    assert_eq!(events.recv_timeout(HANG).unwrap(), EventKind::GuestBreak { count: 1 });
    served.port.write_register(MCR, Mcr::OUT2.bits());
    assert_eq!(events.recv_timeout(HANG).unwrap(), EventKind::GuestHungUp);
}
