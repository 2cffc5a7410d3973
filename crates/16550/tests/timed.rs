//! Timed mode: what takes how long.

use std::num::NonZeroU32;

use vuart_16550::spec::{Lsr, Mcr, Msr, offset::*};
use vuart_16550::{Config, Profile, Timed, Uart};

/// A character of 115200 baud, 8N1, in nanoseconds.
const CHARACTER: u64 = 86_806;

/// 115200 baud, 8N1.
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

/// What leaves until `now`, and when.
fn run(uart: &mut Uart<Timed>, now: u64) -> Vec<(u64, u8)> {
    std::iter::from_fn(|| uart.advance(now).map(|byte| (uart.now(), byte))).collect()
}

fn print(uart: &mut Uart<Timed>, bytes: &[u8]) {
    for byte in bytes {
        assert_eq!(uart.write(THR, *byte), None, "nothing leaves at once");
    }
}

#[test]
fn a_character_takes_what_divisor_and_frame_say() {
    let mut uart = uart();
    // 5N1, 5N1.5, 8N1, 8N2, 8E1, 8E2, 7O1: half bits.
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
    assert_eq!(uart.character_time(), 40_000, "12 of 48 MHz: 250000 baud");
}

#[test]
fn s2_no_divisor_and_no_frame_gives_no_time_or_an_endless_one() {
    let mut uart = Uart::timed(Config::new());
    // Miri is a thousand times slower.
    for divisor in (0..=u16::MAX).step_by(if cfg!(miri) { 4099 } else { 1 }) {
        let [low, high] = divisor.to_le_bytes();
        uart.write(LCR, 0x80);
        uart.write(DLL, low);
        uart.write(DLM, high);
        // Parity's kind, break and DLAB have no part in it; all of LCR with some divisors.
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
fn without_fifos_thr_is_a_second_place() {
    let mut uart = uart();
    uart.write(IER, 0x02);
    uart.read(IIR);
    print(&mut uart, b"a");
    assert_eq!(uart.read(LSR), 0x20, "it is in the shift register");
    assert_eq!(uart.read(IIR), 0x02, "and THR is empty again");
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
fn who_writes_thr_too_early_overwrites_it() {
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
        print(&mut uart, b"a"); // to the shift register
        assert!(uart.interrupt());
        print(&mut uart, b"b");
        assert!(!uart.interrupt(), "no IIR has been read");
        run(&mut uart, 2 * CHARACTER);
        assert!(uart.interrupt());
        assert_eq!(uart.read(IIR) & 0x0F, 0x02);
    }
}

#[test]
fn r3_a_rise_of_etbei_makes_nothing_pending_while_thr_is_full() {
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
fn thre_of_a_fifo_is_delayed_unless_two_characters_were_in_it() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart.write(IER, 0x02);
    uart.read(IIR);
    // The first since the FIFOs went on is told at once.
    print(&mut uart, b"a");
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
    run(&mut uart, CHARACTER);

    // A character time less a stop bit.
    print(&mut uart, b"b");
    assert_eq!((uart.read(LSR), uart.interrupt()), (0x00, false));
    assert_eq!(uart.next_event(), Some(2 * CHARACTER - 8680));
    run(&mut uart, 2 * CHARACTER - 8680);
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
    run(&mut uart, 2 * CHARACTER);
    assert_eq!(uart.read(LSR), 0x60);

    // Three: one moves on at once, two are in the FIFO. It is empty when the third moves on, and that is told at once.
    print(&mut uart, b"cde");
    run(&mut uart, 4 * CHARACTER - 1);
    assert_eq!(uart.read(LSR), 0x00);
    run(&mut uart, 4 * CHARACTER);
    assert_eq!((uart.read(LSR), uart.read(IIR)), (0x20, 0xC2));
}

#[test]
fn r9_whatever_was_written_the_transmitter_becomes_ready() {
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

    // Switched off, the FIFO is empty as well.
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
    assert_eq!(uart.read(IIR), 0xC2, "and each one is");
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

    // It stays, whatever comes, until the guest reads one; then it begins anew.
    uart.receive(b'b');
    uart.receive(b'c');
    assert_eq!(uart.read(IIR), 0xCC);
    uart.read(RBR);
    assert_eq!(uart.read(IIR), 0xC1);
    run(&mut uart, 8 * CHARACTER);
    assert_eq!(uart.read(IIR), 0xCC);

    // Each character that comes puts it off, and so does each that is read.
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

    // Never when nothing is there.
    uart.read(RBR);
    assert_eq!((uart.read(IIR), uart.next_event()), (0xC1, None));
}

#[test]
fn r14_the_trigger_level_needs_no_time_out() {
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
fn a_line_does_not_wait_for_a_full_receiver() {
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
fn r10_in_loopback_characters_take_their_time_too() {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x10);
    print(&mut uart, b"abc");
    assert_eq!(uart.read(LSR) & 0x01, 0);
    assert_eq!(run(&mut uart, CHARACTER), [], "the line is idle");
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
    assert_eq!(uart.now(), 1000 + CHARACTER, "the moment at which it left");
    assert_eq!((uart.advance(u64::MAX), uart.now()), (None, u64::MAX));
    uart.write(THR, b'y');
    assert_eq!(uart.advance(u64::MAX), Some(b'y'), "at the end of time it leaves at once");
}

#[test]
fn cts_holds_a_16750_that_was_told_so() {
    let mut uart = uart_of(Profile::Uart16750);
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x20);
    uart.set_modem_inputs(Msr::empty());
    print(&mut uart, b"ab");
    assert_eq!(uart.next_event(), None);
    assert_eq!(uart.read(LSR), 0x00);
    uart.set_modem_inputs(Msr::CTS);
    assert_eq!(run(&mut uart, CHARACTER), [(CHARACTER, b'a')]);
    // What has begun goes on.
    uart.set_modem_inputs(Msr::empty());
    assert_eq!(run(&mut uart, 2 * CHARACTER), [(2 * CHARACTER, b'b')]);
    print(&mut uart, b"c");
    uart.write(MCR, 0x00);
    assert_eq!(
        run(&mut uart, 3 * CHARACTER),
        [(3 * CHARACTER, b'c')],
        "without flow control CTS holds nothing"
    );
}

#[test]
fn a_16750_in_loopback_holds_itself() {
    let mut uart = uart_of(Profile::Uart16750);
    uart.write(FCR, 0x41); // trigger 4
    uart.write(MCR, 0x32); // AFE, LOOP, RTS
    print(&mut uart, b"0123456789");
    run(&mut uart, 100 * CHARACTER);
    // RTS falls with the fourth, and so does CTS, before the fifth begins.
    assert_eq!((uart.received(), uart.read(MSR) & 0x10, uart.next_event()), (4, 0, None));
    let read: Vec<u8> = (0..4).map(|_| uart.read(RBR)).collect();
    assert_eq!(read, b"0123");
    run(&mut uart, 200 * CHARACTER);
    assert_eq!(uart.received(), 4, "and goes on");
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
        "PE, of the bits given the only one that a character has; another error waits"
    );
    uart.read(RBR);
    assert_eq!(uart.read(LSR), 0xED);
    assert_eq!((uart.read(LSR), uart.read(RBR), uart.read(LSR)), (0x61, b'c', 0x60));
}
