use super::*;
use crate::testing::{Rings, counting_bell, silent_bell};

/// Both ends, the interrupts of the guest, and the wake-ups of the console.
fn lines() -> (Carrier, GuestLines, Rings, Rings) {
    let ((announce, announced), (doorbell, woken)) = (counting_bell(), counting_bell());
    let (carrier, lines) = pair(CarrierBells { changed: silent_bell(), announce, doorbell }, false);
    (carrier, lines, announced, woken)
}

#[test]
fn a_guest_that_listens_is_interrupted_once_for_each_drop() {
    let (carrier, mut lines, announced, _) = lines();
    assert_eq!(lines.listen(true), None);
    assert!(carrier.hang_up());
    assert!(carrier.hang_up(), "it listens, and this is the same drop");
    assert_eq!(announced.count(), 1);
    assert!(lines.is_due());
    assert_eq!(lines.take(), Some(DropDue { announced: true }));
    assert_eq!(lines.take(), None);
    assert!(carrier.hang_up());
    assert_eq!(announced.count(), 2);
}

#[test]
fn a_guest_that_begins_to_listen_finds_an_earlier_drop() {
    let (carrier, mut lines, announced, _) = lines();
    assert!(!carrier.hang_up());
    assert_eq!(lines.listen(true), Some(DropDue { announced: false }));
    assert!(carrier.hang_up());
    assert_eq!(lines.listen(false), Some(DropDue { announced: true }));
    assert!(!carrier.hang_up());
    assert_eq!(lines.take(), Some(DropDue { announced: false }));
    assert_eq!(announced.count(), 1);
}

#[test]
fn each_hang_up_is_a_change() {
    let ((changed, rings), announce) = (counting_bell(), silent_bell());
    let (carrier, _lines) = pair(CarrierBells { changed, announce, doorbell: silent_bell() }, false);
    carrier.hang_up();
    carrier.hang_up();
    assert_eq!(rings.count(), 2, "also while the guest does not listen");
}

#[test]
fn the_console_is_told_of_each_fall_of_dtr_and_each_break() {
    let (carrier, mut lines, _, woken) = lines();
    lines.dtr(false);
    lines.break_out(false);
    lines.dtr(true);
    assert!(!carrier.guest_hung_up());
    assert_eq!(woken.count(), 0, "DTR was low before");
    lines.dtr(false);
    lines.dtr(false);
    assert_eq!(woken.count(), 1);
    assert!(carrier.guest_hung_up());
    assert!(!carrier.guest_hung_up(), "once");
    for _ in 0..3 {
        lines.break_out(true);
        lines.break_out(true);
        lines.break_out(false);
    }
    assert_eq!(woken.count(), 4);
    assert_eq!((carrier.guest_breaks(), carrier.guest_breaks()), (3, 0));
}

#[test]
fn f5_a_reset_is_no_hang_up_and_forgets_a_drop_that_is_due() {
    let (carrier, mut lines, announced, woken) = lines();
    lines.dtr(true);
    lines.break_out(true);
    let _ = (lines.listen(true), carrier.guest_breaks());
    assert!(carrier.hang_up());
    lines.reset();
    assert!(!lines.is_due());
    assert!(!carrier.hang_up(), "the new guest does not listen yet");
    assert_eq!((announced.count(), woken.count()), (1, 2));
    assert!(!carrier.guest_hung_up());
    assert_eq!(carrier.guest_resets(), GuestResets { count: 1, dropped_dtr: true });
    assert_eq!(carrier.guest_resets(), GuestResets::default(), "once");
    // DTR and the break have ended: the next ones are new.
    lines.dtr(false);
    assert!(!carrier.guest_hung_up());
    lines.break_out(true);
    assert_eq!(carrier.guest_breaks(), 1);
    lines.reset();
    lines.reset();
    assert_eq!(carrier.guest_resets(), GuestResets { count: 2, dropped_dtr: false });
}

#[test]
fn a_drop_that_is_due_from_the_start_is_taken_once() {
    let bells = CarrierBells { changed: silent_bell(), announce: silent_bell(), doorbell: silent_bell() };
    let (_carrier, mut lines) = pair(bells, true);
    assert!(lines.is_due());
    assert_eq!(lines.listen(true), Some(DropDue { announced: false }));
    assert_eq!(lines.take(), None);
}

#[test]
fn the_console_is_told_that_a_drop_was_seen() {
    let (carrier, mut lines, _, woken) = lines();
    assert!(!carrier.drop_was_seen());
    lines.saw_drop();
    assert_eq!(woken.count(), 1);
    assert_eq!([carrier.drop_was_seen(), carrier.drop_was_seen()], [true, false]);
}

#[test]
fn what_a_restored_guest_drives_is_not_told_again() {
    let (carrier, mut lines, _, woken) = lines();
    lines.resume(true, true);
    lines.break_out(true);
    assert_eq!((carrier.guest_breaks(), woken.count()), (0, 0));
    lines.dtr(false);
    assert!(carrier.guest_hung_up(), "a later fall is told");
}

#[test]
fn f1_the_console_can_ask_whether_input_is_stopped() {
    let (carrier, mut lines, announced, woken) = lines();
    for stops in 0..3 {
        assert_eq!((carrier.input_stopped(), carrier.input_stops()), (false, stops));
        for _ in 0..2 {
            lines.stop_input(true);
            assert_eq!((carrier.input_stopped(), carrier.input_stops()), (true, stops + 1));
        }
        lines.stop_input(false);
    }
    assert_eq!((announced.count(), woken.count()), (0, 0));
}

#[test]
fn without_a_port_nothing_listens() {
    let (carrier, lines, announced, _) = lines();
    drop(lines);
    assert!(!carrier.hang_up());
    assert_eq!(announced.count(), 0);
}
