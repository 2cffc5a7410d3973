//! The driver: characters in and out by interrupt.

use std::collections::VecDeque;
use std::time::Duration;

use super::interrupt::{Interrupts, Leave};
use super::registers::{
    FCR_RUN, FIFO, IER_EDSSI, IER_ELSI, IER_ERBFI, IER_ETBEI, IIR_CTI, IIR_ID, IIR_MS, IIR_NONE, IIR_RDA,
    IIR_RLS, IIR_THRE, LCR_8N1, LCR_DLAB, LSR_DR, LSR_TEMT, MCR_RUN, Register, Uart,
};

const RX_SIZE: usize = 0x400;
const TX_SIZE: usize = 0x800;
const CTRL_C: u8 = 0x03;

/// One tick of the program's timer, 20 a second.
const TICK: Duration = Duration::from_millis(50);

/// The UART with a ring for each direction.
pub(super) struct Driver<'a> {
    uart: Uart<'a>,
    interrupts: Interrupts<'a>,
    rx: VecDeque<u8>,
    tx: VecDeque<u8>,
    /// How many of the characters in the receive ring are ^C.
    rx_breaks: usize,
    /// Whether the receive interrupt is off because the ring is full.
    rx_held: bool,
    /// What IER holds.
    ier: u8,
}

impl<'a> Driver<'a> {
    /// Takes over the UART where detection has left it.
    pub(super) fn set_up(uart: Uart<'a>, interrupts: Interrupts<'a>) -> Self {
        // Still in loopback, where no input from outside arrives: what clearing the FIFO discards is the test's, not what
        // somebody typed.
        uart.write(Register::IerDlm, 0);
        uart.write(Register::Lcr, LCR_8N1 | LCR_DLAB);
        uart.write(Register::RbrThrDll, 1);
        uart.write(Register::IerDlm, 0);
        uart.write(Register::Lcr, LCR_8N1);
        uart.write(Register::IirFcr, FCR_RUN);
        uart.read(Register::Lsr);
        uart.write(Register::Mcr, MCR_RUN);
        uart.read(Register::Msr);
        let mut driver = Self {
            uart,
            interrupts,
            rx: VecDeque::with_capacity(RX_SIZE),
            tx: VecDeque::with_capacity(TX_SIZE),
            rx_breaks: 0,
            rx_held: false,
            ier: 0,
        };
        driver.set_ier(IER_ERBFI | IER_ELSI | IER_EDSSI);
        driver
    }

    /// The next character, as soon as there is one.
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
        // Half of the ring free is enough to turn the receive interrupt on again: at once would be one interrupt for each
        // character. Whatever the UART has by then raises the interrupt anew.
        if self.rx_held && self.rx.len() <= RX_SIZE / 2 {
            self.rx_held = false;
            self.set_ier(self.ier | IER_ERBFI);
        }
        Ok(character)
    }

    /// Whether a ^C is in what was typed ahead.
    pub(super) fn is_break_waiting(&self) -> bool {
        self.rx_breaks > 0
    }

    /// Puts text into the transmit ring, waiting for room as needed. It is sent when the ring is full or the monitor has to
    /// wait, so that it leaves in full bursts.
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

    /// Waits until all output has been handed to the transmitter.
    pub(super) fn drain(&mut self) -> Result<(), Leave> {
        self.tx_start();
        while !self.tx.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    /// Waits until the transmitter has sent all that it was handed. There is no interrupt for that: look at each tick.
    pub(super) fn wait_sent(&mut self) -> Result<(), Leave> {
        while self.uart.read(Register::Lsr) & LSR_TEMT == 0 {
            if self.interrupts.wait_tick(TICK)? {
                self.handle_interrupt()?;
            }
        }
        Ok(())
    }

    /// The values of IER, IIR, LCR, MCR, LSR, MSR, SCR, DLL and DLM. Reading IIR may take back the transmitter's interrupt,
    /// so that must be off: call [`drain`](Self::drain) before.
    pub(super) fn registers(&self) -> [u8; 9] {
        let mut values = [0; 9];
        let in_order = [
            Register::IerDlm,
            Register::IirFcr,
            Register::Lcr,
            Register::Mcr,
            Register::Lsr,
            Register::Msr,
            Register::Scr,
        ];
        for (value, register) in values.iter_mut().zip(in_order) {
            *value = self.uart.read(register);
        }
        let lcr = values[2];
        self.uart.write(Register::Lcr, lcr | LCR_DLAB);
        values[7] = self.uart.read(Register::RbrThrDll);
        values[8] = self.uart.read(Register::IerDlm);
        self.uart.write(Register::Lcr, lcr);
        values
    }

    /// Sends what is in the ring: turns the transmitter's interrupt on, if it is not on. That by itself raises it, if the
    /// transmitter is empty.
    fn tx_start(&mut self) {
        if !self.tx.is_empty() && self.ier & IER_ETBEI == 0 {
            self.set_ier(self.ier | IER_ETBEI);
        }
    }

    fn wait(&mut self) -> Result<(), Leave> {
        self.interrupts.wait()?;
        self.handle_interrupt()
    }

    /// The event stands for edges, and the UART's line stays up while anything at all is pending. So the handler must not
    /// leave before the UART has said "nothing": otherwise the line never falls, no further edge comes, and the port is
    /// dead.
    fn handle_interrupt(&mut self) -> Result<(), Leave> {
        loop {
            let iir = self.uart.read(Register::IirFcr);
            if iir & IIR_NONE != 0 {
                return Ok(());
            }
            match iir & IIR_ID {
                IIR_RDA | IIR_CTI => self.receive(),
                IIR_THRE => self.transmit(),
                // Reading the register is what clears the interrupt. A monitor has no use for what it says: a character
                // with an error is taken as it is, and there is no modem.
                IIR_RLS => drop(self.uart.read(Register::Lsr)),
                IIR_MS => drop(self.uart.read(Register::Msr)),
                // No 16550A has another one: nothing is known that would clear it.
                _ => return Ok(()),
            }
            // A processor can be stopped anywhere; a thread must look, should a broken device never come to an end.
            self.interrupts.check_stop()?;
        }
    }

    /// Takes characters until the FIFO is empty. If the ring is full first, turns the interrupt off and leaves the rest
    /// where it is: the FIFO fills, and from there the device holds the sender back.
    fn receive(&mut self) {
        while self.uart.read(Register::Lsr) & LSR_DR != 0 {
            if self.rx.len() == RX_SIZE {
                self.rx_held = true;
                self.set_ier(self.ier & !IER_ERBFI);
                return;
            }
            let character = self.uart.read(Register::RbrThrDll);
            if character == CTRL_C {
                self.rx_breaks += 1;
            }
            self.rx.push_back(character);
        }
    }

    /// The transmitter is empty: it takes a FIFO full at once. Reading IIR has already cleared the interrupt; the next one
    /// comes when these are gone. With nothing left to send the interrupt is turned off.
    fn transmit(&mut self) {
        for character in self.tx.drain(..usize::from(FIFO).min(self.tx.len())) {
            self.uart.write(Register::RbrThrDll, character);
        }
        if self.tx.is_empty() {
            self.set_ier(self.ier & !IER_ETBEI);
        }
    }

    fn set_ier(&mut self, value: u8) {
        self.ier = value;
        self.uart.write(Register::IerDlm, value);
    }
}
