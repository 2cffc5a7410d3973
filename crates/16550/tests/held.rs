//! The transmitter while the host holds it: what a driver sees, and what ends the hold.

mod support;

use support::{uart, with_fifo};
use vuart_16550::Uart;
use vuart_16550::spec::offset::*;

/// A UART whose transmitter is held, with the THRE interrupt on.
fn held() -> Uart {
    let mut uart = with_fifo();
    uart.write(IER, 0x02);
    assert_eq!(uart.write(THR, b'a'), Some(b'a'));
    uart.hold_transmitter();
    uart
}

#[test]
fn r2_r3_a_held_transmitter_is_full_and_empties_at_the_release() {
    let mut uart = held();
    assert_eq!((uart.read(LSR), uart.peek(LSR)), (0x00, Some(0x00)), "THRE and TEMT");
    assert!(uart.holds_transmitter() && uart.awaits_transmitter());
    assert!(!uart.interrupt() && !uart.is_transparent());
    uart.write(IER, 0x00);
    assert!(!uart.awaits_transmitter());
    uart.write(IER, 0x02);
    assert_eq!(uart.read(IIR), 0xC1, "a rise of ETBEI while THRE is 0");
    uart.release_transmitter();
    assert!(uart.interrupt() && !uart.holds_transmitter());
    assert_eq!((uart.read(LSR), uart.read(IIR), uart.read(IIR)), (0x60, 0xC2, 0xC1));
    uart.release_transmitter();
    assert_eq!(uart.read(IIR), 0xC1, "there was no hold");
}

#[test]
fn r6_r8_characters_that_are_written_all_the_same_leave() {
    let mut uart = held();
    for character in 0..40 {
        assert_eq!(uart.write(THR, character), Some(character));
        assert_eq!((uart.read(LSR), uart.read(IIR)), (0x00, 0xC1));
    }
    uart.release_transmitter();
    assert_eq!(uart.read(IIR), 0xC2);
}

#[test]
fn r9_a_reset_of_the_transmitter_and_loopback_release_it() {
    type Write = (u8, u8);
    let releases: [(&str, &[Write]); 4] = [
        ("FCR.2", &[(FCR, 0x05)]),
        ("the FIFOs go off", &[(FCR, 0x00)]),
        ("loopback", &[(MCR, 0x18)]),
        ("loopback and back", &[(MCR, 0x18), (MCR, 0x08)]),
    ];
    for (name, writes) in releases {
        let mut uart = held();
        for (register, value) in writes {
            uart.write(*register, *value);
        }
        assert_eq!(uart.read(LSR), 0x60, "{name}");
        assert_eq!(uart.read(IIR) & 0x0F, 0x02, "{name}");
    }
    // What does not release it.
    let mut uart = held();
    for (register, value) in [(FCR, 0x01), (FCR, 0x03), (MCR, 0x0B), (LCR, 0x43), (LSR, 0x60), (SCR, 1)] {
        uart.write(register, value);
        assert_eq!(uart.read(LSR), 0x00, "register {register}");
    }
}

#[test]
fn r10_there_is_no_hold_in_loopback() {
    let mut uart = uart();
    uart.write(MCR, 0x10);
    uart.write(THR, b'a');
    uart.hold_transmitter();
    assert_eq!((uart.read(LSR), uart.read(RBR)), (0x61, b'a'));
}

#[test]
fn r12_a_closed_gate_keeps_the_interrupt_back_at_the_release() {
    let mut uart = held();
    uart.write(MCR, 0x00);
    assert!(!uart.awaits_transmitter());
    uart.release_transmitter();
    assert!(!uart.interrupt());
    uart.write(MCR, 0x08);
    assert!(uart.interrupt());
}

#[test]
fn r4_s19_a_restored_transmitter_is_not_held_and_its_driver_is_interrupted() {
    let uart = held();
    let mut restored: Uart = Uart::restore(&uart.state()).unwrap();
    assert!(!restored.holds_transmitter() && restored.interrupt());
    assert_eq!((restored.read(LSR), restored.read(IIR)), (0x60, 0xC2));
    assert!(uart.holds_transmitter(), "a look at the state changes nothing");
}
