//! The programs that a guest can run, and how a guest ends.

/// A program that a guest can run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Program {
    /// The serial monitor. It is driven by interrupts, and a person types commands.
    #[default]
    Monitor,
    /// Prints [`printed_bytes`](crate::printed_bytes) and switches the machine off. It uses no interrupts, and writes 16 bytes after
    /// each look at LSR, as Linux' console does. Exits and times are measured with it.
    Print {
        /// The number of bytes.
        bytes: u32,
        /// How the bytes are written.
        burst: Burst,
    },
    /// Machine code for real mode, of up to 64 KiB. CS is its segment, and interrupts are off. The word 0x2000 at port 0x604
    /// ends the machine, and the byte 0xFE at port 0x64 resets it. Only [KVM](crate::Engine::Kvm) can run it.
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
    /// The guest reset the machine, and it was not to boot again; see
    /// [`with_reboots`](crate::MachineOptions::with_reboots).
    Reset,
    /// [`Machine::stop`](crate::Machine::stop) was called.
    Stopped,
}
