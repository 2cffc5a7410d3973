//! Helpers that the tests of the port share: an interrupt that counts, and an owner of the console.

#![allow(dead_code, reason = "each test program uses its part of it")]

pub(crate) mod coalescing_steps;
#[cfg(feature = "kvm")]
pub(crate) mod collecting;
pub(crate) mod flow;
pub(crate) mod linux_modem;
pub(crate) mod listener;
pub(crate) mod pic;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use vm_superio::Trigger;
use vuart::SerialPort;
use vuart::endpoint::{Attach, Identity, Mode, Session};

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

impl Edges {
    /// Takes the number of edges since the last call.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, SeqCst)
    }

    /// The number of edges since the last [`take`](Self::take).
    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

pub(crate) fn port() -> (SerialPort<Edges>, Edges) {
    let edges = Edges::default();
    (SerialPort::new(edges.clone()), edges)
}

pub(crate) fn owner(port: &SerialPort<Edges>) -> Session {
    port.console().attach(Attach::new(Identity::new("test", 0, None)).with_mode(Mode::TakeOver)).unwrap()
}
