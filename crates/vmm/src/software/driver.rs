//! The driver: receives and transmits characters by interrupt.

use std::collections::VecDeque;
use std::time::Duration;

use vuart::uart::FIFO_SIZE;
use vuart::uart::spec::{Ier, InterruptId, Lsr, offset};

use super::interrupt::{Interrupts, Leave};
use super::registers::{FCR_RUN, LCR_8N1, LCR_DLAB, MCR_RUN, Uart};

const RX_SIZE: usize = 0x400;
const TX_SIZE: usize = 0x800;
const CTRL_C: u8 = 0x03;

// The interrupts, as bits 3:0 of IIR have them. A 16550A has exactly these five.
const LINE_STATUS: u8 = InterruptId::LineStatus as u8;
const RECEIVED: u8 = InterruptId::ReceivedData as u8;
const TIMEOUT: u8 = InterruptId::CharacterTimeout as u8;
const THRE: u8 = InterruptId::Thre as u8;
const MODEM_STATUS: u8 = InterruptId::ModemStatus as u8;

/// The period of the program's timer: 20 ticks a second.
const TICK: Duration = Duration::from_millis(50);

/// The UART, with a ring for each direction.
pub(super) struct Driver<'a> {
    uart: Uart<'a>,
    interrupts: &'a Interrupts<'a>,
    /// Received characters.
    rx: VecDeque<u8>,
    /// Characters to send.
    tx: VecDeque<u8>,
    /// The number of ^C in the receive ring.
    rx_breaks: usize,
    /// Whether the receive interrupt is off because the ring is full.
    rx_held: bool,
    /// The value of IER.
    ier: Ier,
}

impl<'a> Driver<'a> {
    /// Sets the UART up, after detection.
    pub(super) fn set_up(uart: Uart<'a>, interrupts: &'a Interrupts<'a>) -> Self {
        // The UART is still in loopback, where no input from outside arrives. So clearing the FIFO discards characters of the
        // test, and not input.
        uart.write(offset::IER, 0);
        uart.write(offset::LCR, LCR_8N1 | LCR_DLAB);
        uart.write(offset::DLL, 1);
        uart.write(offset::DLM, 0);
        uart.write(offset::LCR, LCR_8N1);
        uart.write(offset::FCR, FCR_RUN);
        uart.read(offset::LSR);
        uart.write(offset::MCR, MCR_RUN);
        uart.read(offset::MSR);
        let mut driver = Self {
            uart,
            interrupts,
            rx: VecDeque::with_capacity(RX_SIZE),
            tx: VecDeque::with_capacity(TX_SIZE),
            rx_breaks: 0,
            rx_held: false,
            ier: Ier::empty(),
        };
        driver.set_ier(Ier::ERBFI | Ier::ELSI | Ier::EDSSI);
        driver
    }

    /// Waits for the next character.
    pub(super) fn getc(&mut self) -> Result<u8, Leave> {
        let character = loop {
            if let Some(character) = self.rx.pop_front() {
                break character;
            }
            self.tx_start();
            self.wait()?;
        };
        if character == CTRL_C {
            self.rx_breaks -= 1;
        }
        // The receive interrupt is turned on again when half of the ring is free. At the first free place it would be one
        // interrupt for each character. Characters that the UART holds by then raise the interrupt again.
        if self.rx_held && self.rx.len() <= RX_SIZE / 2 {
            self.rx_held = false;
            self.set_ier(self.ier | Ier::ERBFI);
        }
        Ok(character)
    }

    /// Whether a ^C is in the receive ring.
    pub(super) fn is_break_waiting(&self) -> bool {
        self.rx_breaks > 0
    }

    /// Puts text into the transmit ring, and waits for room as needed. Sending starts when the ring is full or the monitor has
    /// to wait, so that the text leaves in full bursts.
    pub(super) fn write(&mut self, mut text: &[u8]) -> Result<(), Leave> {
        while !text.is_empty() {
            let room = TX_SIZE - self.tx.len();
            let (now, later) = text.split_at(room.min(text.len()));
            self.tx.extend(now);
            text = later;
            if room == 0 {
                self.tx_start();
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Waits until the transmitter has taken all output.
    pub(super) fn drain(&mut self) -> Result<(), Leave> {
        self.tx_start();
        while !self.tx.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    /// Waits until the transmitter has sent everything. There is no interrupt for this, so it looks at each tick.
    pub(super) fn wait_sent(&mut self) -> Result<(), Leave> {
        while !self.uart.lsr().contains(Lsr::TEMT) {
            if self.interrupts.wait_tick(TICK)? {
                self.handle_interrupt()?;
            }
        }
        Ok(())
    }

    /// The values of IER, IIR, LCR, MCR, LSR, MSR, SCR, DLL and DLM.
    ///
    /// Reading IIR may clear the transmitter's interrupt, so that interrupt must be off: call [`drain`](Self::drain) before.
    pub(super) fn registers(&self) -> [u8; 9] {
        let [ier, iir, lcr, mcr, lsr, msr, scr] =
            [offset::IER, offset::IIR, offset::LCR, offset::MCR, offset::LSR, offset::MSR, offset::SCR]
                .map(|register| self.uart.read(register));
        self.uart.write(offset::LCR, lcr | LCR_DLAB);
        let [dll, dlm] = [offset::DLL, offset::DLM].map(|register| self.uart.read(register));
        self.uart.write(offset::LCR, lcr);
        [ier, iir, lcr, mcr, lsr, msr, scr, dll, dlm]
    }

    /// Starts sending: turns the transmitter's interrupt on if it is off. If the transmitter is empty, this raises the
    /// interrupt.
    fn tx_start(&mut self) {
        if !self.tx.is_empty() && !self.ier.contains(Ier::ETBEI) {
            self.set_ier(self.ier | Ier::ETBEI);
        }
    }

    fn wait(&mut self) -> Result<(), Leave> {
        self.interrupts.wait()?;
        self.handle_interrupt()
    }

    /// Handles interrupts until none is pending.
    ///
    /// The event stands for edges, and the UART's line stays high while anything is pending. If the handler returned earlier,
    /// the line would never fall, no further edge would come, and the port would be dead.
    fn handle_interrupt(&mut self) -> Result<(), Leave> {
        loop {
            let iir = self.uart.read(offset::IIR);
            if iir & InterruptId::None as u8 != 0 {
                return self.interrupts.end();
            }
            match iir & 0x0f {
                RECEIVED | TIMEOUT => self.receive(),
                THRE => self.transmit(),
                // Reading the register clears the interrupt. Its value does not matter here: a character with an error is
                // taken as it is, and there is no modem.
                LINE_STATUS => drop(self.uart.read(offset::LSR)),
                MODEM_STATUS => drop(self.uart.read(offset::MSR)),
                // A 16550A has no other interrupt, so how to clear this one is unknown.
                _ => return self.interrupts.end(),
            }
            // A broken device may never stop. A vCPU can be stopped anywhere, but a thread has to look.
            self.interrupts.stop.check()?;
        }
    }

    /// Takes characters until the FIFO is empty. If the ring is full before that, it turns the interrupt off and leaves the
    /// rest in the FIFO. The FIFO fills, and the device then holds the sender back.
    fn receive(&mut self) {
        while self.uart.lsr().contains(Lsr::DR) {
            if self.rx.len() == RX_SIZE {
                self.rx_held = true;
                self.set_ier(self.ier - Ier::ERBFI);
                return;
            }
            let character = self.uart.read(offset::RBR);
            if character == CTRL_C {
                self.rx_breaks += 1;
            }
            self.rx.push_back(character);
        }
    }

    /// Fills the empty transmitter's FIFO. Reading IIR has already cleared the interrupt; the next one comes when the FIFO is
    /// empty again. If nothing is left to send, the interrupt is turned off.
    fn transmit(&mut self) {
        for character in self.tx.drain(..usize::from(FIFO_SIZE).min(self.tx.len())) {
            self.uart.write(offset::THR, character);
        }
        if self.tx.is_empty() {
            self.set_ier(self.ier - Ier::ETBEI);
        }
    }

    fn set_ier(&mut self, value: Ier) {
        self.ier = value;
        self.uart.write(offset::IER, value.bits());
    }
}
