//! What a driver sees of an answer.

use std::collections::VecDeque;

use vuart::trace::{Device, Operation, Trace, Unsupported};
use vuart::uart::spec::{Lsr, Msr};

/// Which bits of an answer a driver looks at, and what it wants there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    expected: u8,
    mask: u8,
}

impl Look {
    /// One for each read of a trace. Where a mask makes no sense, its line.
    pub(super) fn all(trace: &Trace, text: &str) -> Result<Vec<Self>, usize> {
        let comments: Vec<_> =
            text.lines().map(|line| line.split_once('#').map(|(_, comment)| comment.trim())).collect();
        let mut looks = Vec::new();
        for (line, operation) in trace.operations() {
            let comment = comments.get(line - 1).copied().flatten();
            let mask = comment.and_then(|comment| comment.strip_prefix("mask "));
            let mask = mask.map(|mask| u8::from_str_radix(mask, 16).map_err(|_| line)).transpose()?;
            looks.push(match (operation, mask) {
                (Operation::Read { expected: Some(expected), .. }, mask) => {
                    Self { expected: *expected, mask: mask.unwrap_or(0xFF) }
                }
                (Operation::Read { expected: None, .. }, None) => Self { expected: 0, mask: 0 },
                (_, None) => continue,
                (_, Some(_)) => return Err(line),
            });
        }
        Ok(looks)
    }
}

/// A device through the eyes of the driver: where the bits that it looks at are right, it has seen what it wants.
///
/// A trace has the whole answers of a 16550A. A driver that tests one bit of one runs as well on a device that has another
/// bit wrong, and it would be unfair to say otherwise.
#[derive(Debug)]
pub struct Seen<D> {
    device: D,
    looks: VecDeque<Look>,
}

impl<D> Seen<D> {
    pub(super) fn new(device: D, looks: Vec<Look>) -> Self {
        Self { device, looks: looks.into() }
    }
}

impl<D: Device> Device for Seen<D> {
    fn name(&self) -> &'static str {
        self.device.name()
    }

    fn read(&mut self, register: u8) -> u8 {
        let answer = self.device.read(register);
        match self.looks.pop_front() {
            Some(Look { expected, mask }) if (answer ^ expected) & mask == 0 => expected,
            _ => answer,
        }
    }

    fn write(&mut self, register: u8, value: u8) {
        self.device.write(register, value);
    }

    fn receive(&mut self, data: u8) {
        self.device.receive(data);
    }

    fn transmitted(&mut self) -> Vec<u8> {
        self.device.transmitted()
    }

    fn interrupt(&self) -> bool {
        self.device.interrupt()
    }

    fn receive_with_errors(&mut self, data: u8, errors: Lsr) -> Result<(), Unsupported> {
        self.device.receive_with_errors(data, errors)
    }

    fn receive_break(&mut self) -> Result<(), Unsupported> {
        self.device.receive_break()
    }

    fn break_out(&self) -> Result<bool, Unsupported> {
        self.device.break_out()
    }

    fn set_modem_inputs(&mut self, inputs: Msr) -> Result<(), Unsupported> {
        self.device.set_modem_inputs(inputs)
    }

    fn pass(&mut self, nanoseconds: u64) -> Result<(), Unsupported> {
        self.device.pass(nanoseconds)
    }
}
