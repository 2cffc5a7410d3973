//! A port whose output a kernel collects: nothing is lost, late or out of order, and nobody waits for the event loop's thread.
//!
//! The kernel is a stand-in. `tests/tests/coalesced` has the real one.

mod support;

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

use support::collecting::{Fake, Machine, output};
use support::{Edges, port};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vuart::coalescing::Coalescing;
use vuart::dispatch::Dispatch as _;
use vuart::endpoint::Cause;
use vuart::kvm::OpenError;
use vuart::uart::spec::offset::*;
use vuart::{CoalescedMmioPort, CoalescedPort, MmioPort, PortBuilder, SerialPort, Ticks};

#[test]
fn the_last_words_of_a_guest_that_sleeps_come_with_the_second_tick() {
    let mut vm = Machine::collecting();
    vm.print("login: ");
    assert!(vm.ticks.tick(), "this one is left to the vCPUs");
    assert_eq!(vm.text(), "");
    assert!(vm.ticks.tick());
    assert_eq!(vm.text(), "login: ");
}

#[test]
fn the_timer_brings_the_last_words_by_itself_and_then_rests() {
    let mut vm = Machine::collecting();
    vm.print("login: ");
    while vm.kernel.is_registered() {
        wait(&vm.ticks);
        vm.ticks.dispatch().unwrap();
    }
    assert_eq!(vm.text(), "login: ");
    // The tick after the removal finds that there is no zone.
    wait(&vm.ticks);
    vm.ticks.dispatch().unwrap();
    assert!(!vm.ticks.tick(), "an idle guest has no timer");
}

/// Waits until the timer has expired. The limit only guards against hanging.
fn wait(ticks: &Ticks<SerialPort<Edges>>) {
    let epoll = Epoll::new().unwrap();
    let event = EpollEvent::new(EventSet::IN, 0);
    epoll.ctl(ControlOperation::Add, ticks.as_fd().as_raw_fd(), event).unwrap();
    assert_eq!(epoll.wait(120_000, &mut [event]).unwrap(), 1);
}

#[test]
fn the_last_words_are_in_the_state() {
    let vm = Machine::collecting();
    vm.print("suspended");
    let state = vm.com1.state();
    assert_eq!(state.offset(), vm.console.scrollback().end());
    assert_eq!(vm.text(), "suspended");
}

#[test]
fn the_last_words_come_before_the_consoles_end() {
    let vm = Machine::collecting();
    vm.print("reboot: Power down");
    vm.com1.end(&Cause::VmEnded);
    assert_eq!(vm.text(), "reboot: Power down");
    assert!(vm.console.ended().is_some());
}

#[test]
fn the_last_words_come_when_the_port_is_dropped() {
    let Machine { kernel, com1, mut ticks, console, .. } = {
        let vm = Machine::collecting();
        vm.print("killed");
        vm
    };
    drop(com1);
    assert!(output(&console).ends_with(b".killed"));
    assert!(!kernel.is_registered(), "nobody would drain it");
    assert!(!ticks.tick() || !ticks.tick(), "there is nothing to tick for");
}

#[test]
fn the_last_words_of_a_boot_come_before_the_next() {
    let vm = Machine::collecting();
    vm.print("Restarting system.");
    assert_eq!(vm.com1.reset(), (Coalescing::RUN + "Restarting system.".len()) as u64);
}

#[test]
fn every_access_drains_first() {
    let accesses: [fn(&CoalescedPort<Edges>); 7] = [
        |com1| com1.read(LSR.into(), &mut [0]),
        |com1| com1.read_string(LSR.into(), &mut [0; 2]),
        |com1| _ = com1.read_register(LSR),
        |com1| com1.write(MCR.into(), &[0x0B]),
        |com1| com1.write_string(SCR.into(), b"12"),
        |com1| com1.with(|_| ()),
        CoalescedPort::drain,
    ];
    for access in accesses {
        let vm = Machine::collecting();
        vm.print("A");
        access(&vm.com1);
        assert_eq!(vm.text(), "A");
    }
}

#[test]
fn a_write_that_the_guest_can_see_is_an_exit() {
    let vm = Machine::collecting();
    vm.print("A");
    vm.write(IER, 0x02);
    assert!(!vm.kernel.is_registered());
    vm.com1.read_register(IIR);
    vm.edges.take();
    vm.write(THR, b'B');
    assert_eq!(vm.text(), "AB");
    assert_eq!(vm.edges.take(), 1, "the THRE interrupt");
}

/// The timer's thread finds the lock taken. It leaves the bytes, and the next tick has them.
#[test]
fn the_timers_thread_never_waits_for_a_vcpu() {
    let mut vm = Machine::collecting();
    vm.print("A");
    let (inside, leave) = (mpsc::channel(), mpsc::channel::<()>());
    thread::scope(|scope| {
        let com1 = vm.com1.clone();
        scope.spawn(move || {
            com1.with(|_| {
                inside.0.send(()).unwrap();
                // It fails when the test has failed.
                let _ = leave.1.recv();
            });
        });
        inside.1.recv().unwrap();
        // Written after that vCPU's drain.
        vm.print("B");
        for _ in 0..3 {
            assert!(vm.ticks.tick(), "it tries again");
        }
        leave.0.send(()).unwrap();
    });
    assert_eq!(vm.text(), "A");
    // The access may have taken the ticks that were left.
    vm.ticks.tick();
    vm.ticks.tick();
    assert_eq!(vm.text(), "AB");
}

/// A guest that prints or polls drains by itself: the timer's thread stays out of its way.
#[test]
fn the_timers_thread_does_not_try_the_lock_of_a_port_in_use() {
    let mut vm = Machine::collecting();
    for _ in 0..100 {
        vm.print("A");
        vm.com1.read_register(LSR);
        vm.print("B");
        assert!(vm.ticks.tick());
        assert!(vm.text().ends_with('A'), "it has left the byte to the vCPU");
    }
}

#[test]
fn a_guest_that_polls_for_input_counts_the_silence_itself() {
    let mut vm = Machine::collecting();
    for _ in 0..=Coalescing::SILENCE {
        assert!(vm.kernel.is_registered());
        vm.ticks.tick();
        vm.com1.read_register(LSR);
        if !vm.kernel.is_registered() {
            return;
        }
    }
    panic!("the zone stays, and so does its timer");
}

#[test]
fn nothing_is_collected_before_the_first_dispatch_nor_after_the_drop() {
    let (port, _edges) = port();
    let (com1, kernel) = (CoalescedPort::new(port), Fake::default());
    let print = || {
        for _ in 0..1000 {
            if !kernel.collects(b'.') {
                com1.write(0, b".");
            }
        }
    };
    let mut ticks = com1.coalesce_with(kernel.clone()).unwrap();
    assert!(matches!(com1.coalesce_with(Fake::default()), Err(OpenError::Twice)));
    print();
    assert_eq!(kernel.with(|zone| zone.registrations), 0);
    ticks.dispatch().unwrap();
    print();
    assert!(kernel.is_registered());
    let console = com1.with(|port| port.console().clone());
    assert!(kernel.collects(b'!'));
    drop(ticks);
    assert!(!kernel.is_registered());
    assert!(output(&console).ends_with(b"!"));
    print();
    assert_eq!((kernel.with(|zone| zone.registrations), output(&console).len()), (1, 3001));
    let _ticks = com1.coalesce_with(Fake::default()).unwrap();
}

#[test]
fn a_kernel_that_refuses_costs_nothing_but_exits() {
    let mut vm = Machine::new();
    vm.kernel.with(|zone| zone.refuses = true);
    (0..1000).for_each(|_| vm.write(THR, b'.'));
    assert_eq!(output(&vm.console).len(), 1000);
    assert!(vm.ticks.tick());
    assert!(!vm.ticks.tick());
    // It registers, and will not unregister.
    let mut vm = Machine::collecting();
    vm.kernel.with(|zone| zone.refuses = true);
    vm.print("A");
    for _ in 0..3 * Coalescing::SILENCE {
        assert!(vm.ticks.tick(), "the zone is there, and so are its ticks");
    }
    vm.print("B");
    vm.write(IER, 0x02);
    vm.kernel.with(|zone| zone.refuses = false);
    vm.com1.read_register(LSR);
    assert!(!vm.kernel.is_registered());
    assert_eq!(vm.text(), "AB");
}

#[test]
fn a_port_that_takes_the_place_of_another_is_coalesced_too() {
    let vm = Machine::collecting();
    vm.print("old");
    let state = vm.com1.state();
    let console = vm.com1.with(|port| {
        *port = PortBuilder::restore(&state).build(Edges::default()).unwrap();
        port.console().clone()
    });
    vm.print("new");
    vm.com1.drain();
    assert_eq!(console.scrollback().end(), state.offset() + 3);
}

#[test]
fn a_port_in_memory_is_coalesced_too() {
    let (port, _edges) = port();
    let console = port.console().clone();
    let (com1, kernel) = (CoalescedMmioPort::new(MmioPort::new(port, 2)), Fake::default());
    let mut ticks = com1.coalesce_with(kernel.clone()).unwrap();
    ticks.dispatch().unwrap();
    for byte in 0..=255 {
        if !kernel.collects(byte) {
            com1.write(0, &u32::from(byte).to_le_bytes());
        }
    }
    assert!(kernel.is_registered());
    com1.read(5 << 2, &mut [0; 4]);
    assert_eq!(output(&console), (0..=255).collect::<Vec<u8>>());
}

/// Threads as vCPUs, and the timer's thread at work among them.
#[test]
fn each_vcpus_bytes_come_in_order_while_the_timer_ticks() {
    const COUNT: u16 = 20_000;
    let mut vm = Machine::collecting();
    let done = AtomicBool::new(false);
    let Machine { kernel, com1, ticks, console, .. } = &mut vm;
    thread::scope(|scope| {
        let vcpus = [0u8, 1, 2].map(|number| {
            let (kernel, com1) = (kernel.clone(), com1.clone());
            scope.spawn(move || {
                for n in 0..COUNT {
                    let byte = number << 6 | (n.to_le_bytes()[0] & 0x3f);
                    if !kernel.collects(byte) {
                        com1.write_register(THR, byte);
                    }
                    match n % 1024 {
                        // Looks, now and then makes its writes visible, and goes on.
                        16 => _ = com1.read_register(LSR),
                        512 if number == 0 => com1.write_register(IER, 0x02),
                        513 if number == 0 => com1.write_register(IER, 0),
                        _ => {}
                    }
                }
            })
        });
        let timer = scope.spawn(|| {
            while !done.load(SeqCst) {
                ticks.tick();
            }
        });
        for vcpu in vcpus {
            vcpu.join().unwrap();
        }
        done.store(true, SeqCst);
        timer.join().unwrap();
    });
    com1.drain();
    let output = output(console).split_off(Coalescing::RUN);
    assert_eq!(output.len(), 3 * usize::from(COUNT), "nothing is lost, and nothing is there twice");
    for number in [0, 1, 2] {
        let written: Vec<u8> =
            output.iter().filter(|byte| **byte >> 6 == number).map(|byte| byte & 0x3f).collect();
        assert!(
            written.iter().zip((0..=0x3f).cycle()).all(|(is, should)| *is == should),
            "of processor {number}"
        );
    }
}
