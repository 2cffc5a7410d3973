//! The tracer: it records each verb, and changes no answer.

use vuart_16550::spec::{Lsr, Msr, offset::*};
use vuart_16550::{Config, Profile, Uart};
use vuart_trace::{Board, RecordError, Trace, Tracer};

/// Does one of each verb, and ends each as a port does.
fn do_all(uart: &mut Tracer) -> Vec<u8> {
    let mut read = Vec::new();
    uart.write(FCR, 0x01);
    uart.settle();
    uart.write(IER, 0x05);
    uart.settle();
    uart.receive(0x41);
    uart.receive_with_errors(0x42, Lsr::PE | Lsr::FE);
    uart.receive_break();
    uart.settle();
    for _ in 0..3 {
        read.extend([uart.read(LSR), uart.read(RBR)]);
        uart.settle();
    }
    uart.set_modem_inputs(Msr::DSR | Msr::RI);
    uart.settle();
    uart.write(LCR, 0x40);
    uart.settle();
    read.extend(uart.write(THR, 0x43));
    uart.settle();
    read
}

#[test]
fn each_verb_is_a_line_and_the_trace_replays() {
    let mut uart =
        Tracer::from(Uart::new(Config::new().with_profile(Profile::Uart16750).with_out2_gate(false)));
    let mut recording = uart.record(1 << 16).unwrap();
    do_all(&mut uart);
    let text = recording.take();
    assert_eq!(
        text,
        "# vuart trace v1\nat chip\nprofile 16750\nout2-gate off\nw 2 01\nw 1 05\nrx 41\nrx-err pe+fe 42\nbreak\nirq 1\n\
         r 5 e1\nr 0 41\nr 5 ed\nr 0 42\nr 5 f1\nr 0 00\nirq 0\nmodem -cts\nmodem +ri\nmodem -dcd\nw 3 40\ntx-break 1\n\
         w 0 43\ntx 43\n"
    );
    let trace: Trace = text.parse().unwrap();
    assert!(trace.replay(&mut Board::new(trace.settings())).is_empty());
}

#[test]
fn a_recording_changes_no_answer_and_no_state() {
    let (mut plain, mut recorded) = (Tracer::from(Uart::default()), Tracer::from(Uart::default()));
    let _recording = recorded.record(1 << 16).unwrap();
    assert!(recorded.is_recording() && !plain.is_recording());
    assert_eq!(do_all(&mut plain), do_all(&mut recorded));
    assert_eq!(plain.state(), recorded.state());
}

#[test]
fn a_recording_that_is_dropped_ends_at_the_next_settle() {
    let mut uart = Tracer::from(Uart::default());
    drop(uart.record(4096).unwrap());
    uart.read(LSR);
    assert!(uart.is_recording());
    uart.settle();
    assert!(!uart.is_recording());
}

#[test]
fn a_uart_that_is_not_in_its_reset_state_is_not_recorded() {
    let mut uart = Tracer::from(Uart::default());
    uart.write(SCR, 0x5A);
    assert!(matches!(uart.record(4096), Err(RecordError::NotFresh)));
    assert!(matches!(Tracer::from(Uart::default()).record(100), Err(RecordError::Capacity(_))));
}
