//! Help, wrong usage, and consoles that can't be reached.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use support::served::{NAME, Served};
use support::{Process, Runtime, run};
use vuart_server::Claim;
use vuart_wire::RuntimeDir;

/// Creates the runtime directory.
fn made(runtime: &Runtime) -> RuntimeDir {
    RuntimeDir::create(runtime.path()).unwrap()
}

/// Leaves a control socket without a server, as a killed server does.
fn dead_socket(claim: &Claim) {
    drop(UnixListener::bind(claim.control_socket()).unwrap());
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let done = run(&mut Runtime::new().vuart(&["--help"]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(done.text().contains("demo"), cfg!(feature = "demo"));
    for word in ["attach", "who", "send", "kick", "log", "list", "14 ", "128+N", "VUART_RUNTIME_DIR"] {
        assert!(done.text().contains(word), "{word}");
    }
    let done = run(&mut Runtime::new().vuart(&["attach", "--help"]));
    for word in
        ["~.", "^]", "--force", "--spy", "--wait", "--reconnect", "--replay", "--raw", "--escape", "--pace"]
    {
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

/// No file system protects the ring of a VMM in a named file, so the option says what to leave alone.
#[cfg(feature = "demo")]
#[test]
fn f10_the_help_of_ring_warns_of_truncation() {
    let done = run(&mut Runtime::new().vuart(&["demo", "--help"]));
    for word in ["copytruncate", "SIGBUS"] {
        assert!(done.text().contains(word), "{word}");
    }
}

#[cfg(not(feature = "demo"))]
#[test]
fn without_the_feature_there_is_no_demo() {
    let runtime = Runtime::new();
    let done = run(&mut runtime.vuart(&["demo"]));
    assert_eq!((done.code, done.text().as_str()), (2, ""));
    assert!(done.stderr.contains("unrecognized subcommand 'demo'"), "{}", done.stderr);
    let pages = tempfile::tempdir().unwrap();
    assert_eq!(run(&mut runtime.vuart(&["man", pages.path().to_str().unwrap()])).code, 0);
    assert!(pages.path().join("vuart-attach.1").exists());
    assert!(!pages.path().join("vuart-demo.1").exists());
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
fn an_invalid_name_is_wrong_usage() {
    let runtime = Runtime::new();
    made(&runtime);
    for arguments in [["attach", "é"], ["log", ".hidden"], ["attach", ""]] {
        let done = run(&mut runtime.vuart(&arguments));
        assert_eq!(done.code, 2, "{arguments:?}");
        assert!(done.one_line().contains("no console name"));
    }
}

#[test]
fn list_without_consoles() {
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
fn a_socket_without_a_server() {
    let runtime = Runtime::new();
    let claim = Claim::new(&made(&runtime), "vm0").unwrap();
    dead_socket(&claim);
    for command in ["attach", "log"] {
        let done = run(&mut runtime.vuart(&[command, "vm0"]));
        assert_eq!(done.code, 3);
        assert!(done.one_line().contains("nobody serves"), "{}", done.stderr);
    }
    // The path of the raw socket names the console as well.
    let raw = claim.raw_socket().to_str().unwrap();
    let done = run(&mut runtime.vuart(&["attach", raw]));
    assert_eq!(done.code, 3);
    assert!(done.one_line().contains("vm0.ctl"));
}

#[test]
fn list_shows_unresponsive_servers_and_does_not_hang() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    let dead = Claim::new(&dir, "dead").unwrap();
    dead_socket(&dead);
    let mute = Claim::new(&dir, "mute").unwrap();
    // Clients can connect, and never get an answer.
    let _listener = UnixListener::bind(mute.control_socket()).unwrap();
    let jammed = Claim::new(&dir, "jammed").unwrap();
    // A client can't even connect: the backlog is full.
    let listener = UnixListener::bind(jammed.control_socket()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = UnixStream::connect(jammed.control_socket()).unwrap();
    let _served = Served::new(&runtime, 4096);

    let done = run(&mut runtime.vuart(&["list"]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let text = done.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "STATE", "OWNER", "SINCE", "WAITING", "SPECTATORS", "BYTES"]);
    assert_eq!(lines[1][..4], ["dead", "nobody", "serves", "it"]);
    assert_eq!(lines[2][..4], ["jammed", "does", "not", "answer"]);
    assert_eq!(lines[3][..4], ["mute", "does", "not", "answer"]);
    assert_eq!(lines[4][..6], [NAME, "served", "-", "-", "0", "0"]);

    let done = run(&mut runtime.vuart(&["list", "--json"]));
    let list: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(list[0]["state"], "unserved");
    assert_eq!(list[1]["state"], "unresponsive");
    assert!(list[1].get("bytes").is_none());
    assert_eq!(list[3]["state"], "served");
    assert_eq!(list[3]["pid"], std::process::id());
}

#[test]
fn a_directory_that_is_open_to_others_is_not_trusted() {
    let runtime = Runtime::new();
    made(&runtime);
    fs::set_permissions(runtime.path(), Permissions::from_mode(0o777)).unwrap();
    let mut commands = vec![&["list"][..], &["attach", "vm0"], &["log", "vm0"]];
    if cfg!(feature = "demo") {
        commands.push(&["demo", "--no-attach"]);
    }
    for arguments in commands {
        let done = run(&mut runtime.vuart(arguments));
        assert_eq!(done.code, 6, "{arguments:?}");
        assert!(done.one_line().contains("chmod 700"), "{}", done.stderr);
    }
}

#[cfg(feature = "demo")]
#[test]
fn a_directory_that_can_not_be_made() {
    let runtime = Runtime::new();
    let done = run(runtime.vuart(&["demo", "--no-attach"]).env("VUART_RUNTIME_DIR", "/proc/nowhere"));
    assert_eq!(done.code, 1);
    assert!(done.one_line().contains("set VUART_RUNTIME_DIR"), "{}", done.stderr);
    // Without a runtime directory, the tour makes a temporary one.
    let done = run(runtime.vuart(&["demo"]).env_remove("VUART_RUNTIME_DIR").env("TMPDIR", "/proc/nowhere"));
    assert_eq!(done.code, 1);
    assert!(done.one_line().contains("set TMPDIR"), "{}", done.stderr);
}

#[test]
fn a_full_standard_output_is_reported() {
    let runtime = Runtime::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    made(&runtime);
    let mut command = runtime.vuart(&["list", "--json"]);
    let process = Process::spawn(command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()));
    let done = process.finish();
    assert_eq!(done.code, 1);
    assert!(done.one_line().contains("standard output"), "{}", done.stderr);
}
