//! vm-superio's UART, with a host at the other end of its line.

use std::collections::VecDeque;
use std::convert::Infallible;

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vuart::trace::{Device, Unsupported};
use vuart::uart::spec::{Ier, Lsr, Msr};

/// Nobody is told: see [`Peer::interrupt`].
#[derive(Debug)]
struct Untold;

impl Trigger for Untold {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// `vm_superio::Serial`, as a VMM has it. What it has no means for is [`Unsupported`].
#[derive(Debug)]
pub struct Peer {
    serial: Serial<Untold, NoEvents, Vec<u8>>,
    /// What the host has sent and the device has not taken yet.
    incoming: VecDeque<u8>,
}

impl Default for Peer {
    fn default() -> Self {
        Self { serial: Serial::new(Untold, Vec::new()), incoming: VecDeque::new() }
    }
}

impl Peer {
    /// As VMMs do: as much as there is room for, and the rest when there is room again.
    fn deliver(&mut self) {
        while self.serial.fifo_capacity() > 0 && !self.incoming.is_empty() {
            let waiting = self.incoming.make_contiguous();
            match self.serial.enqueue_raw_bytes(waiting) {
                // In loopback it takes nothing.
                Ok(0) | Err(_) => return,
                Ok(taken) => drop(self.incoming.drain(..taken)),
            }
        }
    }
}

impl Device for Peer {
    fn name(&self) -> &'static str {
        "vm_superio::Serial"
    }

    fn read(&mut self, register: u8) -> u8 {
        let value = self.serial.read(register);
        self.deliver();
        value
    }

    fn write(&mut self, register: u8, value: u8) {
        // A vector takes everything, and the trigger never fails.
        let _ = self.serial.write(register, value);
        self.deliver();
    }

    fn receive(&mut self, data: u8) {
        self.incoming.push_back(data);
        self.deliver();
    }

    fn transmitted(&mut self) -> Vec<u8> {
        std::mem::take(self.serial.writer_mut())
    }

    /// It has no interrupt output: it calls its trigger once for each source that becomes pending, and a VMM makes an edge of
    /// that. What a guest can tell of an edge is whether its handler is called for a source that it has enabled and not seen
    /// in IIR yet, so that is taken for the level. The state has it, and the number of calls does not: an edge that has been
    /// delivered can't be taken back when the guest drains or disables the source. Of the readings that are possible this is
    /// the kindest: a source counts from its trigger until the guest has dealt with it, also where a VMM had lost the edge.
    fn interrupt(&self) -> bool {
        let state = self.serial.state();
        let enabled = Ier::from_bits_truncate(state.interrupt_enable);
        let pending = |bit| state.interrupt_identification & bit != 0;
        (pending(0x04) && enabled.contains(Ier::ERBFI)) || (pending(0x02) && enabled.contains(Ier::ETBEI))
    }

    fn receive_with_errors(&mut self, _data: u8, _errors: Lsr) -> Result<(), Unsupported> {
        Err(Unsupported("characters with errors"))
    }

    fn receive_break(&mut self) -> Result<(), Unsupported> {
        Err(Unsupported("breaks from the host"))
    }

    fn break_out(&self) -> Result<bool, Unsupported> {
        Err(Unsupported("breaks to the host"))
    }

    fn set_modem_inputs(&mut self, _inputs: Msr) -> Result<(), Unsupported> {
        Err(Unsupported("modem inputs"))
    }
}

/// The version that is compared: the one of the lock file.
pub fn peer_version() -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    let package = lock.split("[[package]]").find(|package| package.contains("name = \"vm-superio\"\n"));
    let version = package.and_then(|package| package.split_once("version = \"")?.1.split('"').next());
    version.unwrap_or("of an unknown version")
}
