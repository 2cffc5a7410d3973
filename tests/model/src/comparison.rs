//! A device beside the model.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Display};

use crate::register::{
    IIR_FCR, IIR_LINE_STATUS, IIR_MODEM_STATUS, IIR_RECEIVED_DATA, IIR_TIME_OUT, LCR, LCR_DLAB, LSR,
    LSR_DATA_READY, MSR, RBR_THR_DLL,
};
use crate::{Device, Mode, Model, Operation, Setup};

/// How many accesses a [`Difference`] tells.
const TAIL: usize = 40;

/// More than any receiver holds: a device that is never empty is found out.
const DRAIN_MAX: usize = 80;

/// Does the same to a device and to the model, and compares all that can be seen of them.
#[derive(Debug)]
pub struct Comparison<D> {
    setup: Setup,
    model: Model,
    device: D,
    operations: u64,
    tail: VecDeque<Operation>,
}

/// Where a device first differs from the model.
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
    /// What differs: the name of the [`Device`]'s method.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setup, operations, tail, field, model, device } = self;
        writeln!(f, "{field}: the model says {model}, the device {device}")?;
        writeln!(f, "at operation {operations}, with {setup:?}; the last accesses are")?;
        tail.iter().try_for_each(|access| writeln!(f, "  {}", Hexadecimal(access)))
    }
}

impl std::error::Error for Difference {}

/// Registers and their values as a data sheet has them.
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
    /// Beside `device`, which is as after its reset, puts a model of that setup.
    ///
    /// # Panics
    ///
    /// When they differ already.
    pub fn new(setup: Setup, device: D) -> Self {
        let mut comparison =
            Self { setup, model: Model::new(setup), device, operations: 0, tail: VecDeque::new() };
        comparison.compare().unwrap_or_else(|difference| panic!("{difference}"));
        comparison
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Does an operation to both.
    ///
    /// # Panics
    ///
    /// When they differ.
    pub fn run(&mut self, operation: &Operation) {
        self.check(operation).unwrap_or_else(|difference| panic!("{difference}"));
    }

    /// Does an operation to both, access by access, and says where they first differ.
    ///
    /// # Errors
    ///
    /// When they differ. What follows then is of no meaning.
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
            // THRE is served by reading IIR.
            _ => Ok(()),
        }
    }

    /// Does one access to both, compares what it gives and all that can be seen after it, and gives what a read gives.
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
            // Time in instant time; and what consists of accesses is none.
            _ => {}
        }
        self.compare()?;
        Ok(read)
    }

    fn timed(&self) -> bool {
        self.setup.mode == Mode::Timed
    }

    /// Whether a character has left.
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
