//! Snapshots from untrusted bytes.

use arbitrary::{Arbitrary, Result, Unstructured};
use vuart::uart::spec::offset::{IIR, LCR, LSR, MCR, MSR, RBR};
use vuart::uart::{
    CharacterState, CharacterTimeoutV1, Instant, Profile, ThreV1, Time, Timed, TimedStateV1, Uart, UartState,
    UartStateV1,
};
use vuart::{PortBuilder, PortState, RingSize};

use crate::port::Irq;

/// The most steps of a handler or a transmitter. No handler needs more to serve every interrupt, and no transmitter holds more
/// characters.
const STEPS_MAX: usize = 300;

/// Restores a state from the bytes, read as text and as a structure, and uses each UART that is not refused.
///
/// # Panics
///
/// Panics if an accepted state does not read back the same, or makes a UART that hangs.
pub fn check_state(bytes: &[u8]) {
    if let Ok(state) = serde_json::from_slice::<PortState>(bytes)
        && let Ok(mut port) = PortBuilder::restore(&state).with_scrollback(RingSize::of::<4096>()).build(Irq)
    {
        port.write_register(LCR, 0x03);
        port.read_register(LSR);
        PortBuilder::restore(&port.state())
            .with_scrollback(RingSize::of::<4096>())
            .build(Irq)
            .expect("a port's own state restores");
    }
    let Ok(state) = any_state(&mut Unstructured::new(bytes)) else { return };
    let state = UartState::V1(state);
    if let Ok(uart) = Uart::<Instant>::restore(&state) {
        assert_eq!(uart.state(), state);
        serve(uart);
    }
    if let Ok(mut uart) = Uart::<Timed>::restore(&state) {
        assert_eq!(uart.state(), state);
        // Only flow control may hold the transmitter for ever (R9), so it is switched off.
        uart.write(MCR, 0x08);
        for _ in 0..STEPS_MAX {
            let Some(at) = uart.next_event() else { break };
            let _ = uart.advance(at);
            assert_eq!(Uart::<Timed>::restore(&uart.state()).map(|uart| uart.state()), Ok(uart.state()));
        }
        assert_eq!((uart.next_event(), uart.read(LSR) & 0x60), (None, 0x60));
        serve(uart);
    }
}

/// Serves the interrupts, as a driver does, until the line is low.
fn serve<T: Time>(mut uart: Uart<T>) {
    uart.write(LCR, 0x03);
    for _ in 0..STEPS_MAX {
        if !uart.interrupt() {
            return;
        }
        for register in [IIR, LSR, RBR, MSR] {
            uart.read(register);
        }
        assert_eq!(Uart::<T>::restore(&uart.state()).map(|uart| uart.state()), Ok(uart.state()));
    }
    panic!("the interrupt line never falls: {:?}", uart.state());
}

/// Makes a state that is often valid.
fn any_state(bytes: &mut Unstructured<'_>) -> Result<UartStateV1> {
    let receiver = (0..bytes.int_in_range(0..=64)?)
        .map(|_| Ok(CharacterState { data: bytes.arbitrary()?, errors: few_bits(bytes)? }))
        .collect::<Result<_>>()?;
    Ok(UartStateV1 {
        profile: *bytes.choose(&[Profile::Uart16450, Profile::Uart16550a, Profile::Uart16750])?,
        out2_gate: bytes.arbitrary()?,
        ier: bytes.int_in_range(0..=0x4F)?,
        fcr: *bytes.choose(&[0x00, 0x01, 0x41, 0x81, 0xC9, 0x21, 0xE1, 0x02, 0xFF])?,
        lcr: bytes.arbitrary()?,
        mcr: bytes.int_in_range(0..=0x4F)?,
        scr: bytes.arbitrary()?,
        divisor: bytes.arbitrary()?,
        line_errors: few_bits(bytes)?,
        modem_inputs: bytes.int_in_range(0..=15)? << 4,
        modem_deltas: bytes.int_in_range(0..=15)?,
        thre_pending: bytes.arbitrary()?,
        rts_held: bytes.arbitrary()?,
        receiver,
        timed: if bytes.arbitrary()? { Some(any_timed(bytes)?) } else { None },
    })
}

/// Makes a byte of line errors that is often valid.
fn few_bits(bytes: &mut Unstructured<'_>) -> Result<u8> {
    bytes.choose(&[0x00, 0x00, 0x00, 0x02, 0x04, 0x08, 0x0C, 0x10, 0x1E, 0xFF]).copied()
}

/// Makes the timed part of a state.
fn any_timed(bytes: &mut Unstructured<'_>) -> Result<TimedStateV1> {
    let now: u64 = if bytes.ratio(1, 8)? { bytes.arbitrary()? } else { bytes.int_in_range(0..=1 << 40)? };
    let ahead = |bytes: &mut Unstructured<'_>| -> Result<u64> {
        if bytes.ratio(1, 8)? {
            return bytes.arbitrary();
        }
        Ok(now.saturating_add(bytes.int_in_range(0..=1 << 34)?))
    };
    let shifting = if bytes.arbitrary()? { Some((bytes.arbitrary()?, ahead(bytes)?)) } else { None };
    let thre = match bytes.int_in_range(0..=2)? {
        0 => ThreV1::Set,
        1 => ThreV1::SetAt(ahead(bytes)?),
        _ => ThreV1::Clear,
    };
    let timeout = match bytes.int_in_range(0..=2)? {
        0 => CharacterTimeoutV1::Idle,
        1 => CharacterTimeoutV1::At(ahead(bytes)?),
        _ => CharacterTimeoutV1::Expired,
    };
    Ok(TimedStateV1 {
        clock: Arbitrary::arbitrary(bytes)?,
        now,
        transmitter: (0..bytes.int_in_range(0..=64)?).map(|_| bytes.arbitrary()).collect::<Result<_>>()?,
        shifting,
        thre,
        two_queued: bytes.arbitrary()?,
        undelayed: bytes.arbitrary()?,
        timeout,
    })
}
