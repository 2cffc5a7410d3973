//! The level of the interrupt line, as a level-triggered input needs it: no interrupt is lost, and the line does not stay high.

mod support;

use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use proptest::prelude::*;
use support::{Edges, owner, port};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vuart::endpoint::{Attach, Identity, Mode};
use vuart::level::ResampleFd;
use vuart::uart::spec::{Ier, Msr, offset::*};
use vuart::{IrqFd, PortBuilder, RingSize, SerialPort, SharedPort};

/// The limit for any wait. It only guards against hanging.
const HANG: i32 = 60_000;

fn is_readable_within(event: &EventFd, milliseconds: i32) -> bool {
    let epoll = Epoll::new().unwrap();
    epoll.ctl(ControlOperation::Add, event.as_raw_fd(), EpollEvent::new(EventSet::IN, 0)).unwrap();
    epoll.wait(milliseconds, &mut [EpollEvent::default()]).unwrap() == 1
}

/// A level-triggered input of KVM: an irqfd asserts it, and the end of an interrupt deasserts it and asks for the level.
struct Input {
    irq: EventFd,
    resample: EventFd,
}

impl Input {
    /// A port whose interrupt is at such an input.
    fn new() -> (SerialPort<IrqFd>, Arc<ResampleFd>, Self) {
        let irq = EventFd::new(EFD_NONBLOCK).unwrap();
        let port = SerialPort::new(IrqFd(irq.try_clone().unwrap()));
        let level = ResampleFd::new(irq.try_clone().unwrap(), port.interrupt_level()).unwrap();
        let resample = level.event().try_clone().unwrap();
        (port, Arc::new(level), Self { irq, resample })
    }

    fn is_asserted(&self) -> bool {
        is_readable_within(&self.irq, 0)
    }

    /// The guest sleeps until it is interrupted.
    fn wait(&self) {
        assert!(is_readable_within(&self.irq, HANG), "an interrupt was lost");
    }

    fn end_of_interrupt(&self) {
        // Whatever has asserted it until now is deasserted.
        let _ = self.irq.read();
        self.resample.write(1).unwrap();
    }
}

/// Numbers that look random: xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn f6_no_interrupt_is_lost_and_the_line_does_not_stay_high() {
    const COUNT: usize = 20_000;
    let (mut port, level, input) = Input::new();
    let console = port.console().clone();
    let over = Arc::new(AtomicBool::new(false));

    let resampler = thread::spawn({
        let (level, over) = (Arc::clone(&level), Arc::clone(&over));
        move || {
            while is_readable_within(level.event(), HANG) && !over.load(SeqCst) {
                level.resample().unwrap();
            }
        }
    });
    let typist = thread::spawn(move || {
        let mut session = console.attach(Attach::new(Identity::new("typist", 0, None))).unwrap();
        let mut sent = 0;
        while sent < COUNT {
            let burst = (sent * 7 % 40 + 1).min(COUNT - sent);
            let bytes: Vec<u8> = (sent..sent + burst).map(|n| n.to_le_bytes()[0]).collect();
            sent += session.write(&bytes).unwrap();
            thread::yield_now();
        }
        session
    });

    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    port.write_register(FCR, 0x87);
    port.write_register(MCR, 0x0B);
    port.write_register(IER, 0x0F);
    let mut received = 0;
    while received < COUNT {
        input.wait();
        // A handler that serves one source at a time, and of that only a part. For an edge this would be a mistake.
        match port.read_register(IIR) & 0x0F {
            0x04 | 0x0C => {
                for _ in 0..=numbers.below(20) {
                    if port.read_register(LSR) & 1 == 0 {
                        break;
                    }
                    assert_eq!(port.read_register(RBR), received.to_le_bytes()[0], "byte {received}");
                    received += 1;
                }
            }
            0x00 => drop(port.read_register(MSR)),
            0x06 => drop(port.read_register(LSR)),
            _ => {}
        }
        match numbers.below(8) {
            0 => port.write_register(THR, b'p'),
            1 => {
                port.write_register(IER, 0x00);
                port.write_register(IER, 0x0F);
            }
            2 => {
                port.write_register(MCR, 0x1B);
                port.write_register(MCR, 0x0B);
            }
            _ => {}
        }
        input.end_of_interrupt();
    }
    let session = typist.join().unwrap();
    over.store(true, SeqCst);
    level.event().write(1).unwrap();
    resampler.join().unwrap();

    // The driver serves all sources. Then the line is low, and stays so.
    while port.read_register(IIR) & 1 == 0 {
        port.read_register(MSR);
        port.read_register(LSR);
    }
    assert!(!port.interrupt());
    input.end_of_interrupt();
    assert!(!level.resample().unwrap());
    assert!(!input.is_asserted());
    drop(session);
}

#[test]
fn f6_what_another_thread_has_announced_is_in_the_level() {
    let (mut port, _) = port();
    let (level, mut session) = (port.interrupt_level(), owner(&port));
    port.write_register(MCR, 0x0B);
    assert_eq!(session.write(b"a"), Ok(1));
    assert!(!level.is_high(), "the interrupt is off");
    port.write_register(IER, 0x01);
    assert!(level.is_high());
    assert_eq!(port.read_register(RBR), b'a');
    assert!(!level.is_high());

    assert_eq!(session.write(b"b"), Ok(1));
    assert!(port.interrupt() && level.is_high(), "no access since");
    let taken_over = owner(&port);
    assert!(!level.is_high(), "a take-over has discarded it");
    drop(taken_over);

    port.write_register(IER, 0x08);
    port.read_register(MSR);
    assert!(!level.is_high());
    port.console().hang_up();
    assert!(level.is_high());
    assert_eq!(port.read_register(IIR) & 0x0F, 0x00);
    assert!(level.is_high(), "now it is in the registers");
    port.read_register(MSR);
    port.read_register(MSR);
    assert!(!level.is_high());
}

#[test]
fn f6_the_level_of_a_shared_port_can_be_asked_for_while_a_vcpu_is_inside() {
    let shared = SharedPort::new(port().0);
    let level = shared.interrupt_level();
    shared.with(|port| {
        port.write_register(IER, 0x02);
        assert!(thread::scope(|scope| scope.spawn(|| level.is_high()).join().unwrap()));
    });
    drop(shared);
    assert!(!level.is_high(), "a port that is gone holds no line");
}

#[test]
fn f6_an_input_is_asserted_again_only_while_the_line_is_high() {
    let (mut port, level, input) = Input::new();
    assert!(!level.resample().unwrap());
    port.write_register(IER, 0x02);
    assert!(input.is_asserted());
    input.end_of_interrupt();
    assert!(!input.is_asserted());
    assert!(is_readable_within(level.event(), 0));
    assert!(level.resample().unwrap());
    assert!(input.is_asserted() && !is_readable_within(level.event(), 0));
    assert_eq!(port.read_register(IIR) & 0x0F, 0x02);
    input.end_of_interrupt();
    assert!(!level.resample().unwrap());
    assert!(!input.is_asserted());
    assert_eq!(level.as_raw_fd(), level.event().as_raw_fd());
}

/// What guest, owner and VMM do.
#[derive(Debug, Clone)]
enum Action {
    Read(u8),
    Write(u8, u8),
    Type(usize),
    Break,
    HangUp,
    TakeOver,
    ModemInputs(u8),
    Reset,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..8_u8).prop_map(Action::Read),
        6 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Action::Write(register, value)),
        2 => any::<u8>().prop_map(|ier| Action::Write(IER, ier & 0x0F)),
        1 => prop_oneof![Just(0x0B), Just(0x08), Just(0x1B)].prop_map(|mcr| Action::Write(MCR, mcr)),
        1 => Just(Action::Write(LCR, 0x03)),
        3 => (1..40_usize).prop_map(Action::Type),
        1 => Just(Action::Break),
        1 => Just(Action::HangUp),
        1 => Just(Action::TakeOver),
        1 => any::<u8>().prop_map(Action::ModemInputs),
        1 => Just(Action::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The line is high exactly if a port that goes on from this one's state interrupts its guest: such a port has taken what waits.
    #[test]
    fn f6_the_level_is_that_of_a_port_that_has_taken_what_waits(
        actions in prop::collection::vec(action(), 1..60)
    ) {
        let (mut port, _) = port();
        let mut session = owner(&port);
        for action in actions {
            match action {
                Action::Read(register) => drop(port.read_register(register)),
                Action::Write(register, value) => port.write_register(register, value),
                Action::Type(count) => drop(session.write(&vec![b'a'; count])),
                Action::Break => drop(session.send_break()),
                Action::HangUp => drop(port.console().hang_up()),
                Action::TakeOver => {
                    let request = Attach::new(Identity::new("other", 0, None)).with_mode(Mode::TakeOver);
                    session = port.console().attach(request).unwrap();
                }
                Action::ModemInputs(inputs) => port.set_modem_inputs(Msr::from_bits_retain(inputs)),
                Action::Reset => {
                    port.reset();
                    prop_assert!(!port.interrupt(), "after a reset");
                }
            }
            let state = port.state();
            let other = PortBuilder::restore(&state).with_scrollback(RingSize::of::<4096>()).build(Edges::default()).unwrap();
            let (high, should) = (port.interrupt(), other.counters().interrupts > 0);
            if high == should {
                continue;
            }
            // One case is not exact, and harmless: characters have come to a guest that is interrupted for breaks only. The line falls
            // when the guest looks.
            let ier = Ier::from_bits_retain(state.latest().uart.latest().ier);
            prop_assert!(high && ier.contains(Ier::ELSI) && !ier.contains(Ier::ERBFI), "{action:?}: {high}");
            port.read_register(IIR);
        }
    }
}
