//! OpenVMM's `serial_16550`, and its relay for debuggers.

use vuart::PortBuilder;
use vuart::uart::spec::Msr;
use vuart::uart::spec::offset::{LSR, MSR, RBR, THR};

use crate::bench::{DR, Guest, IDLE, OE};

/// In its debugger mode OpenVMM defers the read of LSR by a guest that polls for nothing. Here no read ever waits.
#[test]
fn polling_is_answered_at_once_however_often() {
    let mut guest = Guest::new();
    for _ in 0..100_000 {
        assert_eq!(guest.read(LSR), IDLE);
    }
}

#[test]
fn a_poll_after_many_empty_ones_sees_what_has_come() {
    let mut guest = Guest::new();
    for _ in 0..1000 {
        guest.read(LSR);
    }
    guest.owner().write(b"K").unwrap();
    assert_eq!((guest.read(LSR) & DR, guest.read(RBR)), (DR, b'K'));
}

#[test]
fn a_read_that_is_too_wide_is_answered_at_once() {
    let mut guest = Guest::new();
    let mut wide = [0; 16];
    guest.port.read(LSR.into(), &mut wide);
    assert_eq!(wide, [0xFF; 16]);
}

/// OpenVMM's relay drops what has no room. Here it is refused, so the sender still has it.
#[test]
fn a_burst_beyond_the_queue_is_no_overrun_and_nothing_of_it_is_lost() {
    let mut guest = Guest::new();
    let mut owner = guest.owner();
    let burst: Vec<u8> = (0..20 * 1024).map(|index: u32| (index % 251).to_le_bytes()[0]).collect();
    let (mut sent, mut delivered) = (0, Vec::new());
    while delivered.len() < burst.len() {
        sent += owner.write(&burst[sent..]).unwrap();
        let lsr = guest.read(LSR);
        assert_eq!(lsr & OE, 0);
        if lsr & DR != 0 {
            delivered.push(guest.read(RBR));
        }
    }
    assert!(delivered == burst);
}

#[test]
fn output_that_nobody_takes_leaves_the_transmitter_empty() {
    let mut guest = Guest::new();
    for byte in *b"windbg" {
        guest.write(THR, byte);
    }
    assert_eq!(guest.read(LSR) & IDLE, IDLE);
}

/// In OpenVMM the lines follow the backend: without one there is no carrier. Here the VMM drives them, and a port has a carrier
/// unless it says otherwise, so that a guest with a modem's tty opens it before anybody has attached.
#[test]
fn the_carrier_is_there_unless_the_vmm_says_otherwise() {
    assert_eq!(Guest::new().read(MSR), 0xB0);
    let without = PortBuilder::new().with_modem_inputs(Msr::empty());
    let mut guest = Guest::built(|edges| without.build(edges));
    assert_eq!(guest.read(MSR), 0, "no level, and no change");
}
