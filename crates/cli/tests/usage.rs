//! What the command says when there is nothing to attach to, or it can't be.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use support::{Process, Runtime, run};
use vuart_server::Claim;
use vuart_wire::RuntimeDir;

/// A runtime directory that is there.
fn made(runtime: &Runtime) -> RuntimeDir {
    RuntimeDir::create(runtime.path()).unwrap()
}

/// A control socket that nobody listens on, as a killed server leaves it.
fn dead_socket(claim: &Claim) {
    drop(UnixListener::bind(claim.control_socket()).unwrap());
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let done = run(&mut Runtime::new().vuart(&["--help"]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    for word in ["demo", "attach", "who", "send", "kick", "log", "list", "14 ", "128+N", "VUART_RUNTIME_DIR"]
    {
        assert!(done.text().contains(word), "{word}");
    }
    let done = run(&mut Runtime::new().vuart(&["attach", "--help"]));
    for word in ["~.", "^]", "--force", "--spy", "--wait", "--reconnect", "--replay", "--raw"] {
        assert!(done.text().contains(word), "{word}");
    }
    let done = run(&mut Runtime::new().vuart(&["log", "--help"]));
    for word in [
        "--from",
        "--last",
        "--lines",
        "--boot",
        "--max",
        "--follow",
        "--json",
        "--raw",
        "ring",
        "/proc/PID/fd/N",
    ] {
        assert!(done.text().contains(word), "{word}");
    }
}

#[test]
fn wrong_usage() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["attach"],
        &["attach", "vm0", "--force", "--spy"],
        &["attach", "vm0", "--replay", "some"],
        &["log", "vm0", "--from", "1", "--last", "1"],
        &["log", "vm0", "--from", "-1"],
        &["log", "vm0", "--lines", "1", "--boot"],
        &["log", "vm0", "--boot", "--from", "1"],
        &["log", "vm0", "--lines", "-1"],
        &["demo", "--engine", "steam"],
    ] {
        let done = run(&mut Runtime::new().vuart(arguments));
        assert_eq!(done.code, 2, "{arguments:?}");
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_name_that_is_none_is_wrong_usage() {
    let runtime = Runtime::new();
    made(&runtime);
    for arguments in [["attach", "é"], ["log", ".hidden"], ["attach", ""]] {
        let done = run(&mut runtime.vuart(&arguments));
        assert_eq!(done.code, 2, "{arguments:?}");
        assert!(done.one_line().contains("no console name"));
    }
}

#[test]
fn there_are_no_consoles() {
    let runtime = Runtime::new();
    for _ in ["no directory", "an empty one"] {
        let done = run(&mut runtime.vuart(&["list"]));
        assert_eq!((done.code, done.text().as_str()), (0, ""));
        assert!(done.one_line().contains("no consoles in"));
        let done = run(&mut runtime.vuart(&["list", "--json"]));
        assert_eq!((done.code, done.text().as_str(), done.stderr.as_str()), (0, "[]\n", ""));
        made(&runtime);
    }
}

#[test]
fn an_unknown_name() {
    let runtime = Runtime::new();
    for _ in ["no directory", "an empty one"] {
        for command in ["attach", "log"] {
            let done = run(&mut runtime.vuart(&[command, "vm0"]));
            assert_eq!(done.code, 3);
            assert!(done.one_line().contains("no console \"vm0\""), "{}", done.stderr);
        }
        made(&runtime);
    }
    let done = run(&mut runtime.vuart(&["attach", "/nowhere/vm0.ctl"]));
    assert_eq!(done.code, 3);
    let line = "vuart: there is no console at /nowhere/vm0.ctl; `vuart list` shows those that there are";
    assert_eq!(done.one_line(), line);
    assert!(done.one_line().contains("/nowhere/vm0.ctl"));
}

#[test]
fn a_socket_that_nobody_serves() {
    let runtime = Runtime::new();
    let claim = Claim::new(&made(&runtime), "vm0").unwrap();
    dead_socket(&claim);
    for command in ["attach", "log"] {
        let done = run(&mut runtime.vuart(&[command, "vm0"]));
        assert_eq!(done.code, 3);
        assert!(done.one_line().contains("nobody serves"), "{}", done.stderr);
    }
    // The path of the raw socket means the console as well.
    let raw = claim.raw_socket().to_str().unwrap();
    let done = run(&mut runtime.vuart(&["attach", raw]));
    assert_eq!(done.code, 3);
    assert!(done.one_line().contains("vm0.ctl"));
}

#[test]
fn the_listing_shows_what_does_not_answer_and_goes_on() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    let dead = Claim::new(&dir, "dead").unwrap();
    dead_socket(&dead);
    let mute = Claim::new(&dir, "mute").unwrap();
    // The kernel lets clients in, and nobody ever says a word to them.
    let _listener = UnixListener::bind(mute.control_socket()).unwrap();
    let jammed = Claim::new(&dir, "jammed").unwrap();
    // Not even the kernel lets another in: one waits already, and that is the limit.
    let listener = UnixListener::bind(jammed.control_socket()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = UnixStream::connect(jammed.control_socket()).unwrap();
    let demo = support::Demo::start_with(&runtime, &["--name", "alive"]);

    let done = run(&mut runtime.vuart(&["list"]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let text = done.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "STATE", "OWNER", "SINCE", "WAITING", "SPECTATORS", "BYTES"]);
    assert_eq!(lines[1][..6], ["alive", "served", "-", "-", "0", "0"]);
    assert_eq!(lines[2][..4], ["dead", "nobody", "serves", "it"]);
    assert_eq!(lines[3][..4], ["jammed", "does", "not", "answer"]);
    assert_eq!(lines[4][..4], ["mute", "does", "not", "answer"]);

    let done = run(&mut runtime.vuart(&["list", "--json"]));
    let list: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(list[0]["state"], "served");
    assert_eq!(list[0]["pid"], demo.process.child.id());
    assert_eq!(list[1]["state"], "unserved");
    assert_eq!(list[2]["state"], "unresponsive");
    assert!(list[2].get("bytes").is_none());
}

#[test]
fn a_directory_that_is_open_to_others_is_not_trusted() {
    let runtime = Runtime::new();
    made(&runtime);
    fs::set_permissions(runtime.path(), Permissions::from_mode(0o777)).unwrap();
    for arguments in [&["list"][..], &["attach", "vm0"], &["log", "vm0"], &["demo", "--no-attach"]] {
        let done = run(&mut runtime.vuart(arguments));
        assert_eq!(done.code, 6, "{arguments:?}");
        assert!(done.one_line().contains("chmod 700"), "{}", done.stderr);
    }
}

#[test]
fn a_directory_that_can_not_be_made() {
    let runtime = Runtime::new();
    let done = run(runtime.vuart(&["demo", "--no-attach"]).env("VUART_RUNTIME_DIR", "/proc/nowhere"));
    assert_eq!(done.code, 6);
    assert!(done.one_line().contains("set VUART_RUNTIME_DIR"), "{}", done.stderr);
    // Without one of ours, the tour makes one in the place for temporary files.
    let done = run(runtime.vuart(&["demo"]).env_remove("VUART_RUNTIME_DIR").env("TMPDIR", "/proc/nowhere"));
    assert_eq!(done.code, 6);
    assert!(done.one_line().contains("set TMPDIR"), "{}", done.stderr);
}

#[test]
fn standard_output_that_is_full() {
    let runtime = Runtime::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    made(&runtime);
    let mut command = runtime.vuart(&["list", "--json"]);
    let process = Process::spawn(command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()));
    let done = process.finish();
    assert_eq!(done.code, 1);
    assert!(done.one_line().contains("standard output"), "{}", done.stderr);
}
