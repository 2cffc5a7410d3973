//! The comparison finds each of a dozen faults, and finds nothing in a device without a fault.

use vuart_model::{Comparison, Device, Model, Operation, Setup};

/// The random number generator `SplitMix64`.
fn random(seed: u64) -> impl Iterator<Item = u64> {
    (1_u64..).map(move |index| {
        let z = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// A fault of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A read of IIR keeps the condition of THRE.
    IirKeepsThre,
    /// A read of LSR keeps the errors.
    LsrKeepsErrors,
    /// LSR bit 7 is always 0.
    NoErrorInFifo,
    /// FCR bit 1 does nothing.
    NoReceiverReset,
    /// DLAB hides FCR.
    FcrNeedsNoDlab,
    /// IER bit 4 is always 1.
    IerBit4,
    /// A parity error arrives as a framing error.
    WrongError,
    /// A break in loopback is not received.
    NoLoopbackBreak,
    /// The delta of RI is always 0.
    NoTeri,
    /// Every character is a nanosecond late.
    Late,
    /// A saved state lacks SCR.
    ForgetsScratch,
    /// OUT2 does not gate the interrupt line.
    NoGate,
}

const FAULTS: [Fault; 12] = [
    Fault::IirKeepsThre,
    Fault::LsrKeepsErrors,
    Fault::NoErrorInFifo,
    Fault::NoReceiverReset,
    Fault::FcrNeedsNoDlab,
    Fault::IerBit4,
    Fault::WrongError,
    Fault::NoLoopbackBreak,
    Fault::NoTeri,
    Fault::Late,
    Fault::ForgetsScratch,
    Fault::NoGate,
];

/// A model with a fault.
#[derive(Debug)]
struct Faulty {
    model: Model,
    fault: Fault,
}

impl Faulty {
    fn lcr(&self) -> u8 {
        self.model.clone().read(3)
    }
}

impl Device for Faulty {
    fn read(&mut self, register: u8) -> u8 {
        match (self.fault, register & 7) {
            (Fault::IirKeepsThre, 2) | (Fault::LsrKeepsErrors, 5) => self.model.clone().read(register),
            (Fault::NoErrorInFifo, 5) => self.model.read(register) & 0x7F,
            (Fault::NoTeri, 6) => self.model.read(register) & !0x04,
            (Fault::IerBit4, 1) => self.model.read(register) | 0x10,
            _ => self.model.read(register),
        }
    }

    fn write(&mut self, register: u8, value: u8) -> Option<u8> {
        match (self.fault, register & 7) {
            (Fault::NoReceiverReset, 2) => self.model.write(register, value & !0x02),
            (Fault::FcrNeedsNoDlab, 2) if self.lcr() & 0x80 != 0 => None,
            (Fault::NoLoopbackBreak, 3) => {
                let mcr = self.model.read(4);
                self.model.write(4, mcr & !0x10);
                self.model.write(3, value);
                self.model.write(4, mcr)
            }
            _ => self.model.write(register, value),
        }
    }

    fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool) {
        if self.fault == Fault::WrongError {
            self.model.receive(data, false, parity_error || framing_error);
        } else {
            self.model.receive(data, parity_error, framing_error);
        }
    }

    fn receive_break(&mut self) {
        self.model.receive_break();
    }

    fn set_modem_inputs(&mut self, inputs: u8) {
        self.model.set_modem_inputs(inputs);
    }

    fn interrupt(&self) -> bool {
        self.model.interrupt() || (self.fault == Fault::NoGate && self.model.interrupt_id() != 0x01)
    }

    fn interrupt_id(&self) -> Option<u8> {
        Some(self.model.interrupt_id())
    }

    fn room(&self) -> Option<usize> {
        Some(self.model.room())
    }

    fn received(&self) -> Option<usize> {
        Some(self.model.received())
    }

    fn modem_outputs(&self) -> u8 {
        self.model.modem_outputs()
    }

    fn break_out(&self) -> bool {
        self.model.break_out()
    }

    fn advance(&mut self, now: u64) -> Option<u8> {
        self.model.advance(if self.fault == Fault::Late { now.saturating_sub(1) } else { now })
    }

    // It reports the right time, so only the late character differs.
    fn next_event(&self) -> Option<u64> {
        self.model.next_event()
    }

    fn restart(&mut self) {
        if self.fault == Fault::ForgetsScratch {
            self.model.write(7, 0);
        }
    }
}

/// Returns the first difference in a sequence of `operations`.
fn found(fault: Fault, setup: Setup, seed: u64, operations: usize) -> Result<(), String> {
    let mut comparison = Comparison::new(setup, Faulty { model: Model::new(setup), fault });
    for bits in random(seed).take(operations) {
        comparison.check(&Operation::from_bits(bits)).map_err(|difference| difference.to_string())?;
    }
    Ok(())
}

#[test]
fn a_model_agrees_with_itself() {
    for (seed, setup) in (0..).zip(Setup::all()) {
        assert_eq!(found(Fault::None, setup, seed, 2_000), Ok(()));
    }
}

#[test]
fn every_fault_is_found() {
    for fault in FAULTS {
        let finds = Setup::all().zip(0..).filter_map(|(setup, seed)| found(fault, setup, seed, 2_000).err());
        assert_ne!(finds.count(), 0, "{fault:?}");
    }
}

#[test]
fn a_difference_reports_the_last_accesses() {
    let setup = Setup::all().next().expect("there is at least one setup");
    let mut comparison = Comparison::new(setup, Faulty { model: Model::new(setup), fault: Fault::IerBit4 });
    comparison.run(&Operation::Write { register: 1, value: 0x05 });
    let difference = comparison.check(&Operation::Read { register: 1 }).expect_err("a fault");
    assert_eq!(difference.field(), "read");
    let told = difference.to_string();
    for part in ["the model says 0x05, the device says 0x15", "operation 2", "write 1 = 0x05\n", "read 1\n"] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}
