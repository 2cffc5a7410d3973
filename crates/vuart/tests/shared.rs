//! A port that several vCPUs access.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;
use std::{fs, thread};

use vm_superio::Trigger;
use vuart::uart::spec::{Ier, offset};
use vuart::{MmioPort, PortBuilder, SerialPort, SharedMmioPort, SharedPort};

struct Polled;

impl Trigger for Polled {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        Ok(())
    }
}

const VCPUS: u8 = 4;
/// The writes of a vCPU that has the port to itself for a while.
const ROW: usize = 200;

/// The high bits name the vCPU, the others count.
fn byte(vcpu: u8, n: usize) -> u8 {
    vcpu << 6 | u8::try_from(n % 64).expect("six bits")
}

#[test]
fn each_vcpus_bytes_are_in_the_ring_once_and_in_order() {
    const ROUNDS: usize = 100;
    const EACH: usize = ROUNDS / 2 * (ROW + 1);
    let port = SharedPort::new(SerialPort::new(Polled));
    let start = Arc::new(Barrier::new(usize::from(VCPUS)));
    let vcpus: Vec<_> = (0..VCPUS)
        .map(|vcpu| {
            let (port, start) = (port.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let mut written = 0;
                for round in 0..ROUNDS {
                    for _ in 0..if (round + usize::from(vcpu)).is_multiple_of(2) { ROW } else { 1 } {
                        port.write(offset::THR.into(), &[byte(vcpu, written)]);
                        written += 1;
                    }
                    // So that others come in between.
                    thread::yield_now();
                }
                written
            })
        })
        .collect();
    for vcpu in vcpus {
        assert_eq!(vcpu.join().expect("a vCPU"), EACH);
    }

    let scrollback = port.with(|port| port.console().scrollback().clone());
    let all = EACH * usize::from(VCPUS);
    let mut output = vec![0; all + 1];
    let read = scrollback.read_at(0, &mut output);
    assert_eq!((read.len(), read.missed, scrollback.end()), (all, 0, all as u64));
    for vcpu in 0..VCPUS {
        let bytes: Vec<u8> = output[..all].iter().copied().filter(|byte| byte >> 6 == vcpu).collect();
        let expected: Vec<u8> = (0..EACH).map(|n| byte(vcpu, n)).collect();
        assert!(bytes == expected, "vCPU {vcpu}: {} bytes of {EACH}, or in another order", bytes.len());
    }
}

/// A trigger that takes as long as the test wants.
struct Slow {
    armed: Arc<AtomicBool>,
    begun: mpsc::SyncSender<()>,
    end: Mutex<mpsc::Receiver<()>>,
}

impl Trigger for Slow {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        if self.armed.load(SeqCst) {
            self.begun.send(()).expect("a test");
            self.end.lock().expect("no panic").recv().expect("a test");
        }
        Ok(())
    }
}

/// Whether `/proc` says that a thread sleeps.
fn sleeps(task: &str) -> bool {
    let status = fs::read_to_string(format!("{task}/status")).expect("the thread's status");
    status.lines().any(|line| line.starts_with("State:") && line.contains("(sleeping)"))
}

#[test]
fn a_vcpu_that_waits_for_another_sleeps_and_is_woken() {
    let slow = Arc::new(AtomicBool::new(false));
    let (begun, has_begun) = mpsc::sync_channel(1);
    let (end, ends) = mpsc::channel();
    let trigger = Slow { armed: Arc::clone(&slow), begun, end: ends.into() };
    let port = SharedPort::new(SerialPort::new(trigger));

    let first = thread::spawn({
        let (port, slow) = (port.clone(), Arc::clone(&slow));
        move || {
            for _ in 0..ROW {
                port.read_register(offset::LSR);
            }
            slow.store(true, SeqCst);
            port.write_register(offset::IER, Ier::ETBEI.bits());
            slow.store(false, SeqCst);
            port.write_register(offset::THR, b'1');
        }
    });
    has_begun.recv().expect("an interrupt");
    let (name, named) = mpsc::channel();
    let second = thread::spawn({
        let port = port.clone();
        move || {
            let task = fs::read_link("/proc/thread-self").expect("the thread's directory");
            name.send(format!("/proc/{}", task.display())).expect("a test");
            port.write_register(offset::SCR, 0x5A);
        }
    });
    let task = named.recv().expect("a thread");
    while !sleeps(&task) {
        thread::yield_now();
    }
    assert!(!second.is_finished());
    end.send(()).expect("an interrupt");
    second.join().expect("the second");
    first.join().expect("the first");
    assert_eq!(port.read_register(offset::SCR), 0x5A);
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or(panic.downcast_ref::<String>().map(String::as_str))
        .expect("a text")
}

/// Runs it on a thread of its own, so that a deadlock fails the test instead of hanging it.
fn panics(access: impl FnOnce() + Send + 'static) -> String {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(access));
        done.send(message(&*result.expect_err("a panic")).to_owned()).expect("a test");
    });
    let said = result.recv_timeout(Duration::from_secs(60)).expect("no deadlock");
    thread.join().expect("the thread has caught the panic");
    said
}

const INSIDE_ALREADY: &str = "do not access the port from its own `Trigger`, nor from within `Shared::with`";

/// A trigger that accesses a port itself, once it has a handle of one: at its next interrupt.
#[derive(Clone, Default)]
struct Reentrant(Arc<Mutex<Option<SharedPort<Reentrant>>>>);

impl Reentrant {
    fn port(&self) -> SharedPort<Reentrant> {
        SharedPort::new(SerialPort::new(self.clone()))
    }

    fn access_at_the_next_interrupt(&self, port: &SharedPort<Reentrant>) {
        *self.0.lock().expect("no panic") = Some(port.clone());
    }
}

impl Trigger for Reentrant {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        let port = self.0.lock().expect("no panic").take();
        if let Some(port) = port {
            port.read_register(offset::IIR);
        }
        Ok(())
    }
}

#[test]
fn a_trigger_that_accesses_its_own_port_panics_and_the_port_goes_on() {
    let trigger = Reentrant::default();
    let port = trigger.port();
    trigger.access_at_the_next_interrupt(&port);
    let said = panics({
        let port = port.clone();
        move || port.write_register(offset::IER, Ier::ETBEI.bits())
    });
    assert!(said.contains(INSIDE_ALREADY), "{said}");

    // The panic has neither poisoned the port nor left the thread marked as inside.
    port.write_register(offset::SCR, 0x5A);
    assert_eq!(port.read_register(offset::SCR), 0x5A);
}

#[test]
fn an_access_within_with_by_another_handle_panics_and_the_port_goes_on() {
    let port = SharedPort::new(SerialPort::new(Polled));
    let said = panics({
        let port = port.clone();
        move || port.with(|_| port.write(offset::SCR.into(), &[1]))
    });
    assert!(said.contains(INSIDE_ALREADY), "{said}");
    port.write_register(offset::SCR, 0x5A);
    assert_eq!(port.read_register(offset::SCR), 0x5A);
}

#[test]
fn each_way_to_write_output_wakes_an_armed_sleeper() {
    let port = SharedPort::new(SerialPort::new(Polled));
    let mmio = SharedMmioPort::new(MmioPort::new(SerialPort::new(Polled), 2));
    let mut sleeper = port.with(|port| port.console().doorbell().sleeper()).expect("a place");
    let mut mmio_sleeper = mmio.with(|mmio| mmio.port().console().doorbell().sleeper()).expect("a place");
    let thr = u64::from(offset::THR);
    let ways: [(&str, &dyn Fn()); 6] = [
        ("write", &|| port.write(thr, b"a")),
        ("a wide write", &|| port.write(thr, b"a\0")),
        ("write_string", &|| port.write_string(thr, b"abc")),
        ("write_register", &|| port.write_register(offset::THR, b'a')),
        ("write within with", &|| port.with(|port| port.write(thr, b"a"))),
        ("a write with the THRE interrupt", &|| {
            port.write_register(offset::IER, Ier::ETBEI.bits());
            port.write_register(offset::THR, b'a');
        }),
    ];
    for (way, write) in ways {
        sleeper.arm_at_once();
        write();
        assert!(sleeper.acknowledge(), "{way}");
    }
    mmio_sleeper.arm_at_once();
    mmio.write(0, &[b'a', 0, 0, 0]);
    assert!(mmio_sleeper.acknowledge());

    sleeper.arm_at_once();
    port.read_register(offset::LSR);
    port.write_register(offset::SCR, 1);
    assert!(!sleeper.acknowledge(), "there is no output");
}

/// What is pushed before the panic is told of.
#[test]
fn an_access_that_panics_wakes_an_armed_sleeper_for_its_output() {
    let trigger = Reentrant::default();
    let port = trigger.port();
    let mut sleeper = port.with(|port| port.console().doorbell().sleeper()).expect("a place");
    port.write_register(offset::IER, Ier::ETBEI.bits());
    // A driver that has looked is given another edge for its next character.
    port.read_register(offset::IIR);
    trigger.access_at_the_next_interrupt(&port);
    sleeper.arm_at_once();
    panics({
        let port = port.clone();
        move || port.write_register(offset::THR, b'a')
    });
    assert!(sleeper.acknowledge());
    assert_eq!(port.with(|port| port.console().scrollback().end()), 1);
}

/// One port's interrupt may lead to an access of another port.
#[test]
fn a_thread_may_be_inside_two_ports() {
    let trigger = Reentrant::default();
    let (port, other) = (trigger.port(), Reentrant::default().port());
    trigger.access_at_the_next_interrupt(&other);
    port.write_register(offset::IER, Ier::ETBEI.bits());
    other.with(|_| port.write_register(offset::SCR, 0x5A));
    assert_eq!(port.read_register(offset::SCR), 0x5A);
}

#[cfg(feature = "vm-device")]
#[test]
fn it_is_a_device_of_either_bus() {
    use vm_device::DevicePio;
    use vm_device::bus::{MmioAddress, MmioRange, PioAddress, PioRange};
    use vm_device::device_manager::{IoManager, MmioManager, PioManager};

    let port = SharedPort::new(SerialPort::new(Polled));
    let mmio = MmioPort::new(SerialPort::new(Polled), 2);
    let len = mmio.len();
    let mmio = SharedMmioPort::new(mmio);
    let (at, base) = (PioAddress(0x3F8), MmioAddress(0x1000));
    let mut io = IoManager::new();
    io.register_pio(PioRange::new(at, 8).expect("a range"), Arc::new(port.clone())).expect("room");
    io.register_mmio(MmioRange::new(base, len).expect("a range"), Arc::new(mmio.clone())).expect("room");
    io.pio_write(at, b"a").expect("a device");
    io.mmio_write(base, &[b'b', 0, 0, 0]).expect("a device");
    let mut lsr = [[0; 4]; 2];
    io.pio_read(PioAddress(at.0 + 5), &mut lsr[0][..1]).expect("a device");
    io.mmio_read(MmioAddress(base.0 + (5 << 2)), &mut lsr[1]).expect("a device");
    assert_eq!(lsr, [[0x60, 0, 0, 0]; 2]);
    port.pio_write(at, 0, b"c");
    assert_eq!(port.with(|port| port.console().scrollback().end()), 2);
    assert_eq!(mmio.with(|mmio| mmio.port().console().scrollback().end()), 1);
}

/// A VMM that restores a snapshot in place, or resets its guest, puts another port into the shared one.
#[test]
fn a_port_that_takes_anothers_place_wakes_the_readers_of_its_own_console() {
    let shared = SharedPort::new(SerialPort::new(Polled));
    let restored = PortBuilder::restore(&shared.with(|port| port.state())).build(Polled).expect("a port");
    let console = restored.console().clone();
    shared.with(|port| *port = restored);
    let mut sleeper = console.doorbell().sleeper().expect("a sleeper");
    sleeper.arm_at_once();
    shared.write(0, b"x");
    assert!(sleeper.acknowledge());

    let shared = SharedMmioPort::new(MmioPort::new(SerialPort::new(Polled), 2));
    let another = SerialPort::new(Polled);
    let console = another.console().clone();
    shared.with(|mmio| *mmio.port_mut() = another);
    let mut sleeper = console.doorbell().sleeper().expect("a sleeper");
    sleeper.arm_at_once();
    shared.write(0, b"x");
    assert!(sleeper.acknowledge());
}
