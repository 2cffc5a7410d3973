//! `OutputPolicy::Hold` at a port that is served: the owner is a client of its socket, and the server meets the deadline.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use support::pic::Pic;
use vuart::endpoint::{Mode, OutputPolicy, Policy};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::offset::*;
use vuart::wire::{Client, Event, RuntimeDir};
use vuart::{PortBuilder, RingSize, SerialPort};

struct Served {
    port: SerialPort<Pic>,
    pic: Pic,
    control: PathBuf,
    _server: ServerThread,
    _dir: tempfile::TempDir,
}

impl Served {
    fn new(deadline: Duration) -> Self {
        let pic = Pic::default();
        let mut port = PortBuilder::new().with_scrollback(RingSize::of::<{ 64 << 10 }>()).build(pic.clone());
        port.console().set_policy(Policy::default().with_output(OutputPolicy::Hold { deadline }));
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, port.console().clone()).unwrap()).unwrap();
        for (register, value) in [(FCR, 0x01), (MCR, 0x0B), (IER, 0x02)] {
            port.write_register(register, value);
        }
        Self { port, pic, control, _server: server, _dir: dir }
    }

    fn attach(&self) -> Client {
        let mut client = Client::connect(&self.control, "owner").unwrap();
        client.attach(Mode::Exclusive, Position::End).unwrap();
        client
    }

    /// Writes as a driver that sleeps until the THRE interrupt.
    fn print(&mut self, bytes: u64) {
        let mut at = 0;
        while at < bytes {
            self.pic.halt();
            while at < bytes && self.port.read_register(IIR) & 0x01 == 0 {
                for _ in 0..16 {
                    self.port.write_register(THR, (at % 251) as u8);
                    at += 1;
                }
            }
        }
    }
}

#[test]
fn every_byte_arrives_at_an_owner_that_stops_again_and_again() {
    const BYTES: u64 = 1 << 20;
    let mut served = Served::new(OutputPolicy::LONGEST_HOLD);
    let mut client = served.attach();
    let console = served.port.console().clone();
    let reader = std::thread::spawn(move || {
        let mut at = 0;
        while at < BYTES {
            // Once the socket is full, the guest waits. (At the end there is too little for that.)
            while at + (512 << 10) < BYTES && !console.output_held() {
                std::thread::yield_now();
            }
            for _ in 0..4 {
                let Event::Output { bytes, .. } = client.recv().unwrap() else { panic!("no hole") };
                for byte in &*bytes {
                    assert_eq!(*byte, (at % 251) as u8, "offset {at}");
                    at += 1;
                }
                if at >= BYTES {
                    break;
                }
            }
        }
        console.counters()
    });
    served.print(BYTES);
    let counters = reader.join().unwrap();
    assert!(counters.output_holds > 0);
    assert_eq!((counters.output_holds_missed, counters.lags), (0, 0));
}

#[test]
fn r9_the_server_releases_a_guest_that_sleeps_when_the_deadline_is_over() {
    let mut served = Served::new(Duration::from_millis(1));
    let missed = |served: &Served| {
        let status = Client::connect(&served.control, "status").unwrap().status().unwrap();
        status.counters.output_holds_missed
    };
    let _first = served.attach(); // It reads nothing.
    served.print(1 << 20);
    let by_first = missed(&served);
    assert!(by_first > 0);
    let mut second = Client::connect(&served.control, "second").unwrap();
    second.attach(Mode::TakeOver, Position::End).unwrap();
    served.print(1 << 20);
    assert!(missed(&served) > by_first);
}
