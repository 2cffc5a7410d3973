//! The registers as a device that is compared with the model.
//!
//! The fuzz targets' library has this file as a module of its own.

use vuart_16550::spec::{Lsr, Msr};
use vuart_16550::{Config, Instant, Time, Timed, Uart};
use vuart_model::{Device, Profile, Setup};

/// What the model knows of a board, as the device has it.
pub fn config(setup: Setup) -> Config {
    let profile = match setup.profile {
        Profile::Uart16450 => vuart_16550::Profile::Uart16450,
        Profile::Uart16550a => vuart_16550::Profile::Uart16550a,
        Profile::Uart16750 => vuart_16550::Profile::Uart16750,
    };
    Config::new().with_profile(profile).with_out2_gate(setup.out2_gate).with_clock(setup.clock_hz)
}

/// A UART in either kind of time.
#[derive(Debug)]
pub struct Registers<T>(pub Uart<T>);

/// What only one kind of time has.
pub trait Passing: Time {
    /// As [`Device::advance`].
    fn advance(_: &mut Uart<Self>, _now: u64) -> Option<u8> {
        None
    }

    /// As [`Device::next_event`].
    fn next_event(_: &Uart<Self>) -> Option<u64> {
        None
    }

    /// As [`Device::now`].
    fn now(_: &Uart<Self>) -> Option<u64> {
        None
    }
}

impl Passing for Instant {}

impl Passing for Timed {
    fn advance(uart: &mut Uart<Self>, now: u64) -> Option<u8> {
        uart.advance(now)
    }

    fn next_event(uart: &Uart<Self>) -> Option<u64> {
        uart.next_event()
    }

    fn now(uart: &Uart<Self>) -> Option<u64> {
        Some(uart.now())
    }
}

impl<T: Passing> Device for Registers<T> {
    fn read(&mut self, register: u8) -> u8 {
        let (peeked, before) = (self.0.peek(register), self.0.state());
        let value = self.0.read(register);
        let unchanged = self.0.state() == before;
        assert_eq!(peeked, unchanged.then_some(value), "what was foreseen of register {register}");
        value
    }

    fn write(&mut self, register: u8, value: u8) -> Option<u8> {
        self.0.write(register, value)
    }

    fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool) {
        let mut errors = Lsr::empty();
        errors.set(Lsr::PE, parity_error);
        errors.set(Lsr::FE, framing_error);
        if errors.is_empty() {
            self.0.receive(data);
        } else {
            self.0.receive_with_errors(data, errors);
        }
    }

    fn receive_break(&mut self) {
        self.0.receive_break();
    }

    fn set_modem_inputs(&mut self, inputs: u8) {
        self.0.set_modem_inputs(Msr::from_bits_retain(inputs));
    }

    fn interrupt(&self) -> bool {
        self.0.interrupt()
    }

    fn interrupt_id(&self) -> Option<u8> {
        Some(self.0.interrupt_id() as u8)
    }

    fn room(&self) -> Option<usize> {
        Some(self.0.room().into())
    }

    fn received(&self) -> Option<usize> {
        Some(self.0.received().into())
    }

    fn modem_outputs(&self) -> u8 {
        self.0.modem_outputs().bits()
    }

    fn break_out(&self) -> bool {
        self.0.break_out()
    }

    fn advance(&mut self, now: u64) -> Option<u8> {
        T::advance(&mut self.0, now)
    }

    fn next_event(&self) -> Option<u64> {
        T::next_event(&self.0)
    }

    fn now(&self) -> Option<u64> {
        T::now(&self.0)
    }

    fn restart(&mut self) {
        let state = self.0.state();
        self.0 = Uart::restore(&state).expect("a state that a UART was in");
        assert_eq!(self.0.state(), state, "it is restored to where it was");
    }
}
