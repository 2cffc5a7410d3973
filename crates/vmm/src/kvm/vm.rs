//! The virtual machine and its one processor.

use std::sync::Arc;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{VcpuExit, VcpuFd, VmFd};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

use super::coalesced::Zone;
use super::kick::{self, Kickable};
use super::system::{create_vm, open, refused};
use crate::board::Board;
use crate::com1::COM1;
use crate::counters::Counting;
use crate::guest::Image;
use crate::stop::Stop;
use crate::{Error, Exit};

/// The vector table of the real mode, and from 64 KiB on the guest's segment.
const MEMORY_SIZE: usize = 0x2_0000;
/// The guest's segment, and so 16 times that its address.
const SEGMENT: u16 = 0x1000;
/// Where a PC has COM1's interrupt.
const COM1_IRQ: u32 = 4;
/// What a read gives where nothing is.
const OPEN_BUS: u8 = 0xff;

/// A virtual machine with a guest in it.
pub(crate) struct Vm {
    // In the order in which they are to be dropped: the processor, the machine, the memory that the machine uses.
    pub(super) vcpu: VcpuFd,
    pub(super) fd: VmFd,
    _memory: GuestMemoryMmap,
    pub(super) board: Board,
    stop: Arc<Stop>,
    pub(super) counting: Arc<Counting>,
    /// Whether KVM may collect output.
    pub(super) coalescing: bool,
}

impl Vm {
    /// Makes the machine and loads the guest. KVM holds on to `irq` itself.
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
        enter_guest_at(&vcpu, SEGMENT, image.arguments)?;
        Ok(Self { vcpu, fd: vm, _memory: memory, board, stop, counting, coalescing })
    }

    /// Runs the guest on the current thread until it is over.
    pub(crate) fn run(mut self) -> Result<Exit, Error> {
        let _kickable = Kickable::new(&mut self.vcpu)?;
        let mut zone = Zone::new(&mut self);
        let outcome = self.run_with(zone.as_mut());
        self.drain();
        outcome
    }

    fn run_with(&mut self, mut zone: Option<&mut Zone>) -> Result<Exit, Error> {
        loop {
            if self.stop.is_requested() {
                return Ok(Exit::Stopped);
            }
            let left = self.vcpu.run();
            self.counting.exit();
            match left {
                Ok(VcpuExit::IoOut(port, data)) => {
                    let data = std::ptr::from_ref(data);
                    let width = pio_width(&mut self.vcpu);
                    let drained = self.drain();
                    // SAFETY: it is the slice that `run` gave, which is in the page after the one in which `pio_width`
                    // has looked and not in the one that is drained, and which KVM does not touch before the next `run`.
                    let data = unsafe { &*data };
                    self.board.write_string(port, width, data);
                    let written = if port == COM1 && width == 1 { data.len() } else { 0 };
                    self.accessed(zone.as_deref_mut(), drained + written);
                    if let Some(outcome) = self.board.outcome() {
                        return outcome;
                    }
                }
                Ok(VcpuExit::IoIn(port, data)) => {
                    let data = std::ptr::from_mut(data);
                    let width = pio_width(&mut self.vcpu);
                    let drained = self.drain();
                    // SAFETY: as above.
                    self.board.read_string(port, width, unsafe { &mut *data });
                    self.accessed(zone.as_deref_mut(), drained);
                }
                // There is no device in memory before whose access output would have to be drained.
                Ok(VcpuExit::MmioRead(_, data)) => data.fill(OPEN_BUS),
                Ok(VcpuExit::MmioWrite(..)) => {}
                // A signal. Cleared before the request is looked at: kick.rs says why.
                Ok(VcpuExit::Intr) => self.kicked(zone.as_deref_mut()),
                Err(cause) if matches!(cause.errno(), libc::EINTR | libc::EAGAIN) => {
                    self.kicked(zone.as_deref_mut());
                }
                Ok(VcpuExit::Shutdown) => return Err(Error::GuestCrashed("triple fault".to_owned())),
                Ok(other) => return Err(Error::GuestCrashed(format!("KVM gave it up: {other:?}"))),
                Err(cause) => return Err(refused("run the guest")(cause)),
            }
        }
    }

    /// A signal has got the guest's thread out: a tick, or the request to stop.
    fn kicked(&mut self, zone: Option<&mut Zone>) {
        self.vcpu.set_kvm_immediate_exit(0);
        self.counting.kick();
        self.ticked(zone);
    }
}

/// The width of the port access that `run` has just returned with, in bytes. A string instruction makes several accesses
/// to one port, which KVM hands over together: only the width tells a word from two bytes.
fn pio_width(vcpu: &mut VcpuFd) -> usize {
    // SAFETY: the exit was for port I/O, so `io` is the field of the union that KVM has filled. All its bits mean
    // something in any case: it is made of integers.
    let width = unsafe { vcpu.get_kvm_run().__bindgen_anon_1.io.size };
    usize::from(width)
}

/// Gives the machine its memory, with the program in it.
fn load(vm: &VmFd, program: &[u8]) -> Result<GuestMemoryMmap, Error> {
    let failed = |error: &dyn std::error::Error| Error::Memory(error.to_string());
    let memory: GuestMemoryMmap =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_SIZE)]).map_err(|error| failed(&error))?;
    memory.write_slice(program, GuestAddress(u64::from(SEGMENT) << 4)).map_err(|error| failed(&error))?;
    let host_address = memory.get_host_address(GuestAddress(0)).map_err(|error| failed(&error))?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY_SIZE as u64,
        userspace_addr: host_address as u64,
    };
    // SAFETY: the region is all of a mapping that `memory` owns, and `Vm` drops `memory` after the machine. Nothing on
    // this side has a reference into it.
    unsafe { vm.set_user_memory_region(region) }.map_err(refused("give the machine its memory"))?;
    Ok(memory)
}

/// Sets the processor to the first byte of a segment in real mode, which it is in from reset, with two arguments.
fn enter_guest_at(vcpu: &VcpuFd, segment: u16, [rbx, rcx]: [u64; 2]) -> Result<(), Error> {
    let mut special = vcpu.get_sregs().map_err(refused("read the processor's registers"))?;
    special.cs.selector = segment;
    special.cs.base = u64::from(segment) << 4;
    vcpu.set_sregs(&special).map_err(refused("set the processor's registers"))?;

    let mut registers = vcpu.get_regs().map_err(refused("read the processor's registers"))?;
    (registers.rip, registers.rbx, registers.rcx) = (0, rbx, rcx);
    // All flags clear; bit 1 is always set.
    registers.rflags = 0x2;
    vcpu.set_regs(&registers).map_err(refused("set the processor's registers"))
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

    /// Keeps the accesses in order. Each byte that is read is one more than the last.
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

    /// A machine with a program in it and a recorder at COM1, if there can be one.
    fn machine(program: &[u8]) -> Option<(Vm, Arc<Mutex<Recorder>>)> {
        if let Err(error) = probe() {
            // Not by a macro of std, which the test harness would swallow.
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
    fn strings_and_words_reach_the_device_as_the_guest_meant_them() {
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
        // cli; hlt: nothing but a kick gets it out.
        let Some((mut vm, _)) = machine(&[0xfa, 0xf4]) else { return };
        let (done, left) = mpsc::channel();
        thread::spawn(move || {
            let kickable = Kickable::new(&mut vm.vcpu).unwrap();
            // SAFETY: it sends the signal to this thread, whose handler is installed.
            unsafe { libc::raise(SIGRTMIN()) };
            let first = vm.vcpu.run().map(|_| ()).map_err(errno::Error::errno);
            drop(kickable);
            done.send(first).unwrap();
        });
        // Against a hang only.
        assert_eq!(left.recv_timeout(Duration::from_secs(120)), Ok(Err(libc::EINTR)));
    }
}
