//! `vuart demo` when its audit trail or its trace can't be kept.

#![cfg(feature = "demo")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use support::{Demo, Process, Runtime, run};

#[test]
fn an_audit_trail_that_can_not_be_kept_is_reported_and_nothing_is_served() {
    let runtime = Runtime::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let audit = path.to_str().unwrap();
    let demo = Demo::start_with(&runtime, &["--audit", audit]);
    let second = |audit: &str| run(&mut runtime.vuart(&["demo", "--no-attach", "--audit", audit]));
    let done = second(audit);
    assert_eq!(done.code, 4);
    assert!(done.one_line().contains("choose another file"), "{}", done.stderr);
    demo.process.signal(Signal::TERM);
    assert_eq!(demo.process.finish().code, 143);
    fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
    let done = second(audit);
    assert_eq!(done.code, 6);
    assert!(done.one_line().contains("others may write"), "{}", done.stderr);
    assert!(runtime.files().is_empty(), "{:?}", runtime.files());
}

/// A trail's file gets full, and the next one can't be begun: a directory is in the way of the oldest.
#[test]
fn f25_the_demo_says_at_once_that_its_audit_trail_is_not_saved() {
    let runtime = Runtime::new();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let line = "{\"v\":1,\"line\":0,\"at\":\"2026-01-01T00:00:00.000Z\",\"event\":\"began\",\"pid\":4242}\n";
    // There is room for a few sessions.
    fs::write(at("audit"), line.repeat(((4 << 20) - 4096) / line.len())).unwrap();
    fs::write(at("audit.2"), line).unwrap();
    for name in ["audit", "audit.2"] {
        fs::set_permissions(at(name), Permissions::from_mode(0o600)).unwrap();
    }
    let path = at("audit");
    let arguments = ["demo", "--no-attach", "--engine", "software", "--audit", path.to_str().unwrap()];
    let mut demo = Process::without_input(&mut runtime.vuart(&arguments));
    demo.expect_stdout(b".sock\n");
    fs::create_dir(at("audit.3")).unwrap();
    for _ in 0..16 {
        assert_eq!(run(&mut runtime.vuart(&["send", "demo", "text", "x"])).code, 0);
    }
    demo.expect_stderr(b"[vuart: can't begin another file of the audit trail");
    let who = run(&mut runtime.vuart(&["who", "demo"])).text();
    assert!(who.contains("\nwarning: demo: audit: can't begin another file of the audit trail"), "{who}");
    fs::remove_dir(at("audit.3")).unwrap();
    demo.expect_stderr(b"[vuart: the audit trail is saved again; 0 lines of it are lost]");
    assert!(!run(&mut runtime.vuart(&["who", "demo"])).text().contains("warning"));
    demo.signal(Signal::TERM);
    assert_eq!(demo.finish().code, 143);
}

/// Starts a demo whose files may have 512 bytes, and waits until it serves.
fn with_short_files(runtime: &Runtime, option: &str, path: &Path) -> Process {
    let mut demo = Command::new("sh");
    demo.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(env!("CARGO_BIN_EXE_vuart"));
    demo.args(["demo", "--no-attach", "--engine", "software", option]).arg(path);
    demo.env("VUART_RUNTIME_DIR", runtime.path());
    let mut demo = Process::without_input(&mut demo);
    demo.expect_stdout(b".sock\n");
    demo
}

#[test]
fn f25_f17_a_file_that_may_not_grow_is_told_and_the_guest_goes_on() {
    let runtime = Runtime::new();
    let directory = tempfile::tempdir().unwrap();
    for (option, topic, said) in [
        ("--audit", "audit", "can't write the audit trail: File too large"),
        ("--trace", "trace", "/trace ends here: File too large"),
    ] {
        let mut demo = with_short_files(&runtime, option, &directory.path().join(topic));
        for _ in 0..8 {
            assert_eq!(run(&mut runtime.vuart(&["send", "demo", "text", "help\r"])).code, 0, "{topic}");
        }
        demo.expect_stderr(said.as_bytes());
        for command in [&["who", "demo"][..], &["list"]] {
            let shown = run(&mut runtime.vuart(command)).text();
            assert!(
                shown.contains(&format!("\nwarning: demo: {topic}: ")) && shown.contains(said),
                "{shown}"
            );
        }
        demo.signal(Signal::TERM);
        let done = demo.finish();
        assert!(done.stderr.contains("[vuart: demo: SIGTERM: the guest is stopped]"), "{}", done.stderr);
        assert_eq!(done.code, 1, "the trail or the trace is not whole: {}", done.stderr);
    }
}
