//! States that no UART can be in (S4).

use vuart_16550::spec::{Msr, offset::*};
use vuart_16550::{
    CharacterState, CharacterTimeoutV1 as Timeout, Config, Profile, RestoreError, ThreV1 as Thre, Timed,
    TimedStateV1, Uart, UartState, UartStateV1,
};

/// More than the events of a full transmitter. A UART that needs more never ends.
const STEPS_MAX: usize = 1000;

#[test]
fn s4_a_state_that_no_uart_can_be_in_is_refused() {
    let good = Uart::default().state().latest();
    let refused = |change: &dyn Fn(&mut UartStateV1)| {
        let mut state = good.clone();
        change(&mut state);
        Uart::<vuart_16550::Instant>::restore(&UartState::V1(state)).unwrap_err()
    };
    let register = |register, value, profile| RestoreError::Register { register, value, profile };
    let plain = Profile::Uart16550a;
    assert_eq!(refused(&|state| state.ier = 0x10), register(IER, 0x10, plain));
    assert_eq!(refused(&|state| state.mcr = 0x20), register(MCR, 0x20, plain));
    assert_eq!(refused(&|state| state.fcr = 0x03), register(FCR, 0x03, plain));
    assert_eq!(refused(&|state| state.fcr = 0xC0), register(FCR, 0xC0, plain));
    assert_eq!(refused(&|state| state.line_errors = 0x01), register(LSR, 0x01, plain));
    assert_eq!(refused(&|state| state.modem_inputs = 0x01), register(MSR, 0x01, plain));
    assert_eq!(refused(&|state| state.modem_deltas = 0x10), register(MSR, 0x10, plain));
    let old = Profile::Uart16450;
    assert_eq!(refused(&|state| (state.profile, state.fcr) = (old, 0x01)), register(FCR, 0x01, old));
    let two = |state: &mut UartStateV1| {
        state.receiver = (0..2).map(|data| CharacterState { data, errors: 0 }).collect();
    };
    assert_eq!(refused(&two), RestoreError::TooManyCharacters { len: 2, capacity: 1 });
    assert_eq!(
        refused(&|state| state.receiver.push(CharacterState { data: 0, errors: 0x02 })),
        register(LSR, 0x02, plain)
    );
    assert!(matches!(refused(&|state| state.rts_held = true), RestoreError::Contradiction(_)));
    assert_eq!(
        refused(&|state| state.timed = Uart::timed(Config::new()).state().latest().timed),
        RestoreError::OtherTime
    );
    assert_eq!(Uart::<Timed>::restore(&Uart::default().state()).unwrap_err(), RestoreError::OtherTime);
}

#[test]
fn s4_a_transmitter_that_would_never_be_ready_is_refused() {
    let mut uart = Uart::timed(Config::new());
    uart.write(THR, b'a');
    uart.write(THR, b'b');
    let good = uart.state().latest();
    let refused = |change: &dyn Fn(&mut TimedStateV1)| {
        let mut state = good.clone();
        change(state.timed.as_mut().unwrap());
        let error = Uart::<Timed>::restore(&UartState::V1(state)).unwrap_err();
        assert!(matches!(error, RestoreError::Contradiction(_)), "{error}");
    };
    assert!(Uart::<Timed>::restore(&UartState::V1(good.clone())).is_ok());
    refused(&|timed| timed.shifting = None);
    refused(&|timed| timed.shifting = Some((0, u64::MAX)));
    refused(&|timed| timed.transmitter.clear());
    refused(&|timed| timed.thre = Thre::Set);
    refused(&|timed| timed.thre = Thre::SetAt(u64::MAX));
    refused(&|timed| timed.timeout = Timeout::Expired);
    refused(&|timed| timed.now = u64::MAX);
}

/// Only flow control may hold a character back, and only while CTS is inactive.
#[test]
fn s4_a_transmitter_that_waits_for_nothing_is_refused() {
    let mut uart = Uart::timed(Config::new().with_profile(Profile::Uart16750));
    uart.write(FCR, 0x01);
    uart.write(MCR, 0x20);
    uart.set_modem_inputs(Msr::empty());
    uart.write(THR, b'a');
    let held = uart.state().latest();
    let restore = |change: &dyn Fn(&mut UartStateV1)| {
        let mut state = held.clone();
        change(&mut state);
        Uart::<Timed>::restore(&UartState::V1(state)).is_ok()
    };
    assert!(restore(&|_| {}));
    assert!(!restore(&|state| state.modem_inputs = 0x10), "CTS is active");
    assert!(!restore(&|state| state.mcr = 0x00), "flow control is off");
}

#[test]
fn s4_impossible_times_are_refused() {
    let mut uart = Uart::timed(Config::new());
    uart.write(FCR, 0x01);
    uart.write(THR, b'a');
    for _ in 0..STEPS_MAX {
        let Some(at) = uart.next_event() else { break };
        let _ = uart.advance(at);
    }
    assert_eq!(uart.next_event(), None);
    uart.write(THR, b'b');
    let now = uart.now();
    let restore = |uart: &Uart<Timed>, change: &dyn Fn(&mut TimedStateV1)| {
        let mut state = uart.state().latest();
        change(state.timed.as_mut().unwrap());
        Uart::<Timed>::restore(&UartState::V1(state)).is_ok()
    };
    let (leaves_at, thre_at) = (now + uart.character_time(), now + uart.character_time() - uart.bit_time());
    assert!(restore(&uart, &|timed| assert_eq!(timed.thre, Thre::SetAt(thre_at))));
    assert!(restore(&uart, &|timed| timed.thre = Thre::SetAt(leaves_at)));
    assert!(!restore(&uart, &|timed| timed.thre = Thre::SetAt(leaves_at + 1)));
    assert!(!restore(&uart, &|timed| timed.thre = Thre::SetAt(now - 1)));
    assert!(!restore(&uart, &|timed| timed.shifting = Some((0, now - 1))));
    assert!(!restore(&uart, &|timed| timed.timeout = Timeout::At(now)), "no character waits");

    uart.receive(b'r');
    let time_out = now + 4 * uart.character_time();
    assert!(restore(&uart, &|timed| assert_eq!(timed.timeout, Timeout::At(time_out))));
    assert!(restore(&uart, &|timed| timed.timeout = Timeout::Expired));
    for time_out in [Timeout::Idle, Timeout::At(now - 1), Timeout::At(u64::MAX)] {
        assert!(!restore(&uart, &|timed| timed.timeout = time_out), "{time_out:?}");
    }

    // The slowest divisor and the longest frame bound the times, because they may have applied when a character began.
    for (register, value) in [(LCR, 0x9F), (DLL, 0), (DLM, 0), (LCR, 0x1F)] {
        uart.write(register, value);
    }
    let latest = now + 4 * uart.character_time();
    assert!(restore(&uart, &|timed| timed.timeout = Timeout::At(latest)));
    assert!(!restore(&uart, &|timed| timed.timeout = Timeout::At(latest + 1)));
}
