//! The console without this crate's UART: behind a PL011 and behind a virtio-console of the VMM's own.
//!
//! `cargo run --example other_devices`. Each device has a ring's `Writer`, the console's `Doorbell`, and the guest's end of its input.
//! Sessions, servers and logs know no difference. The guide's section "Another device" has the rules.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::{hint, iter, thread};

use vuart::endpoint::{Attach, Cause, Console, Identity, Session};
use vuart::scrollback::Position;

#[path = "other_devices/line.rs"]
mod line;
#[path = "other_devices/pl011.rs"]
mod pl011;
#[path = "other_devices/virtio.rs"]
mod virtio;

use line::Line;
use pl011::{Pl011, fr, int, offset};
use virtio::{Memory, RECEIVE, TRANSMIT, VirtioConsole, Wake};

/// What is typed: more than the console's queue holds.
const TYPED: usize = 10_000;

/// Runs both devices.
///
/// # Errors
///
/// When there is no memory for a ring, or a console refuses a session.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pl011_prints_and_reads()?;
    virtio_prints_and_reads()?;
    println!("both devices have printed, and read {TYPED} bytes each");
    Ok(())
}

fn owner(console: &Console) -> Result<Session, Box<dyn Error>> {
    let identity = Identity::new("alice", 1000, None);
    Ok(console.attach(Attach::new(identity).with_replay(Position::Oldest))?)
}

fn typed(index: usize) -> u8 {
    b'a' + u8::try_from(index % 26).unwrap_or(0)
}

/// Types everything: one half at once, and the other a character at a time, each as soon as the guest has taken the last. While the guest
/// does not read, the console takes less. (A client would wait for the doorbell.)
fn types(session: &mut Session) {
    let text: Vec<u8> = (0..TYPED).map(typed).collect();
    let (paste, keys) = text.split_at(TYPED / 2);
    for piece in iter::once(paste).chain(keys.chunks(1)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let Ok(taken) = session.write(rest) else { return };
            rest = &rest[taken..];
            thread::yield_now();
        }
        while piece.len() == 1 && session.input_left() > 0 && session.end().is_none() {
            hint::spin_loop();
        }
    }
}

fn check(session: &mut Session, printed: &[u8]) {
    let mut buf = [0; 64];
    let read = session.read(&mut buf);
    assert_eq!(&buf[..read.len()], printed);
}

/// Ends what other threads do, also if the guest's loop panics.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn pl011_prints_and_reads() -> Result<(), Box<dyn Error>> {
    let line = Arc::new(Line::default());
    let (mut uart, console) = Pl011::new(Arc::clone(&line))?;
    let mut session = owner(&console)?;

    // Linux' earlycon.
    for byte in b"Linux version 6.1\n" {
        while uart.read(offset::FR) & fr::TXFF != 0 {}
        uart.write(offset::DR, u32::from(*byte));
        while uart.read(offset::FR) & fr::BUSY != 0 {}
    }
    check(&mut session, b"Linux version 6.1\n");

    // Its driver: clears what is pending, empties the receiver, enables FIFOs, lines and interrupts.
    assert_eq!([0xFE0, 0xFE4].map(|id| uart.read(id)), [0x11, 0x10]);
    uart.write(offset::ICR, 0x7FF);
    uart.write(offset::LCR_H, 0x70);
    uart.write(offset::CR, 0xF01);
    while uart.read(offset::FR) & fr::RXFE == 0 {
        uart.read(offset::DR);
    }
    uart.write(offset::IMSC, int::RX | int::RT | int::DCD);

    // The VMM hangs up. The guest sees the carrier fall, and rise again.
    assert!(console.hang_up());
    line.wait();
    assert_eq!(uart.read(offset::MIS), int::DCD);
    uart.write(offset::ICR, int::DCD);
    assert_eq!(uart.read(offset::FR) & fr::DCD, 0);
    assert_eq!(uart.read(offset::FR) & fr::DCD, fr::DCD);

    // The guest transmits with interrupts: one character, and then what the interrupt asks for.
    uart.write(offset::ICR, 0x7FF);
    uart.write(offset::IMSC, int::TX);
    for byte in b"bye\n" {
        uart.write(offset::DR, u32::from(*byte));
        line.wait();
        uart.write(offset::ICR, int::TX);
    }
    check(&mut session, b"bye\n");

    // A person types while the guest sleeps until its interrupt, again and again. A lost wake-up would end here.
    uart.write(offset::IMSC, int::RX | int::RT | int::DCD);
    thread::scope(|scope| {
        scope.spawn(|| types(&mut session));
        let _end = OnDrop(|| console.end(&Cause::VmEnded));
        let mut count = 0;
        while count < TYPED {
            line.wait();
            while uart.read(offset::MIS) & (int::RX | int::RT) != 0 {
                while uart.read(offset::FR) & fr::RXFE == 0 {
                    assert_eq!(uart.read(offset::DR), u32::from(typed(count)));
                    count += 1;
                }
            }
        }
    });
    Ok(())
}

fn virtio_prints_and_reads() -> Result<(), Box<dyn Error>> {
    let memory = Memory::default();
    let (interrupt, interrupts) = channel();
    let (device, console, notify, wakes) = VirtioConsole::new(memory.clone(), interrupt)?;
    let mut session = owner(&console)?;

    thread::scope(|scope| {
        scope.spawn(move || device.run(&wakes));
        let _end = OnDrop(|| {
            console.end(&Cause::VmEnded);
            let _ = notify.send(Wake::Stop);
        });

        // The driver makes a buffer of output available, notifies the queue, and waits until it is used.
        memory.queues()[TRANSMIT].available.push_back(b"virtio console\n".to_vec());
        notify.send(Wake::Look)?;
        while memory.queues()[TRANSMIT].used.pop_front().is_none() {
            interrupts.recv()?;
        }
        check(&mut session, b"virtio console\n");

        // It makes four buffers for input available, and each again when it has read it.
        memory.queues()[RECEIVE].available.extend([(); 4].map(|()| vec![0; 48]));
        notify.send(Wake::Look)?;
        scope.spawn(|| types(&mut session));
        let mut count = 0;
        while count < TYPED {
            let Some(mut buffer) = memory.queues()[RECEIVE].used.pop_front() else {
                interrupts.recv()?;
                continue;
            };
            for byte in &buffer {
                assert_eq!(*byte, typed(count));
                count += 1;
            }
            buffer.resize(48, 0);
            memory.queues()[RECEIVE].available.push_back(buffer);
            notify.send(Wake::Look)?;
        }
        Ok(())
    })
}
