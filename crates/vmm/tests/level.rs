//! A level-triggered COM1: an irqfd with a resamplefd.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use common::{PROMPT, Rig, engines, on_each_engine, port};
use event_manager::{EventManager, SubscriberOps as _};
use vmm_sys_util::eventfd::EventFd;
use vuart::level::ResampleFd;
use vuart_vmm::{Engine, MachineOptions, Program, Resampler};

/// An event loop that asserts the input again.
struct Loop {
    over: Arc<AtomicBool>,
    event: EventFd,
    thread: Option<JoinHandle<()>>,
}

impl Loop {
    fn start(level: &Arc<ResampleFd>) -> Self {
        let over = Arc::<AtomicBool>::default();
        let (mut events, resampler) = (EventManager::new().unwrap(), Resampler(Arc::clone(level)));
        let event = level.event().try_clone().unwrap();
        events.add_subscriber(resampler);
        let stop = Arc::clone(&over);
        let run = move || {
            while !stop.load(SeqCst) {
                events.run().unwrap();
            }
        };
        Self { over, event, thread: Some(thread::spawn(run)) }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        self.event.write(1).unwrap();
        let _ = self.thread.take().unwrap().join();
    }
}

/// A machine whose COM1 is level-triggered, and the event loop beside it.
fn boot(engine: Engine, program: Program) -> (Rig, Loop) {
    let (port, irq) = port();
    let level = port.lock().unwrap().interrupt_level();
    let level = Arc::new(ResampleFd::new(irq.try_clone().unwrap(), level).unwrap());
    let events = Loop::start(&level);
    let options = MachineOptions::default().with_program(program).with_level_interrupt(level).with_reboots(1);
    (Rig::boot_as(engine, &port, port.clone(), irq, options), events)
}

#[test]
fn f6_a_guest_runs_with_level_triggered_interrupts() {
    on_each_engine(|engine| {
        let (mut rig, _loop) = boot(engine, Program::Monitor);
        rig.wait_for(PROMPT);
        assert_eq!(rig.command("print 100").len(), 100 * vuart_vmm::PRINTED_LINE);
        for number in 0..50 {
            assert_eq!(rig.command(&format!("echo {number}")), format!("{number}\r\n"));
        }
        rig.type_in(b"reboot\r");
        rig.wait_for(PROMPT);
        assert_eq!(rig.command("echo still"), "still\r\n");
    });
}

#[test]
fn f6_a_handler_that_leaves_the_line_high_is_called_again() {
    if !engines().contains(&Engine::Kvm) {
        return;
    }
    // With the FIFOs on. The handler takes one character, sends it, and ends the interrupt. A second character is in the receiver then,
    // and the line stays high: on edges there would be no other interrupt.
    let isr = 0x60_u8;
    let mut code = vec![
        0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x70, // ds = ss = 0, sp = 0x7000
        0xc7, 0x06, 0x90, 0x00, isr, 0x00, // vector 0x24: the handler
        0x8c, 0x0e, 0x92, 0x00, // in this segment
        0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, // the 8259: ICW1, ICW2: vectors from 0x20
        0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21, // ICW3, ICW4
        0xb0, 0xef, 0xe6, 0x21, // all but IRQ 4 masked
        0xba, 0xfa, 0x03, 0xb0, 0x01, 0xee, // FIFOs on
        0xba, 0xf9, 0x03, 0xb0, 0x01, 0xee, // received data interrupts
        0xfb, 0xf4, 0xeb, 0xfd, // sti; wait: hlt; jmp wait
    ];
    assert!(code.len() <= isr.into());
    code.resize(isr.into(), 0x90);
    code.extend([
        0xba, 0xf8, 0x03, 0xec, 0xee, // in al, RBR; out THR, al
        0xb0, 0x20, 0xe6, 0x20, 0xcf, // end of interrupt; iret
    ]);
    let (mut rig, _loop) = boot(Engine::Kvm, Program::Code(code));
    let mut typed: Vec<u8> = (0..5000_u32).map(|number| b'!' + (number % 90).to_le_bytes()[0]).collect();
    typed.push(b'~');
    rig.type_in(&typed);
    assert!(rig.wait_for(b"~") == typed);
}
