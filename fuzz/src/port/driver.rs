//! A driver that serves what is pending and then waits, as kernels do.

use vuart::uart::spec::{Ier, InterruptId, Lcr, Lsr, Mcr, offset};

use super::harness::Harness;
use super::receiver::IN_VAIN_MAX;
use super::target::Target;

/// More characters than can wait in all.
const CHARACTERS_MAX: usize = 1 << 14;

/// One interrupt of each kind, and the answer that there is none.
const INTERRUPTS_MAX: usize = 6;

impl<T: Target> Harness<T> {
    /// Sets the port up, whatever state it is in; drains the receiver; transmits by interrupt; waits for input.
    pub(super) fn serve_interrupts(&mut self) {
        // First, because DLAB may be on.
        self.set(offset::LCR, Lcr::WORD_LENGTH.bits());
        self.set(offset::IER, 0);
        self.set(offset::MCR, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
        if self.something_waits() {
            let before = self.target.interrupts();
            self.set(offset::IER, Ier::ERBFI.bits());
            assert!(self.target.interrupts() > before, "the guest waits for ever for what came before (S20)");
            self.set(offset::IER, 0);
        }
        self.drain();
        self.get(offset::MSR);
        assert_eq!(self.interrupt_id(), InterruptId::None as u8, "nothing is enabled");

        // FreeBSD fills the FIFO, enables the interrupt and waits for it (R3); Linux enables it first.
        let before = self.target.interrupts();
        self.set(offset::IER, Ier::ETBEI.bits());
        assert!(
            self.target.interrupts() > before,
            "a driver waits for ever for THRE after it has enabled it"
        );
        // One driver looks at LSR alone, another identifies the interrupt; each writes, and waits for the next one.
        self.get(offset::LSR);
        self.transmit();
        self.serve(InterruptId::Thre);
        self.transmit();
        self.serve(InterruptId::Thre);

        self.set(offset::IER, Ier::ERBFI.bits());
        self.driver_waits = Some(self.target.interrupts());
    }

    fn transmit(&mut self) {
        let before = self.target.interrupts();
        self.set(offset::THR, b'.');
        assert!(
            self.target.interrupts() > before,
            "a driver waits for ever for THRE after it has written THR"
        );
    }

    /// Reads until nothing waits, which comes to an end while nothing is typed.
    fn drain(&mut self) {
        let mut in_vain = 0;
        for _ in 0..CHARACTERS_MAX {
            if self.get(offset::LSR) & Lsr::DR.bits() != 0 {
                self.get(offset::RBR);
                in_vain = 0;
            } else if in_vain < IN_VAIN_MAX {
                in_vain += 1;
            } else {
                return;
            }
        }
        panic!("LSR.DR stays 1");
    }

    /// Identifies interrupts until there is none, as some drivers do without a limit. The first must be `expected`.
    fn serve(&mut self, expected: InterruptId) {
        assert_eq!(self.interrupt_id(), expected as u8);
        for _ in 0..INTERRUPTS_MAX {
            if self.interrupt_id() == InterruptId::None as u8 {
                return;
            }
        }
        panic!("IIR never says that no interrupt is pending");
    }

    fn interrupt_id(&mut self) -> u8 {
        self.get(offset::IIR) & 0x0F
    }

    fn get(&mut self, register: u8) -> u8 {
        self.read(register.into(), 1).unwrap_or_default()
    }

    fn set(&mut self, register: u8, value: u8) {
        self.write(register.into(), &[value]);
    }
}
