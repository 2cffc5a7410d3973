//! What the guest runs.

/// What the guest runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Program {
    /// The serial monitor: by interrupts, with somebody to type.
    #[default]
    Monitor,
    /// Prints [`printed_bytes`] and resets the machine: without interrupts and 16 bytes for each look at LSR, as Linux' console
    /// does. It is what exits and time are measured with.
    Print {
        /// How many bytes.
        bytes: u32,
        /// How they are written.
        burst: Burst,
    },
    /// Machine code for the real mode, with interrupts off, that may be up to 64 KiB from its first byte on: CS is its segment.
    /// A write of 0xFE to port 0x64 ends the machine. Only [KVM](crate::Engine::Kvm) runs it.
    Code(Vec<u8>),
}

/// How [`Program::Print`] writes the 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burst {
    /// With 16 `outb`.
    Bytes,
    /// With one `rep outsb`.
    String,
}

/// The period of what is printed: the graphic characters.
const PATTERN: u32 = 94;

/// What [`Program::Print`] writes: the graphic characters from `!` to `~`, over and over.
///
/// ```
/// assert_eq!(vuart_vmm::printed_bytes(96)[90..], *b"{|}~!\"");
/// ```
pub fn printed_bytes(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|number| b'!' + (number % PATTERN).to_le_bytes()[0]).collect()
}
