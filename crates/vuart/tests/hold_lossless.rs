//! `OutputPolicy::Hold`: a long stream arrives at a slow owner without a hole, from a guest that polls and from one that sleeps.
//!
//! The owner always lets the guest wait: it reads only when output is held, or when the guest has written everything.
//! `VUART_HOLD_BYTES=104857600 cargo test -p vuart --test hold_lossless` writes 100 MiB.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use support::pic::Pic;
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Console, Identity, Mode, OutputPolicy, Policy};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, RingSize, SerialPort};

const RING: usize = 16 << 10;

fn bytes() -> u64 {
    std::env::var("VUART_HOLD_BYTES").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(512 << 10)
}

/// The byte at an offset: no period that divides the size of a ring.
fn byte(offset: u64) -> u8 {
    (offset % 251) as u8
}

fn port<T: Trigger + Send + Sync + 'static>(trigger: T) -> SerialPort<T> {
    let port = PortBuilder::new().with_scrollback(RingSize::of::<RING>()).build(trigger);
    let output = OutputPolicy::Hold { deadline: OutputPolicy::LONGEST_HOLD };
    port.console().set_policy(Policy::default().with_output(output));
    port
}

/// An owner that reads on another thread, and spectators that read nothing.
fn owner(console: &Console, written: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let watch = || Attach::new(Identity::new("watcher", 0, None)).with_mode(Mode::Spectate);
    let watchers = [console.attach(watch()).unwrap(), console.attach(watch()).unwrap()];
    let mut session = console.attach(Attach::new(Identity::new("owner", 0, None))).unwrap();
    let (console, written) = (console.clone(), Arc::clone(written));
    thread::spawn(move || {
        let mut at = 0;
        let mut buf = [0; 3000];
        let mut most = 1;
        while at < bytes() {
            while !console.output_held() && !written.load(SeqCst) {
                thread::yield_now();
            }
            // Between 1 and the whole buffer, so that some reads end a hold, and of others it takes many.
            most = (most * 7 + 13) % buf.len() + 1;
            let read = session.read(&mut buf[..most]);
            assert_eq!((read.start, read.missed), (at, 0), "a hole");
            for read in &buf[..read.len()] {
                assert_eq!(*read, byte(at), "offset {at}");
                at += 1;
            }
        }
        let counters = console.counters();
        assert!(counters.output_holds > bytes() / RING as u64);
        assert_eq!((counters.output_holds_missed, counters.output_unheeded), (0, 0));
        drop(watchers);
    })
}

#[test]
fn to_a_slow_owner_from_a_guest_that_polls() {
    let mut port = port(Pic::default());
    let written = Arc::default();
    let owner = owner(port.console(), &written);
    let mut at = 0;
    while at < bytes() {
        // As firmware does: without a limit.
        while port.read_register(LSR) & 0x60 != 0x60 {
            thread::yield_now();
        }
        for _ in 0..16.min(bytes() - at) {
            port.write_register(THR, byte(at));
            at += 1;
        }
    }
    written.store(true, SeqCst);
    owner.join().unwrap();
}

#[test]
fn to_a_slow_owner_from_a_guest_that_sleeps_until_the_thre_interrupt() {
    let pic = Pic::default();
    let mut port = port(pic.clone());
    let written = Arc::default();
    let owner = owner(port.console(), &written);
    port.write_register(FCR, 0x01);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x02);
    let mut at = 0;
    let mut interrupts = 0u32;
    while at < bytes() {
        pic.halt();
        interrupts = interrupts.wrapping_add(1);
        // Drivers differ in what they read first, and whether they look at LSR.
        while port.read_register(IIR) & 0x01 == 0 {
            if interrupts.is_multiple_of(2) {
                port.read_register(LSR);
            }
            for _ in 0..16.min(bytes() - at) {
                port.write_register(THR, byte(at));
                at += 1;
            }
            if at == bytes() {
                break;
            }
        }
        if interrupts.is_multiple_of(3) {
            // The kernel's own message, with the interrupt off.
            port.write_register(IER, 0x00);
            port.write_register(IER, 0x02);
        }
    }
    written.store(true, SeqCst);
    owner.join().unwrap();
}
