//! The guest's machine code.

use std::ptr::addr_of;

core::arch::global_asm!(include_str!("guest.S"), options(att_syntax, raw));

// SAFETY: guest.S defines both, and never as anything else than the two ends of the program.
unsafe extern "C" {
    static vuart_guest_start: u8;
    static vuart_guest_end: u8;
}

/// The program, to be put at the start of a segment and entered at its first byte in real mode.
pub(crate) fn program() -> &'static [u8] {
    let start = addr_of!(vuart_guest_start);
    let end = addr_of!(vuart_guest_end);
    let length = end as usize - start as usize;
    // SAFETY: guest.S puts everything between the two labels into one section of read-only data, so these are `length`
    // bytes of one allocation that are there, and the same, as long as the host program runs.
    unsafe { std::slice::from_raw_parts(start, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_leaves_room_for_its_variables() {
        // 0x4000 is where guest.S has them.
        assert!(program().len() < 0x4000, "{:#x}", program().len());
    }

    #[test]
    fn the_program_starts_with_its_first_instruction() {
        const CLI: u8 = 0xfa;
        assert_eq!(program()[0], CLI);
    }
}
