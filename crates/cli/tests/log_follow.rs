//! `vuart log --follow` and `vuart log --json`.

mod support;

use std::fs::File;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::served::Served;
use support::{Process, Runtime, run};
use vuart_endpoint::{Cause, Identity};
use vuart_scrollback::RingOptions;

fn follow(runtime: &Runtime, target: &str, more: &[&str]) -> Process {
    let mut command = runtime.vuart(&[&["log", target, "--follow"], more].concat());
    Process::without_input(&mut command)
}

/// The objects on standard output.
fn objects(stdout: &[u8]) -> Vec<Value> {
    stdout.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn following_prints_history_and_then_live_output_until_the_guest_ends() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 16);
    served.write(b"zero\none\ntwo\n");
    let mut log = follow(&runtime, "vm0", &["-n", "2", "-v"]);
    assert_eq!(log.expect_stdout(b"two\n"), b"one\ntwo\n");
    // It does not own the console.
    assert!(served.console.owner().is_none());
    served.write(b"three\n");
    assert_eq!(log.expect_stdout(b"three\n"), b"three\n");
    served.write(b"four");
    served.end(&Cause::VmEnded);
    let done = log.finish();
    assert_eq!((done.code, done.text().as_str()), (0, "four"));
    assert_eq!(done.stderr, "[vuart: 18 bytes; the next offset is 23]\n");
}

#[test]
fn following_begins_and_stops_at_the_requested_offsets() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"0123456789");
    let mut log = follow(&runtime, "vm0", &["--from", "4", "--max", "8"]);
    log.expect_stdout(b"456789");
    // An offset that is still to come: nothing is printed before it.
    let late = follow(&runtime, "vm0", &["--from", "12", "--max", "2", "--json"]);
    served.until_sessions(2);
    served.write(b"abcdef");
    let done = log.finish();
    assert_eq!((done.code, done.text().as_str()), (0, "ab"));
    assert_eq!(
        objects(&late.finish().stdout),
        [json!({"offset": 12, "text": "cd"}), json!({"end": {"next": 14}})]
    );
}

#[test]
fn each_end_of_a_followed_log_has_its_exit_status() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"x");
    let mut log = follow(&runtime, "vm0", &[]);
    log.expect_stdout(b"x");
    // Not INT, which may be ignored where the tests are started.
    log.signal(Signal::TERM);
    assert_eq!(log.finish().code, 143);
    served.until_sessions(0);

    let mut log = follow(&runtime, "vm0", &[]);
    log.expect_stdout(b"x");
    let id = served.console.sessions()[0].id;
    assert!(served.console.kick(id, &Identity::new("root", 0, None)));
    let done = log.finish();
    assert_eq!(done.code, 9);
    assert!(done.one_line().contains("vm0: the session was ended by root"), "{}", done.stderr);

    // The reader closes the pipe. That is noticed even if the guest does not write.
    let mut log = follow(&runtime, "vm0", &[]);
    log.expect_stdout(b"x");
    drop(log.child.stdout.take());
    assert_eq!(log.code(), 0);

    let mut log = follow(&runtime, "vm0", &[]);
    log.expect_stdout(b"x");
    served.end(&Cause::ShutDown);
    assert_eq!(log.finish().code, 7);
}

#[test]
fn following_a_console_that_has_ended_prints_its_history() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"last words");
    served.console.end(&Cause::VmEnded);
    let done = follow(&runtime, "vm0", &[]).finish();
    assert_eq!((done.code, done.text().as_str()), (0, "last words"));
}

#[test]
fn json_contains_every_byte() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 20);
    let mut written = b"Booting \"Linux\"\r\n\xff\xfe\n\x1b[31mred\n".to_vec();
    // A line without an end, of characters that could be split between objects.
    written.extend("€".repeat(50_000).as_bytes());
    served.write(&written);
    let done = run(&mut runtime.vuart(&["log", "vm0", "--json"]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let objects = objects(&done.stdout);
    assert_eq!(objects[0], json!({"offset": 0, "text": "Booting \"Linux\"\r\n"}));
    assert_eq!(objects[1], json!({"offset": 17, "hex": "fffe0a"}));
    assert_eq!(objects[2], json!({"offset": 20, "text": "\u{1b}[31mred\n"}));
    assert_eq!(objects.last().unwrap(), &json!({"end": {"next": written.len()}}));
    let mut text = String::new();
    for object in &objects[3..objects.len() - 1] {
        assert_eq!(object["offset"], 29 + text.len());
        let piece = object["text"].as_str().unwrap();
        assert!(piece.len() <= 64 << 10);
        text += piece;
    }
    assert_eq!(text, "€".repeat(50_000));
}

#[test]
fn json_declares_holes_and_the_end_and_prints_an_incomplete_prompt() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(&[b'x'; 10_000]);
    let oldest = served.console.scrollback().oldest();
    let mut log = follow(&runtime, "vm0", &["--json", "--from", "0"]);
    let hole = log.expect_stdout(b"\n");
    assert_eq!(objects(&hole), [json!({"hole": {"from": 0, "to": oldest}})]);
    // An incomplete line is printed after a pause.
    let rest = objects(&log.expect_stdout(b"\n"));
    assert_eq!(
        (&rest[0]["offset"], rest[0]["text"].as_str().unwrap().len() as u64),
        (&oldest.into(), 10_000 - oldest)
    );
    served.write(b"login: ");
    assert_eq!(objects(&log.expect_stdout(b"\n")), [json!({"offset": 10_000, "text": "login: "})]);
    served.write(b"root\n");
    assert_eq!(objects(&log.expect_stdout(b"\n")), [json!({"offset": 10_007, "text": "root\n"})]);
    served.end(&Cause::VmEnded);
    let done = log.finish();
    let end = &objects(&done.stdout)[0]["end"];
    assert_eq!((done.code, &end["next"], &end["code"]), (0, &10_012.into(), &"vm-ended".into()));
}

#[test]
fn a_ring_file_can_be_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring");
    let file = File::create_new(&path).unwrap();
    let (mut writer, _scrollback) = RingOptions::new(4096).with_disk(true).create_in(file).unwrap();
    writer.extend(b"one\n");
    let runtime = Runtime::new();
    let mut log = follow(&runtime, path.to_str().unwrap(), &["--json"]);
    assert_eq!(objects(&log.expect_stdout(b"\n")), [json!({"offset": 0, "text": "one\n"})]);
    writer.extend(b"two\nthr");
    assert_eq!(objects(&log.expect_stdout(b"\n")), [json!({"offset": 4, "text": "two\n"})]);
    assert_eq!(objects(&log.expect_stdout(b"\n")), [json!({"offset": 8, "text": "thr"})]);
    drop(log.child.stdout.take());
    assert_eq!(log.code(), 0);
}
