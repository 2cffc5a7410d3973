//! The model of how to embed: a machine with a serial port, and the port's console, served.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use rustix::event::{EventfdFlags, eventfd};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart::endpoint::{Cause, Console};
use vuart::scrollback::{self, OptionsError, Writer};
use vuart::server::{Claim, ServeError, Server, ServerOptions, ServerThread, Sockets};
use vuart::{IrqFd, PortBuilder, SerialPort, SharedPort};

use crate::{Com1, Engine, Error, Exit, Machine};

/// What is at the machine's COM1.
pub type Device = Arc<dyn Com1>;

/// Why there is no machine with a served console.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The memory for the console's output could not be had.
    #[error(transparent)]
    Ring(#[from] OptionsError),

    /// The console could not be served.
    #[error(transparent)]
    Serve(#[from] ServeError),

    /// The machine could not be had.
    #[error(transparent)]
    Machine(#[from] Error),

    /// An event could not be had.
    #[error("can't {operation} (is a limit on open files reached? see `ulimit -n`)")]
    Host {
        /// What could not be done.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A machine whose guest runs and whose console can be attached to; readable when the guest is over.
///
/// The console ends with the guest, and clients are told so. Dropping it stops the guest and removes the sockets.
///
/// ```
/// use std::time::Duration;
/// use vuart::wire::RuntimeDir;
/// use vuart_vmm::{Engine, ServedMachine};
///
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path().join("vuart");
/// let claim = Claim::new(&RuntimeDir::create(directory)?, "vm0")?;
/// let machine = ServedMachine::boot(Engine::Software, claim)?;
/// // Now anybody can attach to `machine.control_socket()`.
/// machine.finish(Duration::from_secs(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServedMachine {
    name: String,
    raw_socket: PathBuf,
    control_socket: PathBuf,
    /// Not an `EventFd`, which has no `AsFd`.
    over: Arc<OwnedFd>,
    console: Console,
    // The machine first: what its guest writes as it is stopped is still served.
    machine: Machine,
    server: ServerThread,
}

impl ServedMachine {
    /// Boots the guest and serves its console under the claimed name.
    ///
    /// # Errors
    ///
    /// When the port, the sockets or the machine can't be had.
    pub fn boot(engine: Engine, claim: Claim) -> Result<Self, BootError> {
        let (output, _) = scrollback::RingOptions::default().create()?;
        Self::boot_with(engine, claim, output, |port| Arc::new(SharedPort::new(port)))
    }

    /// The same, with a ring that may [outlive the machine](crate::open_ring), and the port put on the bus by `place`: after it
    /// has been told to record, say, or behind something that sees what goes by. Nobody can have attached yet: whoever
    /// [observes](Console::observe) the port's console from there on, such as an [audit trail](vuart::audit::Audit), misses nothing.
    ///
    /// # Errors
    ///
    /// As [`boot`](Self::boot).
    pub fn boot_with(
        engine: Engine,
        claim: Claim,
        output: Writer,
        place: impl FnOnce(SerialPort<IrqFd>) -> Device,
    ) -> Result<Self, BootError> {
        let host = |operation| move |source| BootError::Host { operation, source };
        let irq = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map_err(host("make the interrupt"))?;
        let raise = irq.try_clone().map_err(host("make the interrupt"))?;
        let mut port = PortBuilder::new().with_writer(output).build(IrqFd(raise));
        let console = port.console().clone();
        let (name, raw_socket, control_socket) =
            (claim.name().to_owned(), claim.raw_socket().to_owned(), claim.control_socket().to_owned());
        let mut sockets = Sockets::bind(claim)?;
        // Not everywhere: a container may have no devpts.
        if let Err(error) = sockets.open_pty() {
            log::warn!("console {name}: {error}");
        }
        let server = Server::new(&name, console.clone(), sockets, ServerOptions::default())?;
        port.mark_boot();
        let machine = Machine::start(engine, place(port), irq)?;
        let over = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| host("make an event")(error.into()))?;
        let over = Arc::new(over);
        let watch = Watch {
            ended: machine.ended().try_clone().map_err(host("make an event"))?,
            console: console.clone(),
            over: Arc::clone(&over),
        };
        let server = ServerThread::start_with(server, vec![Box::new(watch)])?;
        Ok(Self { name, raw_socket, control_socket, over, console, machine, server })
    }

    /// The console's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The console itself.
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

    /// Stops the guest, unless it is over already, lets clients read its last words for at most as long as `patience`,
    /// and removes the sockets.
    ///
    /// # Errors
    ///
    /// When the guest did not end well; see [`Machine::join`].
    pub fn finish(self, patience: Duration) -> Result<Exit, Error> {
        self.machine.stop();
        let exit = self.machine.join();
        self.console.end(&Cause::VmEnded);
        self.server.finish(patience);
        exit
    }
}

impl AsFd for ServedMachine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}

/// Ends the console when the guest is over, in the server's event loop: as a VMM does where it handles its vCPUs' exits.
#[derive(Debug)]
struct Watch {
    ended: EventFd,
    console: Console,
    over: Arc<OwnedFd>,
}

impl Watch {
    fn events(&self) -> Events {
        Events::new(&self.ended, EventSet::IN)
    }

    fn tell(&self) {
        self.console.end(&Cause::VmEnded);
        // It is written once, so its counter has room.
        let _ = rustix::io::write(&self.over, &1_u64.to_ne_bytes());
    }
}

impl MutEventSubscriber for Watch {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        if ops.add(self.events()).is_err() {
            // Nobody would ever hear of the end: better to come to it now.
            self.tell();
        }
    }

    fn process(&mut self, _events: Events, ops: &mut EventOps<'_>) {
        self.tell();
        // It stays readable.
        let _ = ops.remove(self.events());
    }
}
