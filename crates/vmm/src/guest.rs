//! The guests' machine code, which `guest.S` and `print.S` define.

use std::ptr::addr_of;

use crate::program::{Burst, Program};

core::arch::global_asm!(include_str!("guest.S"), options(att_syntax, raw));
core::arch::global_asm!(include_str!("print.S"), options(att_syntax, raw));

// SAFETY: guest.S and print.S each define two of these, and only as the two ends of their program.
unsafe extern "C" {
    static vuart_guest_start: u8;
    static vuart_guest_end: u8;
    static vuart_print_start: u8;
    static vuart_print_end: u8;
}

/// A program that can be loaded into a machine.
pub(crate) struct Image<'a> {
    /// The code. It is loaded at the start of a segment, and entered at its first byte in real mode.
    pub(crate) code: &'a [u8],
    /// The initial values of RBX and RCX.
    pub(crate) arguments: [u64; 2],
}

impl<'a> From<&'a Program> for Image<'a> {
    fn from(program: &'a Program) -> Self {
        match program {
            Program::Monitor => Self { code: monitor(), arguments: [0, 0] },
            Program::Print { bytes, burst } => {
                Self { code: print(), arguments: [(*bytes).into(), (*burst == Burst::String).into()] }
            }
            Program::Code(code) => Self { code, arguments: [0, 0] },
        }
    }
}

/// The code of the serial monitor.
fn monitor() -> &'static [u8] {
    // SAFETY: these are the two ends of guest.S.
    unsafe { between(addr_of!(vuart_guest_start), addr_of!(vuart_guest_end)) }
}

/// The code of the program that prints.
fn print() -> &'static [u8] {
    // SAFETY: these are the two ends of print.S.
    unsafe { between(addr_of!(vuart_print_start), addr_of!(vuart_print_end)) }
}

/// The bytes between the two ends of an assembled program.
///
/// # Safety
///
/// `start` and `end` are the two ends of one program.
unsafe fn between(start: *const u8, end: *const u8) -> &'static [u8] {
    let length = end as usize - start as usize;
    // SAFETY: the assembly puts everything between the two labels into one section of read-only data. These are therefore
    // `length` bytes of one allocation, which exist and do not change as long as the host program runs.
    unsafe { std::slice::from_raw_parts(start, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_leaves_room_for_its_variables() {
        // guest.S has its variables at 0x4000.
        assert!(monitor().len() < 0x4000, "{:#x}", monitor().len());
    }

    #[test]
    fn a_program_starts_with_its_first_instruction() {
        const CLI: u8 = 0xfa;
        assert_eq!([monitor()[0], print()[0]], [CLI; 2]);
    }
}
