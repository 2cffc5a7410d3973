//! Each chip identifies itself truthfully and has its own FIFOs, trigger levels and flow control.

use vuart_16550::spec::{InterruptId, Mcr, Msr, offset::*};
use vuart_16550::{Config, Profile, Uart};

fn uart(profile: Profile) -> Uart {
    Uart::new(Config::new().with_profile(profile))
}

/// Identifies a chip as Linux' `autoconfig_16550a` does: by IIR after a write of FCR.
fn identify(uart: &mut Uart) -> &'static str {
    uart.write(LCR, 0x00);
    uart.write(FCR, 0x01);
    if uart.read(IIR) & 0xC0 != 0xC0 {
        return "16450";
    }
    uart.write(FCR, 0x21);
    let without_dlab = uart.read(IIR) & 0xE0;
    uart.write(FCR, 0x01);
    uart.write(LCR, 0x80);
    uart.write(FCR, 0x21);
    let with_dlab = uart.read(IIR) & 0xE0;
    uart.write(FCR, 0x01);
    uart.write(LCR, 0x00);
    match (without_dlab, with_dlab) {
        (0xC0, 0xC0) => "16550A",
        (0xC0, 0xE0) => "16750",
        _ => "something else",
    }
}

/// Counts the characters that fit into the receiver, as Linux' `size_fifo` does.
fn size(uart: &mut Uart) -> usize {
    uart.write(MCR, 0x10);
    for byte in 0..=255 {
        uart.write(THR, byte);
    }
    let mut count = 0;
    while uart.read(LSR) & 0x01 != 0 {
        uart.read(RBR);
        count += 1;
        assert!(count <= 256, "DR never falls");
    }
    uart.write(MCR, 0x08);
    count
}

#[test]
fn linux_identifies_each_chip() {
    for (profile, name) in
        [(Profile::Uart16450, "16450"), (Profile::Uart16550a, "16550A"), (Profile::Uart16750, "16750")]
    {
        assert_eq!(identify(&mut uart(profile)), name);
    }
}

#[test]
fn linux_finds_the_fifo_size_of_each_chip() {
    let sized = |profile, fcr: &[(u8, u8)]| {
        let mut uart = uart(profile);
        for (register, value) in fcr {
            uart.write(*register, *value);
        }
        assert_eq!(u8::try_from(size(&mut uart)).unwrap(), uart.receiver_capacity());
        size(&mut uart)
    };
    let wide = [(LCR, 0x80), (FCR, 0x21), (LCR, 0x00)];
    assert_eq!(sized(Profile::Uart16450, &[(FCR, 0x07)]), 1);
    assert_eq!(sized(Profile::Uart16550a, &[]), 1);
    assert_eq!(sized(Profile::Uart16550a, &[(FCR, 0x07)]), 16);
    assert_eq!(sized(Profile::Uart16550a, &wide), 16);
    assert_eq!(sized(Profile::Uart16750, &[(FCR, 0x07)]), 16);
    assert_eq!(sized(Profile::Uart16750, &wide), 64);
}

#[test]
fn a_16450_has_no_fifo() {
    let mut uart = uart(Profile::Uart16450);
    for value in 0..=255 {
        uart.write(FCR, value);
        assert_eq!((uart.read(IIR), uart.receiver_capacity()), (0x01, 1));
    }
    uart.write(IER, 0x01);
    uart.receive(b'a');
    assert_eq!(uart.interrupt_id(), InterruptId::ReceivedData, "a 16450 has no time-out");
    uart.receive_break();
    assert_eq!(uart.read(LSR), 0x73, "bit 7 is always 0 in a 16450");
    uart.write(SCR, 0xA5);
    assert_eq!(uart.read(SCR), 0xA5, "a 16450 has a scratch register, an 8250 has none");
}

#[test]
fn r5_each_chip_stores_its_own_bits() {
    for (profile, ier, mcr) in [
        (Profile::Uart16450, 0x0F, 0x1F),
        (Profile::Uart16550a, 0x0F, 0x1F),
        (Profile::Uart16750, 0x3F, 0x3F),
    ] {
        let mut uart = uart(profile);
        uart.write(IER, 0xFF);
        uart.write(MCR, 0xFF);
        assert_eq!((uart.read(IER), uart.read(MCR)), (ier, mcr), "{profile:?}");
    }
}

#[test]
fn a_16750_has_trigger_levels_for_both_fifo_sizes() {
    for (dlab, levels) in [(0x00, [1, 4, 8, 14]), (0x80, [1, 16, 32, 56])] {
        for (setting, level) in (0_u8..).zip(levels) {
            let mut uart = uart(Profile::Uart16750);
            uart.write(LCR, dlab);
            uart.write(FCR, 0x21 | setting << 6);
            uart.write(LCR, 0x00);
            uart.write(IER, 0x01);
            for received in 1..=level {
                uart.receive(b'x');
                let expected =
                    if received == level { InterruptId::ReceivedData } else { InterruptId::CharacterTimeout };
                assert_eq!(uart.interrupt_id(), expected, "{received} of {level}");
            }
        }
    }
}

#[test]
fn the_64_byte_mode_is_protected_by_dlab() {
    let mut uart = uart(Profile::Uart16750);
    uart.write(FCR, 0x21);
    assert_eq!(uart.read(IIR) & 0xE0, 0xC0);
    uart.write(LCR, 0x80);
    uart.write(FCR, 0x21);
    uart.write(LCR, 0x00);
    uart.receive(b'x');
    uart.write(FCR, 0x01);
    assert_eq!(
        (uart.read(IIR) & 0xE0, uart.received()),
        (0xE0, 1),
        "without DLAB the bit stays and nothing is lost"
    );
    uart.write(FCR, 0x00);
    assert_eq!(uart.read(IIR) & 0xE0, 0x00);
    uart.write(FCR, 0x01);
    assert_eq!(uart.read(IIR) & 0xE0, 0xC0, "switching the FIFOs off clears the bit");
    uart.write(LCR, 0x80);
    uart.receive(b'x');
    uart.write(FCR, 0x21);
    assert_eq!(uart.received(), 0, "a change of the size clears the FIFO");
}

/// A FIFO reuses its places in a circle, so the order must hold wherever the circle begins.
#[test]
fn s11_a_fifo_keeps_the_order_of_its_characters() {
    let mut uart = uart(Profile::Uart16750);
    uart.write(LCR, 0x80);
    uart.write(FCR, 0x21);
    uart.write(LCR, 0x00);
    let mut sent = (0..=u8::MAX).cycle();
    let mut expected = (0..=u8::MAX).cycle();
    for burst in (1..=64).chain((1..=64).rev()) {
        for _ in 0..burst {
            uart.receive(sent.next().unwrap());
        }
        for _ in 0..burst {
            assert_eq!(Some(uart.read(RBR)), expected.next());
        }
        assert_eq!(uart.read(LSR), 0x60);
    }
}

/// RTS stops the sender at the trigger level and releases it when the receiver is empty. At the highest trigger level it stops
/// the sender when the FIFO is full and releases it when there is room.
#[test]
fn automatic_rts_stops_and_releases_the_sender() {
    for (fcr, stop, go) in [(0x01, 1, 0), (0x41, 4, 0), (0x81, 8, 0), (0xC1, 16, 15)] {
        let mut uart = uart(Profile::Uart16750);
        uart.write(FCR, fcr);
        uart.write(MCR, 0x22);
        let rts = |uart: &Uart| uart.modem_outputs().contains(Mcr::RTS);
        for received in 1..=stop {
            assert!(rts(&uart) && uart.room() == stop - received + 1);
            uart.receive(b'x');
        }
        assert!(!rts(&uart) && uart.holds_sender() && uart.room() == 0, "FCR {fcr:#x}");
        for left in (0..stop).rev() {
            uart.read(RBR);
            assert_eq!(rts(&uart), left <= go, "{left} left, FCR {fcr:#x}");
        }
        uart.write(MCR, 0x20);
        assert!(!rts(&uart) && !uart.holds_sender(), "the driver can switch RTS off");
    }
}

#[test]
fn automatic_rts_ends_when_a_condition_for_it_ends() {
    let held = || {
        let mut uart = uart(Profile::Uart16750);
        uart.write(FCR, 0x01);
        uart.write(MCR, 0x22);
        uart.receive(b'x');
        assert!(uart.holds_sender());
        uart
    };
    for (register, value) in [(MCR, 0x02), (FCR, 0x00), (FCR, 0x03), (FCR, 0x41)] {
        let mut uart = held();
        uart.write(register, value);
        // A higher trigger level alone does not release the sender, because the FIFO must become empty.
        assert_eq!(uart.holds_sender(), (register, value) == (FCR, 0x41), "{register} {value:#x}");
        assert_eq!(uart.modem_outputs().contains(Mcr::RTS), !uart.holds_sender());
    }
}

#[test]
fn with_automatic_flow_control_cts_raises_no_interrupt() {
    let mut uart = uart(Profile::Uart16750);
    uart.write(FCR, 0x01);
    uart.write(IER, 0x08);
    uart.write(MCR, 0x28);
    uart.set_modem_inputs(Msr::DSR | Msr::DCD);
    assert!(!uart.interrupt());
    assert_eq!(uart.read(MSR), 0xA1, "MSR shows the change");
    uart.set_modem_inputs(Msr::empty());
    assert!(uart.interrupt(), "the other inputs raise the interrupt");
}

#[test]
fn a_16550a_has_no_automatic_flow_control() {
    let mut uart = uart(Profile::Uart16550a);
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x22);
    uart.receive(b'x');
    assert!(!uart.holds_sender());
    assert_eq!(uart.room(), 15);
}

/// A host without flow control keeps sending. The characters that do not fit are an overrun, and nothing else breaks.
#[test]
fn a_sender_that_ignores_rts_overruns() {
    let mut uart = uart(Profile::Uart16750);
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x22);
    (0..20).for_each(|byte| uart.receive(byte));
    assert_eq!((uart.received(), uart.read(LSR) & 0x02), (16, 0x02));
}
