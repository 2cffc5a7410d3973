//! Two vCPUs of one virtual machine at one port, each on a thread of its own.
#![cfg(target_arch = "x86_64")]

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap};
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Identity};
use vuart::{SerialPort, SharedPort};

const COM1: u16 = 0x3f8;
/// The segments of the first and the second vCPU's program.
const SEGMENTS: [u16; 2] = [0x1000, 0x1800];
/// The address to which the second vCPU writes what it reads.
const READ: u16 = 0x4000;
const MEMORY: usize = 0x2_0000;
/// The limit for any wait. It only guards against hanging.
const HANG: Duration = Duration::from_mins(2);
/// How many bytes each vCPU writes or reads.
const COUNT: u16 = 5000;

/// A program that writes CX bytes, each when LSR shows room. The low seven bits count from BL on; the eighth is that of BH.
const WRITER: [u8; 22] = [
    0xba, 0xfd, 0x03, // next: mov dx, 0x3fd
    0xec, // wait: in al, dx
    0xa8, 0x20, // test al, 0x20
    0x74, 0xfb, // jz wait
    0xb2, 0xf8, // mov dl, 0xf8
    0x88, 0xd8, // mov al, bl
    0x24, 0x7f, // and al, 0x7f
    0x08, 0xf8, // or al, bh
    0xee, // out dx, al
    0xfe, 0xc3, // inc bl
    0xe2, 0xeb, // loop next
    0xf4, // hlt
];

/// A program that reads CX bytes to ES:DI, each when LSR shows one.
const READER: [u8; 15] = [
    0xba, 0xfd, 0x03, // next: mov dx, 0x3fd
    0xec, // wait: in al, dx
    0xa8, 0x01, // test al, 1
    0x74, 0xfb, // jz wait
    0xb2, 0xf8, // mov dl, 0xf8
    0xec, // in al, dx
    0xaa, // stosb
    0xe2, 0xf2, // loop next
    0xf4, // hlt
];

/// An interrupt that is not connected, because the guests poll.
struct Unheard;

impl Trigger for Unheard {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A virtual machine without interrupt controllers.
struct Machine {
    // Fields are dropped in their order: the memory last.
    processors: [VcpuFd; 2],
    _vm: VmFd,
    memory: GuestMemoryMmap,
}

impl Machine {
    /// A machine with a program for each vCPU, or `None` if KVM can't be used.
    fn new(programs: [&[u8]; 2]) -> Option<Self> {
        let vm = match Kvm::new().and_then(|kvm| kvm.create_vm()) {
            Ok(vm) => vm,
            Err(error) => {
                // Not with a macro of std, whose output the test harness captures.
                drop(writeln!(io::stderr(), "NOT TESTED with two processors of KVM: {error}"));
                return None;
            }
        };
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
        for (program, segment) in programs.iter().zip(SEGMENTS) {
            memory.write_slice(program, GuestAddress(u64::from(segment) << 4)).unwrap();
        }
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: MEMORY as u64,
            userspace_addr: memory.get_host_address(GuestAddress(0)).unwrap() as u64,
        };
        // SAFETY: the region is all of a mapping that `memory` owns, which is dropped after the machine and its vCPUs. This
        // process holds no reference into the mapping.
        unsafe { vm.set_user_memory_region(region) }.unwrap();
        let processors = [0, 1].map(|number| processor(&vm, number));
        Some(Self { processors, _vm: vm, memory })
    }

    /// Runs both vCPUs until they halt, and `meanwhile` at the same time. Its argument tells whether a vCPU still runs.
    fn run(self, port: &SharedPort<Unheard>, meanwhile: impl FnOnce(&dyn Fn() -> bool)) -> GuestMemoryMmap {
        let Self { processors, _vm, memory } = self;
        thread::scope(|scope| {
            let threads = processors.map(|vcpu| scope.spawn(move || run(vcpu, port)));
            meanwhile(&|| threads.iter().any(|thread| !thread.is_finished()));
        });
        memory
    }
}

/// Makes a vCPU at the first byte of its program, which writes or reads [`COUNT`] bytes.
fn processor(vm: &VmFd, number: u8) -> VcpuFd {
    let segment = SEGMENTS[usize::from(number)];
    let vcpu = vm.create_vcpu(number.into()).unwrap();
    let mut special = vcpu.get_sregs().unwrap();
    (special.cs.selector, special.cs.base) = (segment, u64::from(segment) << 4);
    vcpu.set_sregs(&special).unwrap();
    let mut registers = vcpu.get_regs().unwrap();
    (registers.rip, registers.rflags, registers.rcx) = (0, 2, COUNT.into());
    // BH distinguishes the writers.
    (registers.rbx, registers.rdi) = (u64::from(number) << 15, READ.into());
    vcpu.set_regs(&registers).unwrap();
    vcpu
}

/// Runs a vCPU until it halts.
fn run(mut vcpu: VcpuFd, port: &SharedPort<Unheard>) {
    let begin = Instant::now();
    loop {
        // A guest that waits for ever reads LSR for ever.
        assert!(begin.elapsed() < HANG, "it waits for a byte, or for room");
        match vcpu.run() {
            Ok(VcpuExit::IoOut(address, data)) => port.write(u64::from(address - COM1), data),
            Ok(VcpuExit::IoIn(address, data)) => port.read(u64::from(address - COM1), data),
            Ok(VcpuExit::Hlt) => return,
            // Interrupted by a signal, for example from a debugger.
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The bytes that vCPU `number` has written.
fn written_by(output: &[u8], number: u8) -> Vec<u8> {
    output.iter().filter(|byte| **byte >> 7 == number).map(|byte| byte & 0x7f).collect()
}

fn counted() -> Vec<u8> {
    (0..COUNT).map(|n| n.to_le_bytes()[0] & 0x7f).collect()
}

fn output(port: &SharedPort<Unheard>) -> Vec<u8> {
    let mut bytes = vec![0; 4 * usize::from(COUNT)];
    let read = port.with(|port| port.console().scrollback().read_at(0, &mut bytes));
    bytes.truncate(read.len());
    bytes
}

#[test]
fn two_vcpus_print_at_one_port() {
    let Some(machine) = Machine::new([&WRITER, &WRITER]) else { return };
    let port = SharedPort::new(SerialPort::new(Unheard));
    machine.run(&port, |_| ());
    let output = output(&port);
    assert_eq!(output.len(), 2 * usize::from(COUNT), "nothing is lost, and nothing is there twice");
    for number in [0, 1] {
        assert_eq!(written_by(&output, number), counted(), "what processor {number} wrote, in order");
    }
}

#[test]
fn one_vcpu_prints_while_the_other_reads() {
    let Some(machine) = Machine::new([&WRITER, &READER]) else { return };
    let port = SharedPort::new(SerialPort::new(Unheard));
    let console = port.with(|port| port.console().clone());
    let typed: Vec<u8> = (0..COUNT).map(|n| n.to_be_bytes()[1].wrapping_mul(37)).collect();
    let mut owner = console.attach(Attach::new(Identity::new("owner", 0, None))).unwrap();
    let memory = machine.run(&port, |runs| {
        let mut rest = &typed[..];
        while !rest.is_empty() && runs() {
            match owner.write(rest).unwrap() {
                0 => thread::yield_now(),
                taken => rest = &rest[taken..],
            }
        }
    });
    assert_eq!(output(&port), counted());
    let mut read = vec![0; usize::from(COUNT)];
    memory.read_slice(&mut read, GuestAddress(READ.into())).unwrap();
    assert_eq!(read, typed);
}
