//! A console on standard input and output: `cargo run --example stdio`. What is typed is echoed; `q` ends it.
//!
//! A real VMM calls `write_register` and `read_register` when the vCPU exits for port I/O, and has the console in its event loop.

use std::error::Error;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::thread;
use std::time::Duration;

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart::endpoint::{Cause, Console};
use vuart::local::{Dispatch as _, Local};
use vuart::uart::spec::{Lsr, offset};
use vuart::{IrqFd, SerialPort};

/// A guest without a driver: it echoes until it gets a `q`.
fn guest(mut port: SerialPort<IrqFd>) {
    port.write_string(offset::THR.into(), b"type something; q ends\r\n");
    loop {
        if port.read_register(offset::LSR) & Lsr::DR.bits() == 0 {
            thread::sleep(Duration::from_millis(1)); // a driver would sleep until its interrupt
            continue;
        }
        match port.read_register(offset::RBR) {
            b'q' => break,
            byte => port.write_register(offset::THR, byte),
        }
    }
    port.write_string(offset::THR.into(), b"\r\ngoodbye\r\n");
    port.console().end(&Cause::VmEnded);
}

/// Runs a guest whose console is on what `put` has put it on.
///
/// # Errors
///
/// When the port, the console's session or the event loop fails.
pub(crate) fn run(put: impl FnOnce(&Console) -> Result<Local, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let port = SerialPort::new(IrqFd(EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?));
    let console = port.console().clone();
    let mut local = put(&console)?;
    let epoll = Epoll::new()?;
    epoll.ctl(ControlOperation::Add, local.as_fd().as_raw_fd(), EpollEvent::new(EventSet::IN, 0))?;
    let vcpu = thread::spawn(|| guest(port));

    local.dispatch()?;
    while console.ended().is_none() || !local.is_settled() {
        epoll.wait(-1, &mut [EpollEvent::default()])?;
        local.dispatch()?;
    }
    vcpu.join().map_err(|_| "the guest has panicked")?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(|console| Ok(Local::stdio(console)?))
}
