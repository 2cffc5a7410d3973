//! conserver: the recorded sessions of its `test/dotest`.

use vuart::endpoint::{Attach, Cause, Identity, Mode, Refused, Session};

use crate::bench::Guest;

fn attach(guest: &Guest, who: &str, mode: Mode) -> Result<Session, Refused> {
    guest.port.console().attach(Attach::new(Identity::new(who, 0, None)).with_mode(mode))
}

/// Tests 1 and 6, `console -u`.
#[test]
fn a_console_without_a_user_says_so() {
    let guest = Guest::new();
    let console = guest.port.console();
    assert_eq!((console.owner(), console.sessions(), console.disabled()), (None, vec![], None));
}

/// Tests 4, 5, 9 and 10, `^Ecd` and `^Eco`. In conserver anybody takes the line down, and stays attached to it. Here the VMM does so:
/// each session ends with that cause, and attaching is refused until the console is up again. The guest writes on.
#[test]
fn a_console_goes_down_and_comes_up_again() {
    let mut guest = Guest::new();
    let user = attach(&guest, "user", Mode::Exclusive).unwrap();
    guest.port.console().disable();
    assert!(matches!(user.end().unwrap().cause, Cause::Disabled));
    assert!(matches!(attach(&guest, "user", Mode::Exclusive), Err(Refused::Disabled { .. })));
    guest.write(0, b'x');
    guest.port.console().enable();
    assert_eq!(attach(&guest, "user", Mode::Exclusive).unwrap().output().cursor(), 1);
}

/// Test 10 opens what is up already: "[up] [ok] [up]".
#[test]
fn to_bring_up_what_is_up_changes_nothing() {
    let guest = Guest::new();
    let user = attach(&guest, "user", Mode::Exclusive).unwrap();
    guest.port.console().enable();
    guest.port.console().enable();
    assert!(user.end().is_none() && user.is_owner());
}

/// Each of the sessions is disconnected by its user at the end.
#[test]
fn a_user_who_leaves_gives_the_console_back() {
    let guest = Guest::new();
    drop(attach(&guest, "one", Mode::Exclusive).unwrap());
    let two = attach(&guest, "two", Mode::Exclusive).unwrap();
    assert!(two.is_owner());
}
