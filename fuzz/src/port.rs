//! Fuzzing a port.

mod driver;
mod harness;
mod operation;
mod receiver;
mod registers;
mod target;

pub use harness::Harness;
pub use operation::Operation;
pub use target::{Irq, Target};

#[cfg(test)]
mod tests {
    use vuart::uart::spec::{Fcr, Ier, Lcr, Mcr, offset};
    use vuart::{PortBuilder, RingSize};

    use super::operation::ReplayFrom;
    use super::{Harness, Irq, Operation};

    /// Runs operations on a fresh port.
    fn run(operations: impl IntoIterator<Item = Operation>) {
        let port = PortBuilder::new().with_scrollback(RingSize::of::<4096>()).build(Irq);
        let mut harness = Harness::new(port);
        operations.into_iter().for_each(|operation| harness.run(&operation));
        harness.finish();
    }

    fn write(register: u8, value: u8) -> Operation {
        Operation::Write { offset: register.into(), data: vec![value] }
    }

    fn read(register: u8) -> Operation {
        Operation::Read { offset: register.into(), length: 1 }
    }

    /// What waits is put behind a receiver that the guest has cleared. LSR shows that it is empty, RBR finds nothing, and what waits comes
    /// after that.
    fn after_a_clear(typed: Operation) {
        run([
            Operation::TakeOver(ReplayFrom::Now),
            typed,
            write(offset::IER, Ier::ERBFI.bits()),
            write(offset::FCR, (Fcr::ENABLE | Fcr::RX_RESET).bits()),
            read(offset::LSR),
            read(offset::RBR),
        ]);
    }

    #[test]
    fn a_read_that_clears_the_receiver_does_not_find_the_break_that_comes_after_it() {
        after_a_clear(Operation::Break { session: 0 });
    }

    #[test]
    fn a_read_that_clears_the_receiver_does_not_find_the_character_that_comes_after_it() {
        after_a_clear(Operation::Type { session: 0, count: 5 });
    }

    #[test]
    fn a_guest_that_has_lowered_rts_looks_in_vain_for_as_long_as_it_likes() {
        let looks = (0..64).map(|_| read(offset::LSR));
        run([
            write(offset::LCR, Lcr::WORD_LENGTH.bits()),
            write(offset::MCR, (Mcr::DTR | Mcr::RTS).bits()),
            write(offset::MCR, Mcr::DTR.bits()),
            Operation::TakeOver(ReplayFrom::Now),
            Operation::Type { session: 0, count: 5 },
        ]
        .into_iter()
        .chain(looks));
    }
}
