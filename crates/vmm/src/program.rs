//! The programs that a guest can run, and how a guest ends.

/// A program that a guest can run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Program {
    /// The serial monitor. It is driven by interrupts, and a person types commands.
    #[default]
    Monitor,
    /// Prints [`printed_bytes`](crate::printed_bytes) and resets the machine. It uses no interrupts, and writes 16 bytes after
    /// each look at LSR, as Linux' console does. Exits and times are measured with it.
    Print {
        /// The number of bytes.
        bytes: u32,
        /// How the bytes are written.
        burst: Burst,
    },
    /// Machine code for real mode, of up to 64 KiB. CS is its segment, and interrupts are off. A write of 0xFE to port 0x64
    /// ends the machine. Only [KVM](crate::Engine::Kvm) can run it.
    Code(Vec<u8>),
}

/// How [`Program::Print`] writes 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burst {
    /// With 16 `outb`.
    Bytes,
    /// With one `rep outsb`.
    String,
}

/// How the guest ended, if nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The guest halted the machine.
    Halted,
    /// [`Machine::stop`](crate::Machine::stop) was called.
    Stopped,
}
