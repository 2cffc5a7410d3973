//! The embedding: a machine whose serial port is a `vuart` port, and whose console is served.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use vuart::endpoint::{Cause, Console};
use vuart::scrollback::{OptionsError, RingOptions, Writer};
use vuart::server::{
    Claim, Dispatch, FinishError, ServeError, Server, ServerOptions, ServerThread, Sockets, StartError,
};
use vuart::{PortBuilder, SerialPort, SharedPort};

use crate::{Device, Engine, Error, Exit, Irq, Machine, MachineOptions};

/// The reason why a machine with a served console could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The ring for the console's output could not be made.
    #[error(transparent)]
    Ring(#[from] OptionsError),

    /// The console could not be served.
    #[error(transparent)]
    Serve(#[from] ServeError),

    /// The server's thread could not be started.
    #[error(transparent)]
    Start(#[from] StartError),

    /// The machine could not be started.
    #[error(transparent)]
    Machine(#[from] Error),

    /// An event could not be made.
    #[error("can't {operation} (is a limit on open files reached? see `ulimit -n`)")]
    Host {
        /// The operation that failed.
        operation: &'static str,
        /// The underlying error.
        source: io::Error,
    },
}

/// A machine whose guest runs and whose console can be attached to.
///
/// Its file descriptor is readable when the guest has ended. The console ends with the guest, and clients are told so.
///
/// # Shutdown
///
/// [`finish`](Self::finish) stops the parts in this order:
///
/// 1. the guest, and its thread: afterwards nothing is written to the console any more;
/// 2. the console: clients that have read the last output are told that the guest has ended. It ends before its port is dropped,
///    because that would end it, too, and would not say why;
/// 3. the server: it waits a bounded time for clients to read, and then removes the sockets.
///
/// Dropping the machine stops the guest, then the server, without waiting for clients. In both cases the machine comes
/// before the server, so that what a guest writes while it is stopped is still served.
///
/// ```
/// use std::time::Duration;
/// use vuart::server::Claim;
/// use vuart::wire::RuntimeDir;
/// use vuart_vmm::{Engine, ServedMachine};
///
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path().join("vuart");
/// let claim = Claim::new(&RuntimeDir::create(directory)?, "vm0")?;
/// let machine = ServedMachine::boot(Engine::Software, claim)?;
/// // Now clients can attach to `machine.control_socket()`.
/// machine.finish(Duration::from_secs(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServedMachine {
    name: String,
    raw_socket: PathBuf,
    control_socket: PathBuf,
    /// Readable when the guest has ended. It is not an `EventFd`, which does not implement `AsFd`.
    over: Arc<OwnedFd>,
    console: Console,
    // Fields are dropped in their order: the machine before the server.
    machine: Machine,
    server: ServerThread,
    /// A port that is dropped ends its console, without saying why. So it stays until the console has ended.
    _com1: Kept,
}

/// A device that is only kept.
struct Kept(#[expect(dead_code, reason = "it is only kept")] Device);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").finish_non_exhaustive()
    }
}

/// How often the guest may reboot. A person who reboots it does not get there. A guest that does nothing else is stopped.
const REBOOTS: u32 = 10_000;

impl ServedMachine {
    /// Boots the guest and serves its console under the claimed name.
    ///
    /// # Errors
    ///
    /// If the port, the sockets or the machine can't be made.
    pub fn boot(engine: Engine, claim: Claim) -> Result<Self, BootError> {
        let (output, _) = RingOptions::default().create()?;
        Self::boot_with(engine, claim, output, |port| Arc::new(SharedPort::new(port)))
    }

    /// Boots the guest with a given ring and device.
    ///
    /// * `output` is the ring of the console. It may [outlive the machine](crate::open_ring).
    /// * `place` makes the device at COM1 from the port. It can let the port record a trace, or put another device in front.
    ///
    /// No client can have attached when `place` is called. An [observer](Console::observe) that it installs, such as an
    /// [audit trail](vuart::audit::Audit), therefore misses nothing.
    ///
    /// # Errors
    ///
    /// As [`boot`](Self::boot).
    pub fn boot_with(
        engine: Engine,
        claim: Claim,
        output: Writer,
        place: impl FnOnce(SerialPort<Irq>) -> Device,
    ) -> Result<Self, BootError> {
        // The interrupt: the port raises it, and it is IRQ 4 of the machine.
        let irq = Irq::new().map_err(host("make the interrupt"))?;

        // The port. Its console is the endpoint that the server serves.
        let mut port = PortBuilder::new().with_writer(output).build(irq.clone());
        let console = port.console().clone();

        // The sockets. They are bound before the guest runs, so that an error costs nothing of an earlier guest's output.
        let (name, raw_socket, control_socket) =
            (claim.name().to_owned(), claim.raw_socket().to_owned(), claim.control_socket().to_owned());
        let mut sockets = Sockets::bind(claim)?;
        // The pseudo-terminal is optional, because a container may have no devpts.
        if let Err(error) = sockets.open_pty() {
            log::warn!("console {name}: {error}");
        }
        // No filter forbids this process to read the names.
        let options = ServerOptions::default().with_program_names(true);
        let server = Server::new(&name, console.clone(), sockets, options)?;

        // The guest.
        port.mark_boot();
        let com1 = place(port);
        let options = MachineOptions::default().with_reboots(REBOOTS);
        let machine = Machine::start_with(engine, com1.clone(), irq, options)?;

        // The server's thread. It also watches for the end of the guest.
        let over = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| host("make an event")(error.into()))?;
        let over = Arc::new(over);
        let watch = EndWatch::new(&machine, console.clone(), Arc::clone(&over))
            .map_err(host("watch for the guest's end"))?;
        let server = ServerThread::builder().serve(server).serve(watch).start()?;
        Ok(Self { name, raw_socket, control_socket, over, console, machine, server, _com1: Kept(com1) })
    }

    /// The console's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The console.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The path of the control socket.
    pub fn control_socket(&self) -> &Path {
        &self.control_socket
    }

    /// The path of the raw socket.
    pub fn raw_socket(&self) -> &Path {
        &self.raw_socket
    }

    /// Stops the guest if it still runs, lets clients read its last output for at most `patience`, and removes the sockets.
    ///
    /// # Errors
    ///
    /// If the guest ended with an error; see [`Machine::join`].
    pub fn finish(self, patience: Duration) -> Result<Exit, Error> {
        self.machine.stop();
        let exit = self.machine.join();
        self.console.end(&Cause::VmEnded);
        match self.server.finish(patience) {
            // A client that is too slow has lost the last words, and that is its own affair.
            Ok(()) | Err(FinishError::Unread) => {}
            Err(error) => log::error!("console {}: {error}", self.name),
        }
        exit
    }
}

impl AsFd for ServedMachine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}

fn host(operation: &'static str) -> impl FnOnce(io::Error) -> BootError {
    move |source| BootError::Host { operation, source }
}

/// Ends the console when the guest has ended. It is served by the server's thread; a VMM with an event loop of its own does this where it
/// handles the exits of its vCPUs.
#[derive(Debug)]
struct EndWatch {
    /// Readable when the guest has ended, until that is noticed: the machine's own event stays readable.
    ended: OwnedFd,
    console: Console,
    over: Arc<OwnedFd>,
}

impl EndWatch {
    fn new(machine: &Machine, console: Console, over: Arc<OwnedFd>) -> io::Result<Self> {
        let ended = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&ended, machine.ended(), EventData::new_u64(0), EventFlags::IN | EventFlags::ONESHOT)?;
        Ok(Self { ended, console, over })
    }
}

impl AsFd for EndWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

impl Dispatch for EndWatch {
    fn dispatch(&mut self) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut room = [MaybeUninit::uninit()];
        let (events, _) = epoll::wait(&self.ended, &mut room, Some(&now))?;
        if !events.is_empty() {
            self.console.end(&Cause::VmEnded);
            // It is written once, so the counter has room.
            let _ = rustix::io::write(&self.over, &1_u64.to_ne_bytes());
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        true
    }
}
