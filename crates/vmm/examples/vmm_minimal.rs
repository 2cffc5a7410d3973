//! A VMM in one file: KVM, one vCPU, and a guest at COM1. Its console is on standard input and output, and on sockets.
//!
//! `cargo run -p vuart-vmm --example vmm_minimal`. What is typed is echoed by the guest; `q` resets the guest, which ends it. In another
//! terminal, `vuart attach minimal` takes the console over, and gives it back when it leaves.

use std::error::Error;
use std::process::ExitCode;

/// The status without KVM, so that a script can tell it from a failure.
const NO_KVM: u8 = 2;

fn main() -> ExitCode {
    status().into()
}

pub(crate) fn status() -> u8 {
    let Err(error) = vmm::run() else { return 0 };
    eprintln!("vmm_minimal: {error}");
    if error.is::<vmm::NoKvm>() { NO_KVM } else { 1 }
}

/// The guest is x86 code.
#[cfg(target_arch = "x86_64")]
mod vmm {
    use std::os::fd::{AsRawFd as _, BorrowedFd};
    use std::time::Duration;

    use kvm_bindings::kvm_userspace_memory_region;
    use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
    use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap};
    use vuart::endpoint::Cause;
    use vuart::local::Local;
    use vuart::server::{Claim, RuntimeDir, Server, ServerThread};
    use vuart::{CoalescedPort, IrqFd, SerialPort};

    use super::Error;

    #[derive(Debug, thiserror::Error)]
    #[error("this machine has no KVM that works: {0}")]
    pub(super) struct NoKvm(kvm_ioctls::Error);

    /// Real mode, at address 0x1000. It prints with polls, and echoes from its interrupt handler.
    #[rustfmt::skip]
    const GUEST: &[u8] = &[
        // The interrupt controller: vectors from 0x20, all inputs masked but 4.
        0xb0, 0x11, 0xe6, 0x20,     //          mov al, 0x11;   out 0x20, al
        0xb0, 0x20, 0xe6, 0x21,     //          mov al, 0x20;   out 0x21, al
        0xb0, 0x04, 0xe6, 0x21,     //          mov al, 4;      out 0x21, al
        0xb0, 0x01, 0xe6, 0x21,     //          mov al, 1;      out 0x21, al
        0xb0, 0xef, 0xe6, 0x21,     //          mov al, 0xef;   out 0x21, al
        0xba, 0xf8, 0x03,           //          mov dx, 0x3f8   (THR)
        0xbe, 0x43, 0x10,           //          mov si, text
        0xac, 0x84, 0xc0,           // print:   lodsb;          test al, al
        0x74, 0x03,                 //          jz ready
        0xee, 0xeb, 0xf8,           //          out dx, al;     jmp print
        0x42, 0xb0, 0x01, 0xee,     // ready:   inc dx;         mov al, 1;      out dx, al      (IER: received data)
        0xfb, 0xf4, 0xeb, 0xfd,     //          sti;            idle: hlt;      jmp idle
        0xba, 0xfd, 0x03, 0xec,     // handler: mov dx, 0x3fd;  in al, dx       (LSR)
        0xa8, 0x01, 0x74, 0x0c,     //          test al, 1;     jz end
        0xb2, 0xf8, 0xec, 0xee,     //          mov dl, 0xf8;   in al, dx;      out dx, al      (the echo)
        0x3c, b'q', 0x75, 0xf0,     //          cmp al, 'q';    jne handler
        0xb0, 0xfe, 0xe6, 0x64,     //          mov al, 0xfe;   out 0x64, al    (a reset, by the keyboard controller)
        0xb0, 0x20, 0xe6, 0x20,     // end:     mov al, 0x20;   out 0x20, al    (the interrupt is over)
        0xcf,                       //          iret
    ];
    const TEXT: &[u8] = b"type something; q ends\r\n\0"; // right behind it

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let (vm, mut vcpu, _memory) = machine()?;

        // The port. KVM turns its eventfd into the guest's interrupt, and collects what the guest prints.
        let irq = IrqFd::new()?;
        vm.register_irqfd(&irq.0, 4)?;
        let com1 = CoalescedPort::new(SerialPort::new(irq));
        let console = com1.with(|port| port.console().clone());

        // One thread for the sockets, the terminal, and the last bytes that KVM has collected.
        let claim = Claim::new(&RuntimeDir::create(RuntimeDir::default_path())?, "minimal")?;
        let mut thread = ServerThread::builder()
            .serve(Server::bind(claim, console.clone())?)
            .serve(Local::stdio(&console)?);
        // SAFETY: `vm` and `vcpu` keep their file descriptors open meanwhile.
        let fds = [vm.as_raw_fd(), vcpu.as_raw_fd()].map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        match com1.coalesce(fds[0], fds[1], 0x3f8) {
            Ok(ticks) => thread = thread.serve(ticks),
            Err(error) => eprintln!("each byte of output is an exit: {error}"),
        }
        let thread = thread.start()?;

        loop {
            match vcpu.run()? {
                VcpuExit::IoOut(port @ 0x3f8..=0x3ff, data) => com1.write(u64::from(port - 0x3f8), data),
                VcpuExit::IoIn(port @ 0x3f8..=0x3ff, data) => com1.read(u64::from(port - 0x3f8), data),
                VcpuExit::IoOut(0x64, [0xfe]) => break, // the guest resets
                VcpuExit::IoIn(_, data) => data.fill(0xff),
                VcpuExit::IoOut(..) => {}
                other => return Err(format!("an exit without a meaning: {other:?}").into()),
            }
        }

        com1.end(&Cause::VmEnded); // after the guest's last words
        thread.finish(Duration::from_secs(1))?; // for clients that are slow
        Ok(())
    }

    /// A virtual machine with 64 KiB of memory, an interrupt controller, and a vCPU at the guest's first instruction.
    fn machine() -> Result<(VmFd, VcpuFd, GuestMemoryMmap), Box<dyn Error>> {
        let vm = Kvm::new().and_then(|kvm| kvm.create_vm()).map_err(NoKvm)?;
        vm.create_irq_chip()?;
        vm.set_tss_address(0xfffb_d000)?; // for processors that can't do real mode by themselves

        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1_0000)])?;
        memory.write_slice(&[GUEST, TEXT].concat(), GuestAddress(0x1000))?;
        memory.write_obj(0x102a_u32, GuestAddress(0x24 * 4))?; // the vector of input 4: the handler
        let userspace_addr = memory.get_host_address(GuestAddress(0))? as u64;
        let region =
            kvm_userspace_memory_region { memory_size: 0x1_0000, userspace_addr, ..Default::default() };
        // SAFETY: the region is all of the mapping, which the caller drops after the virtual machine.
        unsafe { vm.set_user_memory_region(region) }?;

        let vcpu = vm.create_vcpu(0)?;
        let mut special = vcpu.get_sregs()?;
        (special.cs.base, special.cs.selector) = (0, 0);
        vcpu.set_sregs(&special)?;
        let mut registers = vcpu.get_regs()?;
        (registers.rip, registers.rsp, registers.rflags) = (0x1000, 0x1000, 2);
        vcpu.set_regs(&registers)?;
        Ok((vm, vcpu, memory))
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod vmm {
    #[derive(Debug, thiserror::Error)]
    #[error("the guest is x86 code, and this machine is another")]
    pub(super) struct NoKvm;

    pub(super) fn run() -> Result<(), Box<dyn super::Error>> {
        Err(NoKvm.into())
    }
}
