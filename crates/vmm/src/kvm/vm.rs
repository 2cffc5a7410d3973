//! The virtual machine: runs the guest and handles its exits.

use std::sync::Arc;

use kvm_ioctls::VcpuExit;
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

use super::boot::{enter_guest, load};
use super::coalesced::Coalescer;
use super::kick::{self, Kickable};
use super::processor::Processor;
use super::system::{create_vm, open, refused};
use crate::board::Board;
use crate::com1::COM1;
use crate::counters::Counting;
use crate::guest::Image;
use crate::stop::Stop;
use crate::{Error, Exit};

/// The interrupt line of COM1 on a PC.
const COM1_IRQ: u32 = 4;
/// The value that a read returns where there is no device.
const OPEN_BUS: u8 = 0xff;

/// A virtual machine with a guest in it.
pub(crate) struct Vm {
    // Fields are dropped in their order: the virtual machine before the memory that it uses.
    processor: Processor,
    _memory: GuestMemoryMmap,
    stop: Arc<Stop>,
    /// Whether KVM may collect output.
    coalescing: bool,
}

impl Vm {
    /// Makes the virtual machine and loads the guest. KVM keeps its own reference to `irq`.
    pub(crate) fn new(
        board: Board,
        irq: &EventFd,
        stop: Arc<Stop>,
        counting: Arc<Counting>,
        image: &Image<'_>,
        coalescing: bool,
    ) -> Result<Self, Error> {
        kick::install_handler()?;
        let vm = create_vm(&open()?)?;
        let memory = load(&vm, image.code)?;
        vm.register_irqfd(irq, COM1_IRQ).map_err(refused("connect the interrupt"))?;
        let vcpu = vm.create_vcpu(0).map_err(refused("make a processor"))?;
        enter_guest(&vcpu, image.arguments)?;
        let processor = Processor { vcpu, vm, board, counting };
        Ok(Self { processor, _memory: memory, stop, coalescing })
    }

    /// Runs the guest on the current thread until it ends.
    pub(crate) fn run(mut self) -> Result<Exit, Error> {
        let _kickable = Kickable::new(&mut self.processor.vcpu)?;
        let mut coalescer = Coalescer::new(&mut self.processor, self.coalescing);
        let outcome = self.handle_exits(&mut coalescer);
        coalescer.drain(&mut self.processor);
        outcome
    }

    fn handle_exits(&mut self, coalescer: &mut Coalescer) -> Result<Exit, Error> {
        let processor = &mut self.processor;
        loop {
            if self.stop.is_requested() {
                return Ok(Exit::Stopped);
            }
            let exit = processor.vcpu.run();
            processor.counting.exit();
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
                    if let Some(outcome) = processor.board.outcome() {
                        return outcome;
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
                Ok(VcpuExit::Shutdown) => return Err(Error::GuestCrashed("triple fault".to_owned())),
                Ok(other) => return Err(Error::GuestCrashed(format!("KVM gave it up: {other:?}"))),
                Err(cause) => return Err(refused("run the guest")(cause)),
            }
        }
    }
}

/// Handles a signal that has got the vCPU out of the guest: a tick, or the request to stop.
fn handle_signal(processor: &mut Processor, coalescer: &mut Coalescer) {
    // Cleared before the loop looks at the request to stop; kick.rs has the reason.
    processor.vcpu.set_kvm_immediate_exit(0);
    processor.counting.kick();
    coalescer.ticked(processor);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::{Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use vm_device::MutDevicePio;
    use vm_device::bus::{PioAddress, PioAddressOffset};
    use vmm_sys_util::errno;
    use vmm_sys_util::eventfd::EFD_NONBLOCK;
    use vmm_sys_util::signal::SIGRTMIN;

    use super::*;
    use crate::Plain;
    use crate::kvm::probe;

    #[derive(Debug, PartialEq, Eq)]
    enum Access {
        Read(PioAddressOffset, usize),
        Write(PioAddressOffset, Vec<u8>),
    }

    /// A device that keeps the accesses in order. Each byte that is read is one more than the last.
    #[derive(Default)]
    struct Recorder {
        accesses: Vec<Access>,
        next: u8,
    }

    impl MutDevicePio for Recorder {
        fn pio_read(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
            self.accesses.push(Access::Read(offset, data.len()));
            for byte in data {
                self.next += 1;
                *byte = self.next;
            }
        }

        fn pio_write(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
            self.accesses.push(Access::Write(offset, data.to_vec()));
        }
    }

    /// A machine with a program and a recorder at COM1, or `None` if KVM can't be used.
    fn machine(program: &[u8]) -> Option<(Vm, Arc<Mutex<Recorder>>)> {
        if let Err(error) = probe() {
            // Not with a macro of std, whose output the test harness captures.
            drop(writeln!(std::io::stderr(), "NOT TESTED with KVM: {error}"));
            return None;
        }
        let com1 = Arc::new(Mutex::new(Recorder::default()));
        let board = Board::new(Arc::new(Plain(com1.clone()))).unwrap();
        let irq = EventFd::new(EFD_NONBLOCK).unwrap();
        let image = Image { code: program, arguments: [0, 0] };
        let stop = Arc::new(Stop::new().unwrap());
        let vm = Vm::new(board, &irq, stop, Arc::default(), &image, true).unwrap();
        Some((vm, com1))
    }

    /// Runs a program to its end.
    fn run(program: &[u8]) -> Option<(Result<Exit, Error>, Vec<Access>)> {
        let (vm, com1) = machine(program)?;
        let outcome = vm.run();
        let accesses = std::mem::take(&mut com1.lock().unwrap().accesses);
        Some((outcome, accesses))
    }

    #[test]
    fn strings_and_words_reach_the_device_unchanged() {
        let Some((outcome, accesses)) = run(&[
            0xba, 0xf8, 0x03, // mov dx, 0x3f8
            0xfc, // cld
            0xb9, 0x04, 0x00, // mov cx, 4
            0xbf, 0x00, 0x01, // mov di, 0x100
            0xf3, 0x6c, // rep insb
            0xb9, 0x04, 0x00, // mov cx, 4
            0xbe, 0x00, 0x01, // mov si, 0x100
            0xf3, 0x6e, // rep outsb
            0xed, // in ax, dx
            0x42, // inc dx
            0xef, // out dx, ax
            0xb0, 0xfe, // mov al, 0xfe
            0xe6, 0x64, // out 0x64, al
            0xf4, // hlt
        ]) else {
            return;
        };
        assert!(matches!(outcome, Ok(Exit::Halted)), "{outcome:?}");
        let mut expected: Vec<_> = (0..4).map(|_| Access::Read(0, 1)).collect();
        expected.extend((1..=4).map(|byte| Access::Write(0, vec![byte])));
        expected.extend([Access::Read(0, 2), Access::Write(1, vec![5, 6])]);
        assert_eq!(accesses, expected);
    }

    #[test]
    fn ports_without_a_device_are_open() {
        let Some((outcome, accesses)) = run(&[
            0xba, 0xf8, 0x02, // mov dx, 0x2f8
            0xec, // in al, dx
            0xee, // out dx, al
            0xba, 0xf8, 0x03, // mov dx, 0x3f8
            0xee, // out dx, al
            0xb0, 0xfe, // mov al, 0xfe
            0xe6, 0x64, // out 0x64, al
            0xf4, // hlt
        ]) else {
            return;
        };
        assert!(matches!(outcome, Ok(Exit::Halted)), "{outcome:?}");
        assert_eq!(accesses, [Access::Write(0, vec![0xff])]);
    }

    #[test]
    fn a_kick_just_before_the_guest_is_entered_is_not_lost() {
        // cli; hlt: only a kick gets the vCPU out.
        let Some((mut vm, _)) = machine(&[0xfa, 0xf4]) else { return };
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
