//! What a port needs to keep what was typed and to start with given lines: rows F3 and F9.

use std::collections::VecDeque;

use proptest::prelude::*;
use vuart_16550::spec::{Lsr, Msr, offset::*};
use vuart_16550::{Config, Profile, Uart};

/// The bits of LSR that come from the receiver.
const RECEIVER: u8 = 0x9F;

fn unread(uart: &Uart) -> Vec<(u8, Lsr)> {
    uart.unread().collect()
}

#[test]
fn f3_each_unread_character_has_its_errors_whether_lsr_has_shown_them_or_not() {
    let mut uart = Uart::default();
    assert_eq!(unread(&uart), []);
    uart.write(FCR, 0x01);
    uart.receive_with_errors(b'a', Lsr::PE);
    uart.receive(b'b');
    uart.receive_with_errors(b'c', Lsr::PE | Lsr::FE);
    uart.receive_break();
    let all = [(b'a', Lsr::PE), (b'b', Lsr::empty()), (b'c', Lsr::PE | Lsr::FE), (0, Lsr::BI)];
    assert_eq!(unread(&uart), all);
    assert_eq!(uart.read(LSR), 0xE5);
    assert_eq!(unread(&uart), all, "LSR has shown the first error");
    assert_eq!(Uart::restore(&uart.state()).map(|uart| unread(&uart)), Ok(all.to_vec()), "in a snapshot too");
    assert_eq!(uart.read(LSR), 0xE1, "and shows it once");

    assert_eq!((uart.read(RBR), uart.read(RBR)), (b'a', b'b'));
    assert_eq!(unread(&uart), all[2..]);
    assert_eq!(uart.read(LSR), 0xED);
    assert_eq!((uart.read(RBR), uart.read(RBR)), (b'c', 0));
    assert_eq!(unread(&uart), []);
}

#[test]
fn f3_a_reset_of_the_receiver_leaves_nothing_and_what_was_unread_can_come_again() {
    // A reset, the FIFOs off, and (on a 16750) another depth.
    let clearings: [&[(u8, u8)]; 3] =
        [&[(FCR, 0x03)], &[(FCR, 0x00)], &[(LCR, 0x80), (FCR, 0x21), (LCR, 0x00)]];
    for clearing in clearings {
        let mut uart = Uart::new(Config::new().with_profile(Profile::Uart16750));
        uart.write(FCR, 0x01);
        for byte in b"abc" {
            uart.receive(*byte);
        }
        assert_eq!(uart.read(RBR), b'a');
        let kept = unread(&uart);
        for (register, value) in clearing {
            uart.write(*register, *value);
        }
        assert_eq!((uart.read(LSR), unread(&uart)), (0x60, vec![]), "{clearing:x?}");
        let room = usize::from(uart.room());
        for (data, errors) in kept.iter().take(room) {
            uart.receive_with_errors(*data, *errors);
        }
        assert_eq!(unread(&uart), kept[..room.min(2)], "{clearing:x?}");
        assert_eq!((uart.read(LSR), uart.read(RBR)), (0x61, b'b'), "{clearing:x?}");
    }
}

#[test]
fn f9_a_uart_starts_with_the_lines_that_its_board_has() {
    for inputs in (0..0x10).map(|inputs| inputs << 4) {
        let lines = Msr::from_bits_retain(inputs);
        let mut uart = Uart::default().with_modem_inputs(lines | Msr::DELTAS);
        uart.write(IER, 0x08);
        assert!(!uart.interrupt());
        assert_eq!(uart.read(MSR), inputs, "no delta");
        uart.set_modem_inputs(lines);
        assert_eq!(uart.read(MSR), inputs, "it is no change");
        uart.set_modem_inputs(lines ^ Msr::CTS);
        assert!(uart.interrupt());
        assert_eq!(uart.read(MSR), inputs ^ 0x10 | 0x01, "and this is one");
    }
}

#[test]
fn f9_a_transmitter_starts_held_where_its_board_has_cts_low() {
    let config = Config::new().with_profile(Profile::Uart16750);
    let mut uart = Uart::timed(config).with_modem_inputs(Msr::empty());
    let character = uart.character_time();
    for (register, value) in [(FCR, 0x01), (MCR, 0x20), (THR, b'x')] {
        uart.write(register, value);
    }
    assert_eq!(uart.next_event(), None);
    assert_eq!(uart.with_modem_inputs(Msr::CTS).next_event(), Some(character));
}

#[derive(Debug, Clone)]
enum Operation {
    Receive(u8, Lsr),
    ReadRbr,
    ReadLsr,
    /// What a port does when the guest resets the receiver.
    ResetAndDeliverAgain,
    Restore,
}

fn operation() -> impl Strategy<Value = Operation> {
    let errors = prop_oneof![
        2 => Just(Lsr::empty()),
        1 => (0..8_u8).prop_map(|bits| Lsr::from_bits_retain(bits << 2)),
    ];
    prop_oneof![
        4 => (any::<u8>(), errors).prop_map(|(data, errors)| Operation::Receive(data, errors)),
        3 => Just(Operation::ReadRbr),
        2 => Just(Operation::ReadLsr),
        1 => Just(Operation::ResetAndDeliverAgain),
        1 => Just(Operation::Restore),
    ]
}

/// A receiver by its description: characters with errors, and what LSR shows.
#[derive(Debug, Default)]
struct Model {
    characters: VecDeque<(u8, Lsr)>,
    /// The errors that LSR shows.
    shown: u8,
}

impl Model {
    fn receive(&mut self, data: u8, errors: Lsr) {
        if self.characters.len() == 16 {
            self.shown |= Lsr::OE.bits();
            return;
        }
        if self.characters.is_empty() {
            self.shown |= errors.bits();
        }
        self.characters.push_back((data, errors));
    }

    fn lsr(&self) -> u8 {
        let behind = self.characters.iter().skip(1).any(|(_, errors)| !errors.is_empty());
        let error = behind || self.shown & Lsr::CHARACTER_ERRORS.bits() != 0;
        self.shown | u8::from(!self.characters.is_empty()) | u8::from(error) << 7
    }

    fn read_rbr(&mut self) -> u8 {
        let read = self.characters.pop_front().map_or(0, |(data, _)| data);
        self.shown |= self.characters.front().map_or(0, |(_, errors)| errors.bits());
        read
    }
}

proptest! {
    /// F3: errors come with their characters, and nothing is lost or changed by a reset after which what was unread comes again.
    #[test]
    fn f3_the_receiver_keeps_characters_and_errors_together(operations in prop::collection::vec(operation(), 0..200)) {
        let mut uart = Uart::default();
        uart.write(FCR, 0x01);
        let mut model = Model::default();
        for operation in operations {
            match operation {
                Operation::Receive(data, errors) => {
                    uart.receive_with_errors(data, errors);
                    model.receive(data, errors);
                }
                Operation::ReadRbr => prop_assert_eq!(uart.read(RBR), model.read_rbr()),
                Operation::ReadLsr => {
                    prop_assert_eq!(uart.read(LSR) & RECEIVER, model.lsr());
                    model.shown = 0;
                }
                Operation::ResetAndDeliverAgain => {
                    let kept = unread(&uart);
                    uart.write(FCR, 0x03);
                    prop_assert_eq!(unread(&uart), vec![]);
                    model.shown &= Lsr::OE.bits();
                    model.characters.clear();
                    for (data, errors) in kept {
                        uart.receive_with_errors(data, errors);
                        model.receive(data, errors);
                    }
                }
                Operation::Restore => uart = Uart::restore(&uart.state()).unwrap(),
            }
            prop_assert_eq!(unread(&uart), Vec::from(model.characters.clone()));
            prop_assert_eq!(uart.peek(LSR).map(|lsr| lsr & RECEIVER), (model.shown == 0).then(|| model.lsr()));
        }
    }
}
