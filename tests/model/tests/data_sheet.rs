//! Facts from the data sheets (PC16550D, TL16C750). Each test names its section.

use vuart_model::{Mode, Model, Profile, Setup};

const PROFILES: [Profile; 3] = [Profile::Uart16450, Profile::Uart16550a, Profile::Uart16750];

/// Makes a UART without the gate, at 9600 baud: a divisor of 12 and a PC's clock.
fn uart(profile: Profile, mode: Mode) -> Model {
    Model::new(Setup::new(profile, mode))
}

fn with_fifo(mode: Mode, fcr: u8) -> Model {
    let mut uart = uart(Profile::Uart16550a, mode);
    uart.write(2, fcr);
    uart
}

fn with_64_bytes(mode: Mode, fcr: u8) -> Model {
    let mut uart = uart(Profile::Uart16750, mode);
    uart.write(3, 0x80);
    uart.write(2, fcr | 0x21);
    uart.write(3, 0x03);
    uart
}

fn receive(uart: &mut Model, characters: &[u8]) {
    for &data in characters {
        uart.receive(data, false, false);
    }
}

/// Advances time to `now`, and returns the characters that leave, each with its time.
fn leaving(uart: &mut Model, now: u64) -> Vec<(u8, u64)> {
    std::iter::from_fn(|| uart.advance(now).map(|data| (data, uart.now()))).collect()
}

/// The time of a character with eight data bits, no parity and one stop bit at 9600 baud, in nanoseconds.
const CHARACTER: u64 = 1_041_667;
/// The time of a bit at 9600 baud, in nanoseconds.
const BIT: u64 = 104_166;

#[test]
fn table_1_reset() {
    for profile in PROFILES {
        for mode in [Mode::Instant, Mode::Timed] {
            let mut uart = uart(profile, mode);
            let read: Vec<u8> = (0..8).map(|register| uart.read(register)).collect();
            assert_eq!(read, [0, 0, 0x01, 0, 0x08, 0x60, 0xB0, 0]);
            assert_eq!((uart.modem_outputs(), uart.break_out(), uart.next_event()), (0x08, false, None));
        }
    }
}

#[test]
fn section_8_7_and_8_8_missing_bits_read_0() {
    for (profile, ier, mcr) in [
        (Profile::Uart16450, 0x0F, 0x1F),
        (Profile::Uart16550a, 0x0F, 0x1F),
        (Profile::Uart16750, 0x3F, 0x3F),
    ] {
        let mut uart = uart(profile, Mode::Instant);
        for register in [1, 4] {
            uart.write(register, 0xFF);
        }
        assert_eq!((uart.read(1), uart.read(4)), (ier, mcr));
    }
}

#[test]
fn section_8_5_a_16450_has_no_fifos() {
    let mut uart = uart(Profile::Uart16450, Mode::Instant);
    uart.write(2, 0xC7);
    assert_eq!(uart.read(2), 0x01);
    receive(&mut uart, b"ab");
    assert_eq!((uart.received(), uart.read(5), uart.read(0)), (1, 0x63, b'b'), "section 8.4, bit 1");
}

#[test]
fn section_8_4_an_overrun_loses_the_newest_in_fifo_mode() {
    let mut uart = with_fifo(Mode::Instant, 0x01);
    receive(&mut uart, b"0123456789abcdefg");
    assert_eq!(uart.read(5), 0x63);
    let read: Vec<u8> = (0..16).map(|_| uart.read(0)).collect();
    assert_eq!((read.as_slice(), uart.read(5)), (b"0123456789abcdef".as_slice(), 0x60));
}

#[test]
fn section_8_4_an_error_is_revealed_when_its_character_is_at_the_top() {
    let mut uart = with_fifo(Mode::Instant, 0x01);
    receive(&mut uart, b"a");
    uart.receive(b'b', true, false);
    uart.receive_break();
    assert_eq!(uart.read(5), 0xE1, "only bit 7 shows the errors below the top");
    assert_eq!((uart.read(0), uart.read(5)), (b'a', 0xE5));
    assert_eq!((uart.read(0), uart.read(5)), (b'b', 0xF1));
    assert_eq!(uart.read(5), 0x61, "a read of LSR clears bit 7 if no error is left");
    assert_eq!((uart.read(0), uart.read(5)), (0, 0x60));
}

#[test]
fn section_8_5_trigger_levels() {
    let levels = [(0x00, 1, 1), (0x40, 4, 16), (0x80, 8, 32), (0xC0, 14, 56)];
    for (fcr, of_16, of_64) in levels {
        let uarts = [
            (with_fifo(Mode::Timed, fcr | 0x01), of_16, 0xC0),
            (with_64_bytes(Mode::Timed, fcr), of_64, 0xE0),
        ];
        for (mut uart, level, fifos) in uarts {
            uart.write(1, 0x01);
            receive(&mut uart, &vec![0; level - 1]);
            assert_eq!(uart.read(2), fifos | 0x01);
            receive(&mut uart, b"x");
            assert_eq!(uart.read(2), fifos | 0x04);
            uart.read(0);
            assert_eq!(uart.read(2), fifos | 0x01, "the FIFO is below its trigger level");
        }
    }
}

#[test]
fn section_8_5_the_other_bits_need_bit_0_and_a_change_of_bit_0_clears_the_fifos() {
    let mut uart = with_fifo(Mode::Instant, 0x01);
    receive(&mut uart, b"abc");
    uart.write(2, 0x09);
    assert_eq!(uart.received(), 3, "a write without resets keeps the characters");
    uart.write(2, 0x03);
    assert_eq!(uart.received(), 0, "bit 1 resets the receiver");
    receive(&mut uart, b"abc");
    uart.write(2, 0x00);
    assert_eq!((uart.received(), uart.read(2)), (0, 0x01));
    receive(&mut uart, b"a");
    uart.write(2, 0xC6);
    assert_eq!((uart.received(), uart.read(2)), (1, 0x01), "without bit 0, bits 1 and 2 do nothing");
}

#[test]
fn table_4_priorities_and_resets_of_the_interrupts() {
    let mut uart = with_fifo(Mode::Instant, 0x41);
    uart.write(1, 0x0F);
    uart.set_modem_inputs(0x00);
    receive(&mut uart, b"abc");
    uart.receive(b'd', false, true);
    receive(&mut uart, b"0123456789abc");
    assert_eq!(uart.read(2), 0xC6, "an overrun");
    uart.read(5);
    assert_eq!(uart.read(2), 0xC4);
    for _ in 0..3 {
        uart.read(0);
    }
    assert_eq!(uart.read(2), 0xC6, "a framing error at the top");
    uart.read(5);
    while uart.received() > 3 {
        uart.read(0);
    }
    assert_eq!(uart.read(2), 0xCC, "below the trigger level");
    while uart.received() > 0 {
        uart.read(0);
    }
    assert_eq!((uart.read(2), uart.read(2)), (0xC2, 0xC0), "the read of IIR resets the THRE interrupt");
    uart.read(6);
    assert_eq!((uart.read(2), uart.interrupt()), (0xC1, false));
}

#[test]
fn table_4_a_write_of_thr_resets_its_interrupt() {
    let mut uart = uart(Profile::Uart16450, Mode::Timed);
    uart.write(1, 0x02);
    assert_eq!(uart.interrupt_id(), 0x02, "R3: the interrupt was enabled while THR is empty");
    uart.write(0, b'a');
    assert_eq!(uart.interrupt_id(), 0x02, "the character moved on to the shift register");
    uart.write(0, b'b');
    assert_eq!((uart.interrupt_id(), uart.read(5)), (0x01, 0x00));
    assert_eq!(leaving(&mut uart, 1_000_000_000).len(), 2);
    assert_eq!((uart.interrupt_id(), uart.read(5)), (0x02, 0x60));
}

#[test]
fn section_8_1_a_frame_has_seven_to_twelve_bits() {
    // LCR, half bits.
    let frames =
        [(0x00, 14), (0x03, 20), (0x04, 15), (0x07, 22), (0x08, 16), (0x0B, 22), (0x0F, 24), (0x0C, 17)];
    for (lcr, half_bits) in frames {
        let mut uart = uart(Profile::Uart16450, Mode::Timed);
        uart.write(3, lcr);
        uart.write(0, b'a');
        let expected = (half_bits * 1_000_000_000_u64).div_ceil(2 * 9600);
        assert_eq!(leaving(&mut uart, u64::MAX), [(b'a', expected)], "LCR {lcr:#04x}");
    }
}

#[test]
fn section_8_3_the_divisor_divides_the_clock() {
    for (low, high, divisor) in [(1, 0, 1), (12, 0, 12), (0, 9, 2304), (0xFF, 0xFF, 65535), (0, 0, 65536)] {
        let mut uart = uart(Profile::Uart16450, Mode::Timed);
        uart.write(3, 0x83);
        uart.write(0, low);
        uart.write(1, high);
        assert_eq!((uart.read(0), uart.read(1)), (low, high));
        uart.write(3, 0x03);
        uart.write(0, b'a');
        assert_eq!(uart.next_event(), Some((divisor * 10_000_000_000_u64).div_ceil(115_200)));
    }
}

#[test]
fn section_8_11_fifo_mode_delays_thre_unless_two_characters_waited() {
    let mut uart = with_fifo(Mode::Timed, 0x01);
    uart.write(3, 0x03);
    uart.write(1, 0x02);
    assert_eq!(uart.read(2), 0xC2, "the change of FCR bit 0 sets THRE");
    uart.write(0, b'a');
    assert_eq!(
        (uart.read(5), uart.read(2)),
        (0x20, 0xC2),
        "the first interrupt after the change is immediate"
    );
    assert_eq!(leaving(&mut uart, CHARACTER), [(b'a', CHARACTER)]);

    uart.write(0, b'b');
    assert_eq!(
        (uart.read(5), uart.next_event()),
        (0x00, Some(2 * CHARACTER - BIT)),
        "the delay is a character time less the stop bit"
    );
    assert_eq!(leaving(&mut uart, 2 * CHARACTER - BIT), []);
    assert_eq!((uart.read(5), uart.read(2)), (0x20, 0xC2));
    assert_eq!(leaving(&mut uart, 2 * CHARACTER), [(b'b', 2 * CHARACTER)]);
    assert_eq!(uart.read(5), 0x60);

    for data in *b"cde" {
        uart.write(0, data);
    }
    assert_eq!(leaving(&mut uart, 3 * CHARACTER), [(b'c', 3 * CHARACTER)]);
    assert_eq!(uart.read(5), 0x00);
    assert_eq!(leaving(&mut uart, 4 * CHARACTER), [(b'd', 4 * CHARACTER)]);
    assert_eq!(uart.read(5), 0x20, "two characters waited, so THRE comes at once when the last moves on");
}

#[test]
fn r8_the_transmitter_takes_a_full_fifo_beside_the_shift_register() {
    for (mut uart, taken) in [(with_fifo(Mode::Timed, 0x01), 17), (with_64_bytes(Mode::Timed, 0x00), 65)] {
        for data in 0..80 {
            uart.write(0, data);
        }
        let left: Vec<u8> = leaving(&mut uart, u64::MAX).into_iter().map(|(data, _)| data).collect();
        assert_eq!(left, (0..taken).collect::<Vec<u8>>());
    }
}

#[test]
fn section_8_5_bit_2_keeps_the_shift_register() {
    let mut uart = with_fifo(Mode::Timed, 0x01);
    for data in *b"abc" {
        uart.write(0, data);
    }
    uart.write(2, 0x05);
    assert_eq!(uart.read(5), 0x20);
    assert_eq!(leaving(&mut uart, u64::MAX).len(), 1);
}

#[test]
fn section_8_11_fifo_mode_times_out_after_four_characters_of_silence() {
    let mut uart = with_fifo(Mode::Timed, 0x81);
    uart.write(3, 0x03);
    uart.write(1, 0x01);
    receive(&mut uart, b"a");
    uart.advance(1000);
    receive(&mut uart, b"b");
    assert_eq!(uart.next_event(), Some(1000 + 4 * CHARACTER), "a new character resets the timer");
    uart.advance(1000 + 4 * CHARACTER - 1);
    assert_eq!(uart.read(2), 0xC1);
    uart.advance(1000 + 4 * CHARACTER);
    assert_eq!((uart.read(2), uart.next_event()), (0xCC, None));
    receive(&mut uart, b"c");
    assert_eq!(uart.read(2), 0xCC, "a new character does not clear the time-out");
    uart.read(0);
    assert_eq!(uart.read(2), 0xC1, "a read clears the time-out");
    assert_eq!(uart.next_event(), Some(1000 + 8 * CHARACTER));
    uart.read(0);
    uart.read(0);
    assert_eq!(uart.next_event(), None, "an empty receiver has no time-out");
}

#[test]
fn section_8_8_loopback() {
    for mode in [Mode::Instant, Mode::Timed] {
        let mut uart = with_fifo(mode, 0x01);
        // RTS, DTR, OUT1 and OUT2 come back as CTS, DSR, RI and DCD.
        for (mcr, inputs) in
            [(0x10, 0x00), (0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80), (0x1A, 0x90)]
        {
            uart.write(4, mcr);
            assert_eq!((uart.read(6) & 0xF0, uart.modem_outputs()), (inputs, 0));
        }
        receive(&mut uart, b"x");
        assert_eq!((uart.room(), uart.received()), (0, 0), "the receiver is disconnected from the pin");
        assert_eq!(uart.write(0, b'y'), None);
        assert_eq!(leaving(&mut uart, 2 * CHARACTER), []);
        assert_eq!(uart.read(0), b'y');
        uart.write(3, 0x40);
        assert_eq!((uart.read(5) & 0x1F, uart.break_out()), (0x11, false));
    }
}

#[test]
fn section_8_9_deltas_of_the_modem_inputs() {
    let mut uart = uart(Profile::Uart16450, Mode::Instant);
    uart.set_modem_inputs(0x40);
    assert_eq!((uart.read(6), uart.read(6)), (0x4B, 0x40), "the leading edge of RI has no delta");
    uart.set_modem_inputs(0x00);
    assert_eq!(uart.read(6), 0x04);
    uart.set_modem_inputs(0x10);
    uart.set_modem_inputs(0x00);
    assert_eq!(uart.read(6), 0x01, "CTS has changed, even though it changed back");
}

#[test]
fn tl16c750_bit_5_of_fcr_needs_dlab() {
    let mut uart = uart(Profile::Uart16750, Mode::Instant);
    uart.write(2, 0x21);
    assert_eq!(uart.read(2) & 0xE0, 0xC0);
    uart.write(3, 0x80);
    uart.write(2, 0x21);
    uart.write(3, 0x00);
    assert_eq!((uart.read(2) & 0xE0, uart.room()), (0xE0, 64));
    uart.write(2, 0x01);
    assert_eq!(uart.room(), 64, "without DLAB the bit is kept");
    uart.write(2, 0x00);
    assert_eq!((uart.read(2) & 0xE0, uart.room()), (0x00, 1));
}

#[test]
fn tl16c750_auto_rts_holds_and_releases_the_sender() {
    // The number of characters that hold the sender, and how many reads release it.
    for (fcr, holds_at, released_by) in [(0x01, 1, 1), (0x41, 4, 4), (0x81, 8, 8), (0xC1, 16, 1)] {
        let mut uart = uart(Profile::Uart16750, Mode::Timed);
        uart.write(2, fcr);
        uart.write(4, 0x22);
        receive(&mut uart, &vec![0; holds_at - 1]);
        assert_eq!((uart.modem_outputs(), uart.room()), (0x02, 1));
        receive(&mut uart, b"x");
        assert_eq!((uart.modem_outputs(), uart.room()), (0x00, 0));
        for read in 1..=released_by {
            uart.read(0);
            assert_eq!(uart.modem_outputs() != 0, read == released_by);
        }
    }
}

#[test]
fn tl16c750_auto_cts_holds_the_transmitter() {
    let mut uart = with_64_bytes(Mode::Timed, 0x00);
    uart.write(4, 0x20);
    uart.write(1, 0x08);
    uart.write(0, b'a');
    uart.write(0, b'b');
    uart.set_modem_inputs(0xA0);
    assert_eq!(uart.interrupt_id(), 0x01, "CTS raises no interrupt");
    assert_eq!(
        leaving(&mut uart, 10 * CHARACTER),
        [(b'a', CHARACTER)],
        "a character that has started continues"
    );
    uart.set_modem_inputs(0xB0);
    assert_eq!(leaving(&mut uart, 20 * CHARACTER), [(b'b', 11 * CHARACTER)]);
}
