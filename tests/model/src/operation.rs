//! Everything that a guest, a host and time can do to a UART.

use crate::register::{
    FCR_64_BYTES, FCR_ENABLE, FCR_TRIGGER, IER_DLM, IIR_FCR, LCR, LCR_BREAK, LCR_DLAB, LSR, MCR,
    MCR_AUTO_FLOW, MCR_LOOP, MSR, RBR_THR_DLL, SCR,
};

/// One action of the guest, of the host or of time.
///
/// Some actions are the several accesses of a driver, because random single accesses would seldom reach the same states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The guest reads a register.
    Read {
        /// The register's offset. Only its lowest three bits count.
        register: u8,
    },
    /// The guest writes a register.
    Write {
        /// The register's offset. Only its lowest three bits count.
        register: u8,
        /// The written value.
        value: u8,
    },
    /// A character arrives from the host.
    Receive {
        /// The character.
        data: u8,
        /// Whether the character has the wrong parity.
        parity_error: bool,
        /// Whether the character lacks its stop bit.
        framing_error: bool,
    },
    /// A break arrives from the host.
    Break,
    /// The host sets CTS, DSR, RI and DCD.
    Modem {
        /// The inputs: bits 4 to 7, as in MSR.
        inputs: u8,
    },
    /// Time passes, and the host takes the characters that leave. It does nothing in instant time.
    Advance {
        /// The time that passes, in nanoseconds.
        ns: u64,
    },
    /// Time passes until the next event. Other events of the same moment may stay for later, as when a guest's access comes
    /// between them. It does nothing in instant time.
    Await {
        /// The time by which to stop before the event, in nanoseconds.
        early_ns: u8,
    },
    /// The device is saved and restored, if it can be saved.
    Restart,

    /// The guest sets the divisor and restores LCR.
    SetDivisor {
        /// The divisor.
        divisor: u16,
    },
    /// The guest writes FCR with DLAB set, as a driver for 64-byte FIFOs must, and restores LCR.
    SetFifos {
        /// The written value.
        value: u8,
    },
    /// The guest fills the transmitter with successive values.
    Output {
        /// The first value.
        data: u8,
        /// The number of characters.
        count: u8,
    },
    /// The host sends successive values without regard to the room.
    Input {
        /// The first value.
        data: u8,
        /// The number of characters.
        count: u8,
    },
    /// The guest reads characters until LSR reports that none is left.
    Drain,
    /// The guest serves the interrupt that IIR names with the one access that clears it.
    Serve,
}

/// The lengths of [`Operation::Output`] and [`Operation::Input`], near the trigger levels and the FIFOs' sizes.
const COUNTS: [u8; 12] = [2, 3, 4, 8, 14, 15, 16, 17, 18, 56, 64, 66];

impl Operation {
    /// Makes an operation. `below(n)` must return a number from 0 to n - 1, which decides. Zeros make the simplest operations.
    ///
    /// Operations that let much happen are likely. Operations that end it, such as a change of the FIFOs, are rare.
    pub fn generate(mut below: impl FnMut(u32) -> u32) -> Self {
        match below(64) {
            0..14 => Self::Read { register: register(&mut below) },
            14..36 => write(&mut below),
            36..42 => Self::Receive {
                data: byte(&mut below),
                parity_error: below(8) == 1,
                framing_error: below(8) == 1,
            },
            42 => Self::Break,
            43..46 => Self::Modem { inputs: byte(&mut below) & 0xF0 },
            46..49 => Self::Advance { ns: time(&mut below) },
            49..53 => Self::Await { early_ns: u8::from(below(4) == 1) },
            53 => Self::Restart,
            54 => Self::SetDivisor { divisor: divisor(&mut below) },
            55..57 => Self::SetFifos { value: fcr(&mut below) },
            57 => Self::Output { count: count(&mut below), data: byte(&mut below) },
            58 => Self::Input { count: count(&mut below), data: byte(&mut below) },
            59 => Self::Drain,
            _ => Self::Serve,
        }
    }

    /// Makes an operation from random bits. Smaller numbers make simpler operations, which helps a test that shrinks.
    pub fn from_bits(mut bits: u64) -> Self {
        Self::generate(|n| {
            let n = u64::from(n);
            let digit = bits % n;
            bits /= n;
            u32::try_from(digit).unwrap_or_default()
        })
    }
}

fn byte(below: &mut impl FnMut(u32) -> u32) -> u8 {
    u8::try_from(below(256)).unwrap_or_default()
}

/// Chooses a register, seldom with offset bits above the three address lines.
fn register(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let register = byte(below) & 7;
    if below(32) == 1 { register | byte(below) } else { register }
}

/// Chooses a write, most often of THR and of the interrupt enables.
fn write(below: &mut impl FnMut(u32) -> u32) -> Operation {
    let (register, value) = match below(23) {
        0..8 => (RBR_THR_DLL, byte(below)),
        8..12 => (IER_DLM, if below(8) == 1 { byte(below) } else { byte(below) & 0x0F }),
        12..14 => (IIR_FCR, fcr(below)),
        14..16 => (LCR, lcr(below)),
        16..20 => (MCR, mcr(below)),
        20 => (LSR, byte(below)),
        21 => (MSR, byte(below)),
        _ => (SCR, byte(below)),
    };
    Operation::Write { register, value }
}

/// Chooses a value for FCR, mostly with the FIFOs on and rarely with a reset.
fn fcr(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let value = byte(below);
    let resets = if below(4) == 1 { 0x06 } else { 0 };
    let kept = FCR_TRIGGER | FCR_64_BYTES | 0x18 | resets;
    let enable = if below(8) == 1 { 0 } else { FCR_ENABLE };
    (value & kept) | enable
}

/// Chooses a value for LCR, seldom with DLAB, because DLAB hides the FIFOs and the interrupt enables.
fn lcr(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let frame = byte(below) & 0x3F;
    let send_break = if below(3) == 1 { LCR_BREAK } else { 0 };
    let dlab = if below(6) == 1 { LCR_DLAB } else { 0 };
    frame | send_break | dlab
}

/// Chooses a value for MCR, seldom with LOOP, because loopback cuts the UART from the line.
fn mcr(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let value = byte(below) & if below(16) == 1 { 0xFF } else { 0x0F };
    let loopback = if below(4) == 1 { MCR_LOOP } else { 0 };
    let auto_flow = if below(2) == 1 { MCR_AUTO_FLOW } else { 0 };
    value | loopback | auto_flow
}

/// Chooses a divisor, mostly a fast one.
fn divisor(below: &mut impl FnMut(u32) -> u32) -> u16 {
    let divisor = if below(4) == 1 { below(0x1_0000) } else { below(13) };
    u16::try_from(divisor).unwrap_or_default()
}

/// Chooses a time: a fraction of a bit, some bits or some characters at the highest or a usual rate, or a longer time.
fn time(below: &mut impl FnMut(u32) -> u32) -> u64 {
    let (unit, most) = match below(8) {
        0 => (1, 10_000),
        1 | 2 => (8_680, 24),
        3 | 4 => (86_800, 24),
        5 => (104_160, 24),
        6 => (1_041_600, 24),
        _ => (1_000_000, 10_000),
    };
    unit * u64::from(below(most)) + u64::from(below(16))
}

fn count(below: &mut impl FnMut(u32) -> u32) -> u8 {
    COUNTS.get(below(12) as usize).copied().unwrap_or_default()
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Operation {
    fn arbitrary(bytes: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::generate(|n| bytes.int_in_range(0..=n - 1).unwrap_or(0)))
    }
}
