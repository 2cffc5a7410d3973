//! `--escape`: other escape characters, and none.

mod support;

use support::pty::Pty;
use support::served::Served;
use support::{Process, Runtime, run};

/// Attaches, and waits for a greeting that says how to leave.
fn attached(runtime: &Runtime, more: &[&str], variable: Option<&str>, greeting: &str) -> (Pty, Process) {
    let mut pty = Pty::new();
    let mut command = runtime.vuart(&[&["attach", "vm0"], more].concat());
    if let Some(keys) = variable {
        command.env("VUART_ESCAPE", keys);
    }
    let client = pty.spawn(&mut command);
    pty.expect(&format!("attached to vm0 as owner; {greeting}]\r\n"));
    (pty, client)
}

#[test]
fn f18_another_key_begins_the_escapes() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    // The option decides before the variable.
    for (more, variable) in
        [(&["--escape", "%"][..], None), (&[], Some("%")), (&["--escape", "%"], Some("none"))]
    {
        let (mut pty, client) = attached(&runtime, more, variable, "%. detaches, %? helps");
        // What is an escape otherwise is for the guest.
        for key in ["~", ".", "\r", "\x1d", "\r"] {
            pty.type_in(key.as_bytes());
            assert_eq!(served.typed_exactly(1), key.as_bytes());
        }
        pty.type_in(b"%?");
        pty.expect("  %%   type one %\r\n");
        pty.type_in(b"\r%");
        assert_eq!(served.typed_exactly(1), b"\r");
        pty.type_in(b".");
        assert_eq!(pty.finish(client).0, 0);
    }
}

#[test]
fn f18_a_control_character_alone_or_no_key_at_all() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &["--escape", "^]"], None, "^] detaches");
    pty.type_in(b"~.");
    assert_eq!(served.typed_exactly(2), b"~.");
    pty.type_in(b"x\x1d");
    assert_eq!(pty.finish(client).0, 0);
    assert_eq!(served.typed(), b"x");

    let greeting = "no key is an escape: a signal detaches";
    let (mut pty, client) = attached(&runtime, &["--escape", "none"], None, greeting);
    for key in [&b"~"[..], b".", b"\x1d", b"\r", b"~", b"."] {
        pty.type_in(key);
        assert_eq!(served.typed_exactly(1), key);
    }
    client.signal(rustix::process::Signal::TERM);
    assert_eq!(pty.finish(client).0, 143);
    let done = run(&mut runtime.vuart(&["attach", "vm0", "--escape", "ab"]));
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("neither a character, nor a control character as in ^A"), "{}", done.stderr);
}

#[test]
fn f18_notes_name_the_key_that_was_chosen() {
    let runtime = Runtime::new();
    let _served = Served::new(&runtime, 4096);
    let mut pty = Pty::new();
    let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0", "--spy", "--escape", "^A"]));
    pty.expect("; ^A. detaches, ^A? helps]\r\n");
    pty.type_in(b"ls");
    pty.expect("[vuart: you are watching: what you type goes nowhere; ^A. detaches]\r\n");
    pty.type_in(b"\r\x01.");
    assert_eq!(pty.finish(client).0, 0);
}

#[cfg(feature = "demo")]
#[test]
fn f18_the_demo_has_the_option_too() {
    let runtime = Runtime::new();
    let mut pty = Pty::new();
    let demo = pty.spawn(&mut runtime.vuart(&["demo", "--engine", "software", "--escape", "%"]));
    pty.expect("%. detaches and stops the guest, %? helps]\r\n");
    pty.expect("> ");
    pty.type_in(b"%.");
    assert_eq!(pty.finish(demo).0, 0);
}
