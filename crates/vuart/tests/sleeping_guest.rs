//! A guest that sleeps until it is interrupted, and an owner that types from another thread: no interrupt is ever lost.
//!
//! The interrupt is a latch: an edge sets it, and the guest sleeps until it is set. A lost edge is a test that fails.

mod support;

use support::pic::Pic;
use vuart::SerialPort;
use vuart::endpoint::{Attach, Identity};
use vuart::uart::spec::offset::{FCR, IER, IIR, LCR, LSR, MCR, RBR, THR};

/// Does what a driver does between interrupts, chosen so that input meets every window: nothing; a console write with interrupts off; a
/// visit to loopback; a reconfiguration.
fn meanwhile(port: &mut SerialPort<Pic>, what: u32) {
    match what % 5 {
        0 => {}
        1 => {
            port.write_register(IER, 0);
            port.write_register(THR, b'p');
            port.write_register(IER, 0x01);
        }
        2 => {
            port.write_register(MCR, 0x1B);
            port.write_register(MCR, 0x0B);
        }
        3 => {
            port.write_register(MCR, 0x03); // OUT2 off and on
            port.write_register(MCR, 0x0B);
        }
        _ => {
            port.write_register(LCR, 0x83);
            port.write_register(LCR, 0x03);
        }
    }
}

#[test]
fn every_byte_arrives() {
    const COUNT: usize = 300_000;
    let pic = Pic::default();
    let mut port = SerialPort::new(pic.clone());
    let console = port.console().clone();
    let typist = std::thread::spawn(move || {
        let mut session = console.attach(Attach::new(Identity::new("typist", 0, None))).unwrap();
        let mut sent = 0;
        while sent < COUNT {
            // Bursts of 1 to 40, so that the receiver is sometimes empty and sometimes behind.
            let burst = (sent * 7 % 40 + 1).min(COUNT - sent);
            let bytes: Vec<u8> = (sent..sent + burst).map(|n| n.to_le_bytes()[0]).collect();
            let taken = session.write(&bytes).unwrap();
            sent += taken;
            if taken == 0 || sent % 3 == 0 {
                std::thread::yield_now();
            }
        }
        session
    });

    port.write_register(FCR, 0x87);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x01);
    let mut received = 0;
    let mut interrupts = 0u32;
    while received < COUNT {
        pic.halt();
        interrupts += 1;
        while port.read_register(IIR) & 1 == 0 {
            while port.read_register(LSR) & 1 != 0 {
                assert_eq!(port.read_register(RBR), received.to_le_bytes()[0], "byte {received}");
                received += 1;
            }
        }
        meanwhile(&mut port, interrupts);
    }
    drop(typist.join().unwrap());
}
