//! A machine that runs its guest.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use vmm_sys_util::eventfd::EventFd;

use crate::board::Board;
use crate::counters::{Counters, Counting};
use crate::stop::{self, Stop};
use crate::{Device, Engine, Error, Program, software};

/// How the guest ended, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The guest halted the machine.
    Halted,
    /// [`Machine::stop`] was called.
    Stopped,
}

/// What a machine is to be, beyond its engine and its port.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    program: Program,
    coalescing: bool,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self { program: Program::default(), coalescing: true }
    }
}

impl MachineOptions {
    /// The same, running another program than the monitor.
    #[must_use]
    pub fn with_program(self, program: Program) -> Self {
        Self { program, ..self }
    }

    /// The same, leaving the guest for each byte that it writes. Otherwise KVM may collect what a guest that polls writes, where
    /// KVM and the [port](crate::Com1::defers_output) can do that: see [`vuart::coalescing`].
    #[must_use]
    pub fn without_coalescing(self) -> Self {
        Self { coalescing: false, ..self }
    }
}

/// A machine that runs its guest, on a thread of its own.
///
/// Dropping it stops the guest and waits for the thread.
///
/// With KVM the machine uses the signal `SIGRTMIN`: its handler is installed for the process when the first one starts. While
/// KVM collects output, a timer sends it too.
pub struct Machine {
    engine: Engine,
    stop: Arc<Stop>,
    ended: EventFd,
    counting: Arc<Counting>,
    /// Taken only by what consumes the machine.
    thread: Option<JoinHandle<Result<Exit, Error>>>,
}

impl Machine {
    /// Boots the guest: the monitor.
    ///
    /// `com1` is on the bus at 0x3F8..=0x3FF. A write to `irq` is a pulse on the 8259's input 4, which triggers on edges:
    /// the device raises it each time its interrupt line goes up.
    ///
    /// # Errors
    ///
    /// If the machine can't be had. What goes wrong later, [`join`](Self::join) tells.
    pub fn start(engine: Engine, com1: Device, irq: EventFd) -> Result<Self, Error> {
        Self::start_with(engine, com1, irq, MachineOptions::default())
    }

    /// The same, with what else can be chosen.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(
        engine: Engine,
        com1: Device,
        irq: EventFd,
        options: MachineOptions,
    ) -> Result<Self, Error> {
        let stop = Arc::new(Stop::new()?);
        let ended = stop::event()?;
        let signal = Ended(
            ended
                .try_clone()
                .map_err(|source| Error::Host { operation: "make an event for the machine", source })?,
        );
        let counting = Arc::new(Counting::default());
        let run = boot(engine, Board::new(com1)?, irq, stop.clone(), counting.clone(), options)?;
        let thread = thread::Builder::new()
            .name("vuart-vcpu0".to_owned())
            .spawn(move || {
                // Dropped last, however the guest ends: a panic of a device included.
                let _signal = signal;
                run()
            })
            .map_err(|source| Error::Host { operation: "start the guest's thread", source })?;
        Ok(Self { engine, stop, ended, counting, thread: Some(thread) })
    }

    /// Readable from the moment on at which the guest is over, however it ended. Not to be read: it stays so.
    pub fn ended(&self) -> &EventFd {
        &self.ended
    }

    /// What has been counted so far. All of it, once the guest is [over](Self::ended).
    pub fn counters(&self) -> Counters {
        self.counting.now()
    }

    /// Asks the guest to leave, at once and whatever it does, and returns without waiting for it. Asking again changes
    /// nothing.
    pub fn stop(&self) {
        self.stop.request();
        #[cfg(target_arch = "x86_64")]
        if let (Engine::Kvm, Some(thread)) = (self.engine, &self.thread) {
            crate::kvm::kick(thread);
        }
    }

    /// Waits until the guest is over.
    ///
    /// # Errors
    ///
    /// If the guest found no 16550A ([`Error::NoUart`]), or anything went wrong that ended it.
    pub fn join(mut self) -> Result<Exit, Error> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Error::DevicePanicked),
            // Only `join` and `drop` take the thread, and nothing comes after them.
            None => Ok(Exit::Stopped),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
        if let Some(thread) = self.thread.take() {
            // Whoever wants to know how it ended calls `join`.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("engine", &self.engine)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

/// Tells the machine's owner that the guest is over when it is dropped.
struct Ended(EventFd);

impl Drop for Ended {
    fn drop(&mut self) {
        // It is the only write, so the counter has room.
        let _ = self.0.write(1);
    }
}

type Run = Box<dyn FnOnce() -> Result<Exit, Error> + Send>;

/// Makes the machine, ready to run on the thread that will be its processor.
fn boot(
    engine: Engine,
    board: Board,
    irq: EventFd,
    stop: Arc<Stop>,
    counting: Arc<Counting>,
    options: MachineOptions,
) -> Result<Run, Error> {
    let MachineOptions { program, coalescing } = options;
    match engine {
        #[cfg(target_arch = "x86_64")]
        Engine::Kvm => {
            let image = crate::guest::Image::from(&program);
            let vm = crate::kvm::Vm::new(board, &irq, stop, counting, &image, coalescing)?;
            Ok(Box::new(move || vm.run()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        Engine::Kvm => Err(Error::NotX86),
        Engine::Software => Ok(Box::new(move || software::run(&board, irq, &stop, &program))),
    }
}
