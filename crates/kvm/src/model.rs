//! The collector and its ticker under `loom`: `RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-kvm model`.
//!
//! The kernel is a stand-in that does as `virt/kvm/coalesced_mmio.c`: it appends under a lock of its own and publishes with a barrier; the
//! other side takes without that lock.
//!
//! Each of these was made by hand, and found by the model in brackets: the removal's end stored with Relaxed, or loaded after the drain, no
//! drain after a vCPU's own removal (`an_access_after_the_removal_drains_all`); a zone registered while a removal is under way, or left to
//! the ticker when writes become visible (`a_visible_write_is_an_exit`); no further tick when the lock is taken (both).

use std::io;
use std::sync::Arc;

use vuart_explore::{Mutex, explore_within, thread};

use super::*;
use crate::sync::{AtomicU8, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

const SLOTS: u32 = 4;

/// The kernel's zone and page.
#[derive(Debug)]
struct Fake {
    registered: Mutex<bool>,
    slots: [AtomicU8; SLOTS as usize],
    first: AtomicU32,
    last: AtomicU32,
    /// The timer runs: it was armed with the registration, or by the ticker, and has not expired since.
    armed: Mutex<bool>,
}

/// A clone for the guest.
#[derive(Debug, Clone)]
struct Handle(Arc<Fake>);

impl Handle {
    fn new() -> Self {
        let slots = [0; SLOTS as usize].map(AtomicU8::new);
        let (first, last, armed) = (AtomicU32::new(0), AtomicU32::new(0), Mutex::new(false));
        Self(Arc::new(Fake { registered: Mutex::new(false), slots, first, last, armed }))
    }

    /// The guest writes. Returns whether that was collected. Otherwise it is an exit.
    fn collects(&self, byte: u8) -> bool {
        let registered = self.0.registered.lock().unwrap();
        let last = self.0.last.load(Relaxed);
        let next = (last + 1) % SLOTS;
        if !*registered || next == self.0.first.load(Acquire) {
            return false;
        }
        self.0.slots[last as usize].store(byte, Relaxed);
        self.0.last.store(next, Release);
        true
    }

    fn set(&self, registered: bool) {
        *self.0.registered.lock().unwrap() = registered;
    }
}

impl Kernel for Handle {
    fn register(&self) -> io::Result<()> {
        self.set(true);
        *self.0.armed.lock().unwrap() = true;
        Ok(())
    }

    fn unregister(&self) -> io::Result<()> {
        self.set(false);
        Ok(())
    }

    fn take(&self, bytes: &mut [u8]) -> usize {
        let last = self.0.last.load(Acquire);
        let mut first = self.0.first.load(Relaxed);
        let mut taken = 0;
        while first != last && taken < bytes.len() {
            bytes[taken] = self.0.slots[first as usize].load(Relaxed);
            first = (first + 1) % SLOTS;
            taken += 1;
        }
        self.0.first.store(first, Release);
        taken
    }

    fn capacity(&self) -> usize {
        SLOTS as usize
    }
}

/// Registers at each access that defers, so many times, and unregisters at the first silent tick.
#[derive(Debug)]
struct Eager {
    registered: bool,
    registrations: u8,
}

impl Policy for Eager {
    fn accessed(&mut self, _written: usize, defers: bool) -> Option<Change> {
        let change = match (self.registered, defers) {
            (false, true) if self.registrations > 0 => {
                self.registrations -= 1;
                Change::Register
            }
            (true, false) => Change::Unregister,
            _ => return None,
        };
        self.registered = defers;
        Some(change)
    }

    fn ticked(&mut self, written: usize) -> Option<Change> {
        (written == 0 && std::mem::take(&mut self.registered)).then_some(Change::Unregister)
    }

    fn failed(&mut self, _change: Change) {
        unreachable!("this kernel refuses nothing");
    }
}

#[derive(Debug)]
struct Device {
    received: Vec<u8>,
    defers: bool,
}

impl Output for Device {
    fn output(&mut self, bytes: &[u8]) {
        assert!(self.defers, "it came too late, after the guest's next access");
        self.received.extend_from_slice(bytes);
    }

    fn defers(&self) -> bool {
        self.defers
    }
}

type Locked = Arc<Mutex<(Collector<Eager>, Device)>>;

/// One vCPU's view of the machine.
#[derive(Clone)]
struct Vcpu {
    kernel: Handle,
    device: Locked,
}

impl Vcpu {
    /// Returns whether the write was an exit.
    fn write(&self, byte: u8) -> bool {
        if self.kernel.collects(byte) {
            return false;
        }
        let (collector, device) = &mut *self.device.lock().unwrap();
        let drained = collector.enter(device);
        device.received.push(byte);
        collector.leave(device, drained + 1);
        true
    }

    fn set_deferring(&self, defers: bool) {
        let (collector, device) = &mut *self.device.lock().unwrap();
        let drained = collector.enter(device);
        device.defers = defers;
        collector.leave(device, drained);
    }
}

/// A machine whose zone is registered, and will be `more` times.
fn machine(more: u8) -> (Vcpu, Ticker) {
    let kernel = Handle::new();
    let (collector, mut ticker) =
        collector(Box::new(kernel.clone()), Eager { registered: false, registrations: 1 + more }).unwrap();
    ticker.dispatch(|| None).unwrap();
    let device = Device { received: Vec::new(), defers: true };
    let vcpu = Vcpu { kernel, device: Arc::new(Mutex::new((collector, device))) };
    vcpu.set_deferring(true);
    (vcpu, ticker)
}

/// A tick, if the timer runs. It is armed again if that is wanted.
fn tick(ticker: &Ticker, vcpu: &Vcpu) {
    if !std::mem::take(&mut *vcpu.kernel.0.armed.lock().unwrap()) {
        return;
    }
    let wanted = ticker.tick(|| {
        let (collector, device) = &mut *vcpu.device.try_lock().ok()?;
        Some(collector.tick(device))
    });
    if wanted {
        *vcpu.kernel.0.armed.lock().unwrap() = true;
    }
}

/// The timer goes on until it rests. Then everything is there, and the zone is not. Returns what the device has received.
fn settle(vcpu: &Vcpu, ticker: &Ticker) -> Vec<u8> {
    let registered = *vcpu.kernel.0.registered.lock().unwrap();
    if let Some(believed) = vcpu.device.lock().unwrap().0.is_registered() {
        assert_eq!(believed, registered, "the collector is wrong about the zone");
    }
    for _ in 0..8 {
        tick(ticker, vcpu);
    }
    assert!(!*vcpu.kernel.0.armed.lock().unwrap(), "the timer does not stop");
    assert!(!*vcpu.kernel.0.registered.lock().unwrap(), "a zone without a timer");
    assert_eq!(vcpu.kernel.take(&mut [0]), 0, "a byte stays behind");
    vcpu.device.lock().unwrap().1.received.clone()
}

/// A guest says its last words while the ticker removes the zone.
#[test]
fn no_byte_stays_behind() {
    explore_within(5, 200, || {
        let (vcpu, ticker) = machine(1);
        let guest = thread::spawn({
            let vcpu = vcpu.clone();
            move || {
                vcpu.write(1);
                vcpu.write(2);
            }
        });
        for _ in 0..3 {
            tick(&ticker, &vcpu);
        }
        guest.join().unwrap();
        assert_eq!(settle(&vcpu, &ticker), [1, 2]);
    });
}

/// A vCPU looks at the device just when the ticker has removed the zone, into which another has written.
#[test]
fn an_access_after_the_removal_drains_all() {
    explore_within(None, 1000, || {
        let (vcpu, ticker) = machine(0);
        let [writer, other] = [vcpu.clone(), vcpu.clone()];
        let writer = thread::spawn(move || writer.write(1));
        let other = thread::spawn(move || other.set_deferring(true));
        for _ in 0..2 {
            tick(&ticker, &vcpu);
        }
        writer.join().unwrap();
        other.join().unwrap();
        assert_eq!(settle(&vcpu, &ticker), [1]);
    });
}

/// The guest makes its writes visible, and hides them again, while the ticker removes the zone.
#[test]
fn a_visible_write_is_an_exit() {
    explore_within(3, 1000, || {
        let (vcpu, ticker) = machine(1);
        let guest = thread::spawn({
            let vcpu = vcpu.clone();
            move || {
                vcpu.write(1);
                vcpu.set_deferring(false);
                assert!(vcpu.write(2), "it was collected");
                vcpu.set_deferring(true);
                vcpu.write(3);
            }
        });
        for _ in 0..3 {
            tick(&ticker, &vcpu);
        }
        guest.join().unwrap();
        assert_eq!(settle(&vcpu, &ticker), [1, 2, 3]);
    });
}

/// Two vCPUs, one of which looks at the device, while the ticker removes the zone.
#[test]
fn each_vcpus_bytes_come_in_order() {
    explore_within(3, 1000, || {
        let (vcpu, ticker) = machine(1);
        let guests = [[1, 2], [3, 4]].map(|[first, second]| {
            let vcpu = vcpu.clone();
            thread::spawn(move || {
                vcpu.write(first);
                vcpu.set_deferring(true);
                vcpu.write(second);
            })
        });
        for _ in 0..2 {
            tick(&ticker, &vcpu);
        }
        for guest in guests {
            guest.join().unwrap();
        }
        let received = settle(&vcpu, &ticker);
        let by =
            |numbers: [u8; 2]| received.iter().copied().filter(|n| numbers.contains(n)).collect::<Vec<u8>>();
        assert_eq!((by([1, 2]), by([3, 4]), received.len()), (vec![1, 2], vec![3, 4], 4));
    });
}

/// The loop's side goes away while the guest writes.
#[test]
fn a_ticker_that_goes_leaves_nothing() {
    explore_within(None, 200, || {
        let (vcpu, ticker) = machine(1);
        let guest = thread::spawn({
            let vcpu = vcpu.clone();
            move || {
                vcpu.write(1);
                vcpu.write(2);
            }
        });
        let with = |f: fn(&mut Collector<Eager>, &mut Device) -> Ticked| {
            let (collector, device) = &mut *vcpu.device.lock().unwrap();
            f(collector, device)
        };
        let left = with(Collector::close);
        if ticker.finish(left) {
            let _ = with(Collector::tick);
        }
        guest.join().unwrap();
        assert_eq!(vcpu.kernel.take(&mut [0]), 0, "a byte stays behind");
        assert_eq!(vcpu.device.lock().unwrap().1.received, [1, 2]);
    });
}
