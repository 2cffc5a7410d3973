//! A port as a VMM embeds it, and the test as its guest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use vm_superio::Trigger;
use vuart::endpoint::{Attach, Identity, Mode, Session};
use vuart::scrollback::Position;
use vuart::{PortBuilder, PortState, RingSize, SerialPort};

/// LSR: a character can be read.
pub(crate) const DR: u8 = 0x01;
/// LSR: a character was lost.
pub(crate) const OE: u8 = 0x02;
/// LSR: the transmitter is empty.
pub(crate) const IDLE: u8 = 0x60;
/// MCR: loopback.
pub(crate) const LOOP: u8 = 0x10;
/// LCR: the divisor latch.
pub(crate) const DLAB: u8 = 0x80;

/// An interrupt that counts its edges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges(Arc<AtomicUsize>);

impl Trigger for Edges {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        self.0.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// A guest at its port.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) port: SerialPort<Edges>,
    edges: Edges,
}

impl Guest {
    /// At a port after reset.
    pub(crate) fn new() -> Self {
        Self::built(SerialPort::new)
    }

    /// At a port whose ring has this size.
    pub(crate) fn with_ring(bytes: usize) -> Self {
        Self::built(|edges| PortBuilder::new().with_scrollback(RingSize::new(bytes).unwrap()).build(edges))
    }

    /// At a port that goes on from a state.
    pub(crate) fn restored(state: &PortState) -> Self {
        Self::built(|edges| PortBuilder::restore(state).build(edges).unwrap())
    }

    /// At this port.
    pub(crate) fn built(port: impl FnOnce(Edges) -> SerialPort<Edges>) -> Self {
        let edges = Edges::default();
        Self { port: port(edges.clone()), edges }
    }

    /// Reads a register, as a VMM passes it on.
    pub(crate) fn read(&mut self, register: u8) -> u8 {
        let mut byte = [0xA5];
        self.port.read(register.into(), &mut byte);
        byte[0]
    }

    /// Writes a register.
    pub(crate) fn write(&mut self, register: u8, value: u8) {
        self.port.write(register.into(), &[value]);
    }

    /// Reads this many characters, and asks LSR for none of them.
    pub(crate) fn reads(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.read(0)).collect()
    }

    /// Reads as long as LSR shows a character.
    pub(crate) fn drains(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        while self.read(5) & DR != 0 {
            read.push(self.read(0));
        }
        read
    }

    /// The edges of the interrupt since the last call.
    pub(crate) fn edges(&self) -> usize {
        self.edges.0.swap(0, SeqCst)
    }

    /// What the guest has written and the ring still has.
    pub(crate) fn output(&self) -> Vec<u8> {
        output(&mut self.watch(Position::Oldest))
    }

    /// A session that owns the console, and takes it over if need be.
    pub(crate) fn owner(&self) -> Session {
        self.attach(Attach::new(Identity::new("owner", 0, None)).with_mode(Mode::TakeOver))
    }

    /// A session that watches from a place on.
    pub(crate) fn watch(&self, from: Position) -> Session {
        self.attach(
            Attach::new(Identity::new("watcher", 0, None)).with_mode(Mode::Spectate).with_replay(from),
        )
    }

    fn attach(&self, request: Attach) -> Session {
        self.port.console().attach(request).unwrap()
    }
}

/// What a session can read at this moment.
pub(crate) fn output(session: &mut Session) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        let count = session.read(&mut buf).len();
        if count == 0 {
            return all;
        }
        all.extend(&buf[..count]);
    }
}
