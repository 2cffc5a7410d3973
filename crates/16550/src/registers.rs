//! The part of the state that both kinds of time share, and what follows from it.

use crate::config::Config;
use crate::modem::Modem;
use crate::receiver::Receiver;
use crate::spec::{Fcr, IIR_FIFOS_64, IIR_FIFOS_ENABLED, Ier, InterruptId, Lcr, Mcr, Msr};

/// The registers, the receiver and the modem inputs of a UART: everything but its [`Time`](crate::Time).
///
/// Only this crate uses it. It is public because it appears in the sealed traits behind [`Time`](crate::Time).
#[derive(Debug, Clone)]
pub struct Registers {
    pub(crate) ier: Ier,
    pub(crate) fcr: Fcr,
    pub(crate) lcr: Lcr,
    pub(crate) mcr: Mcr,
    pub(crate) scr: u8,
    /// The THRE interrupt condition. LSR.THRE itself is kept apart from it (R2, R3).
    pub(crate) thre_pending: bool,
    /// Whether automatic flow control has made the RTS pin inactive.
    pub(crate) rts_held: bool,
    pub(crate) divisor: u16,
    pub(crate) config: Config,
    pub(crate) modem: Modem,
    pub(crate) rx: Receiver,
}

impl Registers {
    /// Makes the state after a master reset. [`Uart::new`](crate::Uart::new) gives the reasons for its values.
    pub(crate) const fn new(config: Config) -> Self {
        Self {
            ier: Ier::empty(),
            fcr: Fcr::empty(),
            lcr: Lcr::empty(),
            mcr: Mcr::OUT2,
            scr: 0,
            thre_pending: false,
            rts_held: false,
            divisor: 12,
            config,
            modem: Modem::new(),
            rx: Receiver::new(),
        }
    }

    #[inline]
    pub(crate) const fn dlab(&self) -> bool {
        self.lcr.contains(Lcr::DLAB)
    }

    #[inline]
    pub(crate) const fn is_in_loopback(&self) -> bool {
        self.mcr.contains(Mcr::LOOP)
    }

    /// Tells whether the board passes the interrupt on (R12).
    #[inline]
    pub(crate) const fn gate_is_open(&self) -> bool {
        !self.config.out2_gate || self.mcr.intersects(Mcr::OUT2.union(Mcr::LOOP))
    }

    /// Returns the enabled interrupt of the highest priority that is pending (R1).
    ///
    /// `timed_out` tells whether the characters in the receiver have waited for four character times.
    #[inline]
    pub(crate) fn interrupt_id(&self, timed_out: bool) -> InterruptId {
        if self.ier.is_empty() {
            return InterruptId::None;
        }
        if self.ier.contains(Ier::ELSI) && !self.rx.errors().is_empty() {
            return InterruptId::LineStatus;
        }
        // An empty FIFO raises neither of the two (R14).
        if self.ier.contains(Ier::ERBFI) && !self.rx.is_empty() {
            if self.rx.is_at_trigger() {
                return InterruptId::ReceivedData;
            }
            if timed_out {
                return InterruptId::CharacterTimeout;
            }
        }
        if self.ier.contains(Ier::ETBEI) && self.thre_pending {
            return InterruptId::Thre;
        }
        if self.ier.contains(Ier::EDSSI) && self.modem.status().intersects(self.announced_deltas()) {
            return InterruptId::ModemStatus;
        }
        InterruptId::None
    }

    /// Returns the value of IIR for an interrupt.
    #[inline]
    pub(crate) fn iir(&self, id: InterruptId) -> u8 {
        let mut iir = id as u8;
        if self.fcr.contains(Fcr::ENABLE) {
            iir |= IIR_FIFOS_ENABLED;
        }
        if self.fcr.contains(Fcr::FIFO_64) {
            iir |= IIR_FIFOS_64;
        }
        iir
    }

    /// Returns the deltas that raise the modem status interrupt. Automatic flow control excludes CTS, because then the
    /// transmitter handles it (TL16C750 data sheet, "auto-CTS").
    #[inline]
    const fn announced_deltas(&self) -> Msr {
        if self.auto_flow() { Msr::DELTAS.difference(Msr::DCTS) } else { Msr::DELTAS }
    }

    /// Returns how many characters the host may send now. See [`Uart::room`](crate::Uart::room).
    #[inline]
    pub(crate) const fn room(&self) -> u8 {
        if self.mcr.contains(Mcr::LOOP) || self.rts_held {
            return 0;
        }
        let most = if self.auto_rts() { self.rts_threshold() } else { self.rx.capacity() };
        most.saturating_sub(self.rx.len())
    }

    /// Tells whether automatic flow control is on: only a 16750 has it, and only with its FIFOs on.
    #[inline]
    const fn auto_flow(&self) -> bool {
        self.mcr.contains(Mcr::AFE) && self.fcr.contains(Fcr::ENABLE)
    }

    /// Tells whether automatic flow control by CTS keeps the transmitter from starting a character (TL16C750 data
    /// sheet, "auto-CTS").
    #[inline]
    pub(crate) const fn cts_holds(&self) -> bool {
        self.auto_flow() && !self.modem.status().contains(Msr::CTS)
    }

    /// Tells whether automatic flow control by RTS must stop the sender (TL16C750 data sheet, "auto-RTS").
    ///
    /// The receiver stops the sender at its trigger level and releases it when it is empty. At the highest trigger level it
    /// stops the sender when it is full and releases it when it has room again.
    #[inline]
    pub(crate) const fn rts_holds(&self) -> bool {
        if !self.auto_rts() {
            return false;
        }
        let waits_until_empty = self.rts_held && !self.fcr.contains(Fcr::TRIGGER) && !self.rx.is_empty();
        self.rx.len() >= self.rts_threshold() || waits_until_empty
    }

    #[inline]
    const fn auto_rts(&self) -> bool {
        self.auto_flow() && self.mcr.contains(Mcr::RTS)
    }

    /// Returns the number of characters at which the receiver stops the sender.
    #[inline]
    const fn rts_threshold(&self) -> u8 {
        if self.fcr.contains(Fcr::TRIGGER) { self.rx.capacity() } else { self.fcr.trigger() }
    }

    /// Returns MCR as it takes effect: without RTS while automatic flow control holds the sender.
    #[inline]
    pub(crate) fn mcr_as_it_acts(&self) -> Mcr {
        let mut mcr = self.mcr;
        mcr.set(Mcr::RTS, mcr.contains(Mcr::RTS) && !self.rts_held);
        mcr
    }
}
