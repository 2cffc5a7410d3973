//! How other devices have failed, a row each (S10, S11, ...): what must hold here. The rows that concern snapshots are in
//! `state.rs`, those of time in `timed.rs`, and those of a port (sizes of accesses, life cycle) in the crate `vuart`.

use vuart_16550::spec::{Msr, offset::*};
use vuart_16550::{Config, Profile, Time, Uart};

fn every_uart(test: impl Fn(Uart)) {
    for profile in [Profile::Uart16450, Profile::Uart16550a, Profile::Uart16750] {
        for gate in [true, false] {
            test(Uart::new(Config::new().with_profile(profile).with_out2_gate(gate)));
        }
    }
}

/// One pass of an interrupt handler that serves each source once.
fn serve<T: Time>(uart: &mut Uart<T>) {
    uart.read(IIR);
    uart.read(LSR);
    uart.read(RBR);
    uart.read(MSR);
}

#[test]
fn s10_a_handler_that_serves_every_source_gets_the_line_low() {
    every_uart(|mut uart| {
        uart.write(FCR, 0x01);
        uart.write(MCR, 0x0B);
        uart.set_modem_inputs(Msr::empty());
        (0..100).for_each(|byte| uart.receive(byte));
        uart.receive_break();
        uart.write(IER, 0x0F);
        assert!(uart.interrupt());
        let mut passes = 0;
        while uart.interrupt() {
            serve(&mut uart);
            passes += 1;
            assert!(passes <= 20, "an interrupt storm");
        }
    });
}

/// S11: there is no state, asleep or not, in which an access is not answered.
#[test]
fn s11_every_access_after_every_other() {
    // Miri is a thousand times slower.
    let step = if cfg!(miri) { 255 } else { 5 };
    every_uart(|uart| {
        for first in 0..8 {
            for value in (0..=u8::MAX).step_by(step) {
                let mut uart = uart.clone();
                uart.write(first, value);
                for second in 0..=u8::MAX {
                    uart.read(second);
                    uart.write(second, !value);
                }
                assert_eq!(uart.read(LSR) & 0x60, 0x60);
            }
        }
    });
}

#[test]
fn s16_loopback_is_bounded_and_overruns() {
    every_uart(|mut uart| {
        uart.write(FCR, 0x01);
        uart.write(MCR, 0x10);
        for _ in 0..10_000 {
            assert_eq!(uart.write(THR, b'x'), None);
        }
        assert_eq!(uart.read(LSR) & 0x02, 0x02);
        let most = if uart.config().profile == Profile::Uart16450 { 1 } else { 16 };
        assert_eq!(uart.received(), most);
    });
}

#[test]
fn s18_the_divisor_is_not_0_after_reset() {
    every_uart(|mut uart| {
        uart.write(LCR, 0x80);
        // Linux' probe_baud() divides by it.
        assert_eq!(115_200 / (u32::from(uart.read(DLL)) | u32::from(uart.read(DLM)) << 8), 9600);
    });
}

#[test]
fn s20_what_came_while_ier_was_0_is_announced() {
    every_uart(|mut uart| {
        uart.write(IER, 0x01);
        uart.write(IER, 0x00); // Linux' console writes a line
        uart.receive(b'x');
        assert!(!uart.interrupt());
        uart.write(IER, 0x01); // ... and restores
        assert!(uart.interrupt());
    });
}

/// FreeBSD: sixteen characters, then silence.
#[test]
fn s21_thre_is_announced_to_who_enables_it_late() {
    every_uart(|mut uart| {
        uart.write(FCR, 0x01);
        uart.write(IER, 0x01);
        for byte in 0..16 {
            uart.write(THR, byte);
        }
        assert!(!uart.interrupt());
        uart.write(IER, 0x03);
        assert!(uart.interrupt());
        assert_eq!(uart.read(IIR) & 0x0F, 0x02);
        // It has nothing to send, and later something again.
        uart.write(IER, 0x01);
        uart.write(IER, 0x03);
        assert!(uart.interrupt());
    });
}

/// FreeBSD: sizes the FIFO by the overrun, after exactly one character more than it holds.
#[test]
fn s21_the_overrun_comes_with_the_seventeenth() {
    let mut uart = Uart::default();
    uart.write(FCR, 0x07);
    uart.write(MCR, 0x1B);
    let mut count = 0;
    while uart.read(LSR) & 0x02 == 0 {
        uart.write(THR, 0);
        count += 1;
        assert!(count < 260);
    }
    assert_eq!(count, 17);
    uart.write(FCR, 0x07);
    assert_eq!(uart.read(LSR) & 0x01, 0, "and a reset clears DR");
}
