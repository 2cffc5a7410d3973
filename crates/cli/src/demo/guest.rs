//! The guest of the demo: a machine with a serial port, whose console is served.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use rustix::event::{EventfdFlags, eventfd};
use vm_device::DevicePio;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart::endpoint::{Cause, Claim, Console, Server, ServerThread};
use vuart::{IrqFd, SerialPort};
use vuart_vmm::{Choice, Engine, Exit, Machine};

use crate::error::Error;
use crate::invocation::command;

/// How long clients may take to read the guest's last words.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is on the machine's bus.
pub(super) type Device = Arc<dyn DevicePio + Send + Sync>;

/// A guest that runs and whose console can be attached to. Readable when the guest is over.
///
/// Dropping it stops the guest and removes the sockets.
#[derive(Debug)]
pub(super) struct Guest {
    name: String,
    raw_socket: PathBuf,
    control_socket: PathBuf,
    over: Arc<OwnedFd>,
    console: Console,
    // The machine first: what it writes to its end is still served.
    machine: Machine,
    server: ServerThread,
}

impl Guest {
    /// Boots it.
    pub(super) fn boot(engine: Engine, claim: Claim) -> Result<Self, Error> {
        Self::boot_with(engine, claim, |port| port)
    }

    /// Boots it with something between the bus and the port.
    pub(super) fn boot_with(
        engine: Engine,
        claim: Claim,
        between: impl FnOnce(Device) -> Device,
    ) -> Result<Self, Error> {
        let host = |operation| move |source| Error::Host { operation, source };
        let irq = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map_err(host("make the interrupt"))?;
        let raise = irq.try_clone().map_err(host("make the interrupt"))?;
        let port = SerialPort::new(IrqFd(raise))?;
        let console = port.console().clone();
        let (name, raw_socket, control_socket) =
            (claim.name().to_owned(), claim.raw_socket().to_owned(), claim.control_socket().to_owned());
        let server = Server::bind(claim, console.clone())?;
        let machine =
            Machine::start(engine, between(Arc::new(Mutex::new(port))), irq).map_err(Error::Machine)?;
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
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The control socket.
    pub(super) fn control_socket(&self) -> &Path {
        &self.control_socket
    }

    /// The raw socket.
    pub(super) fn raw_socket(&self) -> &Path {
        &self.raw_socket
    }

    /// How to get to the console, in lines for people.
    pub(super) fn directions(&self, choice: &Choice) -> String {
        format!(
            "guest    {}: {}\n\
             console  {}\n\
             attach   {} attach {}\n\
             or       socat -,raw,echo=0,escape=0x1d UNIX:{}\n",
            choice.engine,
            choice.why,
            self.control_socket.display(),
            command(),
            self.name,
            self.raw_socket.display(),
        )
    }

    /// Stops the guest, unless it is over already, lets clients read its last words, and removes the sockets.
    pub(super) fn finish(self) -> Result<Exit, Error> {
        self.machine.stop();
        let exit = self.machine.join();
        self.console.end(&Cause::VmEnded);
        self.server.finish(PATIENCE);
        exit.map_err(Error::Machine)
    }
}

impl AsFd for Guest {
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
