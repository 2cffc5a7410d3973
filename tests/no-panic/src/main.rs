//! A program that does to a UART everything that a guest, a host or time can do, with one function for each action.
//!
//! `.ci/no-panic` builds it for a machine without an operating system. If any code can panic or allocate, the linked program
//! contains the panic handler below or an allocator.

#![no_std]
#![no_main]

use core::hint::black_box;

use vuart_16550::spec::{Lsr, Msr};
use vuart_16550::{Config, Time, Timed, Uart, UartState};

#[inline(never)]
fn read<T: Time>(uart: &mut Uart<T>, offset: u8) -> u8 {
    uart.read(offset)
}

#[inline(never)]
fn write<T: Time>(uart: &mut Uart<T>, offset: u8, value: u8) -> Option<u8> {
    uart.write(offset, value)
}

#[inline(never)]
fn receive<T: Time>(uart: &mut Uart<T>, data: u8, errors: u8) {
    uart.receive(data);
    uart.receive_with_errors(data, Lsr::from_bits_retain(errors));
    uart.receive_break();
}

#[inline(never)]
fn set_modem_inputs<T: Time>(uart: &mut Uart<T>, inputs: u8) {
    uart.set_modem_inputs(Msr::from_bits_retain(inputs));
}

#[inline(never)]
fn outputs<T: Time>(uart: &Uart<T>) {
    black_box((uart.interrupt(), uart.interrupt_id(), uart.room(), uart.received()));
    black_box((uart.modem_outputs(), uart.break_out(), uart.holds_sender(), uart.receiver_capacity()));
    black_box((uart.peek(black_box(0)), uart.config()));
}

#[inline(never)]
fn state<T: Time>(uart: &Uart<T>) -> UartState {
    uart.state()
}

#[inline(never)]
fn restore<T: Time>(state: &UartState) -> Option<Uart<T>> {
    Uart::restore(state).ok()
}

#[inline(never)]
fn advance(uart: &mut Uart<Timed>, now: u64) {
    black_box(uart.advance(now));
    black_box((uart.next_event(), uart.now(), uart.character_time(), uart.bit_time()));
}

fn everything<T: Time>(uart: &mut Uart<T>) {
    let byte = || black_box(0_u8);
    black_box(read(uart, byte()));
    black_box(write(uart, byte(), byte()));
    receive(uart, byte(), byte());
    set_modem_inputs(uart, byte());
    outputs(uart);
    let kept = black_box(state(uart));
    if let Some(restored) = restore(&kept) {
        *uart = restored;
    }
}

/// The entry point of the machine.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut instant = black_box(Uart::new(Config::new()));
    let mut timed = black_box(Uart::timed(Config::new()));
    loop {
        everything(&mut instant);
        black_box(instant.awaits_character());
        black_box((instant.awaits_modem_status(), instant.is_in_loopback()));
        black_box((instant.transmits_unseen(), instant.is_transparent()));
        everything(&mut timed);
        advance(&mut timed, black_box(0));
        #[cfg(feature = "control")]
        black_box([1_u8, 2][black_box(0_usize)]);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
