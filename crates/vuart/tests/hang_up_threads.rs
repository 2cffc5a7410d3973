//! Hang-ups while another thread runs the guest. `hang_up.rs` has the single cases.

mod support;

use std::sync::mpsc;
use std::time::Duration;

use support::Edges;
use support::linux_modem::{LISTENS, Linux};
use support::pic::Pic;
use vuart::SerialPort;
use vuart::endpoint::{Attach, Identity, Mode};
use vuart::uart::spec::offset::*;

/// The guest sleeps, or does something else for a moment, while another thread hangs up and types. The test waits for each hang-up, so one
/// that is lost, or swallowed by another source's interrupt, is a hang.
#[test]
fn e18_a_guest_that_sleeps_is_hung_up_on_each_time() {
    const COUNT: usize = 20_000;
    let pic = Pic::default();
    let mut linux = Linux::open(SerialPort::new(pic.clone()), LISTENS);
    let (console, (guest, host_hears)) = (linux.port.console().clone(), mpsc::channel());
    let host = std::thread::spawn(move || {
        let attach = Attach::new(Identity::new("host", 0, None));
        let mut session = console.attach(attach).unwrap();
        for count in 1..=COUNT {
            if count % 3 == 0 {
                session.write(b"k").unwrap();
            }
            console.hang_up();
            if count % 5 == 0 {
                session.write(b"k").unwrap();
            }
            assert_eq!(host_hears.recv_timeout(Duration::from_secs(20)), Ok(count));
        }
    });
    let mut interrupts = 0_usize;
    while linux.hang_ups < COUNT {
        pic.halt();
        interrupts += 1;
        let before = linux.hang_ups;
        linux.interrupted();
        // `modem_status` may see a drop as well. Activity 5 does nothing.
        linux.meanwhile(interrupts.to_le_bytes()[0] % 6);
        for count in before + 1..=linux.hang_ups {
            guest.send(count).unwrap();
        }
    }
    host.join().unwrap();
    assert_eq!(linux.hang_ups, COUNT, "and no request hung up twice");
}

/// No thread waits for another, and the cost of a storm of take-overs is bounded by its size.
#[test]
fn e18_a_storm_of_take_overs_is_bounded() {
    const EACH: usize = 5_000;
    let edges = Edges::default();
    let mut linux = Linux::open(SerialPort::new(edges.clone()), LISTENS);
    edges.take();
    let takers: Vec<_> = (0..3)
        .map(|who| {
            let console = linux.port.console().clone();
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    let identity = Identity::new(&format!("client {who}"), 0, None);
                    drop(console.attach(Attach::new(identity).with_mode(Mode::TakeOver)).unwrap());
                    assert!(console.hang_up());
                }
            })
        })
        .collect();
    let mut interrupts = 0;
    while !takers.iter().all(std::thread::JoinHandle::is_finished) {
        interrupts += edges.take();
        linux.interrupted();
    }
    for taker in takers {
        taker.join().unwrap();
    }
    linux.interrupted();
    interrupts += edges.take();
    assert!((1..=3 * EACH).contains(&linux.hang_ups), "{}", linux.hang_ups);
    // If the next drop comes before the guest has read MSR again, the guest sees the two drops alone.
    assert!((1..=linux.hang_ups).contains(&linux.carriers), "{}", linux.carriers);
    assert_eq!(linux.port.read_register(MSR), 0xB0, "the last word is the carrier");
    assert!(interrupts <= 2 * 3 * EACH, "{interrupts} interrupts");
}
