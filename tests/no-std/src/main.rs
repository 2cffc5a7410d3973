//! The machine that [`vuart_no_std::run`] runs on. It has no standard library, an allocator that never frees, and one wire.
//!
//! So that it runs in a test, the wire is the file descriptor 1 and the power switch is `exit`: the program is made for a machine without
//! an operating system, makes these two system calls by hand, and Linux starts it as it starts any static program. On a real machine they
//! would be a UART's data register and a reset.

#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const HEAP: usize = 256 << 10;

/// Memory that is handed out once.
#[repr(C, align(4096))]
struct Bump {
    memory: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// SAFETY: each byte of the memory is handed out to one caller, by an atomic counter.
unsafe impl Sync for Bump {}

// SAFETY: what is returned is aligned, within the memory, and handed out to nobody else, because `used` only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let place = |used: usize| used.checked_next_multiple_of(layout.align());
        let take = |used| place(used)?.checked_add(layout.size()).filter(|end| *end <= HEAP);
        // Relaxed: the counter orders nothing.
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(place) {
            // SAFETY: `take` has checked that it is within the memory.
            Ok(Some(start)) if layout.align() <= 4096 => unsafe { self.memory.get().cast::<u8>().add(start) },
            _ => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: Bump = Bump { memory: UnsafeCell::new([0; HEAP]), used: AtomicUsize::new(0) };

// The processor begins here, without a stack frame.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "bl {main}", "udf #0", main = sym main);
#[cfg(target_arch = "riscv64")]
global_asm!(".globl _start", "_start:", "li s0, 0", "call {main}", "unimp", main = sym main);

/// A system call of Linux with three arguments.
///
/// # Safety
///
/// As the call's.
unsafe fn call(number: usize, arguments: [usize; 3]) -> isize {
    let result;
    // SAFETY: the instruction changes what is declared and nothing else; the rest is the caller's promise.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("syscall", inlateout("rax") number => result, in("rdi") arguments[0], in("rsi") arguments[1], in("rdx") arguments[2],
            lateout("rcx") _, lateout("r11") _);
        #[cfg(target_arch = "aarch64")]
        asm!("svc #0", in("x8") number, inlateout("x0") arguments[0] => result, in("x1") arguments[1], in("x2") arguments[2]);
        #[cfg(target_arch = "riscv64")]
        asm!("ecall", in("a7") number, inlateout("a0") arguments[0] => result, in("a1") arguments[1], in("a2") arguments[2]);
    }
    result
}

const WRITE: usize = if cfg!(target_arch = "x86_64") { 1 } else { 64 };
const EXIT: usize = if cfg!(target_arch = "x86_64") { 60 } else { 93 };

/// Sends bytes out on the wire.
fn wire(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: `write` reads these bytes only.
        match usize::try_from(unsafe { call(WRITE, [1, bytes.as_ptr() as usize, bytes.len()]) }) {
            Ok(written) => bytes = &bytes[written..],
            Err(_) => power_off(2),
        }
    }
}

fn power_off(status: usize) -> ! {
    loop {
        // SAFETY: nothing is used after this.
        unsafe { call(EXIT, [status, 0, 0]) };
    }
}

extern "C" fn main() -> ! {
    power_off(if vuart_no_std::run(wire).is_ok() { 0 } else { 1 })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    power_off(101)
}
