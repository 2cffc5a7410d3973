//! A hostile server (F12): it puts everything that a terminal obeys, hides or turns around into every member of every frame.
//! Whatever the command prints then is harmless, on a terminal and in a pipe, as text and as JSON.

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use serde_json::{Value, json};
use support::pty::Pty;
use support::{Runtime, run};
use vuart_endpoint::is_printable;
use vuart_wire::RuntimeDir;

const HELLO: u8 = 0x01;
const ATTACH: u8 = 0x02;
const STATUS: u8 = 0x06;
const LOG: u8 = 0x07;

/// A frame of the server: its kind and its JSON payload.
type Answer = (u8, Value);

/// Text with all control characters and all that hide or turn text around, after sequences that do harm.
fn hostile() -> String {
    let points = (0..0xa0).chain([0xad, 0x61c, 0x115f, 0x180e, 0xfeff, 0xe0041]).chain(0x2000..0x2070);
    let all: String = points.filter_map(char::from_u32).collect();
    format!("x\x1b]52;c;cm0gLXJmIC8=\x07\x1b[6n\u{9b}6n\u{202e}\r\n[vuart: detached]\r\n{all}")
}

fn identity() -> Value {
    json!({"label": hostile(), "uid": u32::MAX, "gid": u32::MAX, "pid": u32::MAX})
}

/// An end. The time is as large as it can be.
fn end() -> Value {
    json!({"code": "kicked", "by": identity(), "at": u64::MAX})
}

fn attached(owner: bool) -> Answer {
    let ahead = if owner { Value::Null } else { u64::MAX.into() };
    let who = identity();
    (
        0x82,
        json!({"session": u64::MAX, "owner": owner, "epoch": u64::MAX, "ahead": ahead, "offset": u64::MAX,
        "evicted": who, "held_by": who}),
    )
}

fn status() -> Answer {
    let session = |id: u64| {
        json!({"id": id, "identity": identity(), "owner": id == 0, "waiting": id == 1,
        "ahead": u64::MAX, "since": u64::MAX, "window": {"columns": 65535, "rows": 65535}})
    };
    (
        0x87,
        json!({"console": hostile(), "pid": u32::MAX, "sessions": [session(0), session(1), session(2)],
        "more_sessions": u64::MAX, "oldest": u64::MAX, "end": 0, "capacity": u64::MAX, "input_waiting": u64::MAX,
        "counters": {"bytes_out": u64::MAX}, "disabled": 0, "ended": end()}),
    )
}

fn error(code: &str) -> Answer {
    (0x89, json!({"code": code, "message": hostile()}))
}

/// What a hostile server answers to a request: in each way of the list something else. A connection ends after any answer but
/// that to a hello.
fn answers(way: usize, kind: u8) -> Vec<Answer> {
    if kind == HELLO && way > 2 {
        return vec![(0x81, json!({"version": 1, "console": hostile(), "pid": u32::MAX}))];
    }
    let standing = |standing: Value| (0x8a, standing);
    match way {
        0 => vec![error("too-many")],
        1 => vec![(0x81, json!({"version": u32::MAX, "console": hostile(), "pid": 0}))],
        2 => vec![(0x81, json!({"version": hostile()}))],
        3 => vec![error(&hostile())],
        4 => vec![error("forbidden"), error("no-session")],
        5 => vec![(0x86, json!({"code": "held", "holder": identity(), "since": u64::MAX}))],
        6 => vec![(0x86, json!({"code": "ended", "end": end()}))],
        7 => vec![(0x86, json!({"code": hostile()}))],
        8 => vec![(0x8a, json!({"standing": hostile()}))],
        _ => match kind {
            ATTACH => vec![
                attached(way == 9),
                (0x84, json!({"from": u64::MAX, "to": 0})),
                (0x84, json!({"from": 0, "to": u64::MAX})),
                status(),
                standing(json!({"standing": "owner", "epoch": 0})),
                standing(json!({"standing": "spectator", "evicted": {"by": identity(), "at": u64::MAX}})),
                standing(json!({"standing": "waiting", "ahead": u64::MAX})),
                (0x85, if way == 9 { end() } else { json!({"code": "evicted", "by": identity(), "at": 0}) }),
            ],
            STATUS => vec![status()],
            LOG => vec![(0x84, json!({"from": u64::MAX, "to": 0})), (0x88, json!({"next": u64::MAX}))],
            _ => vec![error("unknown-frame")],
        },
    }
}

const WAYS: usize = 11;

/// Serves one connection.
fn converse(mut stream: UnixStream, way: usize) {
    let mut header = [0; 5];
    while stream.read_exact(&mut header).is_ok() {
        let [a, b, c, d, kind] = header;
        let mut payload = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
        if stream.read_exact(&mut payload).is_err() {
            return;
        }
        for (kind, json) in answers(way, kind) {
            let json = json.to_string();
            let length = u32::try_from(json.len()).unwrap().to_le_bytes();
            if stream.write_all(&[&length[..], &[kind], json.as_bytes()].concat()).is_err() {
                return;
            }
        }
        if kind != HELLO {
            return;
        }
    }
}

/// Starts a hostile server. It ends with the test.
fn serve(runtime: &Runtime, way: usize) {
    let dir = RuntimeDir::create(runtime.path()).unwrap();
    let listener = UnixListener::bind(dir.control_socket("vm0").unwrap()).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || converse(stream.unwrap(), way));
        }
    });
}

const COMMANDS: [&[&str]; 15] = [
    &["attach", "vm0"],
    &["attach", "vm0", "--spy", "--replay", "all"],
    &["attach", "vm0", "--force"],
    &["attach", "vm0", "--wait"],
    &["who", "vm0"],
    &["who", "vm0", "-v"],
    &["who", "vm0", "--json"],
    &["list"],
    &["list", "--json"],
    &["kick", "vm0", "7"],
    &["send", "vm0", "break"],
    &["send", "vm0", "text", "x"],
    &["log", "vm0", "-v"],
    &["log", "vm0", "--json"],
    &["log", "vm0", "--follow", "--from", "7"],
];

#[track_caller]
fn assert_harmless(shown: &str, line_ends: &[char], what: &str) {
    let harmful: Vec<char> = shown.chars().filter(|c| !line_ends.contains(c) && !is_printable(*c)).collect();
    assert!(harmful.is_empty(), "{what}: {harmful:?} in {shown:?}");
    // A forged line of the command's own.
    assert!(!shown.lines().any(|line| line == "[vuart: detached]"), "{what}: {shown:?}");
    assert!(!shown.contains("panicked"), "{what}: {shown}");
}

#[test]
fn f12_nothing_that_a_hostile_server_says_reaches_a_pipe_as_it_is() {
    for way in 0..WAYS {
        let runtime = Runtime::new();
        serve(&runtime, way);
        for command in COMMANDS {
            let what = format!("way {way}: {command:?}");
            let done = run(&mut runtime.vuart(command));
            assert_harmless(&done.text(), &['\n'], &what);
            assert_harmless(&done.stderr, &['\n'], &what);
            if done.code == 0 && command.contains(&"--json") {
                let texts = if command[0] == "log" {
                    done.text().lines().map(str::to_owned).collect()
                } else {
                    vec![done.text()]
                };
                for text in texts {
                    serde_json::from_str::<Value>(&text).expect(&what);
                }
            }
            // What is left of a label is there, so it was printed.
            if way > 8 && command[0] == "who" {
                assert!(done.text().contains("52;c;cm0gLXJmIC8="), "{what}: {}", done.text());
            }
        }
    }
}

#[test]
fn f12_nothing_that_a_hostile_server_says_reaches_a_terminal_as_it_is() {
    for way in 0..WAYS {
        let runtime = Runtime::new();
        serve(&runtime, way);
        let mut pty = Pty::new();
        for command in COMMANDS {
            let process = pty.spawn(&mut runtime.vuart(command));
            let (_, shown) = pty.finish(process);
            assert_harmless(&shown, &['\r', '\n'], &format!("way {way}: {command:?}"));
        }
    }
}

/// The names of files are the words of whoever made them.
#[test]
fn f12_nothing_in_the_name_of_a_file_reaches_the_terminal_as_it_is() {
    let runtime = Runtime::new();
    let dir = tempfile::tempdir().unwrap();
    let hostile = dir.path().join("\x1b]0;x\x07\u{9b}6n\u{202e}");
    std::fs::create_dir(&hostile).unwrap();
    let inside = hostile.join("vm0.ctl");
    let (path, inside) = (hostile.to_str().unwrap(), inside.to_str().unwrap());
    for command in
        [&["log", path][..], &["log", inside], &["attach", inside], &["who", inside], &["man", inside]]
    {
        let done = run(&mut runtime.vuart(command));
        assert_ne!(done.code, 0, "{command:?}");
        assert_harmless(&done.stderr, &['\n'], &format!("{command:?}"));
    }
    let done = run(&mut runtime.vuart(&["trace", "replay", inside]));
    assert_harmless(&done.stderr, &['\n'], "trace replay");
    for arguments in [&["list"][..], &["list", "--json"], &["attach", "vm0"]] {
        let done = run(runtime.vuart(arguments).env("VUART_RUNTIME_DIR", path));
        assert_harmless(&done.text(), &['\n'], &format!("{arguments:?}"));
        assert_harmless(&done.stderr, &['\n'], &format!("{arguments:?}"));
    }
}
