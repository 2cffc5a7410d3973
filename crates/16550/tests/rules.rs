//! The rules that drivers rely on: one test or more for each of R1 to R15 of `docs/rules.md`. `lines.rs` has those of the
//! modem lines and of loopback.

mod support;

use proptest::prelude::*;
use support::{READS_MAX, drain, uart, with_fifo};
use vuart_16550::Uart;
use vuart_16550::spec::{Lsr, Msr, offset::*};

#[test]
fn reset_values() {
    let mut uart = uart();
    for (register, value) in
        [(IER, 0), (IIR, 0x01), (LCR, 0), (MCR, 0x08), (LSR, 0x60), (MSR, 0xB0), (SCR, 0)]
    {
        assert_eq!(uart.read(register), value, "register {register}");
    }
    uart.write(LCR, 0x80);
    assert_eq!((uart.read(DLL), uart.read(DLM)), (12, 0), "S18, R11");
    assert!(!uart.interrupt());
}

#[test]
fn r1_iir_is_a_priority_encoder() {
    let mut uart = with_fifo();
    uart.set_modem_inputs(Msr::CTS);
    for _ in 0..17 {
        uart.receive(b'x');
    }
    let mut seen = Vec::new();
    uart.write(IER, 0x0F);
    uart.write(FCR, 0x81); // trigger level 8
    while uart.interrupt() {
        let iir = uart.read(IIR);
        assert_eq!(iir & 0xF0, 0xC0, "bits 7:6 are 11 with the FIFOs on, and bits 5:4 are always 0");
        seen.push(iir & 0x0F);
        assert!(seen.len() <= 2 * READS_MAX, "the line never falls");
        match iir & 0x0F {
            0x06 => drop(uart.read(LSR)),
            0x04 | 0x0C => drop(uart.read(RBR)),
            0x02 => {}
            0x00 => drop(uart.read(MSR)),
            other => panic!("{other:#x} is not an interrupt identification"),
        }
    }
    seen.dedup();
    assert_eq!(seen, [0x06, 0x04, 0x0C, 0x02, 0x00]);
    assert_eq!(uart.read(IIR), 0xC1);
    uart.write(FCR, 0);
    assert_eq!(uart.read(IIR) & 0xC0, 0, "bits 7:6 are 00 with the FIFOs off");
}

#[test]
fn r2_thre_is_cleared_by_the_iir_read_that_reports_it_and_by_no_other_read() {
    let mut uart = with_fifo();
    uart.write(IER, 0x03);
    uart.receive(b'x');
    assert_eq!(uart.read(IIR) & 0x0F, 0x04, "received data has priority over THRE");
    uart.read(RBR);
    assert_eq!(uart.read(IIR) & 0x0F, 0x02, "THRE is still pending");
    assert_eq!(uart.read(IIR) & 0x0F, 0x01);
}

#[test]
fn r2_received_data_is_cleared_by_draining_and_by_nothing_else() {
    let mut uart = uart();
    uart.write(FCR, 0x41); // trigger level 4
    uart.write(IER, 0x01);
    (0..5).for_each(|byte| uart.receive(byte));
    for (left, iir) in [(5, 0xC4), (4, 0xC4), (3, 0xCC), (2, 0xCC), (1, 0xCC)] {
        for register in [IIR, LSR, MSR, IIR] {
            uart.read(register);
        }
        assert_eq!((uart.read(IIR), uart.received()), (iir, left));
        uart.read(RBR);
    }
    assert_eq!(uart.read(IIR), 0xC1);
}

#[test]
fn r2_line_status_is_cleared_by_an_lsr_read() {
    let mut uart = with_fifo();
    uart.write(IER, 0x04);
    uart.receive_break();
    assert_eq!(uart.read(IIR) & 0x0F, 0x06);
    assert_eq!(uart.read(LSR), 0x60 | 0x01 | 0x10 | 0x80);
    assert_eq!(uart.read(IIR) & 0x0F, 0x01);
    assert_eq!(uart.read(LSR), 0x61);
}

#[test]
fn r3_thre_is_pending_when_it_empties_and_at_each_rise_of_etbei() {
    let mut uart = uart();
    uart.write(IER, 0x02);
    assert_eq!(uart.read(IIR), 0x02, "SeaBIOS detects its port by this value");
    assert_eq!(uart.read(IIR), 0x01);
    uart.write(IER, 0x02);
    assert_eq!(uart.read(IIR), 0x01, "ETBEI has not risen");
    uart.write(IER, 0x00);
    uart.write(IER, 0x02);
    assert_eq!(uart.read(IIR), 0x02, "Linux' THRE test reads this value");
    uart.write(THR, b'x');
    assert_eq!(uart.read(IIR), 0x02, "the transmitter has become empty again");
}

#[test]
fn s20_input_that_arrived_while_interrupts_were_off_is_announced_by_the_ier_write() {
    let mut uart = with_fifo();
    uart.receive(b'x');
    assert!(!uart.interrupt());
    uart.write(IER, 0x01);
    assert!(uart.interrupt());
}

#[test]
fn r4_the_line_follows_every_access_and_every_event_of_the_host() {
    let mut uart = with_fifo();
    uart.write(IER, 0x0D);
    assert!(!uart.interrupt());
    uart.receive(b'x');
    assert!(uart.interrupt(), "a character raises the line");
    uart.read(RBR);
    assert!(!uart.interrupt());
    uart.set_modem_inputs(Msr::CTS);
    assert!(uart.interrupt(), "a modem input raises the line");
    uart.read(MSR);
    assert!(!uart.interrupt());
    uart.receive_break();
    uart.write(IER, 0);
    assert!(!uart.interrupt());
    uart.write(IER, 0x04);
    assert!(uart.interrupt(), "a write of IER raises the line");
}

#[test]
fn r9_the_transmitter_is_ready_after_any_write() {
    let mut uart = uart();
    for register in 0..8 {
        for value in 0..=255 {
            uart.write(register, value);
            assert_eq!(uart.read(LSR) & 0x60, 0x60, "after {value:#x} to register {register}");
        }
    }
}

#[test]
fn r5_only_the_bits_that_exist_are_stored() {
    let mut uart = uart();
    for (register, stored) in [(IER, 0x0F), (MCR, 0x1F), (LCR, 0xFF), (SCR, 0xFF)] {
        uart.write(register, 0xFF);
        assert_eq!(uart.read(register), stored);
        uart.write(LCR, 0);
    }
}

#[test]
fn r6_fcr_resets_and_stores_only_what_it_should() {
    let mut uart = with_fifo();
    let fill = |uart: &mut Uart| (0..3).for_each(|_| uart.receive(b'x'));

    fill(&mut uart);
    uart.write(FCR, 0x01);
    assert_eq!(drain(&mut uart), b"xxx", "a write without resets loses nothing");

    fill(&mut uart);
    uart.write(FCR, 0x03);
    assert_eq!(drain(&mut uart), b"", "the receiver reset drops the characters");

    fill(&mut uart);
    uart.write(FCR, 0x00);
    assert_eq!(drain(&mut uart), b"", "a change of bit 0 clears both FIFOs");

    uart.receive(b'x');
    uart.write(FCR, 0xC6);
    assert_eq!(drain(&mut uart), b"x", "with bit 0 clear the other bits do nothing");
    assert_eq!(uart.state().latest().fcr, 0, "with bit 0 clear the other bits are not stored");

    uart.write(FCR, 0x01);
    uart.receive_break();
    uart.write(FCR, 0x03);
    assert_eq!(uart.read(LSR), 0x60, "a reset drops the errors with their characters");
    uart.receive(b'x');
    uart.receive_break();
    uart.write(FCR, 0x03);
    assert_eq!(uart.read(LSR), 0x60, "a reset drops the errors that LSR has not shown yet");
    (0..17).for_each(|byte| uart.receive(byte));
    uart.write(FCR, 0x03);
    assert_eq!(uart.read(LSR), 0x62, "an overrun belongs to no character, so a reset keeps it");

    (0..17).for_each(|_| uart.receive(b'x'));
    uart.write(FCR, 0x03);
    assert_eq!(uart.read(LSR), 0x62, "a reset keeps an overrun again");

    uart.write(IER, 0x02);
    uart.read(IIR);
    uart.write(FCR, 0x05);
    assert_eq!(uart.read(IIR), 0xC2, "a transmitter reset makes THRE pending");
    uart.write(FCR, 0x87);
    assert_eq!(uart.state().latest().fcr, 0x81, "the resets clear themselves");
    uart.write(LCR, 0x80);
    uart.write(FCR, 0x00);
    assert_eq!(uart.read(IIR) & 0xC0, 0, "FCR does not depend on DLAB");
}

#[test]
fn r6_a_transmitter_reset_drops_no_character_that_was_written() {
    let mut uart = with_fifo();
    assert_eq!(uart.write(THR, b'x'), Some(b'x'));
    assert_eq!(uart.write(FCR, 0x07), None);
}

#[test]
fn r7_the_seventeenth_character_is_lost_and_lsr_shows_the_overrun() {
    let mut uart = with_fifo();
    for byte in 0..17 {
        uart.receive(byte);
    }
    assert_eq!(uart.read(LSR), 0x63);
    assert_eq!(uart.read(LSR), 0x61, "the read clears OE");
    assert_eq!(drain(&mut uart), (0..16).collect::<Vec<u8>>());
}

#[test]
fn r7_without_fifos_a_new_character_overwrites_rbr() {
    let mut uart = uart();
    uart.receive(b'a');
    uart.receive(b'b');
    assert_eq!(uart.read(LSR), 0x63);
    assert_eq!(drain(&mut uart), b"b");
}

#[test]
fn r7_an_error_is_revealed_with_its_character() {
    let mut uart = with_fifo();
    uart.receive(b'a');
    uart.receive_break();
    uart.receive(b'b');
    assert_eq!(uart.read(LSR), 0xE1, "the FIFO holds an error below the top");
    assert_eq!(uart.read(LSR), 0xE1, "a read of LSR does not clear it");
    assert_eq!(uart.read(RBR), b'a');
    assert_eq!(uart.read(LSR), 0xF1, "the break is at the top");
    assert_eq!(uart.read(LSR), 0x61);
    assert_eq!((uart.read(RBR), uart.read(RBR)), (0, b'b'));
}

#[test]
fn r8_sixteen_characters_are_taken_after_thre() {
    let mut uart = with_fifo();
    for byte in 0..16 {
        assert_eq!(uart.write(THR, byte), Some(byte));
    }
}

#[test]
fn r11_every_divisor_is_taken() {
    let mut uart = uart();
    uart.write(LCR, 0x80);
    assert_ne!((uart.read(DLL), uart.read(DLM)), (0, 0), "the divisor is not 0 after a reset");
    // Miri is a thousand times slower.
    for divisor in (0..=u16::MAX).step_by(if cfg!(miri) { 257 } else { 1 }) {
        let [low, high] = divisor.to_le_bytes();
        uart.write(DLL, low);
        uart.write(DLM, high);
        assert_eq!((uart.read(DLL), uart.read(DLM)), (low, high), "S2: the divisor reads back");
    }
}

#[test]
fn r13_dlab_maps_offsets_0_and_1_only_and_there_is_no_efr() {
    let mut uart = with_fifo();
    uart.write(SCR, 0x5A);
    uart.write(LCR, 0xBF);
    assert_eq!(uart.read(IIR), 0xC1);
    assert_eq!((uart.read(MCR), uart.read(LSR), uart.read(MSR), uart.read(SCR)), (0x08, 0x60, 0xB0, 0x5A));
    assert_eq!(uart.write(DLL, 0x34), None, "a write of DLL sends no character");
    uart.write(DLM, 0x12);
    uart.receive(b'x');
    assert_eq!((uart.read(DLL), uart.read(DLM)), (0x34, 0x12));
    assert_eq!(uart.read(LSR), 0x61, "a read of DLL takes no character");
    uart.write(LCR, 0x03);
    assert_eq!((uart.read(RBR), uart.read(IER)), (b'x', 0));
}

#[test]
fn r14_no_time_out_without_a_character() {
    let mut uart = uart();
    uart.write(FCR, 0xC1);
    uart.write(IER, 0x01);
    assert_eq!(uart.read(IIR) & 0x0F, 0x01);
    uart.receive(b'x');
    assert_eq!(uart.read(IIR) & 0x0F, 0x0C);
    uart.read(RBR);
    assert_eq!(uart.read(IIR) & 0x0F, 0x01);
}

#[test]
fn r15_status_registers_are_read_only() {
    let mut uart = uart();
    uart.write(SCR, 0x5A);
    uart.write(LSR, 0xFF);
    uart.write(MSR, 0xFF);
    assert_eq!((uart.read(LSR), uart.read(MSR), uart.read(SCR)), (0x60, 0xB0, 0x5A));

    uart.receive_break();
    uart.set_modem_inputs(Msr::CTS);
    for value in [0x00, 0xFF] {
        uart.write(LSR, value);
        uart.write(MSR, value);
    }
    assert_eq!((uart.read(LSR), uart.read(MSR)), (0x71, 0x1A), "a write clears no bit");
}

/// A port must announce the next character exactly when the driver may sleep until then.
#[test]
fn awaits_character_tells_whether_a_driver_may_sleep_until_one_arrives() {
    let awaits = |accesses: &[(u8, u8)]| {
        let mut uart = uart();
        for (register, value) in accesses {
            uart.write(*register, *value);
        }
        uart.awaits_character()
    };
    assert!(awaits(&[(IER, 0x01)]) && awaits(&[(IER, 0x04)]) && awaits(&[(IER, 0x0F)]));
    assert!(!awaits(&[]) && !awaits(&[(IER, 0x0A)]), "the receiver's interrupts are off");
    assert!(!awaits(&[(IER, 0x01), (MCR, 0x00)]), "the gate is closed");
    assert!(!awaits(&[(IER, 0x01), (MCR, 0x18)]), "nothing arrives in loopback");
    let mut uart = uart();
    uart.write(IER, 0x01);
    uart.receive(b'x');
    assert!(!uart.awaits_character(), "the character is announced already");
}

#[test]
fn an_empty_receiver_does_not_repeat_its_last_character() {
    let mut uart = with_fifo();
    uart.receive(b's');
    uart.read(RBR);
    assert_eq!(uart.read(RBR), 0);
}

#[derive(Debug, Clone)]
enum Operation {
    Read(u8),
    Write(u8, u8),
    Receive(u8),
    Break,
    Modem(u8),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => any::<u8>().prop_map(Operation::Read),
        4 => any::<(u8, u8)>().prop_map(|(register, value)| Operation::Write(register, value)),
        2 => any::<u8>().prop_map(Operation::Receive),
        1 => Just(Operation::Break),
        1 => any::<u8>().prop_map(Operation::Modem),
    ]
}

proptest! {
    /// S10, S12, invariants 5 and 6: after any accesses and events the transmitter is ready, and a driver that serves each
    /// source once gets the line low in a bounded number of steps.
    #[test]
    fn a_driver_always_gets_the_line_low(operations in prop::collection::vec(operation(), 0..200)) {
        let mut uart = uart();
        for operation in operations {
            match operation {
                Operation::Read(register) => drop(uart.read(register)),
                Operation::Write(register, value) => {
                    let sent = uart.write(register, value);
                    prop_assert!(sent.is_none() || sent == Some(value));
                }
                Operation::Receive(data) => uart.receive(data),
                Operation::Break => uart.receive_break(),
                Operation::Modem(inputs) => uart.set_modem_inputs(Msr::from_bits_retain(inputs)),
            }
            prop_assert!(uart.room() <= 16);
        }
        let mut steps = 0;
        uart.write(LCR, 0x03);
        while uart.interrupt() {
            let iir = uart.read(IIR);
            prop_assert!(matches!(iir & 0x0F, 0x06 | 0x04 | 0x0C | 0x02 | 0x00));
            prop_assert_eq!(iir & 0x30, 0);
            let lsr = Lsr::from_bits_retain(uart.read(LSR));
            prop_assert!(lsr.contains(Lsr::THRE | Lsr::TEMT));
            if lsr.contains(Lsr::DR) {
                uart.read(RBR);
            }
            uart.read(MSR);
            steps += 1;
            prop_assert!(steps <= 20);
        }
    }
}
