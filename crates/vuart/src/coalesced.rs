//! A shared port whose output KVM collects.

#[cfg(feature = "vm-device")]
mod bus;
mod policy;
mod ticks;

use std::os::fd::AsFd;

use vm_superio::Trigger;
use vuart_endpoint::Cause;
use vuart_kvm::{Collector, Kernel, OpenError, Output, Ticked, Zone};

use crate::coalescing::Coalescing;
use crate::level::InterruptLevel;
use crate::mmio::MmioPort;
use crate::port::{Ring, SerialPort};
use crate::shared::Shared;
use crate::shared::device::Device;
use crate::state::PortState;

pub use ticks::Ticks;

/// A [`SerialPort`] that several vCPUs access, and whose output KVM collects while the guest polls.
pub type CoalescedPort<T> = Coalesced<SerialPort<T>>;

/// A [`MmioPort`] that several vCPUs access, and whose output KVM collects while the guest polls.
pub type CoalescedMmioPort<T> = Coalesced<MmioPort<T>>;

/// A device that several vCPUs access, and whose output KVM [collects](crate::coalescing) while the guest polls.
///
/// Use it on KVM in place of [`Shared`](crate::Shared). It is such a handle, and does all that the policy asks for within its own accesses: it
/// drains KVM's page before each, and registers and unregisters the zone. So the vCPUs' exit loops stay as they are.
/// `coalesce` begins it. Its [`Ticks`] go into an event loop, for the last bytes of a guest that
/// makes no more accesses. Until then, and without the capability, each byte is an exit.
///
/// ```no_run
/// use vuart::{CoalescedPort, IrqFd, SerialPort, dispatch::Dispatch as _};
/// # fn example(vm: impl std::os::fd::AsFd, vcpu: impl std::os::fd::AsFd, irq: IrqFd) -> Result<(), Box<dyn std::error::Error>> {
///
/// let com1 = CoalescedPort::new(SerialPort::new(irq)); // and onto the bus, as a `SharedPort`
///
/// match com1.coalesce(&vm, &vcpu, 0x3f8) {
///     Ok(mut ticks) => {
///         std::thread::spawn(move || loop { /* wait until `ticks` is readable, then */ let _ = ticks.dispatch(); });
///     }
///     Err(error) => eprintln!("each byte of output is an exit: {error}"),
/// }
/// # Ok(()) }
/// ```
///
/// # The last bytes
///
/// What the guest has written last may still be with KVM. The port gets it
///
/// * within two ticks of 10 ms, by way of [`Ticks`];
/// * with any access, and with each call here: [`with`](Self::with), [`state`](Self::state), [`end`](Self::end), [`drain`](Self::drain);
/// * when the last handle is dropped.
///
/// So end the console with [`end`](Self::end), and not with its own call: clients hear the end after the last words. A process that exits
/// without any of these leaves the last bytes, 169 at the most, in KVM.
///
/// # Threads
///
/// As with [`Shared`](crate::Shared), only vCPU threads take the lock, or others while the vCPUs are paused. The one exception is the thread
/// that dispatches the [`Ticks`]. It never waits for the lock, and tries it only after a whole tick without an access. Inside it makes no
/// system call, but for a `write` to an eventfd if a [hold](vuart_endpoint::OutputPolicy::Hold) of output begins. A vCPU that comes back
/// within that moment waits for one drain: a copy of 169 bytes at the most. A VMM in which even that must not happen drains on a vCPU's
/// thread, with a signal for a tick: [`coalescing`](crate::coalescing).
///
/// # System calls
///
/// Besides those of the [crate](crate), those of [`vuart_kvm`].
///
/// # KVM
///
/// One port of a virtual machine at a time may coalesce, because KVM has one page for all. `coalesce` refuses another. This keeps a
/// duplicate of the virtual machine's file descriptor, so drop the port before you rely on the end of the virtual machine. Leave it off
/// for guests with encrypted registers (SEV-ES).
#[derive(Debug)]
pub struct Coalesced<D: Device>(Shared<Collected<D>>);

impl<D: Device> Clone for Coalesced<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What is behind the lock.
#[derive(Debug)]
struct Collected<D: Device> {
    device: D,
    collector: Option<Collector<Coalescing>>,
}

impl<D: Device> Device for Collected<D> {
    type Trigger = D::Trigger;

    fn the_port(&self) -> &SerialPort<D::Trigger> {
        self.device.the_port()
    }

    fn the_port_mut(&mut self) -> &mut SerialPort<D::Trigger> {
        self.device.the_port_mut()
    }
}

/// Where collected writes go, and whether there was output for which the doorbell is to be rung.
struct Sink<'a, D> {
    device: &'a mut D,
    output: bool,
}

impl<D: Device> Output for Sink<'_, D> {
    fn output(&mut self, bytes: &[u8]) {
        self.output |= self.device.the_port_mut().write_string_and_ring(0, bytes, Ring::Caller);
    }

    fn defers(&self) -> bool {
        self.device.the_port().defers_output()
    }
}

impl<D: Device> Collected<D> {
    /// Makes an access of the guest, in which it writes `written` bytes to THR. It returns whether there was output, and so does this.
    fn access(&mut self, written: usize, access: impl FnOnce(&mut D) -> bool) -> bool {
        let Some(collector) = &mut self.collector else { return access(&mut self.device) };
        let mut sink = Sink { device: &mut self.device, output: false };
        let drained = collector.enter(&mut sink);
        sink.output |= access(sink.device);
        collector.leave(&mut sink, drained + written);
        sink.output
    }

    /// What the ticks do inside. Returns its answer, and whether there was output.
    fn tick(
        &mut self,
        tick: impl FnOnce(&mut Collector<Coalescing>, &mut Sink<'_, D>) -> Ticked,
    ) -> (Ticked, bool) {
        let Some(collector) = &mut self.collector else { return (Ticked::GONE, false) };
        let mut sink = Sink { device: &mut self.device, output: false };
        let ticked = tick(collector, &mut sink);
        (ticked, sink.output)
    }
}

impl<D: Device> Drop for Collected<D> {
    fn drop(&mut self) {
        let Some(collector) = &mut self.collector else { return };
        let mut sink = Sink { device: &mut self.device, output: false };
        collector.finish(&mut sink);
        if sink.output {
            self.device.doorbell().ring_if_armed();
        }
    }
}

impl<D: Device> Coalesced<D> {
    /// Shares the device. Nothing is collected yet.
    pub fn new(device: D) -> Self {
        Self(Shared::of(Collected { device, collector: None }))
    }

    /// Lets a kernel collect: `coalesce` for another kernel than KVM, or for a test.
    ///
    /// # Errors
    ///
    /// [`OpenError::Twice`] if the device is coalesced and its [`Ticks`] are still there, and [`OpenError::Timer`].
    pub fn coalesce_with(&self, kernel: impl Kernel + 'static) -> Result<Ticks<D>, OpenError> {
        let (collector, ticker) =
            vuart_kvm::collector(Box::new(kernel), Coalescing::new()).map_err(OpenError::Timer)?;
        self.0.with(|it| match &mut it.collector {
            Some(present) if !present.is_closed() => Err(OpenError::Twice),
            place => {
                *place = Some(collector);
                Ok(())
            }
        })?;
        Ok(Ticks::new(self.0.downgrade(), ticker))
    }

    fn open(&self, zone: Zone, vm: impl AsFd, vcpu: impl AsFd) -> Result<Ticks<D>, OpenError> {
        // Before this port asks for the page once more. It is dropped outside the lock.
        drop(self.0.with(|it| it.collector.take_if(|present| present.is_closed())));
        if self.0.with(|it| it.collector.is_some()) {
            return Err(OpenError::Twice);
        }
        self.coalesce_with(zone.open(vm, vcpu)?)
    }

    fn access(&self, written: usize, access: impl FnOnce(&mut D) -> bool) {
        self.0.write_with(|it| it.access(written, access));
    }

    /// Works with the device while no vCPU does: [`Shared::with`]. It is drained before, and has all that the guest has written.
    ///
    /// # Panics
    ///
    /// Panics if the calling thread is inside the port already: within another `with`, or in the [`Trigger`].
    pub fn with<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        self.0.with(|it| {
            let Some(collector) = &mut it.collector else { return f(&mut it.device) };
            let mut sink = Sink { device: &mut it.device, output: false };
            let drained = collector.enter(&mut sink);
            if std::mem::take(&mut sink.output) {
                // In place, before the device may be replaced by another.
                sink.device.doorbell().ring_if_armed();
            }
            let result = f(sink.device);
            collector.leave(&mut sink, drained);
            if sink.output {
                sink.device.doorbell().ring_if_armed();
            }
            result
        })
    }

    /// Hands what KVM has collected to the port. Each access does that by itself.
    pub fn drain(&self) {
        self.access(0, |_| false);
    }

    /// Ends the console ([`Console::end`](vuart_endpoint::Console::end)) after the guest's last words.
    pub fn end(&self, cause: &Cause) {
        // Not within the lock: the end calls observers.
        let console = self.with(|device| device.the_port().console().clone());
        console.end(cause);
    }

    /// [`SerialPort::state`], after the guest's last words.
    pub fn state(&self) -> PortState {
        self.with(|device| device.the_port().state())
    }

    /// [`SerialPort::reset`], after the old boot's last words.
    pub fn reset(&self) -> u64 {
        self.with(|device| device.the_port_mut().reset())
    }

    /// [`SerialPort::interrupt_level`]. Take it before the vCPUs run: this call locks the port, and the handle does not.
    pub fn interrupt_level(&self) -> InterruptLevel {
        self.with(|device| device.the_port().interrupt_level())
    }
}

impl<T: Trigger> Coalesced<SerialPort<T>> {
    /// Lets KVM collect what the guest writes to THR, at I/O port `port`, whenever that pays. `vm` and `vcpu` are file descriptors of the virtual
    /// machine and of any vCPU.
    ///
    /// Put the result into an event loop: nothing is collected before its first dispatch, nor after its drop.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. The port then works without, and each byte is an exit.
    pub fn coalesce(
        &self,
        vm: impl AsFd,
        vcpu: impl AsFd,
        port: u16,
    ) -> Result<Ticks<SerialPort<T>>, OpenError> {
        self.open(Zone::pio(port), vm, vcpu)
    }

    /// [`SerialPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.access(0, |port| {
            port.read(offset, data);
            false
        });
    }

    /// [`SerialPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        let written = usize::from(offset == 0 && data.len() == 1);
        self.access(written, |port| port.write_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_string`].
    pub fn read_string(&self, offset: u64, data: &mut [u8]) {
        self.access(0, |port| {
            port.read_string(offset, data);
            false
        });
    }

    /// [`SerialPort::write_string`].
    pub fn write_string(&self, offset: u64, data: &[u8]) {
        let written = if offset == 0 { data.len() } else { 0 };
        self.access(written, |port| port.write_string_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_register`].
    pub fn read_register(&self, register: u8) -> u8 {
        let mut value = 0;
        self.read((register & 7).into(), std::slice::from_mut(&mut value));
        value
    }

    /// [`SerialPort::write_register`].
    pub fn write_register(&self, register: u8, value: u8) {
        self.write((register & 7).into(), &[value]);
    }
}

impl<T: Trigger> Coalesced<MmioPort<T>> {
    /// Lets KVM collect what the guest writes to THR, at the beginning of the MMIO range at `base`, whenever that pays. Otherwise as the other
    /// `coalesce`.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. The port then works without, and each byte is an exit.
    pub fn coalesce(
        &self,
        vm: impl AsFd,
        vcpu: impl AsFd,
        base: u64,
    ) -> Result<Ticks<MmioPort<T>>, OpenError> {
        let shift = self.with(|port| port.shift());
        self.open(Zone::mmio(base, shift), vm, vcpu)
    }

    /// [`MmioPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.access(0, |port| {
            port.read(offset, data);
            false
        });
    }

    /// [`MmioPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.access(usize::from(offset == 0), |port| port.write_and_ring(offset, data, Ring::Caller));
    }
}
