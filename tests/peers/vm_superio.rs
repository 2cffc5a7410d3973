//! vm-superio's `Serial`, and its serialised state.

use vm_superio::SerialState;
use vuart::PortState;
use vuart::uart::spec::offset::{DLL, DLM, FCR, IER, IIR, LCR, LSR, MCR, MSR, RBR, SCR, THR};

use crate::bench::{DLAB, DR, Guest, LOOP, OE, output};

#[test]
fn output_leaves_in_order() {
    let mut guest = Guest::new();
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!(guest.output(), b"abc");
}

#[test]
fn no_input_is_no_interrupt_and_input_is_one() {
    let mut guest = Guest::new();
    let mut owner = guest.owner();
    guest.write(IER, 0x01);
    assert_eq!((owner.write(b""), guest.edges()), (Ok(0), 0));
    assert_eq!(guest.read(LSR) & DR, 0);
    assert_eq!((owner.write(b"abc"), guest.edges()), (Ok(3), 1));
    for byte in *b"abc" {
        assert_eq!(guest.read(LSR) & DR, DR);
        assert_eq!(guest.read(RBR), byte);
    }
    assert_eq!(guest.read(LSR) & DR, 0);
}

/// vm-superio takes the interrupt back with the first character that is read. The data sheet has it as long as characters wait.
#[test]
fn received_data_is_pending_until_the_receiver_is_empty() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x01);
    guest.owner().write(b"abc").unwrap();
    for byte in *b"abc" {
        assert_eq!(guest.read(IIR), 0xC4);
        assert_eq!(guest.read(RBR), byte);
    }
    assert_eq!(guest.read(IIR), 0xC1);
}

#[test]
fn the_transmitters_interrupt_comes_and_iir_names_it_once() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x02);
    guest.write(THR, b'a');
    assert_eq!(guest.edges(), 1);
    assert_eq!(guest.read(IER), 0x02);
    assert_eq!([guest.read(IIR), guest.read(IIR)], [0xC2, 0xC1]);
}

/// vm-superio says so in any case, whatever FCR was set to.
#[test]
fn iir_says_fifos_only_while_they_are_on() {
    let mut guest = Guest::new();
    guest.write(IER, 0x02);
    assert_eq!(guest.read(IIR), 0x02);
    guest.write(FCR, 0x01);
    assert_eq!(guest.read(IIR) & 0xC0, 0xC0);
}

#[test]
fn a_character_that_is_looped_back_interrupts_and_is_read() {
    let mut guest = Guest::new();
    guest.write(MCR, LOOP);
    guest.write(IER, 0x01);
    for value in 0..64 {
        guest.write(THR, value);
        assert_eq!(guest.edges(), 1);
        assert_eq!(guest.read(RBR), value);
    }
    assert_eq!(guest.read(LSR) & DR, 0);
    assert_eq!(guest.output(), b"");
}

/// vm-superio keeps 64 and says nothing of the rest. A 16550A keeps 16, and says that more have come.
#[test]
fn a_loopback_keeps_sixteen_characters_and_reports_the_overrun() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(MCR, LOOP);
    (0..64).for_each(|value| guest.write(THR, value));
    assert_eq!(guest.read(LSR) & (DR | OE), DR | OE);
    assert_eq!(guest.drains(), (0..16).collect::<Vec<_>>());
}

#[test]
fn dlab_maps_the_divisor_and_unmaps_it() {
    let mut guest = Guest::new();
    guest.write(LCR, DLAB);
    guest.write(DLM, 0x12);
    assert_eq!([guest.read(DLL), guest.read(DLM)], [12, 0x12]);
    guest.write(DLL, 0x34);
    assert_eq!([guest.read(DLL), guest.read(DLM)], [0x34, 0x12]);
    guest.write(LCR, 0);
    assert_eq!([guest.read(RBR), guest.read(IER)], [0, 0]);
}

#[test]
fn lcr_mcr_and_scr_read_back() {
    let mut guest = Guest::new();
    for register in [LCR, MCR, SCR] {
        guest.write(register, 0x12);
        assert_eq!(guest.read(register), 0x12);
    }
}

/// vm-superio reads 0 there. An absent device on a PC's bus reads FF.
#[test]
fn there_is_nothing_behind_the_last_register() {
    let mut guest = Guest::new();
    guest.write(SCR + 1, 5);
    assert_eq!(guest.read(SCR + 1), 0xFF);
    assert_eq!(guest.port.counters().bad_accesses(), 2);
}

#[test]
fn the_modem_lines_are_those_of_mcr_in_loopback() {
    let mut guest = Guest::new();
    assert_eq!(guest.read(MSR), 0xB0);
    for (outputs, levels) in [(0x00, 0x00), (0x08, 0x80), (0x04, 0x40), (0x03, 0x30)] {
        guest.write(MCR, LOOP | outputs);
        assert_eq!(guest.read(MSR) & 0xF0, levels);
        assert_eq!(guest.read(MSR), levels, "the second read shows no change");
    }
}

/// vm-superio has no deltas.
#[test]
fn the_first_read_of_msr_shows_what_has_changed() {
    let mut guest = Guest::new();
    guest.write(MCR, LOOP | 0x08);
    guest.read(MSR);
    guest.write(MCR, LOOP | 0x03);
    assert_eq!([guest.read(MSR), guest.read(MSR)], [0x3B, 0x30]);
}

/// vm-superio takes 64 and then fails. Here 4,096 wait behind the receiver, and less is taken instead of an error.
#[test]
fn input_is_bounded_and_the_producer_is_told() {
    let mut guest = Guest::new();
    let mut owner = guest.owner();
    assert_eq!(owner.write(&[1; 5000]), Ok(4096));
    assert_eq!(owner.write(&[]), Ok(0));
    assert_eq!(owner.write(&[1]), Ok(0));
    guest.read(LSR);
    guest.read(RBR);
    assert_eq!(owner.write(&[1; 2]), Ok(1));
}

/// vm-superio calls a trait for each byte. Here the numbers are counters, and the room for more input is a doorbell.
#[test]
fn what_comes_and_goes_is_counted() {
    let mut guest = Guest::new();
    let mut owner = guest.owner();
    guest.write(THR, 1);
    guest.write(THR, 2);
    owner.write(&[1, 2]).unwrap();
    guest.drains();
    let counters = guest.port.console().counters();
    assert_eq!((counters.bytes_out, counters.input_accepted, owner.input_left()), (2, 2, 0));
    assert_eq!(guest.port.console().input_taken(), 2);
}

#[test]
fn the_transmitters_interrupt_does_not_need_a_reader() {
    let mut guest = Guest::with_ring(4096);
    guest.write(IER, 0x02);
    (0..5000).for_each(|_| guest.write(THR, 5));
    assert_eq!(guest.read(IIR) & 0x02, 0x02);
}

/// LCR is 3 there. The data sheet clears all of it.
#[test]
fn a_fresh_port_is_in_vm_superios_default_state_but_for_lcr() {
    let fresh = SerialState::try_from(&Guest::new().port.state()).unwrap();
    assert_eq!(fresh, SerialState { line_control: 0, ..SerialState::default() });
}

/// vm-superio refuses a state with more than 64 characters. Here 16 are in the receiver and up to 4,096 behind it.
#[test]
fn a_state_with_too_much_input_is_refused() {
    let with = |waiting| SerialState { in_buffer: vec![1; waiting], ..SerialState::default() };
    let mut guest = Guest::restored(&PortState::try_from(&with(128)).unwrap());
    assert_eq!(guest.drains().len(), 128);
    assert!(PortState::try_from(&with(16 + 4096)).is_ok());
    assert!(PortState::try_from(&with(16 + 4097)).is_err());
}

#[test]
fn a_restored_transmitter_interrupts_again() {
    let mut guest = Guest::new();
    guest.write(IER, 0x02);
    guest.write(THR, b'a');
    assert_eq!(guest.edges(), 1);
    let mut restored = Guest::restored(&guest.port.state());
    assert_eq!(restored.edges(), 1);
    assert_eq!((restored.read(IER), restored.read(IIR) & 0x02), (0x02, 0x02));
}

#[test]
fn restored_input_interrupts_again() {
    let mut guest = Guest::new();
    guest.write(IER, 0x01);
    guest.owner().write(b"abc").unwrap();
    assert_eq!(guest.edges(), 1);
    let mut restored = Guest::restored(&guest.port.state());
    assert_eq!(restored.edges(), 1);
    assert_eq!((restored.read(IER), restored.read(IIR) & 0x04), (0x01, 0x04));
    assert_eq!(restored.drains(), b"abc");
}

/// Four tests there: the default state, a state to and fro, one with input, and one as bytes.
#[test]
fn a_state_survives_being_written_and_read() {
    let mut guest = Guest::new();
    let through = |state: &PortState| {
        let bytes = postcard::to_allocvec(state).unwrap();
        postcard::from_bytes::<PortState>(&bytes).unwrap()
    };
    let fresh = guest.port.state();
    assert_eq!(through(&fresh), fresh);
    guest.owner().write(b"abc").unwrap();
    guest.write(THR, b'x');
    let mut watcher = guest.watch(vuart::scrollback::Position::Oldest);
    assert_eq!(output(&mut watcher), b"x");
    let state = guest.port.state();
    assert_eq!(through(&state), state);
    assert_eq!(Guest::restored(&through(&state)).drains(), b"abc");
}
