//! The registers as the guest has written them, as far as their answers follow from that alone.

use vuart::uart::spec::{Fcr, IIR_FIFOS_ENABLED, Ier, Lcr, Lsr, Mcr, offset};

/// The effect of a write besides being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// A character leaves.
    Transmitted(u8),
    /// A character goes to the receiver, in loopback.
    LoopedBack(u8),
    /// The receiver loses what it has.
    ReceiverCleared,
}

#[derive(Debug)]
pub(super) struct Registers {
    ier: u8,
    fifos: bool,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor: [u8; 2],
    rts_was_raised: bool,
}

impl Registers {
    pub(super) fn new() -> Self {
        Self { ier: 0, fifos: false, lcr: 0, mcr: 0x08, scr: 0, divisor: [12, 0], rts_was_raised: false }
    }

    pub(super) fn fifos(&self) -> bool {
        self.fifos
    }

    pub(super) fn loopback(&self) -> bool {
        self.mcr & Mcr::LOOP.bits() != 0
    }

    /// Whether the guest has lowered RTS after it had raised it. In loopback the pin does not follow MCR.
    pub(super) fn stops_input(&self) -> bool {
        !self.loopback() && self.rts_was_raised && self.mcr & Mcr::RTS.bits() == 0
    }

    /// Whether a read of offset 0 is one of the receiver.
    pub(super) fn rbr(&self) -> bool {
        self.lcr & Lcr::DLAB.bits() == 0
    }

    pub(super) fn write(&mut self, register: u8, value: u8) -> Effect {
        let dlab = !self.rbr();
        match register {
            offset::DLL if dlab => self.divisor[0] = value,
            offset::THR if self.loopback() => return Effect::LoopedBack(value),
            offset::THR => return Effect::Transmitted(value),
            offset::DLM if dlab => self.divisor[1] = value,
            offset::IER => self.ier = value & Ier::STANDARD.bits(),
            offset::FCR => {
                let enable = value & Fcr::ENABLE.bits() != 0;
                let toggled = enable != self.fifos;
                self.fifos = enable;
                if toggled || (enable && value & Fcr::RX_RESET.bits() != 0) {
                    return Effect::ReceiverCleared;
                }
            }
            offset::LCR => {
                let begins = value & !self.lcr & Lcr::BREAK.bits() != 0;
                self.lcr = value;
                if begins && self.loopback() {
                    return Effect::LoopedBack(0);
                }
            }
            offset::MCR => {
                self.mcr = value & Mcr::STANDARD.bits();
                self.rts_was_raised |= !self.loopback() && self.mcr & Mcr::RTS.bits() != 0;
            }
            offset::SCR => self.scr = value,
            _ => {}
        }
        Effect::None
    }

    /// Panics unless the guest may see `value` in `register`. RBR is not looked at here.
    pub(super) fn check_read(&self, register: u8, value: u8) {
        let stored = match register {
            offset::DLL if !self.rbr() => self.divisor[0],
            offset::DLM if !self.rbr() => self.divisor[1],
            offset::IER => self.ier,
            offset::IIR => return self.check_iir(value),
            offset::LCR => self.lcr,
            offset::MCR => self.mcr,
            offset::LSR => {
                let idle = (Lsr::THRE | Lsr::TEMT).bits();
                assert_eq!(value & idle, idle, "LSR is {value:#04x}: firmware that waits for THRE hangs");
                return;
            }
            offset::MSR if self.loopback() => {
                let [rts, dtr, out1, out2] = [Mcr::RTS, Mcr::DTR, Mcr::OUT1, Mcr::OUT2]
                    .map(|output| u8::from(self.mcr & output.bits() != 0));
                let inputs = rts << 4 | dtr << 5 | out1 << 6 | out2 << 7;
                assert_eq!(value & 0xF0, inputs, "MSR is {value:#04x} in loopback, MCR is {:#04x}", self.mcr);
                return;
            }
            offset::SCR => self.scr,
            _ => return,
        };
        assert_eq!(value, stored, "register {register} reads {value:#04x}, {stored:#04x} was written");
    }

    fn check_iir(&self, value: u8) {
        let fifos = if self.fifos { IIR_FIFOS_ENABLED } else { 0 };
        assert_eq!(value & 0xF0, fifos, "IIR is {value:#04x}");
        let id = value & 0x0F;
        assert!([0x06, 0x04, 0x0C, 0x02, 0x00, 0x01].contains(&id), "IIR is {value:#04x}");
        // Character time-out is an interrupt of the FIFO.
        assert!(id != 0x0C || self.fifos, "IIR is {value:#04x} with the FIFOs disabled");
        // What is reported is enabled.
        let needed = match id {
            0x06 => Ier::ELSI,
            0x04 | 0x0C => Ier::ERBFI,
            0x02 => Ier::ETBEI,
            0x00 => Ier::EDSSI,
            _ => return,
        };
        assert_ne!(self.ier & needed.bits(), 0, "IIR is {value:#04x}, IER is {:#04x}", self.ier);
    }
}
