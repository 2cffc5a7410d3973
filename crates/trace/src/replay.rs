//! Replaying a trace on a device.

use std::fmt::{self, Display};

use vuart_16550::spec::Msr;

use crate::device::{Device, Unsupported};
use crate::operation::{Bytes, Operation};
use crate::parse::{Trace, split};

/// A device did not answer as the trace expects.
///
/// It displays as `LINE: r 5: expected 61, got 60`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The line, from 1.
    pub line: usize,
    /// The operation, with the expected answer.
    pub operation: Operation,
    /// The device's answer.
    pub got: Got,
}

/// A device can't do what a trace asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {unsupported}")]
#[non_exhaustive]
pub struct FillError {
    /// The line, from 1.
    pub line: usize,
    /// The operation that it lacks.
    pub unsupported: Unsupported,
}

/// The answer of a device that differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Got {
    /// The operation with the device's own answer.
    Answer(Operation),
    /// The device has no such operation.
    Unsupported(Unsupported),
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, operation, got } = self;
        write!(f, "{line}: ")?;
        match (operation, got) {
            (
                Operation::Read { register, expected: Some(expected) },
                Got::Answer(Operation::Read { expected: Some(got), .. }),
            ) => {
                write!(f, "r {register}: expected {expected:02x}, got {got:02x}")
            }
            (Operation::Transmitted(expected), Got::Answer(Operation::Transmitted(got))) => {
                write!(f, "tx: expected{}, got{}", OrNothing(expected), OrNothing(got))
            }
            (Operation::BreakOut(expected), Got::Answer(Operation::BreakOut(got))) => {
                write!(f, "tx-break: expected {}, got {}", u8::from(*expected), u8::from(*got))
            }
            (Operation::Interrupt(expected), Got::Answer(Operation::Interrupt(got))) => {
                write!(f, "irq: expected {}, got {}", u8::from(*expected), u8::from(*got))
            }
            (operation, Got::Answer(got)) => write!(f, "expected {operation}, got {got}"),
            (operation, Got::Unsupported(reason)) => write!(f, "{operation}: {reason}"),
        }
    }
}

/// Bytes, or the word "nothing".
struct OrNothing<'a>(&'a [u8]);

impl Display for OrNothing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str(" nothing") } else { Bytes(self.0).fmt(f) }
    }
}

impl Trace {
    /// Replays the trace on a device, and returns each answer that differs from the expected one.
    pub fn replay(&self, device: &mut (impl Device + ?Sized)) -> Vec<Mismatch> {
        let mut player = Player::new(device);
        let mut mismatches = Vec::new();
        for (line, operation) in self.operations() {
            let got = match player.play(operation) {
                Ok(answer) if agree(operation, &answer) => continue,
                Ok(answer) => Got::Answer(answer),
                Err(unsupported) => Got::Unsupported(unsupported),
            };
            mismatches.push(Mismatch { line, operation: operation.clone(), got });
        }
        mismatches
    }

    /// Replays the trace on a device, and returns its text with the device's answers in the place of the expected ones. Use it to complete
    /// a sketch of a trace. Comments stay.
    ///
    /// # Errors
    ///
    /// When the trace has an operation that the device lacks.
    pub fn fill(&self, device: &mut (impl Device + ?Sized)) -> Result<String, FillError> {
        let mut player = Player::new(device);
        let mut filled = String::new();
        let mut operations = self.operations().peekable();
        for (number, line) in (1..).zip(self.text.lines()) {
            let Some((_, operation)) = operations.next_if(|(at, _)| *at == number) else {
                filled.push_str(line);
                filled.push('\n');
                continue;
            };
            let answer =
                player.play(operation).map_err(|unsupported| FillError { line: number, unsupported })?;
            let (code, comment) = split(line);
            if *operation == answer {
                // Keep the author's own text.
                filled.push_str(line);
            } else {
                let indent = &code[..code.len() - code.trim_start().len()];
                let column = if comment.is_empty() { 0 } else { code.chars().count() };
                let text = format!("{indent}{answer}");
                filled.push_str(&text);
                if !comment.is_empty() {
                    filled
                        .extend(std::iter::repeat_n(' ', column.saturating_sub(text.chars().count()).max(1)));
                    filled.push_str(comment);
                }
            }
            filled.push('\n');
        }
        Ok(filled)
    }
}

/// Whether an answer is the one that an operation expects.
fn agree(operation: &Operation, answer: &Operation) -> bool {
    matches!(operation, Operation::Read { expected: None, .. }) || operation == answer
}

struct Player<'a, D: ?Sized> {
    device: &'a mut D,
    modem_inputs: Msr,
}

impl<'a, D: Device + ?Sized> Player<'a, D> {
    fn new(device: &'a mut D) -> Self {
        Self { device, modem_inputs: Msr::CONNECTED }
    }

    /// Performs one operation, and returns it with the device's answer in it.
    fn play(&mut self, operation: &Operation) -> Result<Operation, Unsupported> {
        let device = &mut *self.device;
        let mut answer = operation.clone();
        match &mut answer {
            Operation::Write { register, value } => device.write(*register, *value),
            Operation::Read { register, expected } => *expected = Some(device.read(*register)),
            Operation::Receive(bytes) => bytes.iter().for_each(|byte| device.receive(*byte)),
            Operation::ReceiveError { errors, data } => device.receive_with_errors(*data, *errors)?,
            Operation::ReceiveBreak => device.receive_break()?,
            Operation::Transmitted(bytes) => *bytes = device.transmitted(),
            Operation::BreakOut(level) => *level = device.break_out()?,
            Operation::Interrupt(level) => *level = device.interrupt(),
            Operation::Modem { on, off } => {
                self.modem_inputs = (self.modem_inputs | *on) - *off;
                device.set_modem_inputs(self.modem_inputs)?;
            }
            Operation::Reset => device.reset()?,
            Operation::Pass(nanoseconds) => device.pass(*nanoseconds)?,
        }
        Ok(answer)
    }
}
