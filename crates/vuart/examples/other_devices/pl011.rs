//! A small PL011, the UART of Arm's boards, at a console: as much as Linux' earlycon and its driver use.
//!
//! All of it runs on vCPU threads, one at a time, but for [`Line::set`], which the console calls when somebody types.

use std::collections::VecDeque;
use std::sync::Arc;

use vuart::endpoint::{Console, ConsoleParts, GuestLines, Input, LineError, Symbol};
use vuart::scrollback::{CapacityError, Doorbell, Scrollback, Writer};

use super::line::Line;

/// The registers, in bytes from the base.
pub(crate) mod offset {
    pub(crate) const DR: u64 = 0x00;
    pub(crate) const FR: u64 = 0x18;
    pub(crate) const IBRD: u64 = 0x24;
    pub(crate) const FBRD: u64 = 0x28;
    pub(crate) const LCR_H: u64 = 0x2C;
    pub(crate) const CR: u64 = 0x30;
    pub(crate) const IFLS: u64 = 0x34;
    pub(crate) const IMSC: u64 = 0x38;
    pub(crate) const RIS: u64 = 0x3C;
    pub(crate) const MIS: u64 = 0x40;
    pub(crate) const ICR: u64 = 0x44;
    pub(crate) const PERIPH_ID: u64 = 0xFE0;
}

/// Bits of FR.
pub(crate) mod fr {
    pub(crate) const CTS: u32 = 1 << 0;
    pub(crate) const DSR: u32 = 1 << 1;
    pub(crate) const DCD: u32 = 1 << 2;
    pub(crate) const BUSY: u32 = 1 << 3;
    pub(crate) const RXFE: u32 = 1 << 4;
    pub(crate) const TXFF: u32 = 1 << 5;
    pub(crate) const RXFF: u32 = 1 << 6;
    pub(crate) const TXFE: u32 = 1 << 7;
}

/// Bits of IMSC, RIS, MIS and ICR.
pub(crate) mod int {
    pub(crate) const DCD: u32 = 1 << 2;
    pub(crate) const RX: u32 = 1 << 4;
    pub(crate) const TX: u32 = 1 << 5;
    pub(crate) const RT: u32 = 1 << 6;
}

const LCR_H_BRK: u32 = 1 << 0;
const LCR_H_FEN: u32 = 1 << 4;
const CR_DTR: u32 = 1 << 10;
const FIFO: usize = 32;

/// The peripheral's and the cell's identification, by which Linux finds its driver.
const ID: [u32; 8] = [0x11, 0x10, 0x34, 0x00, 0x0D, 0xF0, 0x05, 0xB1];

/// The device.
#[derive(Debug)]
pub(crate) struct Pl011 {
    output: Writer,
    doorbell: Doorbell,
    input: Input,
    lines: GuestLines,
    line: Arc<Line>,
    received: VecDeque<Symbol>,
    /// Registers that only store.
    stored: [u32; 3],
    lcr_h: u32,
    cr: u32,
    imsc: u32,
    /// The interrupts that are raised until the guest clears them: TX and DCD.
    latched: u32,
    /// DCD is low for a hang-up, until the guest has seen that.
    dropped: bool,
}

impl Pl011 {
    /// Makes the device and its console.
    pub(crate) fn new(line: Arc<Line>) -> Result<(Self, Console), CapacityError> {
        let (output, scrollback) = Scrollback::new(1 << 20)?;
        let announced = Arc::clone(&line);
        // Input that the guest waits for, and a hang-up, raise the line. The guest then reads a register, and finds them.
        let parts = Console::builder(scrollback).build(move || announced.set(true));
        let ConsoleParts { console, input, guest_lines: lines, .. } = parts;
        let device = Self {
            output,
            doorbell: console.doorbell().clone(),
            input,
            lines,
            line,
            received: VecDeque::with_capacity(FIFO),
            stored: [0; 3],
            lcr_h: 0,
            cr: 0x300,
            imsc: 0,
            latched: 0,
            dropped: false,
        };
        Ok((device, console))
    }

    /// Serves a guest's read.
    pub(crate) fn read(&mut self, offset: u64) -> u32 {
        self.look();
        let value = match offset {
            offset::DR => self.received.pop_front().map_or(0, as_dr),
            offset::FR => self.flags(),
            offset::IBRD | offset::FBRD | offset::IFLS => self.stored[stored(offset)],
            offset::LCR_H => self.lcr_h,
            offset::CR => self.cr,
            offset::IMSC => self.imsc,
            offset::RIS => self.raised(),
            offset::MIS => self.raised() & self.imsc,
            offset::PERIPH_ID.. => usize::try_from((offset - offset::PERIPH_ID) / 4)
                .ok()
                .and_then(|index| ID.get(index).copied())
                .unwrap_or(0),
            _ => 0,
        };
        if offset == offset::FR && self.dropped {
            // The guest has seen DCD low. It rises again, which is a change, too.
            self.dropped = false;
            self.latched |= int::DCD;
            self.lines.saw_drop();
        }
        self.settle();
        value
    }

    /// Serves a guest's write.
    pub(crate) fn write(&mut self, offset: u64, value: u32) {
        match offset {
            offset::DR => {
                // First the byte, then the bell. It never waits, so the transmitter is empty again at once, which is an interrupt.
                self.output.push(value.to_le_bytes()[0]);
                self.doorbell.ring_if_armed();
                self.latched |= int::TX;
            }
            offset::IBRD | offset::FBRD | offset::IFLS => self.stored[stored(offset)] = value,
            offset::LCR_H => {
                if (self.lcr_h ^ value) & LCR_H_FEN != 0 {
                    // That clears the receiver. What the guest has not read waits again, unless a take-over has come between.
                    self.input.put_back(self.received.len());
                    self.received.clear();
                }
                self.lcr_h = value;
                self.lines.break_out(value & LCR_H_BRK != 0);
            }
            offset::CR => {
                self.cr = value;
                self.lines.dtr(value & CR_DTR != 0);
            }
            offset::IMSC => {
                self.imsc = value;
                if self.lines.listen(value & int::DCD != 0).is_some() {
                    self.drop_carrier();
                }
            }
            offset::ICR => self.latched &= !value,
            _ => {}
        }
        self.settle();
    }

    /// Brings to the registers what the host has done: a hang-up, and input if the receiver is empty. A guest that is interrupted for input
    /// and finds none is to be told of the next.
    fn look(&mut self) {
        if self.lines.take().is_some() {
            self.drop_carrier();
        }
        let room = match (self.received.is_empty(), self.lcr_h & LCR_H_FEN != 0) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => FIFO,
        };
        let mut symbols = [Symbol::Break; FIFO];
        let symbols = &mut symbols[..room];
        let taken = if self.imsc & (int::RX | int::RT) != 0 {
            self.input.take_or_want(symbols)
        } else {
            // It polls: an announcement would interrupt nobody.
            self.input.announced();
            self.input.take(symbols)
        };
        self.received.extend(&symbols[..taken]);
    }

    /// Ends an access: drives the line.
    fn settle(&mut self) {
        if self.raised() & self.imsc == 0 {
            self.line.set(false);
        }
        // After the line has fallen. An announcement that came before that has been undone, and what it was for is found here. One that
        // comes later raises the line.
        self.look();
        if self.raised() & self.imsc != 0 {
            self.line.set(true);
        }
    }

    fn raised(&self) -> u32 {
        // By the level, and not when a trigger level is passed: the guest can't miss one by clearing it too late.
        let received = if self.received.is_empty() { 0 } else { int::RX | int::RT };
        self.latched | received
    }

    fn flags(&self) -> u32 {
        let empty = if self.received.is_empty() { fr::RXFE } else { 0 };
        let full = if self.received.len() == FIFO { fr::RXFF } else { 0 };
        let carrier = if self.dropped { 0 } else { fr::DCD };
        fr::CTS | fr::DSR | fr::TXFE | empty | full | carrier
    }

    fn drop_carrier(&mut self) {
        self.dropped = true;
        self.latched |= int::DCD;
    }
}

/// The index of a register that only stores.
fn stored(register: u64) -> usize {
    match register {
        offset::IBRD => 0,
        offset::FBRD => 1,
        _ => 2,
    }
}

/// A symbol as DR shows it: with BE, PE and FE.
fn as_dr(symbol: Symbol) -> u32 {
    match symbol {
        Symbol::Byte(byte) => byte.into(),
        Symbol::Break => 1 << 10,
        Symbol::Damaged(byte, LineError::Parity) => 1 << 9 | u32::from(byte),
        Symbol::Damaged(byte, LineError::Framing) => 1 << 8 | u32::from(byte),
        Symbol::Damaged(byte, LineError::ParityAndFraming) => 3 << 8 | u32::from(byte),
    }
}
