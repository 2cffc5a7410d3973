//! The programs: what they print, and what machine code does at the ports.

mod common;

use std::sync::{Arc, Mutex};

use common::engines;
use vm_device::MutDevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vuart_vmm::{Engine, Error, Exit, Machine, MachineOptions, Plain, Program, printed_line};

#[derive(Debug, PartialEq, Eq)]
enum Access {
    Read(PioAddressOffset, usize),
    Write(PioAddressOffset, Vec<u8>),
}

/// A device that keeps the accesses in order. Each byte that is read is one more than the last.
#[derive(Default)]
struct Recorder {
    accesses: Vec<Access>,
    next: u8,
}

impl MutDevicePio for Recorder {
    fn pio_read(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        self.accesses.push(Access::Read(offset, data.len()));
        for byte in data {
            self.next += 1;
            *byte = self.next;
        }
    }

    fn pio_write(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        self.accesses.push(Access::Write(offset, data.to_vec()));
    }
}

/// Runs machine code to its end with a recorder at COM1, if KVM can be used.
fn run(code: &[u8]) -> Option<(Result<Exit, Error>, Vec<Access>)> {
    if !engines().contains(&Engine::Kvm) {
        return None;
    }
    let com1 = Arc::new(Mutex::new(Recorder::default()));
    let irq = EventFd::new(EFD_NONBLOCK).unwrap();
    let options = MachineOptions::default().with_program(Program::Code(code.to_vec()));
    let machine = Machine::start_with(Engine::Kvm, Arc::new(Plain(com1.clone())), irq, options).unwrap();
    let outcome = machine.join();
    let accesses = std::mem::take(&mut com1.lock().unwrap().accesses);
    Some((outcome, accesses))
}

#[test]
fn strings_and_words_reach_the_device_unchanged() {
    let Some((outcome, accesses)) = run(&[
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xfc, // cld
        0xb9, 0x04, 0x00, // mov cx, 4
        0xbf, 0x00, 0x01, // mov di, 0x100
        0xf3, 0x6c, // rep insb
        0xb9, 0x04, 0x00, // mov cx, 4
        0xbe, 0x00, 0x01, // mov si, 0x100
        0xf3, 0x6e, // rep outsb
        0xed, // in ax, dx
        0x42, // inc dx
        0xef, // out dx, ax
        0xb0, 0xfe, // mov al, 0xfe
        0xe6, 0x64, // out 0x64, al
        0xf4, // hlt
    ]) else {
        return;
    };
    assert!(matches!(outcome, Ok(Exit::Reset)), "{outcome:?}");
    let mut expected: Vec<_> = (0..4).map(|_| Access::Read(0, 1)).collect();
    expected.extend((1..=4).map(|byte| Access::Write(0, vec![byte])));
    expected.extend([Access::Read(0, 2), Access::Write(1, vec![5, 6])]);
    assert_eq!(accesses, expected);
}

#[test]
fn ports_without_a_device_are_open() {
    let Some((outcome, accesses)) = run(&[
        0xba, 0xf8, 0x02, // mov dx, 0x2f8
        0xec, // in al, dx
        0xee, // out dx, al
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xee, // out dx, al
        0xb0, 0xfe, // mov al, 0xfe
        0xe6, 0x64, // out 0x64, al
        0xf4, // hlt
    ]) else {
        return;
    };
    assert!(matches!(outcome, Ok(Exit::Reset)), "{outcome:?}");
    assert_eq!(accesses, [Access::Write(0, vec![0xff])]);
}

#[test]
fn the_pattern_repeats() {
    assert_eq!(
        &printed_line(93)[..],
        b"line 00093: ~!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\r\n"
    );
    assert_eq!(&printed_line(94)[..16], b"line 00094: !\"#$");
    assert_eq!(&printed_line(u16::MAX)[..12], b"line 65535: ");
    assert!(printed_line(7)[..72].iter().all(|character| (b' '..=b'~').contains(character)));
}
