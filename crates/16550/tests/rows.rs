//! Failures of other devices that must not happen here: one test or more for each row (S10, S11, ...) of `docs/rules.md`.
//!
//! Rows about snapshots are in `state.rs`, and rows about time are in `timed.rs`. Rows about a port (access sizes, life cycle)
//! are in the crate `vuart`.

use vuart_16550::spec::{Msr, offset::*};
use vuart_16550::{Config, Profile, Time, Uart};

fn every_uart(test: impl Fn(Uart)) {
    for profile in [Profile::Uart16450, Profile::Uart16550a, Profile::Uart16750] {
        for gate in [true, false] {
            test(Uart::new(Config::new().with_profile(profile).with_out2_gate(gate)));
        }
    }
}

/// Runs an interrupt handler once. It serves each source once.
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

/// S11: the device answers every access in every state.
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

/// A port caches what `peek` returns, so it must return exactly what a read returns, and `None` if the read changes the state.
#[test]
fn peek_returns_what_a_read_that_changes_nothing_returns() {
    // Miri is a thousand times slower.
    let last = if cfg!(miri) { 7 } else { u8::MAX };
    let accesses =
        [(IER, 0x0F), (FCR, 0x01), (LCR, 0x83), (LCR, 0x03), (THR, b'x'), (MCR, 0x13), (SCR, 0x5A)];
    every_uart(|mut uart| {
        uart.set_modem_inputs(Msr::CTS);
        uart.write(LCR, 0x80);
        uart.write(DLL, 0x34);
        uart.write(DLM, 0x12);
        uart.write(LCR, 0x03);
        for (register, value) in accesses {
            uart.write(register, value);
            uart.receive(b'r');
            uart.receive_break();
            for _ in 0..8 {
                for register in 0..=last {
                    let (before, mut read) = (uart.state(), uart.clone());
                    let value = read.read(register);
                    let expected = (read.state() == before).then_some(value);
                    let peeked = uart.peek(register);
                    assert_eq!(uart.state(), before);
                    assert_eq!(peeked, expected, "register {register}: {before:?}");
                }
                serve(&mut uart);
            }
        }
    });
}

/// While the UART is transparent, a port forwards writes of THR without calling the UART.
#[test]
fn a_transparent_uart_only_sends_what_is_written_to_thr() {
    every_uart(|uart| {
        for (ier, mcr, lcr, iir_reads) in each_setting() {
            let mut uart = set(uart.clone(), ier, mcr, lcr, iir_reads);
            let (before, transparent) = (uart.state(), uart.is_transparent());
            let sent = uart.write(THR, b'x');
            assert_eq!(transparent, sent == Some(b'x') && uart.state() == before, "{before:?}");
        }
    });
}

/// A port may delay such a character until the guest's next access.
#[test]
fn a_character_that_is_transmitted_unseen_changes_nothing_that_the_guest_sees() {
    every_uart(|uart| {
        for (ier, mcr, lcr, iir_reads) in each_setting() {
            let mut uart = set(uart.clone(), ier, mcr, lcr, iir_reads);
            let seen = |uart: &Uart| {
                ([0, 1, 2, 3, 4, 5, 6, 7].map(|register| uart.peek(register)), uart.interrupt())
            };
            let (before, unseen) = (seen(&uart), uart.transmits_unseen());
            let sent = uart.write(THR, b'x');
            if unseen {
                assert_eq!((sent, seen(&uart)), (Some(b'x'), before), "{:?}", uart.state());
            } else {
                assert!(ier & 0x02 != 0 || mcr & 0x10 != 0 || lcr & 0x80 != 0, "{:?}", uart.state());
            }
            assert!(!(unseen && ier & 0x02 != 0), "THRE interrupts the guest");
        }
    });
}

/// Returns the combinations of IER, MCR and LCR that matter for a write of THR, each with and without a read of IIR before.
fn each_setting() -> impl Iterator<Item = (u8, u8, u8, usize)> {
    (0..16).flat_map(|ier| {
        [0x08, 0x18].into_iter().flat_map(move |mcr| {
            [0x03, 0x83].into_iter().flat_map(move |lcr| (0..2).map(move |reads| (ier, mcr, lcr, reads)))
        })
    })
}

fn set(mut uart: Uart, ier: u8, mcr: u8, lcr: u8, iir_reads: usize) -> Uart {
    uart.write(IER, ier);
    for _ in 0..iir_reads {
        uart.read(IIR);
    }
    uart.write(MCR, mcr);
    uart.write(LCR, lcr);
    uart
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
fn s18_the_divisor_is_12_after_reset() {
    every_uart(|mut uart| {
        uart.write(LCR, 0x80);
        // Linux' probe_baud() divides by this value.
        assert_eq!(115_200 / (u32::from(uart.read(DLL)) | u32::from(uart.read(DLM)) << 8), 9600);
    });
}

#[test]
fn s20_input_that_arrived_while_ier_was_0_is_announced() {
    every_uart(|mut uart| {
        uart.write(IER, 0x01);
        uart.write(IER, 0x00); // Linux' console begins to write a line
        uart.receive(b'x');
        assert!(!uart.interrupt());
        uart.write(IER, 0x01); // Linux' console has written it and restores IER
        assert!(uart.interrupt());
    });
}

/// FreeBSD's driver fills the FIFO and then enables the interrupt. Without this rule it prints sixteen characters and stops.
#[test]
fn s21_thre_is_announced_to_a_driver_that_enables_it_late() {
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
        // The driver has nothing to send for a while, and then sends again.
        uart.write(IER, 0x01);
        uart.write(IER, 0x03);
        assert!(uart.interrupt());
    });
}

/// FreeBSD's driver finds the FIFO's size by the overrun, which comes with the first character that does not fit.
#[test]
fn s21_the_overrun_comes_with_the_seventeenth_character() {
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
    assert_eq!(uart.read(LSR) & 0x01, 0, "a reset clears DR");
}
