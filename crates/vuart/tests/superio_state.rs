//! The state of a port from and to vm-superio's (S4).

mod support;

use proptest::prelude::*;
use support::{Edges, owner, port};
use vm_superio::{Serial, SerialState};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, PortState, ToSuperioError};

/// Input that does not fit is refused, not dropped.
#[test]
fn more_input_than_vm_superio_holds_is_refused() {
    let (port, _) = port();
    owner(&port).write(&[b'x'; 65]).unwrap();
    let error = SerialState::try_from(&port.state()).unwrap_err();
    assert_eq!(error, ToSuperioError::TooMuchInput { waiting: 65 });
}

/// Input that vm-superio has in loopback is the guest's own. Input that our port holds back in loopback is not.
#[test]
fn vm_superio_in_loopback() {
    let mut theirs = Serial::new(Edges::default(), Vec::new());
    theirs.write(4, 0x10).unwrap();
    (0..40).for_each(|byte| theirs.write(0, byte).unwrap());
    let state = PortState::try_from(&theirs.state()).unwrap();
    let mut port = PortBuilder::restore(&state).build(Edges::default()).unwrap();
    assert_eq!(port.read_register(LSR), 0x63, "an overrun");
    let looped: Vec<u8> = (0..16).map(|_| port.read_register(RBR)).collect();
    assert_eq!(looped, (0..16).collect::<Vec<u8>>());
    port.write_register(MCR, 0x08);
    assert_eq!(port.read_register(LSR), 0x60, "nothing of it comes from the host");

    port.write_register(MCR, 0x10);
    owner(&port).write(b"host").unwrap();
    assert_eq!(SerialState::try_from(&port.state()), Err(ToSuperioError::Loopback { waiting: 4 }));
}

/// vm-superio never asks for OUT2.
#[test]
fn a_guest_of_vm_superio_keeps_its_interrupts() {
    let mut theirs = Serial::new(Edges::default(), Vec::new());
    theirs.write(4, 0x03).unwrap();
    theirs.write(1, 0x01).unwrap();
    let state = PortState::try_from(&theirs.state()).unwrap();
    let edges = Edges::default();
    let port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
    owner(&port).write(b"k").unwrap();
    assert_eq!(edges.count(), 1);
}

/// The state of a vm-superio in use becomes our state, and becomes vm-superio's again.
#[test]
fn vm_superio_there_and_back() {
    let mut theirs = Serial::new(Edges::default(), Vec::new());
    for (register, value) in [(3, 0x83), (0, 0x01), (1, 0x00), (3, 0x03), (4, 0x0B), (7, 0xA5), (1, 0x03)] {
        theirs.write(register, value).unwrap();
    }
    let typed: Vec<u8> = (0..64).collect();
    assert_eq!(theirs.enqueue_raw_bytes(&typed).unwrap(), 64);
    let state = theirs.state();

    let ours = PortState::try_from(&state).unwrap();
    let edges = Edges::default();
    let mut port = PortBuilder::restore(&ours).build(edges.clone()).unwrap();
    assert_eq!(edges.count(), 1, "the guest had not read IIR");

    let back = SerialState::try_from(&port.state()).unwrap();
    assert_eq!(back, state);
    let back = Serial::from_state(&back, Edges::default(), vm_superio::serial::NoEvents, Vec::new());
    assert_eq!(back.unwrap().state(), state);

    assert_eq!([7, 4, 1, 3].map(|register| port.read_register(register)), [0xA5, 0x0B, 0x03, 0x03]);
    let read: Vec<u8> = (0..64).map(|_| port.read_register(RBR)).collect();
    assert_eq!(read, typed, "more than our FIFO holds, and nothing is lost");
    port.write_register(LCR, 0x83);
    assert_eq!((port.read_register(DLL), port.read_register(DLM)), (1, 0));
}

proptest! {
    /// S4: vm-superio's fields are public, so a file can say anything.
    #[test]
    fn s4_vm_superio_of_any_content_is_refused_or_works(
        registers: [u8; 9],
        in_buffer in prop::collection::vec(any::<u8>(), 0..100),
        too_much in prop::bool::weighted(0.05),
    ) {
        let in_buffer = if too_much { vec![0; 1 << 16] } else { in_buffer };
        let [baud_divisor_low, baud_divisor_high, interrupt_enable, interrupt_identification, ..] = registers;
        let [.., line_control, line_status, modem_control, modem_status, scratch] = registers;
        let theirs = SerialState {
            baud_divisor_low, baud_divisor_high, interrupt_enable, interrupt_identification, line_control,
            line_status, modem_control, modem_status, scratch, in_buffer,
        };
        let loops = modem_control & 0x10 != 0;
        let Ok(state) = PortState::try_from(&theirs) else {
            prop_assert!(too_much && !loops);
            return Ok(());
        };
        let edges = Edges::default();
        let mut port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
        prop_assert_eq!(port.read_register(SCR), scratch);
        prop_assert_eq!(port.read_register(MCR), modem_control & 0x1F);
        // The interrupts that the guest had asked for come, and a handler gets the line low.
        prop_assert_eq!(edges.count() > 0, interrupt_enable & 0x02 != 0 || port.read_register(IIR) & 1 == 0);
        port.write_register(LCR, 0x03);
        for _ in 0..200 {
            port.read_register(IIR);
            port.read_register(LSR);
            port.read_register(RBR);
            port.read_register(MSR);
        }
        prop_assert_eq!(port.read_register(IIR) & 0x01, 1);
        prop_assert!(SerialState::try_from(&port.state()).is_ok());
    }
}
