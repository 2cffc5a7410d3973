//! The comparison of a device with the model.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Display};

use crate::register::{
    IIR_FCR, IIR_LINE_STATUS, IIR_MODEM_STATUS, IIR_RECEIVED_DATA, IIR_TIME_OUT, LCR, LCR_DLAB, LSR,
    LSR_DATA_READY, MSR, RBR_THR_DLL,
};
use crate::{Device, Mode, Model, Operation, Setup};

/// The number of accesses that a [`Difference`] reports.
const TAIL: usize = 40;

/// The most characters that a drain reads. It is more than any receiver holds, so a device that never becomes empty is found.
const DRAIN_MAX: usize = 80;

/// Applies the same operations to a device and to a model, and compares everything that can be observed.
#[derive(Debug)]
pub struct Comparison<D> {
    setup: Setup,
    model: Model,
    device: D,
    operations: u64,
    tail: VecDeque<Operation>,
}

/// The first difference between a device and the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    setup: Setup,
    operations: u64,
    tail: Vec<Operation>,
    field: &'static str,
    model: String,
    device: String,
}

impl Difference {
    /// Returns the name of the [`Device`]'s method whose result differs.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setup, operations, tail, field, model, device } = self;
        writeln!(f, "{field}: the model says {model}, the device says {device}")?;
        writeln!(f, "at operation {operations}, with {setup:?}, after these accesses:")?;
        tail.iter().try_for_each(|access| writeln!(f, "  {}", Hexadecimal(access)))
    }
}

impl std::error::Error for Difference {}

/// Prints registers and values as a data sheet does.
struct Hexadecimal<'a>(&'a Operation);

impl Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Operation::Read { register } => write!(f, "read {register}"),
            Operation::Write { register, value } => write!(f, "write {register} = {value:#04x}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl<D: Device> Comparison<D> {
    /// Starts a comparison. `device` must be in the state after its reset and have the settings `setup`.
    ///
    /// # Panics
    ///
    /// Panics if the device differs from the model already.
    pub fn new(setup: Setup, device: D) -> Self {
        let mut comparison =
            Self { setup, model: Model::new(setup), device, operations: 0, tail: VecDeque::new() };
        comparison.compare().unwrap_or_else(|difference| panic!("{difference}"));
        comparison
    }

    /// Returns the device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Applies an operation to both.
    ///
    /// # Panics
    ///
    /// Panics if they differ.
    pub fn run(&mut self, operation: &Operation) {
        self.check(operation).unwrap_or_else(|difference| panic!("{difference}"));
    }

    /// Applies an operation to both, access by access, and compares them after each access.
    ///
    /// # Errors
    ///
    /// Returns the first difference. Later results have no meaning then.
    pub fn check(&mut self, operation: &Operation) -> Result<(), Box<Difference>> {
        self.operations += 1;
        match *operation {
            Operation::SetDivisor { divisor } => {
                let [low, high] = divisor.to_le_bytes();
                let lcr = self.read(LCR)?;
                self.write(LCR, lcr | LCR_DLAB)?;
                self.write(RBR_THR_DLL, low)?;
                self.write(RBR_THR_DLL + 1, high)?;
                self.write(LCR, lcr)
            }
            Operation::SetFifos { value } => {
                let lcr = self.read(LCR)?;
                self.write(LCR, lcr | LCR_DLAB)?;
                self.write(IIR_FCR, value)?;
                self.write(LCR, lcr)
            }
            Operation::Output { data, count } => {
                (0..count).try_for_each(|index| self.write(RBR_THR_DLL, data.wrapping_add(index)))
            }
            Operation::Input { data, count } => (0..count).try_for_each(|index| {
                let data = data.wrapping_add(index);
                self.access(Operation::Receive { data, parity_error: false, framing_error: false }).map(drop)
            }),
            Operation::Drain => self.drain(),
            Operation::Serve => self.serve(),
            access => self.access(access).map(drop),
        }
    }

    fn read(&mut self, register: u8) -> Result<u8, Box<Difference>> {
        self.access(Operation::Read { register })
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), Box<Difference>> {
        self.access(Operation::Write { register, value }).map(drop)
    }

    fn drain(&mut self) -> Result<(), Box<Difference>> {
        if self.read(LCR)? & LCR_DLAB != 0 {
            return Ok(());
        }
        for _ in 0..DRAIN_MAX {
            if self.read(LSR)? & LSR_DATA_READY == 0 {
                break;
            }
            self.read(RBR_THR_DLL)?;
        }
        Ok(())
    }

    fn serve(&mut self) -> Result<(), Box<Difference>> {
        match self.read(IIR_FCR)? & 0x0F {
            IIR_LINE_STATUS => self.read(LSR).map(drop),
            IIR_RECEIVED_DATA | IIR_TIME_OUT => self.read(RBR_THR_DLL).map(drop),
            IIR_MODEM_STATUS => self.read(MSR).map(drop),
            // The read of IIR has served THRE.
            _ => Ok(()),
        }
    }

    /// Applies one access to both, and compares its result and everything observable after it. Returns the value of a read.
    fn access(&mut self, access: Operation) -> Result<u8, Box<Difference>> {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(access);
        let mut read = 0;
        match access {
            Operation::Read { register } => {
                read = self.model.read(register);
                let device = self.device.read(register);
                self.same("read", read, device)?;
            }
            Operation::Write { register, value } => {
                let left = self.model.write(register, value);
                let device = self.device.write(register, value);
                self.same("write", left, device)?;
            }
            Operation::Receive { data, parity_error, framing_error } => {
                self.model.receive(data, parity_error, framing_error);
                self.device.receive(data, parity_error, framing_error);
            }
            Operation::Break => {
                self.model.receive_break();
                self.device.receive_break();
            }
            Operation::Modem { inputs } => {
                self.model.set_modem_inputs(inputs);
                self.device.set_modem_inputs(inputs);
            }
            Operation::Advance { ns } if self.timed() => {
                let until = self.model.now().saturating_add(ns);
                while self.advance(until)? {}
            }
            Operation::Await { early_ns } if self.timed() => {
                if let Some(event) = self.model.next_event() {
                    self.advance(event.saturating_sub(early_ns.into()))?;
                }
            }
            Operation::Restart => self.device.restart(),
            // Time does nothing in instant time, and `check` has split the operations that consist of accesses.
            _ => {}
        }
        self.compare()?;
        Ok(read)
    }

    fn timed(&self) -> bool {
        self.setup.mode == Mode::Timed
    }

    /// Advances time in both. Tells whether a character has left.
    fn advance(&mut self, until: u64) -> Result<bool, Box<Difference>> {
        let left = self.model.advance(until);
        let device = self.device.advance(until);
        self.same("advance", left, device)?;
        self.compare()?;
        Ok(left.is_some())
    }

    fn compare(&mut self) -> Result<(), Box<Difference>> {
        if let Some(id) = self.device.interrupt_id() {
            self.same("interrupt_id", self.model.interrupt_id(), id)?;
        }
        self.same("interrupt", self.model.interrupt(), self.device.interrupt())?;
        if let Some(received) = self.device.received() {
            self.same("received", self.model.received(), received)?;
        }
        if let Some(room) = self.device.room() {
            self.same("room", self.model.room(), room)?;
        }
        self.same("modem_outputs", self.model.modem_outputs(), self.device.modem_outputs())?;
        self.same("break_out", self.model.break_out(), self.device.break_out())?;
        if self.timed() {
            if let Some(now) = self.device.now() {
                self.same("now", self.model.now(), now)?;
            }
            self.same("next_event", self.model.next_event(), self.device.next_event())?;
        }
        Ok(())
    }

    fn same<T: Copy + PartialEq + Debug>(
        &self,
        field: &'static str,
        model: T,
        device: T,
    ) -> Result<(), Box<Difference>> {
        if model == device {
            return Ok(());
        }
        Err(Box::new(Difference {
            setup: self.setup,
            operations: self.operations,
            tail: self.tail.iter().copied().collect(),
            field,
            model: format!("{model:#04x?}"),
            device: format!("{device:#04x?}"),
        }))
    }
}
