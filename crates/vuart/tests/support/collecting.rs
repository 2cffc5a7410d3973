//! A port whose output a stand-in for KVM collects.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use vuart::coalescing::Coalescing;
use vuart::dispatch::Dispatch as _;
use vuart::endpoint::Console;
use vuart::kvm::Kernel;
use vuart::uart::spec::offset::THR;
use vuart::{CoalescedPort, SerialPort, Ticks};

use super::{Edges, port};

const RING: usize = 169;

/// The kernel's zone at THR, and its page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<Zone>>);

#[derive(Debug, Default)]
pub(crate) struct Zone {
    pub(crate) registered: bool,
    ring: VecDeque<u8>,
    pub(crate) registrations: usize,
    pub(crate) refuses: bool,
}

impl Fake {
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Zone) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.with(|zone| zone.registered)
    }

    /// Returns whether the write was collected. Otherwise it is an exit.
    pub(crate) fn collects(&self, byte: u8) -> bool {
        self.with(|zone| {
            let room = zone.registered && zone.ring.len() < RING;
            if room {
                zone.ring.push_back(byte);
            }
            room
        })
    }

    fn set(&self, registered: bool) -> io::Result<()> {
        self.with(|zone| {
            if zone.refuses {
                return Err(io::ErrorKind::Other.into());
            }
            zone.registered = registered;
            zone.registrations += usize::from(registered);
            Ok(())
        })
    }
}

impl Kernel for Fake {
    fn register(&self) -> io::Result<()> {
        self.set(true)
    }

    fn unregister(&self) -> io::Result<()> {
        self.set(false)
    }

    fn take(&self, bytes: &mut [u8]) -> usize {
        self.with(|zone| {
            let count = zone.ring.len().min(bytes.len());
            for (byte, taken) in bytes.iter_mut().zip(zone.ring.drain(..count)) {
                *byte = taken;
            }
            count
        })
    }

    fn capacity(&self) -> usize {
        RING + 1
    }
}

/// A machine whose kernel collects.
pub(crate) struct Machine {
    pub(crate) kernel: Fake,
    pub(crate) com1: CoalescedPort<Edges>,
    pub(crate) ticks: Ticks<SerialPort<Edges>>,
    pub(crate) edges: Edges,
    pub(crate) console: Console,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let (port, edges) = port();
        Self::of(port, edges)
    }

    /// One with this port, which interrupts by these edges.
    pub(crate) fn of(port: SerialPort<Edges>, edges: Edges) -> Self {
        let (console, com1, kernel) = (port.console().clone(), CoalescedPort::new(port), Fake::default());
        let mut ticks = com1.coalesce_with(kernel.clone()).unwrap();
        ticks.dispatch().unwrap();
        Self { kernel, com1, ticks, edges, console }
    }

    /// One whose zone is registered. It has written [`Coalescing::RUN`] dots.
    pub(crate) fn collecting() -> Self {
        let it = Self::new();
        (0..Coalescing::RUN).for_each(|_| it.write(THR, b'.'));
        assert!(it.kernel.is_registered());
        it
    }

    pub(crate) fn write(&self, register: u8, value: u8) {
        if register != THR || !self.kernel.collects(value) {
            self.com1.write_register(register, value);
        }
    }

    pub(crate) fn print(&self, text: &str) {
        text.bytes().for_each(|byte| self.write(THR, byte));
    }

    /// What the guest has written after the dots, as far as the console has it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(output(&self.console).split_off(Coalescing::RUN)).unwrap()
    }
}

pub(crate) fn output(console: &Console) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    let read = console.scrollback().read_at(0, &mut bytes);
    bytes.truncate(read.len());
    bytes
}
