//! Rows F2, F3 and F9: whatever guest and host do, nothing that was typed is lost. `unread.rs` has the single cases.

mod support;

use std::collections::VecDeque;

use proptest::prelude::*;
use support::{Edges, owner, port};
use vuart::endpoint::{Session, Symbol};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, SerialPort};

#[derive(Debug, Clone)]
enum Operation {
    Read(u8),
    Write(u8, u8),
    ReadString(usize),
    Poll(usize),
    Type(usize),
    Break,
    TakeOver,
    Restore,
    /// Sets the port up, and serves interrupts until there is none.
    Serve(Handler),
}

#[derive(Debug, Clone, Copy)]
enum Handler {
    Linux,
    Lsr,
    Iir,
    /// One character for each interrupt, without FIFOs.
    One,
}

fn operation() -> impl Strategy<Value = Operation> {
    let setting = prop_oneof![
        (Just(IER), prop::sample::select(vec![0, 1, 2, 3, 4, 5, 7, 0x0F])),
        (Just(FCR), prop::sample::select(vec![0, 1, 3, 7, 0x81, 0x87])),
        (Just(LCR), prop::sample::select(vec![3, 0x43])),
        (Just(MCR), prop::sample::select(vec![0x0B, 0x0B, 0x08, 0x00, 0x10, 0x1B])),
        // In loopback it comes back. What is typed is never 0.
        (Just(THR), Just(0)),
    ];
    prop_oneof![
        8 => prop::sample::select(vec![RBR, IIR, LSR, MSR]).prop_map(Operation::Read),
        6 => setting.prop_map(|(register, value)| Operation::Write(register, value)),
        1 => (1..20_usize).prop_map(Operation::ReadString),
        2 => (1..40_usize).prop_map(Operation::Poll),
        4 => prop_oneof![1..20_usize, 1..600_usize].prop_map(Operation::Type),
        1 => Just(Operation::Break),
        1 => Just(Operation::TakeOver),
        1 => Just(Operation::Restore),
        2 => prop::sample::select(vec![Handler::Linux, Handler::Lsr, Handler::Iir, Handler::One])
            .prop_map(Operation::Serve),
    ]
}

/// A port, and what is known of its input.
struct Board {
    port: SerialPort<Edges>,
    edges: Edges,
    owner: Session,
    latched: bool,
    /// What was typed and not read, and whether its owner is still the owner.
    outstanding: VecDeque<(u8, bool)>,
    next: u8,
}

impl Board {
    fn new() -> Self {
        let (port, edges) = port();
        let owner = owner(&port);
        Self { port, edges, owner, latched: false, outstanding: VecDeque::new(), next: 1 }
    }

    fn latch(&mut self) {
        self.latched |= self.edges.take() > 0;
    }

    fn get(&mut self, register: u8) -> u8 {
        let value = self.port.read_register(register);
        self.latch();
        if register == RBR {
            self.read(value);
        }
        value
    }

    fn set(&mut self, register: u8, value: u8) {
        self.port.write_register(register, value);
        self.latch();
    }

    /// The guest has read this character: it is the first that is outstanding, but for those of old owners.
    fn read(&mut self, value: u8) {
        if value == 0 {
            return;
        }
        loop {
            let (typed, fresh) = self.outstanding.pop_front().expect("the guest reads what was typed");
            if typed == value {
                return;
            }
            assert!(!fresh, "{typed} was lost before {value}");
        }
    }

    /// What is typed after so many others. It is never 0.
    fn after(&self, ahead: usize) -> u8 {
        u8::try_from((usize::from(self.next) - 1 + ahead) % 251 + 1).unwrap()
    }

    fn type_characters(&mut self, count: usize) {
        let bytes: Vec<u8> = (0..count).map(|ahead| self.after(ahead)).collect();
        let taken = self.owner.write(&bytes).unwrap();
        self.outstanding.extend(bytes[..taken].iter().map(|byte| (*byte, true)));
        self.next = self.after(taken);
        self.latch();
    }

    fn restore(&mut self) {
        let state = self.port.state();
        let edges = Edges::default();
        self.port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
        // What waited has no owner, and the next owner discards it: so the guest serves it first, or it goes.
        self.edges = edges;
        self.latch();
    }

    /// A new owner discards all but what is in the receiver, and that too if it comes back.
    fn take_over(&mut self) {
        self.owner = owner(&self.port);
        self.outstanding = self.in_receiver().into_iter().map(|typed| (typed, false)).collect();
        // What comes next is unlike these.
        self.next = self.outstanding.back().map_or(self.next, |(last, _)| last % 251 + 1);
    }

    /// The typed characters in the receiver.
    fn in_receiver(&self) -> Vec<u8> {
        let state = self.port.state().latest();
        let receiver = state.uart.latest().receiver;
        let unread = receiver.len() - usize::from(state.looped);
        receiver.iter().take(unread).map(|character| character.data).filter(|data| *data != 0).collect()
    }

    fn serve(&mut self, handler: Handler) {
        for (register, value) in [(IER, 0x00), (LCR, 0x03), (MCR, 0x0B)] {
            self.set(register, value);
        }
        if matches!(handler, Handler::One) {
            self.set(FCR, 0x00);
        }
        self.latched = false;
        self.set(IER, 0x01);
        let mut interrupts = 0;
        while std::mem::take(&mut self.latched) {
            let before = self.outstanding.len();
            match handler {
                Handler::Linux => {
                    while self.get(IIR) & 0x01 == 0 {
                        while self.get(LSR) & 0x01 != 0 {
                            self.get(RBR);
                        }
                    }
                }
                Handler::Lsr => {
                    while self.get(LSR) & 0x01 != 0 {
                        self.get(RBR);
                    }
                }
                Handler::Iir => {
                    while self.get(IIR) & 0x01 == 0 {
                        self.get(RBR);
                    }
                }
                Handler::One => {
                    if self.get(IIR) & 0x01 == 0 {
                        self.get(RBR);
                    }
                }
            }
            // At most the rest of what had moved up, and a run.
            assert!(before - self.outstanding.len() <= 16 + 256 + 16, "{handler:?} has no end");
            interrupts += 1;
            assert!(interrupts < 10_000, "{handler:?} is interrupted for ever");
        }
        let state = self.port.state().latest();
        assert!(state.waiting.is_empty(), "{handler:?} sleeps while {} wait", state.waiting.len());
        assert!(self.port.console().input_waiting() == 0);
    }

    /// Each symbol that was typed waits, is in the receiver, or is outstanding no more.
    fn check(&self) {
        let state = self.port.state().latest();
        let waiting = state.waiting.iter().filter(|symbol| **symbol != Symbol::Break).count();
        let there = waiting + self.in_receiver().len();
        let fresh = self.outstanding.iter().filter(|(_, fresh)| *fresh).count();
        let all = self.outstanding.len();
        assert!(fresh <= there && there <= all, "{there} are there of {fresh} to {all}");
    }
}

proptest! {
    /// F2, F3, F9: whatever guest and host do, each character that is typed is read, in order, or waits, or was discarded by a
    /// take-over; and a guest that sleeps is interrupted for what waits.
    #[test]
    fn f3_nothing_that_is_typed_is_lost(operations in prop::collection::vec(operation(), 0..120)) {
        let mut board = Board::new();
        for operation in operations {
            match operation {
                Operation::Read(register) => drop(board.get(register)),
                Operation::Write(register, value) => board.set(register, value),
                Operation::ReadString(count) => {
                    let mut string = vec![0; count];
                    board.port.read_string(RBR.into(), &mut string);
                    board.latch();
                    for value in string {
                        board.read(value);
                    }
                }
                Operation::Poll(count) => {
                    for _ in 0..count {
                        if board.get(LSR) & 0x01 != 0 {
                            board.get(RBR);
                        }
                    }
                }
                Operation::Type(count) => board.type_characters(count),
                Operation::Break => {
                    board.owner.send_break().unwrap();
                    board.latch();
                }
                Operation::TakeOver => {
                    board.take_over();
                }
                Operation::Restore => {
                    board.restore();
                    board.take_over();
                }
                Operation::Serve(handler) => board.serve(handler),
            }
            board.check();
            let console = board.port.console();
            let counters = console.counters();
            prop_assert!(counters.input_accepted <= console.input_taken() + counters.input_discarded + console.input_waiting());
        }
    }
}
