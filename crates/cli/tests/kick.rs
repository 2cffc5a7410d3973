//! `vuart kick`.

mod support;

use support::pty::Pty;
use support::served::Served;
use support::{Runtime, run};

#[test]
fn a_kicked_client_is_told_by_whom_and_others_stay() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let mut alice = Pty::new();
    let before = alice.settings();
    let first = alice.spawn(&mut runtime.vuart(&["attach", "vm0", "--label", "alice"]));
    alice.expect("~? helps]\r\n");
    let mut bob = Pty::new();
    let second = bob.spawn(&mut runtime.vuart(&["attach", "vm0", "--spy"]));
    bob.expect("~? helps]\r\n");
    let id = served.console.owner().unwrap().id.to_string();

    let done = run(&mut runtime.vuart(&["kick", "vm0", &id]));
    assert_eq!((done.code, done.stdout.as_slice(), done.stderr.as_str()), (0, &b""[..], ""));
    let (code, shown) = alice.finish(first);
    assert_eq!(code, 9);
    assert!(shown.contains("[vuart: the session was ended by tester (uid "), "{shown}");
    assert_eq!(alice.settings(), before);
    assert_eq!(served.console.sessions().len(), 1);

    // The session has ended.
    let done = run(&mut runtime.vuart(&["kick", "vm0", &id]));
    assert_eq!(done.code, 3);
    assert!(done.one_line().contains(&format!("there is no session {id}")), "{}", done.stderr);
    assert_eq!(run(&mut runtime.vuart(&["kick", "vm0", "alice"])).code, 2);
    bob.type_in(b"~.");
    assert_eq!(bob.finish(second).0, 0);
}
