//! The VMM in one file does what it says: as a process, with pipes for standard input and output, and with clients.
#![cfg(target_arch = "x86_64")]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::wire::{Client, Event, Request, RuntimeDir};
use vuart_vmm::{Engine, choose};

#[path = "../examples/vmm_minimal.rs"]
#[allow(dead_code, reason = "its `main` does what `status` does")]
mod vmm_minimal;

/// The source, which is to be read in one go.
const SOURCE: &str = include_str!("../examples/vmm_minimal.rs");

const BANNER: &str = "type something; q ends\r\n";

/// Not a test: the process that the tests start. It exits before the harness can say anything behind the guest's words.
#[test]
#[ignore = "the other tests start it"]
fn child() {
    if std::env::var_os("VUART_RUNTIME_DIR").is_some() {
        std::process::exit(i32::from(vmm_minimal::status()));
    }
}

/// Starts the VMM. `None` where there is no KVM.
fn start(dir: &Path) -> Option<(Child, ChildStdin, ChildStdout)> {
    if let Err(error) = choose(Some(Engine::Kvm)) {
        eprintln!("NOT TESTED: {error}");
        return None;
    }
    Some(spawn(dir))
}

fn spawn(dir: &Path) -> (Child, ChildStdin, ChildStdout) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env("VUART_RUNTIME_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, stdin, stdout)
}

/// Reads until this text has come.
fn read_until(stdout: &mut ChildStdout, text: &str) -> String {
    let (mut read, mut buffer) = (String::new(), [0; 256]);
    while !read.contains(text) {
        let length = stdout.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "it has ended after {read:?}");
        read.push_str(str::from_utf8(&buffer[..length]).unwrap());
    }
    read
}

fn output_until(client: &mut Client, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        if let Event::Output { bytes, .. } = client.recv().unwrap() {
            read.extend(bytes);
        }
    }
}

#[test]
fn pipes_have_all_that_the_guest_says_up_to_its_last_byte() {
    let dir = tempfile::tempdir().unwrap();
    let Some((mut child, mut stdin, mut stdout)) = start(&dir.path().join("run")) else { return };
    stdin.write_all(b"hello, q").unwrap();
    drop(stdin);
    let mut all = String::new();
    stdout.read_to_string(&mut all).unwrap();
    assert!(child.wait().unwrap().success());
    // The harness says something before.
    assert!(all.ends_with(&format!("{BANNER}hello, q")), "{all:?}");
}

#[test]
fn a_client_takes_over_and_the_pipes_have_the_console_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("run");
    let Some((mut child, mut stdin, mut stdout)) = start(&dir) else { return };
    read_until(&mut stdout, BANNER);

    let dir = RuntimeDir::create(dir).unwrap();
    let mut alice = dir.connect("minimal", "alice").unwrap();
    alice.attach(Mode::Exclusive, Position::Oldest).unwrap();
    alice.send(&Request::Input(b"alice".to_vec())).unwrap();
    output_until(&mut alice, "alice");
    stdin.write_all(b"pipe").unwrap(); // it waits until the console comes back
    read_until(&mut stdout, "alice");

    let mut bob = dir.connect("minimal", "bob").unwrap();
    bob.attach(Mode::Spectate, Position::End).unwrap();
    drop(alice);
    output_until(&mut bob, "pipe");
    read_until(&mut stdout, "pipe");

    stdin.write_all(b"q").unwrap();
    let end = loop {
        match bob.recv().unwrap() {
            Event::Ended(end) => break end,
            Event::Output { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end.cause, Cause::VmEnded);
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_kvm_it_says_so_and_exits_with_a_status() {
    if choose(Some(Engine::Kvm)).is_ok() {
        eprintln!("NOT TESTED: this machine has KVM");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut child, ..) = spawn(&dir.path().join("run"));
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn it_has_at_most_150_lines() {
    let lines = SOURCE.lines().count();
    assert!(lines <= 150, "{lines} lines");
}
