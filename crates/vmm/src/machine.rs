//! A machine that runs its guest on a thread of its own.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, eventfd};
use vuart::level::ResampleFd;

use crate::board::Board;
use crate::counters::{Counters, Counting};
use crate::stop::Stop;
use crate::{Device, Engine, Error, Exit, Irq, Program, software};

/// The options of a machine.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    program: Program,
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "the software machine has no exits to save")
    )]
    coalescing: bool,
    reboots: u32,
    level: Option<Arc<ResampleFd>>,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self { program: Program::default(), coalescing: true, reboots: 0, level: None }
    }
}

impl MachineOptions {
    /// Sets the program (default: the monitor).
    #[must_use]
    pub fn with_program(self, program: Program) -> Self {
        Self { program, ..self }
    }

    /// Sets how often the guest may boot again after a reset (default: 0, so that a reset ends the machine).
    ///
    /// The guest resets the machine by the keyboard controller (0xFE to port 0x64), by ACPI's reset register (0x06 to port 0xCF9) or by
    /// a triple fault. Processor, memory and devices are then as they were at first, and the program begins anew. The
    /// [port](crate::Com1::reset) keeps its console. The limit bounds a guest that does nothing but boot.
    #[must_use]
    pub fn with_reboots(self, reboots: u32) -> Self {
        Self { reboots, ..self }
    }

    /// Makes COM1's interrupt input level-triggered (default: on edges, as on a PC). `resample` belongs to the device's line and to the
    /// `irq` that the machine is started with. A [`Resampler`](crate::Resampler) must serve it while the guest runs.
    #[must_use]
    pub fn with_level_interrupt(self, resample: Arc<ResampleFd>) -> Self {
        Self { level: Some(resample), ..self }
    }

    /// Disables coalescing: each output byte causes an exit. By default KVM collects the output of a guest that polls, as far as
    /// KVM and the [port](crate::Com1::defers_output) allow it; see [`vuart::coalescing`].
    #[must_use]
    pub fn without_coalescing(self) -> Self {
        Self { coalescing: false, ..self }
    }
}

/// A machine that runs its guest, on a thread of its own.
///
/// Dropping it stops the guest and waits for the thread. Use [`join`](Self::join) to learn how the guest has ended.
///
/// With KVM the machine uses the signal `SIGRTMIN`. The handler is installed for the whole process when the first machine
/// starts. While KVM collects output, a timer sends this signal too.
#[derive(Debug)]
pub struct Machine {
    #[cfg(target_arch = "x86_64")]
    engine: Engine,
    stop: Arc<Stop>,
    /// Readable when the guest has ended.
    ended: Arc<OwnedFd>,
    counting: Arc<Counting>,
    /// The guest's thread. Only `join` and `drop` take it.
    thread: Option<JoinHandle<Result<Exit, Error>>>,
}

impl Machine {
    /// Boots the monitor.
    ///
    /// `com1` is put on the bus at 0x3F8..=0x3FF. An edge of `irq` is a pulse on input 4 of the 8259, which triggers on edges unless
    /// the options say otherwise. The device must raise it each time its interrupt line rises. `irq` is an [`Irq`], or an event that
    /// the device writes to.
    ///
    /// # Errors
    ///
    /// If the machine can't be made. [`join`](Self::join) returns later errors.
    pub fn start(engine: Engine, com1: Device, irq: impl Into<Irq>) -> Result<Self, Error> {
        Self::start_with(engine, com1, irq, MachineOptions::default())
    }

    /// Boots with options.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(
        engine: Engine,
        com1: Device,
        irq: impl Into<Irq>,
        options: MachineOptions,
    ) -> Result<Self, Error> {
        let stop = Arc::new(Stop::new()?);
        let ended = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| {
            Error::Host { operation: "make an event for the machine", source: error.into() }
        })?;
        let ended = Arc::new(ended);
        let signal = Ended(Arc::clone(&ended));
        let counting = Arc::new(Counting::default());
        let board = Board::new(com1, options.reboots)?;
        let run = boot(engine, board, irq.into(), stop.clone(), counting.clone(), options)?;
        let thread = thread::Builder::new()
            .name("vuart-vcpu0".to_owned())
            .spawn(move || {
                // Dropped last, however the guest ends, including a panic of a device.
                let _signal = signal;
                run()
            })
            .map_err(|source| Error::Host { operation: "start the guest's thread", source })?;
        Ok(Self {
            #[cfg(target_arch = "x86_64")]
            engine,
            stop,
            ended,
            counting,
            thread: Some(thread),
        })
    }

    /// An event that is readable from the end of the guest on, however it ended. Do not read it, so that it stays readable.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// The counters. They are final once the guest has [ended](Self::ended).
    pub fn counters(&self) -> Counters {
        self.counting.now()
    }

    /// Requests that the guest stops at once, whatever it does, and returns without waiting. Further requests have no effect.
    pub fn stop(&self) {
        self.stop.request();
        #[cfg(target_arch = "x86_64")]
        if let (Engine::Kvm, Some(thread)) = (self.engine, &self.thread) {
            crate::kvm::kick(thread);
        }
    }

    /// Waits for the end of the guest.
    ///
    /// # Errors
    ///
    /// If the guest found no 16550A ([`Error::NoUart`]), or another error has ended it.
    pub fn join(mut self) -> Result<Exit, Error> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Error::DevicePanicked),
            // Unreachable: only `join` and `drop` take the thread, and both consume the machine.
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
            // The result is dropped: `join` is the call that returns it.
            let _ = thread.join();
        }
    }
}

/// Signals the end of the guest when it is dropped.
struct Ended(Arc<OwnedFd>);

impl Drop for Ended {
    fn drop(&mut self) {
        // This is the only write, so the counter has room.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// Runs the guest to its end, on the thread that calls it.
type Run = Box<dyn FnOnce() -> Result<Exit, Error> + Send>;

/// Makes the machine. The result runs the guest, on the thread that becomes its processor.
fn boot(
    engine: Engine,
    board: Board,
    irq: Irq,
    stop: Arc<Stop>,
    counting: Arc<Counting>,
    options: MachineOptions,
) -> Result<Run, Error> {
    let MachineOptions { program, level, .. } = options;
    match engine {
        #[cfg(target_arch = "x86_64")]
        Engine::Kvm => {
            let image = crate::guest::Image::from(&program);
            let input = crate::kvm::Com1Input { irq: &irq, level: level.as_deref() };
            let vm = crate::kvm::Vm::new(board, &input, stop, counting, &image, options.coalescing)?;
            Ok(Box::new(move || vm.run()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        Engine::Kvm => Err(Error::NotX86),
        Engine::Software => Ok(Box::new(move || {
            let interrupts = software::Com1Input { irq, level };
            software::run(&board, interrupts, &stop, &counting, &program)
        })),
    }
}
