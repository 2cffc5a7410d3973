//! The guest's accesses: single registers, wide accesses, strings.
//!
//! A read or write that the [cache](crate::cache) answers takes the fast path. All others take the long way, which serves the host's
//! events in the order that a driver expects, and ends with a look at the interrupt line.

use vm_superio::Trigger;
use vuart_16550::spec::{InterruptId, offset};

use super::{Ring, SerialPort};
use crate::chip;
use crate::receive::{FIFO, ONE};

impl<T: Trigger> SerialPort<T> {
    /// Serves a guest's read at `offset` bytes into the port's range.
    ///
    /// An access of several bytes reads as many neighbouring registers, as the bus of a PC splits it. Bytes beyond the last register
    /// read 0xFF (R15). An access longer than eight bytes is no register access: it reads 0xFF and has no effect (S12).
    #[inline]
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        match (register(offset), data) {
            (Some(register), [byte]) => *byte = self.read_register(register),
            (_, data) => self.read_wide(offset, data),
        }
    }

    #[cold]
    #[inline(never)]
    fn read_wide(&mut self, offset: u64, data: &mut [u8]) {
        if data.len() > usize::from(offset::COUNT) {
            self.counts.bad_reads.add_one();
            data.fill(0xFF);
            return;
        }
        for (index, byte) in (0..).zip(data) {
            if let Some(register) = neighbour(offset, index) {
                *byte = self.read_register(register);
            } else {
                self.counts.bad_reads.add_one();
                *byte = 0xFF;
            }
        }
    }

    /// Serves a guest's repeated read of one register: `rep insb`, one byte each.
    ///
    /// Where there is no register, all bytes read 0xFF, and the string counts as one bad access.
    pub fn read_string(&mut self, offset: u64, data: &mut [u8]) {
        let Some(register) = register(offset) else {
            self.counts.bad_reads.add_one();
            data.fill(0xFF);
            return;
        };
        for byte in data {
            *byte = self.read_register(register);
        }
    }

    /// Serves a guest's write at `offset` bytes into the port's range.
    ///
    /// An access of several bytes writes as many neighbouring registers. Bytes beyond the last register have no effect, and neither has
    /// an access longer than eight bytes (S12).
    #[inline]
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        self.write_and_ring(offset, data, Ring::Port);
    }

    /// [`write`](Self::write). Returns whether there was output.
    #[inline]
    pub(crate) fn write_and_ring(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        match (register(offset), data) {
            (Some(register), [byte]) => self.write_register_and_ring(register, *byte, ring),
            _ => self.write_wide(offset, data, ring),
        }
    }

    #[cold]
    #[inline(never)]
    fn write_wide(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        if data.len() > usize::from(offset::COUNT) {
            self.counts.bad_writes.add_one();
            return false;
        }
        let mut output = false;
        for (index, byte) in (0..).zip(data) {
            if let Some(register) = neighbour(offset, index) {
                output |= self.write_register_and_ring(register, *byte, ring);
            } else {
                self.counts.bad_writes.add_one();
            }
        }
        output
    }

    /// Serves a guest's repeated write of one register: `rep outsb`, one byte each, or writes that were
    /// [coalesced](crate::coalescing).
    ///
    /// The effect is that of single writes, but a string to THR goes into the ring as a whole. Where there is no register, the string has
    /// no effect and counts as one bad access.
    ///
    /// ```
    /// # use vuart::SerialPort;
    /// let mut port = SerialPort::new(|| ());
    /// port.write_string(0, b"Linux version 6.1");
    /// assert_eq!(port.console().scrollback().end(), 17);
    /// ```
    pub fn write_string(&mut self, offset: u64, data: &[u8]) {
        self.write_string_and_ring(offset, data, Ring::Port);
    }

    /// [`write_string`](Self::write_string). Returns whether there was output.
    pub(crate) fn write_string_and_ring(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        let Some(register) = register(offset) else {
            self.counts.bad_writes.add_one();
            return false;
        };
        let mut output = false;
        let mut rest = data;
        while let Some((first, others)) = rest.split_first() {
            if register == offset::THR && self.cache.sends() {
                self.output.extend(rest);
                self.ring(ring);
                return true;
            }
            // After the first write the others may do nothing but send.
            output |= self.write_register_and_ring(register, *first, ring);
            rest = others;
        }
        output
    }

    /// Serves a guest's read of one register. Only the low three bits of `register` count.
    #[inline]
    pub fn read_register(&mut self, register: u8) -> u8 {
        match self.cache.read(register) {
            Some(value) if !self.receive.host_has_acted() => value,
            _ => self.read_the_long_way(register & 7),
        }
    }

    #[inline(never)]
    fn read_the_long_way(&mut self, register: u8) -> u8 {
        // Each of them is compiled by itself, and saves only the registers that it needs.
        match register {
            offset::RBR => self.read_input::<{ offset::RBR }>(),
            offset::IIR => self.read_input::<{ offset::IIR }>(),
            offset::LSR => self.read_input::<{ offset::LSR }>(),
            _ => self.read_other(register),
        }
    }

    /// Reads RBR, IIR or LSR: the registers in which a guest looks for input.
    #[inline(never)]
    fn read_input<const REGISTER: u8>(&mut self) -> u8 {
        let host_has_acted = self.receive.catch_up();
        let more_waits = self.receive.has_more_for(&self.chip);
        // The first look at IIR or LSR is remembered.
        let has_effect = host_has_acted
            || more_waits
            || self.receive.is_pausing()
            || self.hold.is_held()
            || (REGISTER != offset::RBR && !self.edge.has_looked())
            || (REGISTER == offset::IIR && self.modem.drop_is_due());
        if !has_effect && let Some(value) = self.peek(REGISTER) {
            if REGISTER != offset::RBR {
                self.receive.is_looked_at(&self.chip);
            }
            return value;
        }
        self.cache.clear();
        if REGISTER == offset::IIR {
            self.modem.before_read(&mut self.chip, &mut self.edge);
        }
        if REGISTER != offset::RBR {
            // First, so that this look counts as one after what the end of a hold has announced.
            self.look_at_hold();
            self.edge.looks();
        }
        let (chip, edge) = (&mut self.chip, &mut self.edge);
        if more_waits {
            self.receive.before_read(REGISTER, chip, edge);
        }
        let unread = chip.received();
        if REGISTER != offset::RBR {
            self.receive.is_looked_at(chip);
        }
        let value = chip.read(REGISTER);
        if REGISTER == offset::RBR && chip.received() < unread {
            self.counts.bytes_read.add_one();
        }
        // Also after a read that has taken nothing: a guest that was interrupted for input which a take-over has discarded must be told
        // of the next.
        self.receive.settle::<FIFO>(chip, edge);
        self.settle();
        value
    }

    /// Reads MSR, or a register that only stores.
    #[inline(never)]
    fn read_other(&mut self, register: u8) -> u8 {
        let is_msr = register == offset::MSR;
        let has_effect = is_msr && (self.modem.drop_is_due() || self.modem.is_seen_in_msr(&self.chip));
        if !has_effect && let Some(value) = self.peek(register) {
            return value;
        }
        self.cache.clear();
        let (chip, edge) = (&mut self.chip, &mut self.edge);
        if is_msr {
            self.modem.before_read(chip, edge);
        }
        let value = chip.read(register);
        if is_msr {
            self.modem.after_msr_read(chip, edge);
        }
        self.settle();
        value
    }

    /// What the register reads, if the read leaves the chip as it is and no recording has to see it. The caller has excluded all other
    /// effects, so the answer is kept. (If the host acts meanwhile, the fast path does not use it, and the access that catches up with the
    /// host clears it.)
    #[inline]
    fn peek(&mut self, register: u8) -> Option<u8> {
        // In a pause the line's level changes when a take-over discards what waits, and each access looks at it. A hold ends by what
        // other threads do.
        if chip::is_recording(&self.chip) || self.receive.is_pausing() || self.hold.is_held() {
            return None;
        }
        let value = self.chip.peek(register)?;
        self.cache.keep_read(register, value);
        Some(value)
    }

    /// Serves a guest's write of one register. Only the low three bits of `register` count.
    #[inline]
    pub fn write_register(&mut self, register: u8, value: u8) {
        self.write_register_and_ring(register, value, Ring::Port);
    }

    /// [`write_register`](Self::write_register). Returns whether there was output.
    #[inline]
    pub(crate) fn write_register_and_ring(&mut self, register: u8, value: u8, ring: Ring) -> bool {
        // Each of the other ways is a call at the end, so that this one has no registers to save.
        if register & 7 != offset::THR || !self.cache.sends() {
            self.write_the_long_way(register & 7, value, ring)
        } else if self.output.push_announced(value) {
            self.ring(ring);
            true
        } else {
            self.send(value, ring)
        }
    }

    #[inline(never)]
    fn send(&mut self, byte: u8, ring: Ring) -> bool {
        self.output.push(byte);
        self.ring(ring);
        true
    }

    #[inline]
    fn ring(&self, ring: Ring) {
        if ring == Ring::Port {
            self.doorbell.ring_if_armed();
        }
    }

    #[inline(never)]
    fn write_the_long_way(&mut self, register: u8, value: u8, ring: Ring) -> bool {
        self.cache.clear();
        if register == offset::FCR || self.chip.is_in_loopback() {
            return self.write_at_the_receiver(register, value, ring);
        }
        let transmitted = self.chip.write(register, value);
        self.after_write(register, transmitted, ring)
    }

    /// Writes FCR, or any register in loopback: the receiver may be cleared by it, or get a character.
    #[inline(never)]
    fn write_at_the_receiver(&mut self, register: u8, value: u8, ring: Ring) -> bool {
        let held = self.receive.before_write(register, value, &self.chip);
        let transmitted = self.chip.write(register, value);
        self.receive.after_write(held, register, value, &self.chip, &mut self.edge);
        self.after_write(register, transmitted, ring)
    }

    /// The rest of a write on the long way. Returns whether there was output.
    #[inline]
    fn after_write(&mut self, register: u8, transmitted: Option<u8>, ring: Ring) -> bool {
        match transmitted {
            Some(byte) => _ = self.send(byte, ring),
            None => self.counts.register_writes.add_one(),
        }
        if register == offset::THR {
            self.write_thr(transmitted);
        } else {
            self.write_other(register);
        }
        transmitted.is_some()
    }

    /// The rest of a THR write on the long way.
    #[inline]
    fn write_thr(&mut self, transmitted: Option<u8>) {
        if transmitted.is_some() {
            self.hold_if_due();
        }
        let is_thre = self.chip.interrupt_id() == InterruptId::Thre;
        if is_thre {
            self.edge.sends();
        }
        let hears_output = self.flow.hears_output();
        if hears_output && transmitted.is_some_and(|byte| self.flow.hear_output(byte)) {
            self.obey_flow();
            self.receive.settle::<ONE>(&mut self.chip, &mut self.edge);
        }
        self.settle();
        let is_edge = is_thre && self.edge.awaits_send();
        let only_sends =
            self.chip.is_transparent() && !is_edge && !hears_output && !chip::is_recording(&self.chip);
        self.cache.keep_sends(only_sends && !self.receive.is_pausing() && !self.hold.is_on());
    }

    /// The rest of a write of another register.
    #[inline]
    fn write_other(&mut self, register: u8) {
        if register == offset::MCR {
            self.flow.hear_rts(&self.chip);
            self.obey_flow();
        }
        let (chip, edge) = (&mut self.chip, &mut self.edge);
        self.receive.catch_up();
        // One character is enough to raise the line. The rest waits until the guest reads, because a driver that sets the port up
        // enables the interrupt before it resets the FIFOs.
        self.receive.settle::<ONE>(chip, edge);
        if matches!(register, offset::LCR | offset::MCR) {
            self.modem.tell_outputs(chip);
        }
        if matches!(register, offset::IER | offset::MCR) {
            self.modem.listen(chip, edge);
        }
        self.settle();
    }
}

/// The register at that many bytes into the port's range, if there is one.
#[inline]
fn register(offset: u64) -> Option<u8> {
    u8::try_from(offset).ok().filter(|register| *register < offset::COUNT)
}

/// The register of byte `index` of an access at `offset`.
fn neighbour(offset: u64, index: u64) -> Option<u8> {
    offset.checked_add(index).and_then(register)
}
