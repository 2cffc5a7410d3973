//! `vuart send`.

mod support;

use std::process::Stdio;
use std::thread;

use rustix::process::Signal;
use support::served::{Served, identity};
use support::{Done, Process, Runtime, run, run_with};
use vuart_endpoint::{Attach, Cause, Evicted, Mode, Policy};
use vuart_test_support::until;

/// Runs the command while the guest reads `count` symbols. Returns the symbols.
fn sent(served: &mut Served, runtime: &Runtime, more: &[&str], input: &[u8], count: usize) -> Vec<u8> {
    let mut command = runtime.vuart(&[&["send", "vm0"], more].concat());
    let input = input.to_vec();
    let done = thread::spawn(move || run_with(&mut command, &input));
    let taken = served.typed_exactly(count);
    let done = done.join().unwrap();
    assert_eq!((done.code, done.stdout.as_slice(), done.stderr.as_str()), (0, &b""[..], ""), "{more:?}");
    assert!(served.typed().is_empty() && served.console.sessions().is_empty());
    taken
}

#[test]
fn breaks_keys_and_text() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut check = |more: &[&str], input: &[u8], expected: &[u8]| {
        // A break is shown as ^.
        assert_eq!(sent(&mut served, &runtime, more, input, expected.len()), expected, "{more:?}");
    };
    check(&["break"], b"", b"^");
    check(&["sysrq", "b"], b"", b"^b");
    check(&["text", "--", "uname", "-a", "--enter"], b"", b"uname -a --enter");
    check(&["text", "--enter", "uname -a"], b"", b"uname -a\r");
    check(&["text", "-e", "~.\x1d\\n"], b"", b"~.\x1d\\n\r");
    check(&["--label", "x", "text", "-"], b"a\nb\xff", b"a\nb\xff");
    let much: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    check(&["text", "-"], &much, &much);
    for wrong in [&["sysrq", "bb"][..], &["sysrq", "é"], &["text"], &[], &["break", "--timeout", "0"]] {
        assert_eq!(run(&mut runtime.vuart(&[&["send", "vm0"], wrong].concat())).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_console_that_is_held() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut alice = served.console.attach(Attach::new(identity("alice"))).unwrap();
    alice.write(b"rm").unwrap();
    let done = run(&mut runtime.vuart(&["send", "vm0", "break"]));
    assert_eq!(done.code, 4);
    assert!(done.one_line().contains("held by alice (uid 1000, pid 42) since 20"), "{}", done.stderr);
    // After a take-over, the former owner's input is not sent.
    let mut command = runtime.vuart(&["send", "vm0", "break", "--force", "--label", "bob"]);
    let done = thread::spawn(move || run(&mut command));
    until("alice is evicted", || alice.end().is_some());
    assert_eq!(served.typed_exactly(1), b"^");
    assert_eq!(done.join().unwrap().code, 0);
    assert!(matches!(&alice.end().unwrap().cause, Cause::Evicted { by } if by.label() == "bob"));
}

/// Starts a command that has attached and waits for a guest that reads nothing.
fn stuck(served: &Served, runtime: &Runtime) -> Process {
    let mut command = runtime.vuart(&["send", "vm0", "text", "reboot"]);
    let process = Process::spawn(command.stdin(Stdio::null()).stderr(Stdio::piped()));
    served.until("the input waits", |console| console.input_waiting() >= 6);
    process
}

#[test]
fn a_guest_that_takes_nothing_has_an_exit_status() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let done = run(&mut runtime.vuart(&["send", "vm0", "--timeout", "1", "text", "reboot"]));
    assert_eq!(done.code, 14);
    assert!(done.one_line().contains("the guest has taken nothing for 1 s"), "{}", done.stderr);
    assert_eq!(served.typed(), b"reboot");

    let process = stuck(&served, &runtime);
    // Not INT, which may be ignored where the tests are started.
    process.signal(Signal::TERM);
    assert_eq!(process.finish().code, 143);
}

#[test]
fn an_evicted_or_kicked_send_reports_that_not_all_was_taken() {
    let said = |done: Done, code, text: &str| {
        assert_eq!(done.code, code);
        let line = done.one_line();
        assert!(line.contains(text) && line.contains("not all that was sent"), "{line}");
    };
    for evicted in [Evicted::Disconnected, Evicted::Spectates] {
        let runtime = Runtime::new();
        let served = Served::new(&runtime, 4096);
        served.console.set_policy(Policy::default().with_evicted(evicted));
        let process = stuck(&served, &runtime);
        let taker = served.console.attach(Attach::new(identity("bob")).with_mode(Mode::TakeOver)).unwrap();
        said(process.finish(), 5, "taken over by bob (uid 1000, pid 42) at 20");
        drop(taker);

        let process = stuck(&served, &runtime);
        let id = served.console.owner().unwrap().id;
        assert!(served.console.kick(id, &identity("carol")));
        said(process.finish(), 9, "ended by carol");
        // The input that is left has no owner, and is discarded when the next client attaches.
    }
}
