//! crosvm's device.

use vuart::uart::spec::offset::{IER, LSR, RBR, THR};

use crate::bench::Guest;

/// A guest that waits for input, and has been sent "abc" and interrupted for it.
fn interrupted() -> Guest {
    let mut guest = Guest::new();
    guest.write(IER, 0x01);
    guest.owner().write(b"abc").unwrap();
    assert_eq!(guest.edges(), 1);
    guest
}

#[test]
fn output_leaves_in_order() {
    let mut guest = Guest::new();
    for byte in *b"abc" {
        guest.write(THR, byte);
    }
    assert_eq!(guest.output(), b"abc");
}

#[test]
fn input_interrupts_and_is_read_without_a_look_at_lsr() {
    assert_eq!(interrupted().reads(3), b"abc");
}

/// crosvm puts the device to sleep and restores into the same one. Here the restored port is another one.
#[test]
fn the_rest_of_the_input_survives_a_snapshot() {
    let mut guest = interrupted();
    assert_eq!(guest.read(RBR), b'a');
    assert_eq!(Guest::restored(&guest.port.state()).reads(2), b"bc");
}

#[test]
fn a_restore_goes_back_to_the_snapshot() {
    let mut guest = interrupted();
    assert_eq!(guest.read(RBR), b'a');
    let state = guest.port.state();
    assert_eq!(guest.read(RBR), b'b');
    assert_eq!(Guest::restored(&state).reads(2), b"bc");
}

#[test]
fn input_that_came_after_the_snapshot_is_not_in_it() {
    let mut guest = interrupted();
    assert_eq!(guest.read(RBR), b'a');
    let state = guest.port.state();
    assert_eq!(guest.reads(2), b"bc");
    guest.owner().write(b"abc").unwrap();
    assert_eq!(guest.reads(3), b"abc");
    assert_eq!(Guest::restored(&state).reads(2), b"bc");
}

/// `suspendable_tests`: crosvm compares the states. Here a restored port has moved the first character up for a guest that waits, so the
/// states differ in where it is; the guest can't tell.
#[test]
fn a_state_restores_to_itself_for_the_guest() {
    let mut guest = interrupted();
    let state = guest.port.state();
    guest.drains();
    guest.owner().write(b"other").unwrap();
    let again = Guest::restored(&state).port.state();
    assert_eq!(Guest::restored(&again).port.state(), again);
    assert_eq!(Guest::restored(&again).drains(), b"abc");
}

/// crosvm panics at an access while the device sleeps, and its tests want that. A guest must not be able to end its VMM: here
/// an access has its usual answer at each moment, a snapshot or not.
#[test]
fn an_access_after_a_snapshot_has_its_usual_answer() {
    let mut guest = interrupted();
    assert_eq!(guest.reads(2), b"ab");
    let _ = guest.port.state();
    assert_eq!(guest.read(RBR), b'c');
    guest.write(IER, 0x01);
    assert_eq!((guest.read(IER), guest.read(LSR)), (0x01, 0x60));
}

/// `serial_output_timestamp`: crosvm writes the time into the guest's output. Here bytes are never changed.
#[test]
fn lines_are_not_changed() {
    let mut guest = Guest::new();
    guest.port.write_string(THR.into(), b"a\nb\nc\n");
    assert_eq!(guest.output(), b"a\nb\nc\n");
}
