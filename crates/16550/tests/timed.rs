//! Timed mode: how long characters, THRE and the time-out take.

use std::num::NonZeroU32;

use vuart_16550::spec::{Lsr, Mcr, Msr, offset::*};
use vuart_16550::{Config, Profile, Timed, Uart};

/// The time of a character at 115200 baud, 8N1, in nanoseconds.
const CHARACTER: u64 = 86_806;

/// Makes a UART at 115200 baud, 8N1.
fn uart_of(profile: Profile) -> Uart<Timed> {
    let mut uart = Uart::timed(Config::new().with_profile(profile));
    for (register, value) in [(LCR, 0x83), (DLL, 1), (DLM, 0), (LCR, 0x03)] {
        uart.write(register, value);
    }
    uart
}

fn uart() -> Uart<Timed> {
    uart_of(Profile::Uart16550a)
}

/// More characters than any transmitter holds. A UART that sends more never stops.
const CHARACTERS_MAX: usize = 100;

/// Advances time to `now`, and returns the characters that leave, each with its time.
fn run(uart: &mut Uart<Timed>, now: u64) -> Vec<(u64, u8)> {
    let left: Vec<_> = std::iter::from_fn(|| uart.advance(now).map(|byte| (uart.now(), byte)))
        .take(CHARACTERS_MAX)
        .collect();
    assert!(left.len() < CHARACTERS_MAX, "characters never stop leaving");
    left
}

fn print(uart: &mut Uart<Timed>, bytes: &[u8]) {
    for byte in bytes {
        assert_eq!(uart.write(THR, *byte), None, "no character leaves at once");
    }
}

#[test]
fn divisor_and_frame_decide_how_long_a_character_takes() {
    let mut uart = uart();
    // The lengths of 5N1, 5N1.5, 8N1, 8N2, 8E1, 8E2 and 7O1 in half bits.
    for (lcr, half_bits) in
        [(0x00, 14), (0x04, 15), (0x03, 20), (0x07, 22), (0x1B, 22), (0x1F, 24), (0x0A, 20)]
    {
        uart.write(LCR, lcr);
        assert_eq!(
            uart.character_time(),
            (half_bits * 8_000_000_000_u64).div_ceil(1_843_200),
            "LCR {lcr:#x}"
        );
    }
    assert_eq!(uart.bit_time(), 8680);
    for (register, value) in [(LCR, 0x83), (DLL, 12), (DLM, 0), (LCR, 0x03)] {
        uart.write(register, value);
    }
    assert_eq!(uart.character_time(), 1_041_667, "9600 baud");

    let fast = Config::new().with_clock(NonZeroU32::new(48_000_000).unwrap());
    let mut uart = Uart::timed(fast);
    uart.write(LCR, 0x03);
    assert_eq!(uart.character_time(), 40_000, "a divisor of 12 of 48 MHz is 250000 baud");
}

#[test]
fn s2_every_divisor_and_frame_gives_a_time_that_is_neither_zero_nor_endless() {
    let mut uart = Uart::timed(Config::new());
    // Miri is a thousand times slower.
    for divisor in (0..=u16::MAX).step_by(if cfg!(miri) { 4099 } else { 1 }) {
        let [low, high] = divisor.to_le_bytes();
        uart.write(LCR, 0x80);
        uart.write(DLL, low);
        uart.write(DLM, high);
        // The kind of parity, break and DLAB do not change the time, so only some divisors are tried with every LCR.
        let every = if divisor % 257 == 0 { 1 } else { 16 };
        for lcr in (0..=u8::MAX).step_by(every) {
            uart.write(LCR, lcr);
            assert!((7_000 * u64::from(divisor.max(1))..=6_900_000_000).contains(&uart.character_time()));
            assert!(uart.bit_time() > 0 && uart.bit_time() < uart.character_time());
        }
    }
    for hertz in [1, 2, u32::MAX] {
        let mut uart = Uart::timed(Config::new().with_clock(NonZeroU32::new(hertz).unwrap()));
        uart.write(THR, b'x');
        assert!(uart.character_time() > 0);
        let leaves = uart.next_event().unwrap();
        assert_eq!(run(&mut uart, leaves), [(leaves, b'x')], "{hertz} Hz");
    }
}

#[test]
fn without_fifos_thr_holds_one_character_beside_the_shift_register() {
    let mut uart = uart();
    uart.write(IER, 0x02);
    uart.read(IIR);
    print(&mut uart, b"a");
    assert_eq!(uart.read(LSR), 0x20, "the character is in the shift register");
    assert_eq!(uart.read(IIR), 0x02, "THR is empty again");
    print(&mut uart, b"b");
    assert_eq!(uart.read(LSR), 0x00);
    assert_eq!(uart.read(IIR), 0x01);
    assert_eq!(run(&mut uart, CHARACTER - 1), []);
    assert_eq!(run(&mut uart, CHARACTER), [(CHARACTER, b'a')]);
    assert_eq!(uart.read(LSR), 0x20);
    assert_eq!(uart.read(IIR), 0x02);
    assert_eq!(run(&mut uart, 10 * CHARACTER), [(2 * CHARACTER, b'b')]);
    assert_eq!(uart.read(LSR), 0x60);
    assert_eq!(uart.next_event(), None);
}

#[test]
fn a_write_to_thr_before_thre_overwrites_it() {
    let mut uart = uart();
    print(&mut uart, b"abc");
    assert_eq!(run(&mut uart, 10 * CHARACTER), [(CHARACTER, b'a'), (2 * CHARACTER, b'c')]);
}

#[test]
fn r2_r3_thre_is_cleared_by_a_write_of_thr_and_pending_when_it_has_emptied() {
    for fcr in [0x00, 0x01] {
        let mut uart = uart();
        uart.write(FCR, fcr);
        uart.write(IER, 0x02);
        assert!(uart.interrupt());
        print(&mut uart, b"a"); // moves on to the shift register
        assert!(uart.interrupt());
        print(&mut uart, b"b");
        assert!(!uart.interrupt(), "the write clears THRE without a read of IIR");
        run(&mut uart, 2 * CHARACTER);
        assert!(uart.interrupt());
        assert_eq!(uart.read(IIR) & 0x0F, 0x02);
    }
}

#[test]
fn r3_a_rise_of_etbei_makes_thre_not_pending_while_thr_is_full() {
    let mut uart = uart();
    print(&mut uart, b"ab");
    uart.write(IER, 0x02);
    assert!(!uart.interrupt());
    run(&mut uart, CHARACTER);
    assert!(uart.interrupt());
}

#[test]
fn r8_sixteen_characters_after_thre_and_one_in_the_shift_register() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    print(&mut uart, b"0123456789abcdefg lost");
    let left: Vec<u8> = run(&mut uart, u64::MAX / 2).into_iter().map(|(_, byte)| byte).collect();
    assert_eq!(left, b"0123456789abcdefg");
}

#[test]
fn thre_of_a_fifo_is_delayed_unless_the_fifo_held_two_characters() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart.write(IER, 0x02);
    uart.read(IIR);
    // The first THRE after the FIFOs went on comes at once.
    print(&mut uart, b"a");
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
    run(&mut uart, CHARACTER);

    // The next THRE comes after a character time less a stop bit.
    print(&mut uart, b"b");
    assert_eq!((uart.read(LSR), uart.interrupt()), (0x00, false));
    assert_eq!(uart.next_event(), Some(2 * CHARACTER - 8680));
    run(&mut uart, 2 * CHARACTER - 8680);
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
    run(&mut uart, 2 * CHARACTER);
    assert_eq!(uart.read(LSR), 0x60);

    // Of three characters, one moves on at once and two wait in the FIFO. THRE comes at once when the third moves on.
    print(&mut uart, b"cde");
    run(&mut uart, 4 * CHARACTER - 1);
    assert_eq!(uart.read(LSR), 0x00);
    run(&mut uart, 4 * CHARACTER);
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
}

#[test]
fn r9_the_transmitter_becomes_ready_after_any_writes() {
    let mut uart = uart();
    for value in 0..=u8::MAX {
        for register in [FCR, THR, LCR, THR, MCR, THR, IER] {
            uart.write(register, value);
        }
        let mut steps = 0;
        while let Some(at) = uart.next_event() {
            let _ = uart.advance(at);
            steps += 1;
            assert!(steps < 200);
        }
        assert_eq!(uart.read(LSR) & 0x60, 0x60, "after {value:#x}");
        uart.write(LCR, 0x03);
    }
}

#[test]
fn r6_a_transmitter_reset_spares_the_shift_register() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    print(&mut uart, b"abc");
    uart.write(FCR, 0x05);
    assert_eq!(uart.read(LSR), 0x20);
    assert_eq!(run(&mut uart, 10 * CHARACTER), [(CHARACTER, b'a')]);

    // Switching the FIFOs off empties the FIFO too, and spares the shift register too.
    print(&mut uart, b"def");
    uart.write(FCR, 0x00);
    assert_eq!(uart.read(LSR), 0x20);
    assert_eq!(run(&mut uart, 20 * CHARACTER), [(11 * CHARACTER, b'd')]);
}

#[test]
fn r6_a_transmitter_reset_is_announced() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart.write(IER, 0x02);
    uart.read(IIR);
    print(&mut uart, b"abc");
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x00, 0xC1));
    uart.write(FCR, 0x05);
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
    uart.write(FCR, 0x05);
    assert_eq!(uart.read(IIR), 0xC2, "each reset is announced");
}

#[test]
fn r14_the_time_out_comes_after_four_character_times() {
    let mut uart = uart();
    uart.write(FCR, 0x81);
    uart.write(IER, 0x01);
    uart.receive(b'a');
    run(&mut uart, 4 * CHARACTER - 1);
    assert!(!uart.interrupt());
    run(&mut uart, 4 * CHARACTER);
    assert_eq!(uart.read(IIR), 0xCC);

    // The time-out stays until the guest reads a character. Then the time starts anew.
    uart.receive(b'b');
    uart.receive(b'c');
    assert_eq!(uart.read(IIR), 0xCC);
    uart.read(RBR);
    assert_eq!(uart.read(IIR), 0xC1);
    run(&mut uart, 8 * CHARACTER);
    assert_eq!(uart.read(IIR), 0xCC);

    // Each character that arrives, and each that is read, starts the time anew.
    uart.read(RBR);
    run(&mut uart, 10 * CHARACTER);
    uart.receive(b'd');
    run(&mut uart, 14 * CHARACTER - 1);
    assert!(!uart.interrupt());
    uart.read(RBR);
    run(&mut uart, 18 * CHARACTER - 2);
    assert!(!uart.interrupt());
    run(&mut uart, 18 * CHARACTER - 1);
    assert_eq!(uart.read(IIR), 0xCC);

    // An empty receiver has no time-out.
    uart.read(RBR);
    assert_eq!((uart.read(IIR), uart.next_event()), (0xC1, None));
}

#[test]
fn r14_the_trigger_level_interrupts_without_a_time_out() {
    for (fcr, level) in [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)] {
        let mut uart = uart();
        uart.write(FCR, fcr);
        uart.write(IER, 0x01);
        for received in 1..=16 {
            uart.receive(b'x');
            assert_eq!(uart.interrupt(), received >= level, "{received} of {level}");
        }
        assert_eq!(uart.read(IIR), 0xC4);
        for left in (0..16).rev() {
            uart.read(RBR);
            assert_eq!(uart.interrupt(), left >= level, "{left} of {level}");
        }
    }
}

#[test]
fn a_full_receiver_does_not_delay_the_line() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    for byte in 0..17 {
        let _ = uart.advance(u64::from(byte) * CHARACTER);
        uart.receive(byte);
    }
    assert_eq!(uart.read(LSR), 0x63);
    assert_eq!((uart.room(), uart.received()), (0, 16));
}

#[test]
fn r10_characters_take_their_time_in_loopback_too() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x10);
    print(&mut uart, b"abc");
    assert_eq!(uart.read(LSR) & 0x01, 0);
    assert_eq!(run(&mut uart, CHARACTER), [], "the line outside is idle");
    assert_eq!((uart.read(RBR), uart.read(LSR) & 0x01), (b'a', 0));
    run(&mut uart, 3 * CHARACTER);
    assert_eq!((uart.read(RBR), uart.read(RBR)), (b'b', b'c'));
}

#[test]
fn time_never_goes_back() {
    let mut uart = uart();
    run(&mut uart, 1000);
    run(&mut uart, 10);
    assert_eq!(uart.now(), 1000);
    uart.write(THR, b'x');
    assert_eq!(uart.advance(u64::MAX), Some(b'x'));
    assert_eq!(uart.now(), 1000 + CHARACTER, "the time is the moment at which the character left");
    assert_eq!((uart.advance(u64::MAX), uart.now()), (None, u64::MAX));
    uart.write(THR, b'y');
    assert_eq!(uart.advance(u64::MAX), Some(b'y'), "at the largest time a character leaves at once");
}

#[test]
fn cts_holds_the_transmitter_of_a_16750_with_automatic_flow_control() {
    let mut uart = uart_of(Profile::Uart16750);
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x20);
    uart.set_modem_inputs(Msr::empty());
    print(&mut uart, b"ab");
    assert_eq!(uart.next_event(), None);
    assert_eq!(uart.read(LSR), 0x00);
    uart.set_modem_inputs(Msr::CTS);
    assert_eq!(run(&mut uart, CHARACTER), [(CHARACTER, b'a')]);
    // A character that has begun is not interrupted.
    uart.set_modem_inputs(Msr::empty());
    assert_eq!(run(&mut uart, 2 * CHARACTER), [(2 * CHARACTER, b'b')]);
    print(&mut uart, b"c");
    uart.write(MCR, 0x00);
    assert_eq!(
        run(&mut uart, 3 * CHARACTER),
        [(3 * CHARACTER, b'c')],
        "without flow control CTS does not hold the transmitter"
    );
}

#[test]
fn a_16750_in_loopback_holds_its_own_transmitter() {
    let mut uart = uart_of(Profile::Uart16750);
    uart.write(FCR, 0x41); // trigger 4
    uart.write(MCR, 0x32); // AFE, LOOP, RTS
    print(&mut uart, b"0123456789");
    run(&mut uart, 100 * CHARACTER);
    // With the fourth character RTS falls, and in loopback CTS with it, before the fifth begins.
    assert_eq!((uart.received(), uart.read(MSR) & 0x10, uart.next_event()), (4, 0, None));
    let read: Vec<u8> = (0..4).map(|_| uart.read(RBR)).collect();
    assert_eq!(read, b"0123");
    run(&mut uart, 200 * CHARACTER);
    assert_eq!(uart.received(), 4, "the transmitter continues when the receiver is empty");
    assert_eq!(uart.modem_outputs(), Mcr::empty());
}

#[test]
fn r7_errors_come_with_their_characters() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart.receive(b'a');
    uart.receive_with_errors(b'b', Lsr::PE | Lsr::OE | Lsr::THRE);
    uart.receive_with_errors(b'c', Lsr::PE | Lsr::FE);
    assert_eq!(uart.read(LSR), 0xE1);
    uart.read(RBR);
    assert_eq!(
        uart.read(LSR),
        0xE5,
        "of the given bits only PE is an error of a character, and another error waits below"
    );
    uart.read(RBR);
    assert_eq!(uart.read(LSR), 0xED);
    assert_eq!((uart.read(LSR), uart.read(RBR), uart.read(LSR)), (0x61, b'c', 0x60));
}
