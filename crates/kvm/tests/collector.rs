//! The collector with kernels that hold much, or that never end.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use vuart_kvm::{Change, Collector, Kernel, Output, Policy, Ticker, collector};

/// A kernel with so many entries, which adds what it is told to.
#[derive(Debug)]
struct Fake {
    capacity: usize,
    collected: Mutex<Vec<u8>>,
    /// Other vCPUs add as fast as this one takes.
    endless: bool,
}

impl Kernel for &'static Fake {
    fn register(&self) -> io::Result<()> {
        Ok(())
    }

    fn unregister(&self) -> io::Result<()> {
        Ok(())
    }

    fn take(&self, bytes: &mut [u8]) -> usize {
        if self.endless {
            bytes.fill(b'.');
            return bytes.len();
        }
        let mut collected = self.collected.lock().unwrap();
        let count = collected.len().min(bytes.len());
        for (byte, taken) in bytes.iter_mut().zip(collected.drain(..count)) {
            *byte = taken;
        }
        count
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Registers at the first access.
#[derive(Debug, Default)]
struct Once(AtomicBool);

impl Policy for Once {
    fn accessed(&mut self, _written: usize, _defers: bool) -> Option<Change> {
        (!self.0.swap(true, SeqCst)).then_some(Change::Register)
    }

    fn ticked(&mut self, _written: usize) -> Option<Change> {
        None
    }

    fn failed(&mut self, _change: Change) {}
}

#[derive(Default)]
struct Device(Vec<u8>);

impl Output for Device {
    fn output(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn defers(&self) -> bool {
        true
    }
}

fn registered(capacity: usize, endless: bool) -> (&'static Fake, Collector<Once>, Ticker) {
    let kernel: &'static Fake = Box::leak(Box::new(Fake { capacity, collected: Mutex::default(), endless }));
    let (mut collector, mut ticker) = collector(Box::new(kernel), Once::default()).unwrap();
    ticker.dispatch(|| None).unwrap();
    collector.leave(&mut Device::default(), 0);
    (kernel, collector, ticker)
}

/// As on a kernel with pages of 64 KiB.
#[test]
fn a_large_page_is_drained_as_a_whole() {
    let (kernel, mut collector, _ticker) = registered(2730, false);
    let sent: Vec<u8> = (0..2729usize).map(|n| n.to_le_bytes()[0]).collect();
    kernel.collected.lock().unwrap().clone_from(&sent);
    let mut device = Device::default();
    assert_eq!(collector.enter(&mut device), 2729);
    assert_eq!(device.0, sent);
}

#[test]
fn other_vcpus_that_write_do_not_keep_one_in_its_drain() {
    for capacity in [1, 170, 256, 257, 2730] {
        let (_kernel, mut collector, _ticker) = registered(capacity, true);
        assert_eq!(collector.enter(&mut Device::default()), capacity);
    }
}

#[test]
fn the_end_drains_too() {
    let (kernel, mut collector, _ticker) = registered(170, false);
    kernel.collected.lock().unwrap().extend(b"the last words");
    let mut device = Device::default();
    collector.finish(&mut device);
    assert_eq!(device.0, b"the last words");
}
