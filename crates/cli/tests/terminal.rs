//! What a guest's output can do to the user's terminal, and what is restored afterwards.

mod support;

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use rustix::process::Signal;
use support::pty::{Pty, attached};
use support::served::Served;
use support::{Process, Runtime};
use vuart_endpoint::Cause;

/// Queries that terminals answer, with an answer.
const QUESTIONS: [(&str, &str); 4] = [
    ("\x1b[6n", "\x1b[24;80R"),
    ("\x1b[c", "\x1b[?62;c"),
    ("\x1b[21t", "\x1b]lrm -rf /\x1b\\"),
    ("\x1b]10;?\x07", "\x1b]10;rgb:0000/0000/0000\x07"),
];

/// All queries, inside other text.
fn questions() -> String {
    let questions: Vec<&str> = QUESTIONS.iter().map(|(question, _)| *question).collect();
    format!("before {} after", questions.join(" "))
}

/// Reads up to the end of `text`, and answers each query, as a terminal does.
fn expect_and_answer(pty: &mut Pty, text: &str) -> String {
    let shown = pty.expect(text);
    let mut rest = &shown[..];
    while !rest.is_empty() {
        let answer = QUESTIONS.iter().find(|(question, _)| rest.starts_with(question));
        if let Some((_, answer)) = answer {
            pty.type_in(answer.as_bytes());
        }
        rest = &rest[1..];
    }
    shown
}

#[test]
fn s17_neither_history_nor_live_output_makes_the_terminal_type_into_the_guest() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(questions().as_bytes());
    let (mut pty, client) = attached(&runtime, &["--replay", "all"]);
    assert_eq!(expect_and_answer(&mut pty, " after"), "before     after");
    served.write(questions().as_bytes());
    assert_eq!(expect_and_answer(&mut pty, " after"), "before     after");
    // The key comes after the answers, if there were any.
    pty.type_in(b"x");
    assert_eq!(served.typed_exactly(1), b"x");
    pty.type_in(b"\r~.");
    assert_eq!(pty.finish(client).0, 0);
    assert_eq!(served.typed(), b"\r");
}

/// This also shows that the terminal of these tests answers queries.
#[test]
fn with_raw_a_terminal_gets_every_byte() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(questions().as_bytes());
    let (mut pty, client) = attached(&runtime, &["--raw", "--replay", "all"]);
    assert_eq!(expect_and_answer(&mut pty, " after"), questions());
    let answers: String = QUESTIONS.iter().map(|(_, answer)| *answer).collect();
    assert_eq!(served.typed_exactly(answers.len()), answers.as_bytes());
    pty.type_in(b"\r~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn s17_a_spectators_terminal_never_types_into_the_guest() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(questions().as_bytes());
    for more in [&["--spy", "--replay", "all"][..], &["--spy", "--replay", "all", "--raw"]] {
        let (mut pty, client) = attached(&runtime, more);
        let shown = expect_and_answer(&mut pty, " after");
        // Also with `--raw`, where the terminal answers.
        assert_eq!(shown.contains(QUESTIONS[0].0), more.contains(&"--raw"));
        pty.type_in(b"\r~.");
        assert_eq!(pty.finish(client).0, 0);
        assert!(served.typed().is_empty());
        assert_eq!(served.console.counters().input_accepted, 0);
    }
}

#[test]
fn s17_a_log_on_a_terminal_asks_nothing() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(questions().as_bytes());
    served.write(b"\x1b[1;31m\x1b[?25l\n");
    for (more, expected) in [(None, "before     after"), (Some("--raw"), &questions()[..])] {
        let mut pty = Pty::new();
        let arguments: Vec<&str> = ["log", "vm0"].into_iter().chain(more).collect();
        let log = pty.spawn(&mut runtime.vuart(&arguments));
        let (code, shown) = pty.finish(log);
        assert_eq!(code, 0);
        // Modes that were left on are turned off before the note.
        let rest = "\x1b[1;31m\x1b[?25l\r\n\x1b[?25h\x1b[m[vuart: ";
        assert!(shown.starts_with(&format!("{expected}{rest}")), "{shown:?}");
    }
}

#[test]
fn e12_a_log_that_is_interrupted_restores_the_terminal() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 20);
    served.write(b"\x1b[?1049h");
    // This is more than the terminal holds, so the log is still writing when the signal arrives.
    served.write(&vec![b'x'; 1 << 19]);
    let mut pty = Pty::new();
    let log = pty.spawn(&mut runtime.vuart(&["log", "vm0"]));
    pty.expect("xxx");
    log.signal(Signal::TERM);
    let (code, shown) = pty.finish(log);
    assert_eq!(code, 143);
    assert!(shown.ends_with("x\x1b[?1049l"), "{:?}", shown.get(shown.len().saturating_sub(20)..));
}

/// Modes that a guest has left on, and the sequences that turn them off.
const LEFT_ON: &str = "\x1b[?1049h\x1b[1;24r\x1b[?1000;1006h\x1b[?2004h\x1b[?1h\x1b=\x1b[?25l\x1b[31mmenu";
const OFF: &str =
    "\x1b[r\x1b[9999;1H\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b>\x1b[m";

#[test]
fn e12_modes_that_the_guest_left_on_are_turned_off_on_every_way_out() {
    for raw in [false, true] {
        for way in ["detached", "evicted", "killed by SIGTERM", "ended", "its server gone"] {
            let runtime = Runtime::new();
            let mut served = Served::new(&runtime, 4096);
            let (mut pty, client) = attached(&runtime, if raw { &["--raw"] } else { &[] });
            served.write(LEFT_ON.as_bytes());
            pty.expect("menu");
            let mut other = None;
            let expected = match way {
                "detached" => {
                    pty.type_in(b"~.");
                    0
                }
                "evicted" => {
                    other = Some(attached(&runtime, &["--force"]));
                    5
                }
                "killed by SIGTERM" => {
                    client.signal(Signal::TERM);
                    143
                }
                "ended" => {
                    served.end(&Cause::VmEnded);
                    0
                }
                _ => {
                    served.end(&Cause::ShutDown);
                    7
                }
            };
            let (code, shown) = pty.finish(client);
            assert_eq!(code, expected, "{way}");
            assert!(shown.starts_with(OFF), "{way}: {shown:?}");
            assert_eq!(shown.matches('\x1b').count(), OFF.matches('\x1b').count(), "{way}: {shown:?}");
            drop(other);
        }
    }
}

#[test]
fn e12_nothing_is_written_where_nothing_was_left_on() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    served.write(b"\x1b[?1049h\x1b[1mmenu\x1b[m\x1b[?1049l\r\nlogin: ");
    pty.expect("login: ");
    pty.type_in(b"~.");
    let (code, shown) = pty.finish(client);
    assert_eq!((code, shown.as_str()), (0, "\r\n[vuart: detached]\r\n"));
}

#[test]
fn e12_a_suspended_session_gives_the_terminal_back_and_takes_it_again() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut pty = Pty::new();
    let before = pty.settings();
    // A process group of its own, because a process in an orphaned group (POSIX) is not suspended.
    let mut client = pty.spawn(runtime.vuart(&["attach", "vm0"]).process_group(0));
    pty.expect("~? helps]\r\n");
    served.write(LEFT_ON.as_bytes());
    pty.expect("menu");
    pty.type_in(b"~\x1a");
    client.stopped();
    assert_eq!(pty.settings(), before);
    assert_eq!(pty.expect(OFF), OFF);
    client.signal(Signal::CONT);
    // All modes are turned on again, in any order.
    let again = pty.expect("\x1b[31m");
    for on in ["?1049h", "1;24r", "?1000h", "?1006h", "?2004h", "?1h", "?25l"] {
        assert!(again.contains(&format!("\x1b[{on}")), "{on}: {again:?}");
    }
    assert!(again.contains("\x1b=") && pty.is_raw());
    pty.type_in(b"\r~.");
    let (code, shown) = pty.finish(client);
    assert!(code == 0 && shown.contains(OFF), "{shown:?}");
    assert_eq!(pty.settings(), before);
}

#[test]
fn e12_a_closed_pipe_leaves_the_terminal_as_it_was() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    for writes in [true, false] {
        let mut pty = Pty::new();
        let before = pty.settings();
        let mut command = runtime.vuart(&["attach", "vm0"]);
        let mut client =
            Process::spawn(command.stdin(pty.stream()).stdout(Stdio::piped()).stderr(pty.stream()));
        pty.expect("~? helps]\r\n");
        assert!(pty.is_raw());
        drop(client.child.stdout.take());
        if writes {
            served.write(b"anybody there?");
        }
        assert_eq!(pty.finish(client).0, 0);
        assert_eq!(pty.settings(), before);
    }
}

#[test]
fn a_hole_leaves_no_control_sequence_open() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    // Titles without an end. The hole is inside one of them.
    let title = [&b"\x1b]0;"[..], &[b'y'; 2000]].concat();
    served.write(&[b"here", &title[..]].concat());
    pty.expect("here");
    client.signal(Signal::STOP);
    for _ in 0..1000 {
        served.write(&title);
    }
    // The ring holds only this, and a title can be as long.
    served.write(&[&[b'z'; 4096][..], b"here again"].concat());
    client.signal(Signal::CONT);
    pty.expect(" bytes are lost here]\r\n");
    pty.expect("here again");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn e13_a_pipe_gets_every_byte_that_is_asked_for() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(questions().as_bytes());
    served.write(LEFT_ON.as_bytes());
    served.console.end(&Cause::VmEnded);
    let log = support::run(&mut runtime.vuart(&["log", "vm0", "--raw"]));
    assert_eq!(log.text(), questions() + LEFT_ON);
}
