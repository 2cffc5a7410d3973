//! A virtual machine whose two vCPUs print. Their exit loop knows nothing of coalescing.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap};
use vm_superio::Trigger;
use vuart::dispatch::Dispatch;
use vuart::kvm::OpenError;
use vuart::scrollback::Scrollback;
use vuart::{CoalescedMmioPort, CoalescedPort};

pub(crate) const COM1: u16 = 0x3f8;
/// The segments of the two programs.
const SEGMENTS: [u16; 2] = [0x1000, 0x1800];
const MEMORY: usize = 0x2_0000;
/// The limit for any wait. It only guards against hanging.
const HANG: Duration = Duration::from_mins(2);
/// How often each vCPU looks at LSR. Each time, it writes 16 bytes.
const LOOKS: u16 = 500;
const BYTES: usize = LOOKS as usize * 16;

/// A program that looks at LSR CX times, and writes 16 bytes each time. The low seven bits count from BL on; the eighth is that of BH.
pub(crate) const PRINTER: [u8; 24] = [
    0xba, 0xfd, 0x03, // next: mov dx, 0x3fd
    0xec, // in al, dx
    0xb2, 0xf8, // mov dl, 0xf8
    0xb4, 0x10, // mov ah, 16
    0x88, 0xd8, // byte: mov al, bl
    0x24, 0x7f, // and al, 0x7f
    0x08, 0xf8, // or al, bh
    0xee, // out dx, al
    0xfe, 0xc3, // inc bl
    0xfe, 0xcc, // dec ah
    0x75, 0xf3, // jnz byte
    0xe2, 0xe9, // loop next
    0xf4, // hlt
];

/// The same with registers in memory at [`MMIO`].
pub(crate) const MEMORY_PRINTER: [u8; 30] = [
    0xb8, 0x00, 0xd0, // mov ax, 0xd000
    0x8e, 0xc0, // mov es, ax
    0x26, 0xa0, 0x05, 0x00, // next: mov al, es:[5]
    0xb4, 0x10, // mov ah, 16
    0x88, 0xd8, // byte: mov al, bl
    0x24, 0x7f, // and al, 0x7f
    0x08, 0xf8, // or al, bh
    0x26, 0xa2, 0x00, 0x00, // mov es:[0], al
    0xfe, 0xc3, // inc bl
    0xfe, 0xcc, // dec ah
    0x75, 0xf0, // jnz byte
    0xe2, 0xe8, // loop next
    0xf4, // hlt
];
const MMIO: u64 = 0xd_0000;

/// An interrupt that is not connected, because the guests poll.
pub(crate) struct Unheard;

impl Trigger for Unheard {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A virtual machine whose vCPUs print, or `None` if KVM can't be used.
pub(crate) fn machine(program: &[u8]) -> Option<(VmFd, [VcpuFd; 2], GuestMemoryMmap)> {
    let vm = match Kvm::new().and_then(|kvm| kvm.create_vm()) {
        Ok(vm) => vm,
        Err(error) => {
            not_tested(&error);
            return None;
        }
    };
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY as u64,
        userspace_addr: memory.get_host_address(GuestAddress(0)).unwrap() as u64,
    };
    // SAFETY: the region is all of a mapping that `memory` owns, which the caller drops last. This process holds no reference into it.
    unsafe { vm.set_user_memory_region(region) }.unwrap();
    let processors = [0u8, 1].map(|number| {
        let segment = SEGMENTS[usize::from(number)];
        memory.write_slice(program, GuestAddress(u64::from(segment) << 4)).unwrap();
        let vcpu = vm.create_vcpu(number.into()).unwrap();
        let mut special = vcpu.get_sregs().unwrap();
        (special.cs.selector, special.cs.base) = (segment, u64::from(segment) << 4);
        vcpu.set_sregs(&special).unwrap();
        let mut registers = vcpu.get_regs().unwrap();
        (registers.rip, registers.rflags, registers.rcx) = (0, 2, LOOKS.into());
        registers.rbx = u64::from(number) << 15;
        vcpu.set_regs(&registers).unwrap();
        vcpu
    });
    Some((vm, processors, memory))
}

/// The file descriptor of a virtual machine or a vCPU.
pub(crate) fn borrowed(owner: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: `VmFd` and `VcpuFd` keep their file descriptors open until they are dropped.
    unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) }
}

/// The port, as an exit loop knows it.
pub(crate) enum Port {
    Pio(CoalescedPort<Unheard>),
    Mmio(CoalescedMmioPort<Unheard>),
}

/// Runs a vCPU until it halts. Returns the number of exits.
fn run(vcpu: &mut VcpuFd, port: &Port) -> usize {
    for exits in 1.. {
        match (vcpu.run(), port) {
            (Ok(VcpuExit::IoOut(address, data)), Port::Pio(port)) => {
                port.write(u64::from(address - COM1), data);
            }
            (Ok(VcpuExit::IoIn(address, data)), Port::Pio(port)) => {
                port.read(u64::from(address - COM1), data);
            }
            (Ok(VcpuExit::MmioWrite(address, data)), Port::Mmio(port)) => port.write(address - MMIO, data),
            (Ok(VcpuExit::MmioRead(address, data)), Port::Mmio(port)) => port.read(address - MMIO, data),
            (Ok(VcpuExit::Hlt), _) => return exits,
            // Interrupted by a signal, for example from a debugger.
            (Err(error), _) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
    unreachable!("the guest halts")
}

pub(crate) fn printed(scrollback: &Scrollback) -> Vec<u8> {
    let mut bytes = vec![0; 4 * BYTES];
    let read = scrollback.read_at(0, &mut bytes);
    bytes.truncate(read.len());
    bytes
}

/// Says that KVM can't do what is tested. Not with a macro of std, whose output the test harness captures.
pub(crate) fn not_tested(why: &dyn std::fmt::Display) {
    drop(writeln!(io::stderr(), "NOT TESTED with output that KVM collects: {why}"));
}

/// A thread of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Vcpu,
    EventLoop,
}

/// Runs the vCPUs, and the event loop of the ticks, until all is printed. Each thread calls `begin` first.
pub(crate) fn print_all(
    (vm, mut processors, memory): (VmFd, [VcpuFd; 2], GuestMemoryMmap),
    port: &Port,
    scrollback: &Scrollback,
    begin: fn(Role),
) {
    let (vm_fd, vcpu) = (borrowed(&vm), borrowed(&processors[0]));
    let ticks = match port {
        Port::Pio(port) => {
            port.coalesce(vm_fd, vcpu, COM1).map(|ticks| Box::new(ticks) as Box<dyn Dispatch + Send>)
        }
        Port::Mmio(port) => {
            port.coalesce(vm_fd, vcpu, MMIO).map(|ticks| Box::new(ticks) as Box<dyn Dispatch + Send>)
        }
    };
    let mut ticks = match ticks {
        Ok(ticks) => ticks,
        Err(error @ OpenError::Unsupported) => return not_tested(&error),
        Err(error) => panic!("{error}"),
    };
    ticks.dispatch().unwrap();
    let exits: usize = thread::scope(|scope| {
        let threads = processors.each_mut().map(|vcpu| {
            scope.spawn(move || {
                begin(Role::Vcpu);
                run(vcpu, port)
            })
        });
        // The last bytes come with the timer: no vCPU makes another access.
        let ticks = &mut ticks;
        scope.spawn(move || {
            begin(Role::EventLoop);
            dispatch_until_printed(ticks, scrollback);
        });
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    let output = printed(scrollback);
    assert_eq!(output.len(), 2 * BYTES, "nothing is lost, and nothing is there twice");
    for number in [0, 1] {
        let written = output.iter().filter(|byte| **byte >> 7 == number).map(|byte| byte & 0x7f);
        assert!(written.eq((0..BYTES).map(|n| n.to_le_bytes()[0] & 0x7f)), "of processor {number}, in order");
    }
    assert!(exits < 2 * BYTES, "{exits} exits for {} bytes: nothing was collected", 2 * BYTES);
    drop((vm, memory));
}

/// The event loop, until all is printed and the timer rests: then the zone is unregistered by this thread.
fn dispatch_until_printed(ticks: &mut Box<dyn Dispatch + Send>, scrollback: &Scrollback) {
    let start = Instant::now();
    loop {
        // Twenty ticks. On a machine that is too slow for them, the zone may be left to the drop.
        let limit = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let ready = poll(&mut [PollFd::new(ticks, PollFlags::IN)], Some(&limit));
        if ready == Ok(0) && scrollback.end() == 2 * BYTES as u64 {
            return;
        }
        ticks.dispatch().unwrap();
        assert!(start.elapsed() < HANG, "{} bytes of {}", scrollback.end(), 2 * BYTES);
    }
}
