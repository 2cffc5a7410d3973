//! The level of the interrupt line, for interrupt controllers that want one.
//!
//! A [`Trigger`](crate::Trigger) tells that the line rises. That is all that an edge-triggered input needs: IRQ 4 of a PC's 8259, or
//! an MSI. A level-triggered input (PCI `INTx`, a pin of an I/O APIC, an SPI of a GIC, an 8259 with ELCR set) also has to know, when the
//! driver has ended its handler, whether the line is still high. [`InterruptLevel`] answers that, on any thread.
//!
//! # Level-triggered inputs of KVM
//!
//! KVM offers an irqfd with a resamplefd (`KVM_IRQFD_FLAG_RESAMPLE`). A write to the irqfd asserts the input. When the guest ends the
//! interrupt, KVM deasserts the input and writes to the resamplefd, and the VMM asserts the input again if its line is still high.
//! [`ResampleFd`] is that part of the VMM:
//!
//! ```no_run
//! use vuart::{IrqFd, SerialPort};
//! # use vuart::EventFd;
//! # struct Vm; impl Vm { fn register_irqfd_with_resample(&self, _: &EventFd, _: &EventFd, _: u32) -> std::io::Result<()> { Ok(()) } }
//! # let vm = Vm;
//! # struct EventLoop; impl EventLoop { fn wait_readable(&self, _: &EventFd) {} } let event_loop = EventLoop;
//!
//! let port = SerialPort::new(IrqFd::new()?);
//! let resample = port.resample_fd()?;
//! vm.register_irqfd_with_resample(resample.irq(), resample.event(), 10)?;
//!
//! // On a thread of the VMM that is not a vCPU's:
//! loop {
//!     event_loop.wait_readable(resample.event());
//!     resample.resample()?;
//! }
//! # #[allow(unreachable_code)] Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | input | how |
//! |---|---|
//! | an I/O APIC's pin, also for PCI `INTx` | irqfd with resamplefd on the pin's GSI, and the pin is level-triggered in the ACPI tables |
//! | a GIC's SPI | irqfd with resamplefd on the SPI's GSI, and the device tree says `IRQ_TYPE_LEVEL_HIGH` |
//! | an 8259's input | irqfd with resamplefd on the IRQ's GSI, and the guest or the VMM sets its bit in ELCR |
//! | any input of an interrupt controller in the VMM | [`LevelLine`], see below |
//!
//! # An interrupt controller in the VMM
//!
//! The trigger asserts the input. At the guest's end of interrupt the controller looks at the level, as above. A controller that must
//! be told when the line falls is told after each access, on the vCPU's thread: [`LevelLine`] does that.
//!
//! ```
//! # #[derive(Clone)] struct Controller; impl Controller { fn set(&self, _: u32, _: bool) {} } let controller = Controller;
//! use vuart::SerialPort;
//! use vuart::level::LevelLine;
//!
//! let line = LevelLine::new(move |high| controller.set(10, high));
//! let mut port = SerialPort::new(line.clone());
//! let level = port.interrupt_level();
//!
//! port.write(0, b"A"); // any access
//! line.settle(&level)?;
//! # Ok::<(), std::convert::Infallible>(())
//! ```

mod line;

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Acquire, Ordering::Release};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart_endpoint::{DropWatch, HoldWatch, InputWatch};

pub use line::LevelLine;

use crate::irqfd::IrqFd;
use crate::port::SerialPort;

/// The chip's interrupt output is high.
const HIGH: u8 = 0x01;
/// Input that comes raises it.
const AWAITS_INPUT: u8 = 0x02;
/// The end of a hold of its output raises it.
const AWAITS_TRANSMITTER: u8 = 0x04;

/// The level of a port's interrupt line: a handle, cheap to clone, for any thread. It takes no lock.
///
/// [`SerialPort::interrupt_level`](crate::SerialPort::interrupt_level) makes it. It belongs to that port: a port that takes its place
/// has its own. The line of a port that was dropped is low.
#[derive(Debug, Clone)]
pub struct InterruptLevel {
    /// [`HIGH`], [`AWAITS_INPUT`] and [`AWAITS_TRANSMITTER`], as the last access has left them. Only the port stores to it.
    chip: Arc<AtomicU8>,
    input: InputWatch,
    drop: DropWatch,
    hold: HoldWatch,
}

impl InterruptLevel {
    pub(crate) fn new(input: InputWatch, drop: DropWatch, hold: HoldWatch) -> Self {
        Self { chip: Arc::new(AtomicU8::new(0)), input, drop, hold }
    }

    /// Whether the line is high.
    ///
    /// The line is high for an interrupt of the chip, and for what another thread has announced and the port has not taken yet: input
    /// that the guest waits for, a hang-up, or output that need not [wait](vuart_endpoint::OutputPolicy::Hold) any more. It stays high
    /// until the guest's next look at the port has brought that to the registers. Then the registers alone decide.
    ///
    /// A thread that the guest has caused to look (by its end of interrupt) sees the guest's accesses up to then.
    #[must_use]
    pub fn is_high(&self) -> bool {
        // Acquire: pairs with the release in `set`. What follows is then at least as new as the chip's state.
        let chip = self.chip.load(Acquire);
        let high = chip & HIGH != 0
            || (chip & AWAITS_INPUT != 0 && !self.input.is_empty())
            || (chip & AWAITS_TRANSMITTER != 0 && self.hold.is_over())
            || self.drop.is_announced();
        high && !self.input.is_abandoned()
    }

    /// The chip at the end of an access or of an action of the host. Before the trigger is called, so that who is called sees it.
    #[inline]
    pub(crate) fn set(&self, high: bool, awaits_input: bool, awaits_transmitter: bool) {
        let bits = u8::from(high) | u8::from(awaits_input) << 1 | u8::from(awaits_transmitter) << 2;
        // Release: a thread that sees the level also sees what the access has taken out of the queue.
        self.chip.store(bits, Release);
    }
}

/// The resamplefd of an irqfd of KVM: asserts the input again when the guest has ended an interrupt and the line is still high.
///
/// The [module](self) shows how to wire it.
#[derive(Debug)]
pub struct ResampleFd {
    irq: EventFd,
    event: EventFd,
    level: InterruptLevel,
}

impl ResampleFd {
    /// Makes the resamplefd for an irqfd, which the port's trigger also writes to.
    ///
    /// # Errors
    ///
    /// When no file descriptor is left.
    pub fn new(irq: EventFd, level: InterruptLevel) -> io::Result<Self> {
        Ok(Self { irq, event: EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?, level })
    }

    /// The irqfd, for `KVM_IRQFD`.
    pub fn irq(&self) -> &EventFd {
        &self.irq
    }

    /// The resamplefd, for `KVM_IRQFD` and for an event loop: call [`resample`](Self::resample) when it is readable.
    pub fn event(&self) -> &EventFd {
        &self.event
    }

    /// Asserts the input again if the line is still high. Returns whether it was.
    ///
    /// # Errors
    ///
    /// When an eventfd can't be read or written. The guest may have lost an interrupt then.
    pub fn resample(&self) -> io::Result<bool> {
        // Before the look: an end of interrupt that comes later makes it readable again.
        match self.event.read() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            // Nothing to read: somebody calls without need, which does no harm.
            _ => {}
        }
        let high = self.level.is_high();
        if high {
            self.irq.write(1)?;
        }
        Ok(high)
    }
}

impl SerialPort<IrqFd> {
    /// Makes the resamplefd of this port's irqfd.
    ///
    /// # Errors
    ///
    /// When no file descriptor is left.
    pub fn resample_fd(&self) -> io::Result<ResampleFd> {
        ResampleFd::new(self.trigger().try_clone()?.0, self.interrupt_level())
    }
}

impl AsRawFd for ResampleFd {
    /// The resamplefd.
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}
