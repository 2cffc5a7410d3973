//! What a guest, a host and time can do to a UART.

use crate::register::{
    FCR_64_BYTES, FCR_ENABLE, FCR_TRIGGER, IER_DLM, IIR_FCR, LCR, LCR_BREAK, LCR_DLAB, LSR, MCR,
    MCR_AUTO_FLOW, MCR_LOOP, MSR, RBR_THR_DLL, SCR,
};

/// One thing that a guest, the host or time does to a UART.
///
/// Some are what drivers do in several accesses; single ones at random would seldom get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The guest reads a register.
    Read {
        /// Of its bits, the lowest three count.
        register: u8,
    },
    /// The guest writes a register.
    Write {
        /// Of its bits, the lowest three count.
        register: u8,
        /// What is written.
        value: u8,
    },
    /// A character arrives from the host.
    Receive {
        /// The character.
        data: u8,
        /// It has the wrong parity.
        parity_error: bool,
        /// It has no stop bit.
        framing_error: bool,
    },
    /// A break arrives from the host.
    Break,
    /// The host sets CTS, DSR, RI, DCD: bits 4 to 7, as in MSR.
    Modem {
        /// The lines.
        inputs: u8,
    },
    /// Time passes, and all that leaves in it is taken. In instant time, nothing.
    Advance {
        /// How much time, in nanoseconds.
        ns: u64,
    },
    /// Time passes until something happens. Other things that happen at that moment may be left for later, as when a
    /// guest comes between. In instant time, nothing.
    Await {
        /// Stops this much before it.
        early_ns: u8,
    },
    /// The device is saved and restored, if it can be.
    Restart,

    /// The guest sets the divisor, and leaves LCR as it was.
    SetDivisor {
        /// The divisor.
        divisor: u16,
    },
    /// The guest writes FCR as one that wants 64-byte FIFOs must: with DLAB set. It leaves LCR as it was.
    SetFifos {
        /// What is written.
        value: u8,
    },
    /// The guest fills the transmitter: one write after another, each of the next higher value.
    Output {
        /// The first.
        data: u8,
        /// How many.
        count: u8,
    },
    /// The host sends without a look at the room: one character after another, each of the next higher value.
    Input {
        /// The first.
        data: u8,
        /// How many.
        count: u8,
    },
    /// The guest reads until LSR says that nothing is left.
    Drain,
    /// The guest serves the interrupt that IIR names, with the one access that does.
    Serve,
}

/// Lengths of [`Operation::Output`] and [`Operation::Input`]: about the trigger levels and the FIFOs' sizes.
const COUNTS: [u8; 12] = [2, 3, 4, 8, 14, 15, 16, 17, 18, 56, 64, 66];

impl Operation {
    /// Makes an operation: `below(n)` gives a number from 0 to n - 1, and decides. Zeros make the simplest ones.
    ///
    /// What lets much happen is likely; what ends it, such as a change of the FIFOs, is not.
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

    /// Makes an operation of random bits. Of smaller numbers it makes simpler operations, as a test that shrinks likes it.
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

/// Seldom with address lines that there are not.
fn register(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let register = byte(below) & 7;
    if below(32) == 1 { register | byte(below) } else { register }
}

/// THR and the enables of interrupts most often.
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

/// FIFOs on, mostly, and rarely cleared.
fn fcr(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let value = byte(below);
    let resets = if below(4) == 1 { 0x06 } else { 0 };
    let kept = FCR_TRIGGER | FCR_64_BYTES | 0x18 | resets;
    let enable = if below(8) == 1 { 0 } else { FCR_ENABLE };
    (value & kept) | enable
}

/// DLAB seldom: it hides the FIFOs and the enables of interrupts.
fn lcr(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let frame = byte(below) & 0x3F;
    let send_break = if below(3) == 1 { LCR_BREAK } else { 0 };
    let dlab = if below(6) == 1 { LCR_DLAB } else { 0 };
    frame | send_break | dlab
}

/// Loopback seldom: nothing comes and nothing goes in it.
fn mcr(below: &mut impl FnMut(u32) -> u32) -> u8 {
    let value = byte(below) & if below(16) == 1 { 0xFF } else { 0x0F };
    let loopback = if below(4) == 1 { MCR_LOOP } else { 0 };
    let auto_flow = if below(2) == 1 { MCR_AUTO_FLOW } else { 0 };
    value | loopback | auto_flow
}

/// Fast, mostly.
fn divisor(below: &mut impl FnMut(u32) -> u32) -> u16 {
    let divisor = if below(4) == 1 { below(0x1_0000) } else { below(13) };
    u16::try_from(divisor).unwrap_or_default()
}

/// A fraction of a bit, some bits, some characters, at the highest or a usual rate; or a while.
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
