//! Rules of the modem lines, of loopback and of the OUT2 gate.

mod support;

use support::{drain, uart, with_fifo};
use vuart_16550::spec::{InterruptId, Mcr, Msr, offset::*};
use vuart_16550::{Config, Uart};

#[test]
fn r2_modem_status_is_cleared_by_an_msr_read() {
    let mut uart = uart();
    uart.write(IER, 0x08);
    uart.set_modem_inputs(Msr::CTS | Msr::DSR | Msr::DCD | Msr::RI);
    assert!(!uart.interrupt(), "RI has a delta for its trailing edge only");
    uart.set_modem_inputs(Msr::CTS | Msr::DSR);
    assert_eq!(uart.read(IIR) & 0x0F, 0x00);
    assert_eq!(uart.read(MSR), 0x30 | 0x04 | 0x08);
    assert_eq!(uart.read(MSR), 0x30);
    assert!(!uart.interrupt());
}

#[test]
fn r10_loopback_returns_the_data() {
    let mut uart = with_fifo();
    uart.write(MCR, 0x1B);
    assert_eq!(uart.room(), 0, "loopback holds the host's input back");
    uart.receive(b'h');
    for byte in 0..17 {
        assert_eq!(uart.write(THR, byte), None, "the line outside is idle");
    }
    assert_eq!(uart.read(LSR), 0x63, "FreeBSD finds the FIFO's size by this value");
    assert_eq!(drain(&mut uart), (0..16).collect::<Vec<u8>>(), "S16: Linux' size_fifo counts these");
    assert_eq!(uart.modem_outputs(), Mcr::empty());
}

#[test]
fn r10_loopback_returns_the_modem_lines() {
    let mut uart = uart();
    uart.read(MSR);
    // The first is the test of Linux and Xen, the next two are those of Windows' KD.
    for (mcr, msr) in [(0x1A, 0x90), (0x10, 0x00), (0x14, 0x40), (0x11, 0x20), (0x1F, 0xF0)] {
        uart.write(MCR, mcr);
        assert_eq!(uart.read(MSR) & 0xF0, msr, "MCR {mcr:#x}");
    }
    uart.write(IER, 0x08);
    uart.write(MCR, 0x1B);
    assert!(uart.interrupt(), "OUT1 has fallen, which is RI's trailing edge");
    assert_eq!(uart.read(MSR), 0xB4);
    uart.write(MCR, 0x08);
    assert_eq!(uart.read(MSR) & 0xF0, 0xB0, "outside loopback the guest sees the host's inputs");
}

#[test]
fn r10_a_break_in_loopback_is_received() {
    let mut uart = with_fifo();
    uart.write(MCR, 0x10);
    uart.write(LCR, 0x43);
    assert!(!uart.break_out());
    assert_eq!(uart.read(LSR) & 0x91, 0x91);
    uart.write(MCR, 0x00);
    assert!(uart.break_out());
}

#[test]
fn r12_out2_gates_the_line_but_not_in_loopback_and_not_where_the_board_has_no_gate() {
    let mut gated = uart();
    gated.write(IER, 0x02);
    gated.write(MCR, 0x03);
    assert!(!gated.interrupt());
    assert_eq!(gated.interrupt_id(), InterruptId::Thre, "the gate does not change IIR");
    gated.write(MCR, 0x10);
    assert!(gated.interrupt());

    let mut ungated = Uart::new(Config::default().with_out2_gate(false));
    ungated.write(IER, 0x02);
    ungated.write(MCR, 0x03);
    assert!(ungated.interrupt());
}

/// `awaits_modem_status` predicts whether a change of DCD raises the line.
#[test]
fn r4_r10_r12_a_modem_input_raises_the_line_exactly_when_a_driver_awaits_it() {
    for gated in [true, false] {
        for (ier, mcr) in (0..16).flat_map(|ier| [0x00, 0x08, 0x10, 0x18].map(|mcr| (ier, mcr))) {
            let mut uart = Uart::new(Config::default().with_out2_gate(gated));
            uart.write(IER, ier);
            uart.write(MCR, mcr);
            for register in [IIR, LSR, MSR] {
                uart.read(register);
            }
            assert!(!uart.interrupt());
            assert_eq!(uart.is_in_loopback(), mcr & 0x10 != 0);
            let awaits = uart.awaits_modem_status();
            uart.set_modem_inputs(Msr::CTS | Msr::DSR);
            assert_eq!(uart.interrupt(), awaits, "gate {gated}, IER {ier:#04x}, MCR {mcr:#04x}");
        }
    }
}

#[test]
fn each_modem_output_is_a_pin() {
    let mut uart = uart();
    for mcr in 0..0x10 {
        uart.write(MCR, mcr);
        assert_eq!(uart.modem_outputs().bits(), mcr);
        uart.write(MCR, mcr | 0x10);
        assert_eq!(uart.modem_outputs(), Mcr::empty());
    }
}
