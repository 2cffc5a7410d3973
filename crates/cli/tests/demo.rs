//! `vuart demo` in a script: the tour, its ring and its end. `demo_terminal.rs` has the terminal, and `demo_recorders.rs` the
//! audit trail and the trace that can't be kept.

#![cfg(feature = "demo")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use rustix::process::Signal;
use support::{Demo, Process, Runtime, run, run_with};
use tempfile::TempDir;
use vuart::audit::{AuditEntry, AuditLine};
use vuart::endpoint::EventKind;

/// The first words of each step of the tour.
const STEPS: [&str; 14] = [
    "a guest boots",
    "alice attaches",
    "alice types: echo hello",
    "bob attaches, and is refused: the console is held by alice",
    "bob takes the console over from alice",
    "alice is told: the console was taken over by bob",
    "the audit trail has it, apart from the guest's output: {\"v\":1,",
    "alice types on, and nothing of it reaches the guest",
    "bob pastes 4096 bytes",
    "the history, read by offset",
    "a part of it",
    "bob detaches",
    KILLED,
    "carol attaches and types: halt",
];

/// The step that needs a file in memory.
const KILLED: &str = "another VMM, its ring in a file, is killed";

/// A directory whose files are in memory, if the system has one.
fn memory() -> Option<TempDir> {
    let directory = tempfile::tempdir_in("/dev/shm");
    if let Err(error) = &directory {
        println!("not shown: {error}");
    }
    directory.ok()
}

fn tour(runtime: &Runtime, more: &[&str]) {
    let done = run(&mut runtime.vuart(&[&["demo"], more].concat()));
    let text = done.text();
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{text}");
    let ok: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("ok      ")).collect();
    let steps = STEPS.iter().filter(|step| **step != KILLED || memory().is_some());
    for (line, step) in ok.iter().zip(steps.clone()) {
        assert!(line.starts_with(step), "{line}");
    }
    assert_eq!(ok.len(), steps.count() + 1, "{text}");
    assert_eq!(ok.last(), Some(&"the sockets are gone"));
    assert!(text.contains("attach demo --force"));
    assert!(runtime.files().is_empty());
}

#[test]
fn the_tour_with_the_default_engine() {
    tour(&Runtime::new(), &[]);
}

#[test]
fn the_tour_with_the_software_guest() {
    tour(&Runtime::new(), &["--engine", "software"]);
}

#[test]
fn tours_can_run_at_the_same_time() {
    // Those with a common runtime directory take different names; the others have a directory each.
    let runtime = Runtime::new();
    let start = |own: bool| {
        let mut command = runtime.vuart(&["demo", "--engine", "software"]);
        if own {
            command.env_remove("VUART_RUNTIME_DIR");
        }
        Process::without_input(&mut command)
    };
    let tours: Vec<Process> = (0..8).map(|number| start(number % 2 == 0)).collect();
    for tour in tours {
        let done = tour.finish();
        assert_eq!(done.code, 0, "{}{}", done.text(), done.stderr);
    }
    assert!(runtime.files().is_empty());
}

#[test]
fn unusable_kvm_is_an_error_only_when_it_is_requested() {
    let usable = vuart_vmm::choose(Some(vuart_vmm::Engine::Kvm));
    let done = run(&mut Runtime::new().vuart(&["demo", "--engine", "kvm"]));
    match usable {
        Ok(_) => assert_eq!(done.code, 0, "{}{}", done.text(), done.stderr),
        Err(error) => {
            let code = if matches!(error, vuart_vmm::Error::KvmPermission) { 6 } else { 1 };
            assert_eq!(done.code, code);
            assert!(done.one_line().ends_with("vuart demo --engine software"), "{}", done.stderr);
        }
    }
}

/// The files in the runtime directory except the pseudo-terminal, which not every system has.
fn sockets(runtime: &Runtime) -> Vec<String> {
    runtime.files().into_iter().filter(|file| file != "demo.pty").collect()
}

#[test]
fn the_directions_say_how_to_attach() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime);
    assert!(demo.directions[0].starts_with("guest    software: "), "{:?}", demo.directions);
    assert_eq!(demo.direction("console"), runtime.path().join("demo.ctl"));
    assert!(demo.directions[2].ends_with("vuart attach demo"));
    assert!(demo.directions[3].contains("socat -,raw,echo=0,escape=0x1d UNIX:"));
    assert_eq!(sockets(&runtime), ["demo.ctl", "demo.lock", "demo.ro.sock", "demo.sock"]);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::QUIT, 131)] {
        let runtime = Runtime::new();
        let demo = Demo::start(&runtime);
        demo.process.signal(signal);
        let done = demo.process.finish();
        assert_eq!(done.code, code);
        assert!(done.stderr.ends_with(": the guest is stopped]\n"), "{}", done.stderr);
        assert!(runtime.files().is_empty(), "{:?}", runtime.files());
    }
}

#[test]
fn a_signal_ends_the_tour_and_leaves_nothing_behind() {
    let runtime = Runtime::new();
    let mut command = runtime.vuart(&["demo", "--engine", "software"]);
    let mut tour = Process::without_input(&mut command);
    tour.expect_stdout(b"ok ");
    tour.signal(Signal::INT);
    let done = tour.finish();
    // The tour may have ended just before the signal.
    assert!(done.code == 130 || done.code == 0, "{}{}", done.text(), done.stderr);
    assert!(runtime.files().is_empty());
}

#[test]
fn the_guest_halts() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime);
    let done = run_with(&mut runtime.vuart(&["attach", "demo"]), b"halt\r");
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = demo.process.finish();
    assert_eq!((done.code, done.stderr.as_str()), (0, "[vuart: demo: the guest has ended]\n"));
    assert!(runtime.files().is_empty());
}

#[test]
fn f5_the_guest_reboots_and_the_log_begins_at_the_newest_boot() {
    let runtime = Runtime::new();
    let _demo = Demo::start(&runtime);
    let done = run_with(&mut runtime.vuart(&["attach", "demo"]), b"echo first\rreboot\r");
    assert_eq!(done.code, 0, "{}", done.stderr);
    // The owner's input may be over before the guest has rebooted.
    vuart_test_support::until("the guest boots again", || {
        let log = run(&mut runtime.vuart(&["log", "demo", "--boot"])).text();
        !log.contains("echo first") && log.ends_with("\r\n> ")
    });
    let log = run(&mut runtime.vuart(&["log", "demo"]));
    assert!(
        log.text().contains("echo first\r\nfirst\r\n> reboot\r\nrebooting\r\n\r\nvuart monitor"),
        "{}",
        log.text()
    );
}

#[test]
fn a_taken_name_is_refused_and_the_default_is_numbered() {
    let runtime = Runtime::new();
    let first = Demo::start(&runtime);
    let second = Demo::start(&runtime);
    assert_eq!(second.direction("console"), runtime.path().join("demo-2.ctl"));
    let done = run(&mut runtime.vuart(&["demo", "--no-attach", "--name", "demo"]));
    assert_eq!(done.code, 4);
    let pid = first.process.child.id();
    assert!(done.one_line().contains(&format!("already served by process {pid}")), "{}", done.stderr);
}

#[test]
fn the_files_of_a_killed_demo_are_replaced() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime);
    demo.process.signal(Signal::KILL);
    assert_eq!(demo.process.finish().code, 137);
    assert_eq!(sockets(&runtime), ["demo.ctl", "demo.lock", "demo.ro.sock", "demo.sock"]);
    let demo = Demo::start(&runtime);
    assert_eq!(demo.direction("console"), runtime.path().join("demo.ctl"));
}

#[test]
fn a_ring_in_a_file_outlives_the_demo_and_the_next_one_goes_on() {
    let Some(directory) = memory() else { return };
    let runtime = Runtime::new();
    let path = directory.path().join("ring");
    let ring = path.to_str().unwrap();
    let log = |more: &[&str]| {
        let done = run(&mut runtime.vuart(&[&["log", ring], more].concat()));
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{more:?}");
        done.text()
    };
    let demo = Demo::start_with(&runtime, &["--ring", ring]);
    assert!(demo.directions[3].ends_with(&format!("vuart log {ring}: new")), "{:?}", demo.directions);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let done = run_with(&mut runtime.vuart(&["attach", "demo"]), b"echo one\r");
    assert_eq!(done.code, 0, "{}", done.stderr);
    // The input is sent when `attach` ends, and answered a moment later.
    let mut spy = runtime.vuart(&["attach", "demo", "--spy", "--replay", "all"]);
    let mut spy = Process::spawn(spy.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    spy.expect_stdout(b"\r\none\r\n> ");
    // No second demo can use the ring.
    let second = run(&mut runtime.vuart(&["demo", "--no-attach", "--ring", ring]));
    assert_eq!(second.code, 4);
    let holder = format!("process {} uses {ring}", demo.process.child.id());
    // A kernel may hide who holds a lock.
    let said = second.one_line();
    assert!(said.contains(&holder) || said.contains("another writer has the ring"), "{said}");

    demo.process.signal(Signal::KILL);
    assert_eq!(demo.process.finish().code, 137);
    let first = log(&[]);
    assert!(first.ends_with("> echo one\r\none\r\n> "), "{first}");
    assert_eq!(log(&["--boot"]), first);

    let demo = Demo::start_with(&runtime, &["--ring", ring]);
    let goes_on = format!("vuart log {ring}: goes on at offset {}", first.len());
    assert!(demo.directions[3].ends_with(&goes_on), "{:?}", demo.directions);
    let boot = log(&["--boot"]);
    assert!(boot.ends_with("\r\n> ") && !boot.contains("echo one"), "{boot}");
    assert_eq!(log(&[]), first + &boot);
}

#[test]
fn two_tours_share_one_ring_file() {
    let Some(directory) = memory() else { return };
    let ring = directory.path().join("ring");
    for _ in 0..2 {
        tour(&Runtime::new(), &["--engine", "software", "--ring", ring.to_str().unwrap()]);
    }
    let done = run(&mut Runtime::new().vuart(&["log", ring.to_str().unwrap()]));
    assert_eq!(done.text().matches("halting\r\n").count(), 2);
}

#[test]
fn a_file_that_can_not_hold_a_ring_is_refused_and_unchanged() {
    let runtime = Runtime::new();
    let demo = |ring: &str| {
        let done = run(&mut runtime.vuart(&["demo", "--no-attach", "--engine", "software", "--ring", ring]));
        (done.code, done.one_line().to_owned())
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("nowhere").join("ring");
    let (code, line) = demo(path.to_str().unwrap());
    assert_eq!(code, 1);
    assert!(line.contains("can't open"), "{line}");

    let Some(directory) = memory() else { return };
    let path = directory.path().join("other");
    fs::write(&path, "notes").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    for mode in [0o644, 0o600] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let (code, line) = demo(path.to_str().unwrap());
        assert_eq!(code, 2);
        assert!(line.contains("not a vuart ring") && !line.contains("chmod"), "{line}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
    assert_eq!(fs::read(&path).unwrap(), b"notes");
    assert!(runtime.files().is_empty(), "{:?}", runtime.files());
}

#[test]
fn a_ring_on_a_disk_is_refused_and_its_file_removed() {
    /// `TMPFS_MAGIC` of `linux/magic.h`.
    const TMPFS: u32 = 0x0102_1994;
    let directory = tempfile::tempdir().unwrap();
    let found = rustix::fs::statfs(directory.path()).unwrap().f_type;
    if u32::try_from(found) == Ok(TMPFS) {
        println!("not shown: temporary files are in memory");
        return;
    }
    let path = directory.path().join("ring");
    let runtime = Runtime::new();
    let done = run(&mut runtime.vuart(&["demo", "--no-attach", "--ring", path.to_str().unwrap()]));
    assert_eq!(done.code, 2);
    assert!(done.one_line().contains("on a disk") && !path.exists(), "{}", done.stderr);
}

#[test]
fn the_audit_trail_of_a_tour_is_in_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let audit = path.to_str().unwrap();
    let mut lengths = Vec::new();
    for _ in 0..2 {
        tour(&Runtime::new(), &["--engine", "software", "--audit", audit]);
        lengths.push(fs::metadata(&path).unwrap().len());
    }
    assert!(lengths[0] < lengths[1], "it is appended to");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let entries = text.lines().map(|line| line.parse::<AuditLine>().unwrap().entry);
    let told: Vec<String> = entries
        .filter_map(|entry| match entry {
            AuditEntry::Began { .. } => Some("began".to_owned()),
            AuditEntry::Console { event, .. } => match event.kind {
                EventKind::Attached { who, evicted, .. } => {
                    let evicted =
                        evicted.map_or(String::new(), |who| format!(" from {}", who.identity.label()));
                    Some(format!("{}{evicted}", who.identity.label()))
                }
                EventKind::Refused { identity, .. } => Some(format!("not {}", identity.label())),
                EventKind::Over { cause } => Some(format!("{cause:?}")),
                _ => None,
            },
            other => panic!("{other:?}"),
        })
        .collect();
    let once = ["began", "alice", "not bob", "bob from alice", "carol", "VmEnded"];
    assert_eq!(told, [once, once].concat(), "{text}");
}
