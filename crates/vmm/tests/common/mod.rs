//! A machine, and a client that owns its console.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{self, Write};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vuart::endpoint::{Attach, Console, Identity, Session};
use vuart::scrollback::Sleeper;
use vuart::{IrqFd, PortBuilder, RingSize, SerialPort};
use vuart_vmm::{Device, Engine, Error, Exit, Machine, MachineOptions, Program, choose};

pub(crate) const PROMPT: &[u8] = b"\r\n> ";

/// The limit for any wait. It only guards against hanging.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// Runs a test on each available engine. If KVM can't be used, that is reported.
pub(crate) fn on_each_engine(test: impl Fn(Engine)) {
    for engine in engines() {
        test(engine);
    }
}

pub(crate) fn engines() -> Vec<Engine> {
    static SAID: Once = Once::new();
    match choose(Some(Engine::Kvm)) {
        Ok(_) => vec![Engine::Kvm, Engine::Software],
        Err(error) => {
            // Not with a macro of std, whose output the test harness captures.
            SAID.call_once(|| drop(writeln!(io::stderr(), "NOT TESTED with KVM: {error}")));
            vec![Engine::Software]
        }
    }
}

pub(crate) type Port = Arc<Mutex<SerialPort<IrqFd>>>;

/// A serial port and its interrupt.
pub(crate) fn port() -> (Port, EventFd) {
    let irq = EventFd::new(EFD_NONBLOCK).unwrap();
    // The ring holds `print 65535`, so that no test must be as fast as its guest.
    let port = PortBuilder::new()
        .with_scrollback(RingSize::of::<{ 8 << 20 }>())
        .build(IrqFd(irq.try_clone().unwrap()));
    (Arc::new(Mutex::new(port)), irq)
}

/// A machine and the owner of its console.
pub(crate) struct Rig {
    machine: Option<Machine>,
    console: Console,
    session: Session,
    sleeper: Sleeper,
    epoll: Epoll,
    /// Everything that the guest has written.
    pub(crate) output: Vec<u8>,
    /// How much of it earlier waits have consumed.
    looked_at: usize,
}

impl Rig {
    pub(crate) fn boot(engine: Engine) -> Self {
        let (port, irq) = port();
        Self::boot_with(engine, &port, port.clone(), irq)
    }

    /// Boots with a device in front of the port.
    pub(crate) fn boot_with(engine: Engine, port: &Port, com1: Device, irq: EventFd) -> Self {
        Self::boot_as(engine, port, com1, irq, MachineOptions::default())
    }

    /// Boots another program than the monitor.
    pub(crate) fn boot_program(engine: Engine, program: Program) -> Self {
        let (port, irq) = port();
        let options = MachineOptions::default().with_program(program);
        Self::boot_as(engine, &port, port.clone(), irq, options)
    }

    /// Boots the monitor in a machine with options.
    pub(crate) fn boot_options(engine: Engine, options: MachineOptions) -> Self {
        let (port, irq) = port();
        Self::boot_as(engine, &port, port.clone(), irq, options)
    }

    pub(crate) fn boot_as(
        engine: Engine,
        port: &Port,
        com1: Device,
        irq: EventFd,
        options: MachineOptions,
    ) -> Self {
        let console = port.lock().unwrap().console().clone();
        let session = console.attach(Attach::new(Identity::new("test", 0, None))).unwrap();
        let machine = Machine::start_with(engine, com1, irq, options).unwrap();
        let sleeper = console.doorbell().sleeper().unwrap();
        let epoll = Epoll::new().unwrap();
        for fd in [sleeper.as_raw_fd(), machine.ended().as_raw_fd()] {
            epoll.ctl(ControlOperation::Add, fd, EpollEvent::new(EventSet::IN, 0)).unwrap();
        }
        Self { machine: Some(machine), console, session, sleeper, epoll, output: Vec::new(), looked_at: 0 }
    }

    /// Boots, and waits until the monitor is ready.
    pub(crate) fn boot_to_prompt(engine: Engine) -> Self {
        let mut rig = Self::boot(engine);
        rig.wait_for(PROMPT);
        rig
    }

    pub(crate) fn machine(&self) -> &Machine {
        self.machine.as_ref().unwrap()
    }

    pub(crate) fn console(&self) -> &Console {
        &self.console
    }

    /// Offers input once. Returns how much was taken.
    pub(crate) fn offer(&mut self, input: &[u8]) -> usize {
        self.session.write(input).unwrap()
    }

    /// Types all of it, as fast as the guest takes it.
    pub(crate) fn type_in(&mut self, input: impl AsRef<[u8]>) {
        let mut rest = input.as_ref();
        self.until("the guest takes its input", |rig| {
            let taken = rig.session.write(rest).unwrap();
            rest = &rest[taken..];
            rest.is_empty().then_some(())
        });
    }

    /// Waits for a text in the output after the last wait. Returns the output up to the end of the text.
    pub(crate) fn wait_for(&mut self, text: impl AsRef<[u8]>) -> Vec<u8> {
        let text = text.as_ref();
        let what = format!("{:?}", String::from_utf8_lossy(text));
        self.until(&what, |rig| {
            let new = &rig.output[rig.looked_at..];
            let end = new.windows(text.len()).position(|window| window == text)? + text.len();
            let found = new[..end].to_vec();
            rig.looked_at += end;
            Some(found)
        })
    }

    /// Types a line, and returns the output between its echo and the next prompt.
    pub(crate) fn command(&mut self, line: &str) -> String {
        self.type_in(format!("{line}\r"));
        self.wait_for(format!("{line}\r\n"));
        // A command without output is followed by the prompt at once.
        let mut said = self.wait_for(b"> ");
        while !(said == b"> " || said.ends_with(PROMPT)) {
            said.extend(self.wait_for(b"> "));
        }
        said.truncate(said.len() - 2);
        String::from_utf8(said).unwrap()
    }

    /// Waits for the end of the machine.
    pub(crate) fn wait_ended(&mut self) {
        self.until("the end of the machine", |rig| is_readable(rig.machine().ended()).then_some(()));
    }

    /// Waits for the end of the machine, and returns how it ended.
    pub(crate) fn join(mut self) -> Result<Exit, Error> {
        self.wait_ended();
        self.machine.take().unwrap().join()
    }

    /// Reads output until `wanted` returns a result, and sleeps when there is none.
    fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&mut Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            // The order that `Sleeper` requires: arm, look, sleep, acknowledge.
            self.sleeper.arm_at_once();
            self.read();
            if let Some(it) = wanted(self) {
                self.sleeper.acknowledge();
                return it;
            }
            if !self.session.output().is_behind() {
                let left = HANG.saturating_sub(began.elapsed());
                assert!(
                    !left.is_zero(),
                    "waited in vain for {what}; the guest's last words: {:?}",
                    String::from_utf8_lossy(&self.output[self.output.len().saturating_sub(400)..])
                );
                self.epoll
                    .wait(i32::try_from(left.as_millis()).unwrap(), &mut [EpollEvent::default(); 2])
                    .unwrap();
            }
            self.sleeper.acknowledge();
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            let read = self.session.read(&mut buffer);
            assert_eq!(read.missed, 0, "the test is slower than the guest by the whole ring");
            if read.is_empty() {
                return;
            }
            self.output.extend_from_slice(&buffer[..read.len()]);
        }
    }
}

/// Waits for an event.
pub(crate) fn wait_readable(event: BorrowedFd<'_>) {
    assert!(is_readable_within(event, HANG), "waited in vain");
}

pub(crate) fn is_readable(event: BorrowedFd<'_>) -> bool {
    is_readable_within(event, Duration::ZERO)
}

fn is_readable_within(event: BorrowedFd<'_>, time: Duration) -> bool {
    let epoll = Epoll::new().unwrap();
    epoll.ctl(ControlOperation::Add, event.as_raw_fd(), EpollEvent::new(EventSet::IN, 0)).unwrap();
    epoll.wait(i32::try_from(time.as_millis()).unwrap(), &mut [EpollEvent::default()]).unwrap() == 1
}
