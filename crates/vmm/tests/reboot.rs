//! A guest that reboots: its console goes on, and the machine and the port begin anew.

mod common;

use std::io::{self, Write as _};
use std::sync::PoisonError;
use std::time::Instant;

use common::{PROMPT, Rig, engines, on_each_engine, port};
use vuart::endpoint::{Attach, Identity};
use vuart::scrollback::Position;
use vuart::uart::spec::offset::*;
use vuart_vmm::{Engine, Error, Exit, Machine, MachineOptions, Program};

fn reboots(reboots: u32) -> MachineOptions {
    MachineOptions::default().with_reboots(reboots)
}

#[test]
fn f5_a_guest_reboots_and_its_console_goes_on() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_options(engine, reboots(2));
        rig.wait_for(PROMPT);
        for boot in 1..=2 {
            rig.type_in(b"reboot\r");
            rig.wait_for(b"reboot\r\nrebooting\r\n");
            let begins = rig.output.len() as u64;
            let banner = rig.wait_for(PROMPT);
            assert!(banner.starts_with(b"\r\nvuart monitor"), "{:?}", String::from_utf8_lossy(&banner));
            assert_eq!(rig.command("echo again"), "again\r\n");
            assert!(rig.command("uptime").ends_with(" 0 seconds\r\n") || engine == Engine::Kvm);
            assert_eq!(rig.machine().counters().reboots, boot);
            assert!(rig.console().scrollback().offset(Position::Boot) <= begins);
            let boot = rig.console().scrollback().offset(Position::Boot);
            let boot = usize::try_from(boot).unwrap();
            assert!(rig.output[boot..].starts_with(b"\r\nvuart monitor"));
            assert!(rig.output[..boot].ends_with(b"rebooting\r\n"));
        }
        assert_eq!(rig.console().counters().guest_resets, 0, "nothing serves this console");
        let _ = rig.console().service(Instant::now());
        assert_eq!(rig.console().counters().guest_resets, 2);
        rig.type_in(b"reboot\r");
        rig.wait_for(b"rebooting\r\n");
        assert_eq!(rig.join().unwrap(), Exit::Reset, "it was to boot again twice");
    });
}

#[test]
fn f5_the_registers_of_a_guest_that_crashed_or_reset_the_machine_are_as_at_power_on() {
    if !engines().contains(&Engine::Kvm) {
        return;
    }
    let begins = [
        0xba, 0xf8, 0x03, 0xb0, b'A', 0xee, // out 0x3f8, 'A': nothing comes out in loopback
        0xba, 0xf9, 0x03, 0xb0, 0x0f, 0xee, // IER: all
        0xba, 0xfb, 0x03, 0xb0, 0x5b, 0xee, // LCR: a break
        0xba, 0xfc, 0x03, 0xb0, 0x1b, 0xee, // MCR: loopback
    ];
    let ends = [
        vec![0xb0, 0xfe, 0xe6, 0x64, 0xf4],             // the keyboard controller
        vec![0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4], // the reset register
        // CR0.PE and CR0.PG = 1 with empty page tables, so that no instruction and no handler is found: a triple fault
        vec![0x0f, 0x20, 0xc0, 0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xf4],
    ];
    for end in ends {
        let (port, irq) = port();
        let console = port.lock().unwrap().console().clone();
        let owner = console.attach(Attach::new(Identity::new("test", 0, None))).unwrap();
        let options = reboots(3).with_program(Program::Code([&begins, end.as_slice()].concat()));
        let machine = Machine::start_with(Engine::Kvm, port.clone(), irq, options).unwrap();
        common::wait_readable(machine.ended());
        let reboots = machine.counters().reboots;
        match machine.join() {
            Ok(Exit::Reset) => assert_ne!(end[0], 0x0f),
            Err(Error::GuestCrashed(why)) if end[0] == 0x0f => {
                // Not with a macro of std, whose output the test harness captures.
                drop(writeln!(io::stderr(), "NOT TESTED: this KVM reports no triple fault: {why}"));
                continue;
            }
            Err(Error::TripleFault) => assert_eq!(end[0], 0x0f),
            other => panic!("{other:?}"),
        }
        assert_eq!(reboots, 3);
        let mut port = port.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((console.scrollback().end(), console.scrollback().offset(Position::Boot)), (4, 3));
        // The last boot was not reset.
        assert_eq!((port.read_register(MCR), port.break_out()), (0x1b, false));
        assert!(owner.end().is_none());
    }
}

#[test]
fn f5_input_that_the_old_guest_has_not_read_reaches_the_new_one() {
    if !engines().contains(&Engine::Kvm) {
        return;
    }
    // Each boot takes one character, and leaves the next one in the receiver. It switches off when it has taken the 'z'.
    let code = [
        0xba, 0xfd, 0x03, // mov dx, LSR
        0xec, 0xa8, 0x01, 0x74, 0xfb, // wait: in al, dx; test al, 1; jz wait
        0xba, 0xf8, 0x03, 0xec, // in al, RBR
        0xee, // out THR, al
        0x3c, b'z', // cmp al, 'z'
        0x74, 0x09, // je off
        0xba, 0xfd, 0x03, 0xec, // in al, LSR, which moves the next one up
        0xb0, 0xfe, 0xe6, 0x64, 0xf4, // reset
        0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, // off
    ];
    let (port, irq) = port();
    let console = port.lock().unwrap().console().clone();
    let mut owner = console.attach(Attach::new(Identity::new("test", 0, None))).unwrap();
    assert_eq!(owner.write(b"abcdefz"), Ok(7));
    let options = reboots(20).with_program(Program::Code(code.to_vec()));
    let machine = Machine::start_with(Engine::Kvm, port.clone(), irq, options).unwrap();
    assert_eq!(machine.join().unwrap(), Exit::Halted);
    let mut text = [0; 16];
    let read = console.scrollback().read_at(0, &mut text);
    assert_eq!(&text[..read.len()], b"abcdefz", "each boot has taken the next one");
}
