//! Flow control (F1) with drivers that sleep until they are interrupted, while another thread types.

mod support;

use std::collections::VecDeque;

use support::pic::Pic;
use vuart::SerialPort;
use vuart::endpoint::{Attach, Console, Identity, Session};
use vuart::uart::spec::offset::*;

/// Byte `n` of the input: no period of the FIFO or of a page.
fn byte(n: usize) -> u8 {
    (n % 251).to_le_bytes()[0]
}

/// Types `count` bytes from another thread.
fn typist(console: Console, count: usize) -> std::thread::JoinHandle<Session> {
    std::thread::spawn(move || {
        let mut session = console.attach(Attach::new(Identity::new("typist", 0, None))).unwrap();
        let mut sent = 0;
        while sent < count {
            let burst: Vec<u8> = (sent..count.min(sent + 2000)).map(byte).collect();
            match session.write(&burst).unwrap() {
                0 => std::thread::yield_now(),
                taken => sent += taken,
            }
        }
        session
    })
}

/// Linux with `crtscts`: a line discipline with 4096 bytes, which throttles its driver (`n_tty_check_throttle`, `uart_throttle`) when they
/// are nearly full, and a process that reads now and then.
struct Linux {
    port: SerialPort<Pic>,
    buffer: VecDeque<u8>,
    throttled: bool,
    lost: usize,
    throttles: u64,
}

impl Linux {
    const BUFFER: usize = 4096;
    /// Room for what one interrupt may bring, and a FIFO.
    const RESERVE: usize = 256 + 16;
    const RTS: u8 = 0x02;

    fn open(mut port: SerialPort<Pic>) -> Self {
        port.write_register(FCR, 0x87);
        port.write_register(LCR, 0x13);
        port.write_register(MCR, 0x09 | Self::RTS);
        port.write_register(IER, 0x0D);
        Self { port, buffer: VecDeque::new(), throttled: false, lost: 0, throttles: 0 }
    }

    /// `serial8250_handle_irq`: at most 256 characters for each look at IIR.
    fn interrupted(&mut self) {
        while self.port.read_register(IIR) & 0x01 == 0 {
            for _ in 0..256 {
                if self.port.read_register(LSR) & 0x01 == 0 {
                    break;
                }
                let character = self.port.read_register(RBR);
                if self.buffer.len() < Self::BUFFER {
                    self.buffer.push_back(character);
                } else {
                    self.lost += 1;
                }
            }
            self.port.read_register(MSR);
            self.check_throttle();
        }
    }

    fn check_throttle(&mut self) {
        if !self.throttled && Self::BUFFER - self.buffer.len() < Self::RESERVE {
            self.port.write_register(MCR, 0x09);
            (self.throttled, self.throttles) = (true, self.throttles + 1);
        }
    }

    /// The process wakes up and reads what is there.
    fn read(&mut self, into: &mut Vec<u8>) {
        into.extend(self.buffer.drain(..));
        if std::mem::take(&mut self.throttled) {
            self.port.write_register(MCR, 0x09 | Self::RTS);
        }
    }
}

#[test]
fn f1_linux_with_crtscts_and_a_sleeping_reader_keeps_every_byte() {
    const COUNT: usize = 3_000_000;
    let pic = Pic::default();
    let port = SerialPort::new(pic.clone());
    let console = port.console().clone();
    let mut linux = Linux::open(port);
    let typist = typist(console.clone(), COUNT);
    let mut received = Vec::with_capacity(COUNT);
    while received.len() < COUNT {
        pic.halt();
        linux.interrupted();
        if linux.throttled {
            // The process sleeps on, and the driver runs for other reasons.
            for _ in 0..50 {
                linux.interrupted();
                linux.port.read_register(LSR);
            }
            assert!(linux.port.console().input_stopped());
            linux.read(&mut received);
        } else if linux.buffer.len() + received.len() == COUNT {
            linux.read(&mut received);
        }
    }
    drop(typist.join().unwrap());
    assert_eq!(linux.lost, 0, "the tty had no room");
    assert!(received.iter().enumerate().all(|(n, read)| *read == byte(n)), "in order");
    assert!(linux.throttles > 500, "{} times", linux.throttles);
    assert_eq!(console.counters().input_stops, linux.throttles);
}

/// A driver that stops its input now and then, also for the time of an interrupt, and sleeps between. Input that waits when RTS rises
/// wakes it.
#[test]
fn f1_no_wake_up_is_lost_beside_rts() {
    const COUNT: usize = 100_000;
    let pic = Pic::default();
    let mut port = SerialPort::new(pic.clone());
    let typist = typist(port.console().clone(), COUNT);
    port.write_register(FCR, 0x81);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x01);
    let (mut received, mut interrupts) = (0, 0_u32);
    while received < COUNT {
        pic.halt();
        interrupts += 1;
        if interrupts % 3 == 0 {
            port.write_register(MCR, 0x09);
        }
        while port.read_register(IIR) & 0x01 == 0 {
            while port.read_register(LSR) & 0x01 != 0 {
                assert_eq!(port.read_register(RBR), byte(received), "byte {received}");
                received += 1;
            }
        }
        if interrupts % 2 == 0 {
            port.write_register(MCR, 0x09);
        }
        if interrupts % 5 == 0 {
            port.read_register(LSR);
        }
        port.write_register(MCR, 0x0B);
    }
    drop(typist.join().unwrap());
}
