//! Starting, stopping and ending a machine.

mod common;

use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{PROMPT, Rig, is_readable, on_each_engine, port};
use vm_device::MutDevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vmm_sys_util::signal::{SIGRTMIN, block_signal};
use vuart::endpoint::{Attach, Identity};
use vuart::server::Claim;
use vuart::wire::RuntimeDir;
use vuart_vmm::{Engine, Error, Exit, Machine, Plain, ServedMachine, UartTest, choose};

/// A guard against hanging.
const HANG: Duration = Duration::from_secs(60);

#[test]
fn stop_wakes_a_guest_that_is_halted() {
    on_each_engine(|engine| {
        let rig = Rig::boot_to_prompt(engine);
        assert!(!is_readable(rig.machine().ended()));
        rig.machine().stop();
        rig.machine().stop();
        assert_eq!(rig.join().unwrap(), Exit::Stopped);
    });
}

#[test]
fn stop_ends_a_guest_that_is_busy() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"print 65535\r");
        rig.wait_for(b"line 00001: ");
        rig.machine().stop();
        assert_eq!(rig.join().unwrap(), Exit::Stopped);
    });
}

#[test]
fn stop_before_the_guest_has_run_is_not_lost() {
    on_each_engine(|engine| {
        for _ in 0..20 {
            let (com1, irq) = port();
            let machine = Machine::start(engine, com1, irq).unwrap();
            machine.stop();
            assert_eq!(machine.join().unwrap(), Exit::Stopped);
        }
    });
}

#[test]
fn stop_works_when_the_parent_thread_has_blocked_the_signal() {
    on_each_engine(|engine| {
        // A VMM that reads its signals from a signalfd does this.
        let vmm = thread::spawn(move || {
            block_signal(SIGRTMIN()).unwrap();
            let rig = Rig::boot_to_prompt(engine);
            rig.machine().stop();
            rig.join().unwrap()
        });
        assert_eq!(vmm.join().unwrap(), Exit::Stopped);
    });
}

#[test]
fn stop_after_the_end_changes_nothing() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"halt\r");
        rig.wait_ended();
        rig.machine().stop();
        assert!(is_readable(rig.machine().ended()));
        assert_eq!(rig.join().unwrap(), Exit::Halted);
    });
}

#[test]
fn dropping_a_machine_stops_it() {
    on_each_engine(|engine| {
        let (com1, irq) = port();
        let machine = Machine::start(engine, com1.clone(), irq).unwrap();
        let ended = machine.ended().try_clone_to_owned().unwrap();
        drop(machine);
        assert!(is_readable(ended.as_fd()));
        assert_eq!(Arc::strong_count(&com1), 1, "the guest still has the port");
    });
}

#[test]
fn a_port_outlives_its_machine() {
    on_each_engine(|engine| {
        // Like a reboot: the second driver finds the registers as the first has left them.
        let (com1, irq) = port();
        for _ in 0..2 {
            let mut rig = Rig::boot_with(engine, &com1, com1.clone(), irq.try_clone().unwrap());
            rig.wait_for(PROMPT);
            assert_eq!(rig.command("echo once more"), "once more\r\n");
            rig.type_in(b"halt\r");
            assert_eq!(rig.join().unwrap(), Exit::Halted);
        }
    });
}

#[test]
fn two_machines_do_not_affect_each_other() {
    on_each_engine(|engine| {
        let mut first = Rig::boot_to_prompt(engine);
        let mut second = Rig::boot_to_prompt(engine);
        assert_eq!(first.command("echo 1"), "1\r\n");
        assert_eq!(second.command("echo 2"), "2\r\n");
        first.machine().stop();
        assert_eq!(first.join().unwrap(), Exit::Stopped);
        assert_eq!(second.command("echo 2"), "2\r\n");
    });
}

/// A device whose reads return the function's value, and whose writes have no effect.
struct Wrong(fn(PioAddressOffset) -> u8);

impl MutDevicePio for Wrong {
    fn pio_read(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        data.fill((self.0)(offset));
    }

    fn pio_write(&mut self, _base: PioAddress, _offset: PioAddressOffset, _data: &[u8]) {}
}

#[test]
fn a_guest_without_a_uart_reports_it() {
    on_each_engine(|engine| {
        for read in [|_| 0xff, |_| 0, |offset: PioAddressOffset| offset.to_le_bytes()[0]] {
            let irq = EventFd::new(EFD_NONBLOCK).unwrap();
            let machine = Machine::start(engine, Arc::new(Plain(Mutex::new(Wrong(read)))), irq).unwrap();
            let error = machine.join().unwrap_err();
            assert!(matches!(error, Error::NoUart(UartTest::InterruptEnable)), "{error}");
        }
    });
}

/// A device that returns what was written. The third test finds that it is not a UART.
#[derive(Default)]
struct Memory([u8; 8]);

impl MutDevicePio for Memory {
    fn pio_read(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        data.fill(self.0[usize::from(offset)]);
    }

    fn pio_write(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        self.0[usize::from(offset)] = data[0];
    }
}

#[test]
fn the_error_names_the_test_that_failed() {
    on_each_engine(|engine| {
        let irq = EventFd::new(EFD_NONBLOCK).unwrap();
        let machine = Machine::start(engine, Arc::new(Plain(Mutex::new(Memory::default()))), irq).unwrap();
        let error = machine.join().unwrap_err();
        assert!(matches!(error, Error::NoUart(UartTest::Loopback)), "{error}");
        assert!(error.to_string().contains("no 16550A at COM1"), "{error}");
    });
}

/// A device that panics.
struct Panics;

impl MutDevicePio for Panics {
    fn pio_read(&mut self, _base: PioAddress, _offset: PioAddressOffset, _data: &mut [u8]) {
        panic!("on purpose");
    }

    fn pio_write(&mut self, _base: PioAddress, _offset: PioAddressOffset, _data: &[u8]) {}
}

#[test]
fn a_panic_of_the_device_ends_the_machine_with_an_error() {
    on_each_engine(|engine| {
        let irq = EventFd::new(EFD_NONBLOCK).unwrap();
        let machine = Machine::start(engine, Arc::new(Plain(Mutex::new(Panics))), irq).unwrap();
        let ended = machine.ended().try_clone_to_owned().unwrap();
        assert!(matches!(machine.join(), Err(Error::DevicePanicked)));
        assert!(is_readable(ended.as_fd()));
    });
}

#[test]
fn a_machine_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Machine>();
}

#[test]
fn the_software_engine_is_always_available() {
    let choice = choose(Some(Engine::Software)).unwrap();
    assert_eq!(choice.engine, Engine::Software);
}

#[test]
fn the_choice_has_a_reason() {
    let choice = choose(None).unwrap();
    match choose(Some(Engine::Kvm)) {
        Ok(asked) => assert_eq!((choice.engine, asked.engine), (Engine::Kvm, Engine::Kvm)),
        Err(error) => {
            assert_eq!(choice.engine, Engine::Software);
            assert_eq!(choice.why, error.to_string());
        }
    }
    assert!(!choice.why.is_empty());
}

/// The input's edges come from this thread, the transmitter's from the vCPU's, and no lock orders them.
#[test]
fn f27_no_edge_is_lost_when_two_threads_raise_the_interrupt() {
    on_each_engine(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
        let machine = ServedMachine::boot(engine, claim).unwrap();
        let mut session = machine.console().attach(Attach::new(Identity::new("test", 0, None))).unwrap();
        let mut output = machine.console().scrollback().reader_at(0);
        let mut wait_for = |end: &[u8]| {
            let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
            let deadline = Instant::now() + HANG;
            while !seen.ends_with(end) {
                let read = output.read(&mut buffer).len();
                seen.extend(&buffer[..read]);
                assert!(Instant::now() < deadline, "{:?}", String::from_utf8_lossy(&seen));
                thread::yield_now();
            }
        };
        wait_for(PROMPT);
        for _ in 0..200 {
            assert_eq!(session.write(b"a"), Ok(1));
            wait_for(b"a");
            // It is wiped out again by several characters, of which each has an interrupt.
            assert_eq!(session.write(b"\x7f"), Ok(1));
            wait_for(b"\x08 \x08");
        }
        drop(session);
        machine.finish(Duration::from_secs(1)).unwrap();
    });
}
