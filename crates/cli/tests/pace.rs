//! `--pace`: input for guests whose software loses what comes fast. `src/pace.rs` has the tests of the times.

mod support;

use std::thread;

use support::pty::attached;
use support::served::Served;
use support::{Runtime, run, run_with};

#[test]
fn f18_text_is_sent_at_a_rate() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let text = b"ls -l\rid\r\xff\x00";
    for arguments in [
        &["send", "vm0", "--pace", "500", "text", "-"][..],
        &["attach", "vm0", "--pace", "500"],
        &["attach", "vm0", "--pace", "1000000"],
    ] {
        let mut command = runtime.vuart(arguments);
        let script = thread::spawn(move || run_with(&mut command, text));
        assert_eq!(served.typed_exactly(text.len()), text);
        let done = script.join().unwrap();
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let (mut pty, client) = attached(&runtime, &["--pace", "500"]);
    pty.type_in(text);
    assert_eq!(served.typed_exactly(text.len()), text);
    pty.type_in(b"\r~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn f18_a_line_is_sent_when_the_echo_of_the_one_before_has_come() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    // The history is no echo.
    served.write(b"ls -l id exit");
    let mut command = runtime.vuart(&[
        "send",
        "vm0",
        "--pace",
        "echo",
        "--timeout",
        "60",
        "text",
        "--enter",
        "ls -l\rid\rexit",
    ]);
    let script = thread::spawn(move || run(&mut command));
    for (line, echo) in
        [(&b"ls -l\r"[..], &b"ls[ 1.0] usb 1-1 -l\r\n"[..]), (b"id\r", b"id\r\n"), (b"exit\r", b"exit\r\n")]
    {
        assert_eq!(served.typed_exactly(line.len()), line);
        assert!(served.typed().is_empty());
        assert!(!script.is_finished());
        served.write(echo);
    }
    let done = script.join().unwrap();
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn f18_without_an_echo_send_fails_and_sends_no_more() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut command =
        runtime.vuart(&["send", "vm0", "--pace", "echo", "--timeout", "1", "text", "one\rtwo\r"]);
    let script = thread::spawn(move || run(&mut command));
    assert_eq!(served.typed_exactly(4), b"one\r");
    let done = script.join().unwrap();
    assert_eq!(done.code, 14);
    assert!(done.one_line().contains("vm0: the guest has not echoed a line for 1 s"), "{}", done.stderr);
    assert!(served.typed().is_empty());
}

#[test]
fn f18_without_an_echo_attach_goes_on_and_says_so() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut command = runtime.vuart(&["attach", "vm0", "--pace", "echo"]);
    let script = thread::spawn(move || run_with(&mut command, b"one\rtwo\r"));
    assert_eq!(served.typed_exactly(8), b"one\rtwo\r");
    let done = script.join().unwrap();
    assert_eq!(done.code, 0);
    assert!(
        done.stderr.contains("[vuart: no echo comes: the next line goes without it]\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn f18_a_break_does_not_wait_for_its_time() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    // The second character is due after a second.
    let (mut pty, client) = attached(&runtime, &["--pace", "1"]);
    pty.type_in(&[&[b'x'; 500][..], b"\r"].concat());
    assert_eq!(served.typed_exactly(1), b"x");
    pty.type_in(b"~Sb");
    let typed = served.typed_until(|typed| typed.ends_with(b"^b"));
    assert!(typed[..typed.len() - 2].iter().all(|byte| *byte == b'x') && typed.len() < 400, "{typed:?}");
    pty.type_in(b"~.");
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 0);
    assert!(shown.contains("detached; the guest has not taken all that was typed"), "{shown}");
}

#[test]
fn f18_a_pace_is_a_number_or_echo() {
    let runtime = Runtime::new();
    for pace in ["0", "fast", "-1", ""] {
        for command in [&["attach", "vm0", "--pace", pace][..], &["send", "vm0", "--pace", pace, "break"]] {
            assert_eq!(run(&mut runtime.vuart(command)).code, 2, "{command:?}");
        }
    }
}
