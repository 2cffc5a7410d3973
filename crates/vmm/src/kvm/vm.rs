//! The virtual machine: runs the guest and handles its exits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use kvm_bindings::{KVM_IRQCHIP_PIC_MASTER, kvm_irqchip};
use kvm_ioctls::{VcpuExit, VmFd};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::errno;
use vuart::level::ResampleFd;

use super::boot::{Processor, add_memory, enter_guest, load};
use super::coalesced::Coalescer;
use super::kick::{self, Kickable};
use super::reset::PowerOn;
use super::system::{create_vm, open, refused};
use crate::board::{Board, Request};
use crate::com1::COM1;
use crate::counters::Counting;
use crate::guest::Image;
use crate::stop::Stop;
use crate::{Error, Exit, Irq};

/// The interrupt line of COM1 on a PC.
const COM1_IRQ: u32 = 4;
/// The value that a read returns where there is no device.
const OPEN_BUS: u8 = 0xff;

/// The interrupt input of COM1.
pub(crate) struct Com1Input<'a> {
    pub(crate) irq: &'a Irq,
    /// The input is level-triggered.
    pub(crate) level: Option<&'a ResampleFd>,
}

impl Com1Input<'_> {
    /// Connects the input. KVM keeps its own references to the events.
    fn connect(&self, vm: &Arc<VmFd>) -> Result<(), Error> {
        let event = self.irq.event();
        let connected = match self.level {
            // For edges that have come already, and for devices that write to the event.
            None => vm.register_irqfd(event, COM1_IRQ),
            Some(level) => set_level_triggered(vm)
                .and_then(|()| vm.register_irqfd_with_resample(event, level.event(), COM1_IRQ)),
        };
        connected.map_err(refused("connect the interrupt"))?;
        if self.level.is_none() {
            // Weak: the machine ends with its guest, and the device may live on.
            let line = Arc::downgrade(vm);
            self.irq.connect(move || line.upgrade().map_or(Ok(()), |vm| pulse(&vm)));
        }
        Ok(())
    }
}

/// Sets the bit of COM1's input in the 8259's ELCR, as firmware does for an input of PCI.
fn set_level_triggered(vm: &VmFd) -> Result<(), errno::Error> {
    let mut controller = kvm_irqchip { chip_id: KVM_IRQCHIP_PIC_MASTER, ..kvm_irqchip::default() };
    vm.get_irqchip(&mut controller)?;
    // SAFETY: this chip has the field `pic` of the union, and KVM has filled it. It consists of integers, for which all bits are valid.
    unsafe { controller.chip.pic.elcr |= 1 << COM1_IRQ };
    vm.set_irqchip(&controller)
}

/// A virtual machine with a guest in it.
pub(crate) struct Vm {
    // Fields are dropped in their order: the virtual machine before the memory that it uses.
    processor: Processor,
    memory: GuestMemoryMmap,
    code: Vec<u8>,
    power_on: PowerOn,
    stop: Arc<Stop>,
    /// Whether KVM may collect output.
    coalescing: bool,
}

impl Vm {
    /// Makes the virtual machine and loads the guest.
    pub(crate) fn new(
        board: Board,
        input: &Com1Input<'_>,
        stop: Arc<Stop>,
        counting: Arc<Counting>,
        image: &Image<'_>,
        coalescing: bool,
    ) -> Result<Self, Error> {
        kick::install_handler()?;
        let vm = Arc::new(create_vm(&open()?)?);
        let memory = add_memory(&vm)?;
        load(&memory, image.code)?;
        input.connect(&vm)?;
        let vcpu = vm.create_vcpu(0).map_err(refused("make a processor"))?;
        enter_guest(&vcpu, image.arguments)?;
        let power_on = PowerOn::of(&vm, &vcpu)?;
        let processor = Processor { vcpu, vm, board, counting };
        Ok(Self { processor, memory, code: image.code.to_vec(), power_on, stop, coalescing })
    }

    /// Runs the guest on the current thread until it ends.
    pub(crate) fn run(mut self) -> Result<Exit, Error> {
        let _kickable = Kickable::new(&mut self.processor.vcpu)?;
        let mut coalescer = Coalescer::new(&mut self.processor, self.coalescing);
        loop {
            let request = self.handle_exits(&mut coalescer);
            // What the guest wrote last is the old boot's.
            coalescer.drain(&mut self.processor);
            match request {
                Ok(Request::End(outcome)) => return outcome,
                // A guest with a triple fault has crashed. But what it asks the processor for is a reset.
                Ok(Request::Reset) | Err(Error::TripleFault) if self.processor.board.reset() => {
                    self.reset()?;
                }
                Ok(Request::Reset) => return Ok(Exit::Reset),
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts processor, memory and interrupt controllers to where they were before the guest ran. The devices were reset already.
    fn reset(&mut self) -> Result<(), Error> {
        let processor = &mut self.processor;
        self.power_on.restore(&processor.vm, &mut processor.vcpu)?;
        load(&self.memory, &self.code)?;
        processor.counting.reboots.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Runs the guest until it asks for something that this loop can't do.
    fn handle_exits(&mut self, coalescer: &mut Coalescer) -> Result<Request, Error> {
        let processor = &mut self.processor;
        loop {
            if self.stop.is_requested() {
                return Ok(Request::End(Ok(Exit::Stopped)));
            }
            let exit = processor.vcpu.run();
            processor.counting.exits.fetch_add(1, Relaxed);
            match exit {
                Ok(VcpuExit::IoOut(port, data)) => {
                    let data = std::ptr::from_ref(data);
                    let width = processor.pio_width();
                    let drained = coalescer.drain(processor);
                    // SAFETY: this is the slice that `run` returned. It is in the page after the one that `pio_width`
                    // reads, and not in the one that `drain` reads. KVM does not touch it before the next `run`.
                    let data = unsafe { &*data };
                    processor.board.write_string(port, width, data);
                    let written = if port == COM1 && width == 1 { data.len() } else { 0 };
                    coalescer.accessed(processor, drained + written);
                    if let Some(request) = processor.board.request() {
                        return Ok(request);
                    }
                }
                Ok(VcpuExit::IoIn(port, data)) => {
                    let data = std::ptr::from_mut(data);
                    let width = processor.pio_width();
                    let drained = coalescer.drain(processor);
                    // SAFETY: as above.
                    processor.board.read_string(port, width, unsafe { &mut *data });
                    coalescer.accessed(processor, drained);
                }
                // No device is mapped into memory, so output need not be drained before these accesses.
                Ok(VcpuExit::MmioRead(_, data)) => data.fill(OPEN_BUS),
                Ok(VcpuExit::MmioWrite(..)) => {}
                Ok(VcpuExit::Intr) => handle_signal(processor, coalescer),
                Err(cause) if matches!(cause.errno(), libc::EINTR | libc::EAGAIN) => {
                    handle_signal(processor, coalescer);
                }
                Ok(VcpuExit::Shutdown) => return Err(Error::TripleFault),
                Ok(other) => return Err(Error::GuestCrashed(format!("KVM gave it up: {other:?}"))),
                Err(cause) => return Err(refused("run the guest")(cause)),
            }
        }
    }
}

/// Makes an edge of the interrupt line: lowers it and raises it. It stays high, which means nothing to an input that triggers on
/// edges.
///
/// The device raises the line on the vCPU's thread and on others, and no lock orders them. So the order matters. If another
/// thread's edge falls into this one, between low and high, the input sees one edge of the two. It comes after both have lowered
/// the line, and so after both causes are in the device's registers: the handler finds both. The other order (high, low) could
/// lose an edge: the guest's handler may run while the line is still high, and the edge for the next cause would then be none.
fn pulse(vm: &VmFd) -> io::Result<()> {
    vm.set_irq_line(COM1_IRQ, false)?;
    Ok(vm.set_irq_line(COM1_IRQ, true)?)
}

/// Handles a signal that has got the vCPU out of the guest: a tick, or the request to stop.
fn handle_signal(processor: &mut Processor, coalescer: &mut Coalescer) {
    // Cleared before the loop looks at the request to stop; kick.rs has the reason.
    processor.vcpu.set_kvm_immediate_exit(0);
    processor.counting.kicks.fetch_add(1, Relaxed);
    coalescer.ticked(processor);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::{Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use vmm_sys_util::signal::SIGRTMIN;
    use vuart::SerialPort;

    use super::*;
    use crate::kvm::probe;

    #[test]
    fn a_kick_just_before_the_guest_is_entered_is_not_lost() {
        // cli; hlt: only a kick gets the vCPU out.
        let image = Image { code: &[0xfa, 0xf4], arguments: [0, 0] };
        if let Err(error) = probe() {
            // Not with a macro of std, whose output the test harness captures.
            return drop(writeln!(io::stderr(), "NOT TESTED with KVM: {error}"));
        }
        let irq = Irq::new().unwrap();
        let port = SerialPort::new(irq.clone());
        let board = Board::new(Arc::new(Mutex::new(port)), 0).unwrap();
        let stop = Arc::new(Stop::new().unwrap());
        let input = Com1Input { irq: &irq, level: None };
        let mut vm = Vm::new(board, &input, stop, Arc::default(), &image, true).unwrap();
        let (done, left) = mpsc::channel();
        thread::spawn(move || {
            let kickable = Kickable::new(&mut vm.processor.vcpu).unwrap();
            // SAFETY: this sends a signal to the current thread. Its handler is installed.
            unsafe { libc::raise(SIGRTMIN()) };
            let first = vm.processor.vcpu.run().map(|_| ()).map_err(errno::Error::errno);
            drop(kickable);
            done.send(first).unwrap();
        });
        // The limit only guards against hanging.
        assert_eq!(left.recv_timeout(Duration::from_secs(120)), Ok(Err(libc::EINTR)));
    }
}
