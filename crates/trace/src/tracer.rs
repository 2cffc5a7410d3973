//! A UART whose accesses can be recorded.

use std::ops::Deref;

use vuart_16550::Uart;
use vuart_16550::spec::{Lsr, Msr};

use crate::recorder::{RecordError, Recorder};
use crate::recording::Recording;

/// A [`Uart`] that records, on request, what is done to it.
///
/// Use it in the place of the UART. It has the UART's verbs, passes each on, and writes it down while a recording goes on. It derefs to the
/// UART for all that only looks. Without a recording a verb costs one branch more.
///
/// Call [`settle`](Self::settle) after each access of the guest and each action of the host: it records what they have changed on the
/// outside.
///
/// ```
/// use vuart_16550::Uart;
/// use vuart_16550::spec::offset;
/// use vuart_trace::Tracer;
///
/// let mut uart = Tracer::from(Uart::default());
/// let mut recording = uart.record(1 << 16)?;
/// uart.write(offset::IER, 0x01);
/// uart.settle();
/// uart.receive(b'a');
/// uart.settle();
/// assert!(uart.interrupt()); // by way of the UART
/// assert_eq!(recording.take(), "# vuart trace v1\nat chip\nw 1 01\nrx 61\nirq 1\n");
/// # Ok::<(), vuart_trace::RecordError>(())
/// ```
#[derive(Debug)]
pub struct Tracer {
    uart: Uart,
    recorder: Option<Box<Recorder>>,
}

impl From<Uart> for Tracer {
    /// Wraps a UART, and records nothing yet.
    fn from(uart: Uart) -> Self {
        Self { uart, recorder: None }
    }
}

impl Deref for Tracer {
    type Target = Uart;

    #[inline]
    fn deref(&self) -> &Uart {
        &self.uart
    }
}

impl Tracer {
    /// Begins to record, into a ring of `capacity` bytes (a power of two). A recording that goes on already ends.
    ///
    /// # Errors
    ///
    /// When the UART is not in its reset state, or the ring can't have that size.
    pub fn record(&mut self, capacity: usize) -> Result<Recording, RecordError> {
        let (recorder, recording) = Recorder::new(&self.uart, capacity)?;
        self.recorder = Some(Box::new(recorder));
        Ok(recording)
    }

    /// Whether a recording goes on, as of the last [`settle`](Self::settle).
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    /// [`Uart::read`].
    #[inline]
    pub fn read(&mut self, offset: u8) -> u8 {
        let value = self.uart.read(offset);
        self.note(|recorder| recorder.read(offset & 7, value));
        value
    }

    /// [`Uart::write`].
    #[inline]
    pub fn write(&mut self, offset: u8, value: u8) -> Option<u8> {
        let transmitted = self.uart.write(offset, value);
        self.note(|recorder| recorder.write(offset & 7, value, transmitted));
        transmitted
    }

    /// [`Uart::receive`].
    #[inline]
    pub fn receive(&mut self, data: u8) {
        self.uart.receive(data);
        self.note(|recorder| recorder.receive(data));
    }

    /// [`Uart::receive_with_errors`].
    pub fn receive_with_errors(&mut self, data: u8, errors: Lsr) {
        self.uart.receive_with_errors(data, errors);
        self.note(|recorder| recorder.receive_with_errors(data, errors));
    }

    /// [`Uart::receive_break`].
    pub fn receive_break(&mut self) {
        self.uart.receive_break();
        self.note(Recorder::receive_break);
    }

    /// [`Uart::set_modem_inputs`].
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.uart.set_modem_inputs(inputs);
        self.note(|recorder| recorder.set_modem_inputs(inputs));
    }

    /// [`Uart::hold_transmitter`]. A trace has no line for it, so do not call it while a recording goes on.
    pub fn hold_transmitter(&mut self) {
        self.uart.hold_transmitter();
    }

    /// [`Uart::release_transmitter`].
    pub fn release_transmitter(&mut self) {
        self.uart.release_transmitter();
    }

    /// Puts a UART in the place of this one that is as after a reset of the machine, with these modem inputs and no change of them.
    pub fn reset(&mut self, modem_inputs: Msr) {
        self.uart = Uart::new(self.uart.config()).with_modem_inputs(modem_inputs);
        self.note(|recorder| recorder.reset(modem_inputs));
    }

    /// Ends an access of the guest, or an action of the host: records the levels that have changed. A recording that nobody wants any more
    /// ends here.
    #[inline]
    pub fn settle(&mut self) {
        if self.is_recording() {
            self.settle_recording();
        }
    }

    /// Writes a line, if a recording goes on.
    #[inline]
    fn note(&mut self, write: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &mut self.recorder {
            write(recorder);
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_recording(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.settle(&self.uart);
            if recorder.is_over() {
                self.recorder = None;
            }
        }
    }
}
