//! Waiting for the interrupt of COM1, as a processor and an 8259 do.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vuart::level::ResampleFd;

use crate::stop::Stop;
use crate::{Error, Irq};

/// The reason why the guest's thread ends before the guest has halted.
#[derive(Debug)]
pub(super) enum Leave {
    /// A request to stop.
    Stopped,
    /// An error while waiting for interrupts.
    Failed(Error),
}

impl Stop {
    /// Fails if the guest is to stop.
    pub(super) fn check(&self) -> Result<(), Leave> {
        if self.is_requested() { Err(Leave::Stopped) } else { Ok(()) }
    }
}

// The data of the two events in the epoll set.
const IRQ: u64 = 0;
const STOP: u64 = 1;

/// The interrupt input of COM1.
pub(crate) struct Com1Input {
    pub(crate) irq: Irq,
    /// The input is level-triggered.
    pub(crate) level: Option<Arc<ResampleFd>>,
}

/// The interrupts of COM1, as the program takes them.
pub(super) struct Interrupts<'a> {
    input: Com1Input,
    /// The request to stop, for loops that do not wait.
    pub(super) stop: &'a Stop,
    epoll: Epoll,
}

impl<'a> Interrupts<'a> {
    /// An interrupt input, whose waits `stop` ends.
    pub(super) fn new(input: Com1Input, stop: &'a Stop) -> Result<Self, Error> {
        let epoll = Epoll::new().map_err(failed)?;
        for (event, name) in [(input.irq.event(), IRQ), (stop.event(), STOP)] {
            epoll
                .ctl(ControlOperation::Add, event.as_raw_fd(), EpollEvent::new(EventSet::IN, name))
                .map_err(failed)?;
        }
        Ok(Self { input, stop, epoll })
    }

    /// Waits for the next interrupt.
    pub(super) fn wait(&self) -> Result<(), Leave> {
        self.sleep(None)?;
        self.acknowledge()
    }

    /// Waits for the next interrupt or for a tick of the timer. Returns whether an interrupt came.
    pub(super) fn wait_tick(&self, tick: Duration) -> Result<bool, Leave> {
        let interrupted = self.sleep(Some(tick))?;
        if interrupted {
            self.acknowledge()?;
        }
        Ok(interrupted)
    }

    /// Waits for an interrupt. Returns `false` if the time is over.
    fn sleep(&self, timeout: Option<Duration>) -> Result<bool, Leave> {
        let milliseconds =
            timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        let mut events = [EpollEvent::default(); 2];
        loop {
            self.stop.check()?;
            match self.epoll.wait(milliseconds, &mut events) {
                Ok(0) => return Ok(false),
                Ok(count) if events[..count].iter().any(|event| event.data() == IRQ) => return Ok(true),
                // The request to stop, which the check finds.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Leave::Failed(failed(error))),
            }
        }
    }

    /// The handler has ended. A level-triggered input asks for the level then.
    pub(super) fn end(&self) -> Result<(), Leave> {
        match &self.input.level {
            Some(level) => level.event().write(1).map_err(|error| Leave::Failed(failed(error))),
            None => Ok(()),
        }
    }

    /// Takes the interrupt before the handler looks at the UART, as the 8259 does when the processor acknowledges it.
    ///
    /// A later edge makes the event readable again, so none is lost. At worst the handler finds nothing to do.
    fn acknowledge(&self) -> Result<(), Leave> {
        match self.input.irq.event().read() {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(Leave::Failed(failed(error))),
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::Host { operation: "wait for the interrupt of COM1", source }
}
