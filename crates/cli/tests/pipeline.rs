//! Where a guest's output goes decides what is written (F13): a file gets every byte, a terminal what is safe to show, and a
//! pipe or a socket plain text, because what reads from it shows it on a terminal.

mod support;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use support::pty::Pty;
use support::served::Served;
use support::{Process, Runtime, run};
use vuart_endpoint::Cause;
use vuart_scrollback::RingOptions;

/// Output that asks a terminal, turns modes on, and has colours and the characters that plain text keeps.
const OUTPUT: &[u8] =
    b"a\x1b[6n\x1b[1;31mr\xc3\xa9d\x1b[m\x1b[?1000h\x1b[?25l\x1b]0;t\x07\x05\x00\xc2\x9b6n\t|\x08\r\nend\n";
const PLAIN: &[u8] = b"ar\xc3\xa9d6n\t|\x08\r\nend\n";
const FILTERED: &[u8] = b"a\x1b[1;31mr\xc3\xa9d\x1b[m\x1b[?1000h\x1b[?25l\x006n\t|\x08\r\nend\n";

/// A console whose guest has written [`OUTPUT`] and ended.
fn ended(runtime: &Runtime) -> Served {
    let mut served = Served::new(runtime, 4096);
    served.write(OUTPUT);
    served.console.end(&Cause::VmEnded);
    served
}

/// What a command writes into a file on its standard output.
fn into_file(command: &mut Command) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut process = Process::spawn(command.stdin(Stdio::null()).stdout(file.reopen().unwrap()));
    assert_eq!(process.code(), 0);
    fs::read(file.path()).unwrap()
}

#[test]
fn f13_a_log_in_a_pipe_is_plain_text_unless_it_is_asked_for_otherwise() {
    let runtime = Runtime::new();
    let _served = ended(&runtime);
    for (more, expected) in [
        (&[][..], PLAIN),
        (&["--plain"], PLAIN),
        (&["--raw"], OUTPUT),
        (&["--follow"], PLAIN),
        (&["-fn", "9"], PLAIN),
    ] {
        let done = run(&mut runtime.vuart(&[&["log", "vm0"], more].concat()));
        assert_eq!(
            (done.code, done.stdout.escape_ascii().to_string()),
            (0, expected.escape_ascii().to_string()),
            "{more:?}"
        );
    }
    // What the guest has left on is turned off behind it.
    let done = run(&mut runtime.vuart(&["log", "vm0", "--filter"]));
    let rest = done.stdout.strip_prefix(FILTERED).expect("what passes the filter").escape_ascii().to_string();
    assert!(rest.contains("?1000l") && rest.contains("?25h"), "{rest}");
    for both in [["--raw", "--plain"], ["--filter", "--raw"]] {
        assert_eq!(run(&mut runtime.vuart(&[&["log", "vm0"], &both[..]].concat())).code, 2);
    }
}

#[test]
fn f13_a_file_gets_every_byte_unless_it_is_asked_for_otherwise() {
    let runtime = Runtime::new();
    let _served = ended(&runtime);
    assert_eq!(into_file(&mut runtime.vuart(&["log", "vm0"])), OUTPUT);
    assert_eq!(into_file(&mut runtime.vuart(&["log", "vm0", "--plain"])), PLAIN);
    assert!(into_file(&mut runtime.vuart(&["log", "vm0", "--filter"])).starts_with(FILTERED));
}

#[test]
fn f13_a_socket_gets_plain_text() {
    let runtime = Runtime::new();
    let _served = ended(&runtime);
    let (near, far) = UnixStream::pair().unwrap();
    let mut process = Process::spawn(runtime.vuart(&["log", "vm0"]).stdout(Stdio::from(OwnedFd::from(far))));
    assert_eq!(process.code(), 0);
    // The command's end of the socket is closed with it.
    drop(process);
    let mut shown = Vec::new();
    near.set_nonblocking(true).unwrap();
    let _ = std::io::Read::read_to_end(&mut &near, &mut shown);
    assert_eq!(shown, PLAIN);
}

#[test]
fn f13_a_session_in_a_pipe_is_plain_text_too() {
    let runtime = Runtime::new();
    for more in [&["--spy"][..], &[], &["--raw"]] {
        let mut served = Served::new(&runtime, 4096);
        served.write(OUTPUT);
        let mut client =
            Process::piped(&mut runtime.vuart(&[&["attach", "vm0", "--replay", "all"], more].concat()));
        client.expect_stderr(b"]\n");
        served.end(&Cause::VmEnded);
        let done = client.finish();
        let expected = if more == ["--raw"] { OUTPUT } else { PLAIN };
        assert_eq!((done.code, done.stdout.as_slice()), (0, expected), "{more:?}");
    }
}

#[test]
fn f13_the_log_of_a_ring_in_a_file_is_plain_text_too() {
    let runtime = Runtime::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let (mut writer, _ring) =
        RingOptions::new(4096).with_disk(true).create_in(file.reopen().unwrap()).unwrap();
    writer.extend(OUTPUT);
    let path = file.path().to_str().unwrap();
    assert_eq!(run(&mut runtime.vuart(&["log", path])).stdout, PLAIN);
    assert_eq!(run(&mut runtime.vuart(&["log", path, "--raw"])).stdout, OUTPUT);
}

/// The pipeline of the row: nothing that a terminal answers comes out of `tail`.
#[test]
fn f13_a_pipeline_that_ends_at_a_terminal_asks_it_nothing() {
    let runtime = Runtime::new();
    let _served = ended(&runtime);
    for pipeline in ["\"$0\" log vm0 | tail", "\"$0\" log vm0 | cat", "\"$0\" log -f vm0 | grep -a ."] {
        let mut pty = Pty::new();
        let shell = runtime.vuart(&[]);
        let program = shell.get_program().to_owned();
        let mut sh = Command::new("sh");
        sh.args(["-c", pipeline])
            .arg(&program)
            .envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let process = pty.spawn(&mut sh);
        let (code, shown) = pty.finish(process);
        assert_eq!(code, 0, "{shown}");
        assert!(
            shown.contains("end\r\n") && !shown.contains(['\x1b', '\u{9b}', '\x05']),
            "{pipeline}: {shown:?}"
        );
    }
}

/// Output that begins in the middle of a character begins, where it is shown, with the next one (F19).
#[test]
fn f19_output_begins_at_a_characters_boundary() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write("ab€\u{1f600}c".as_bytes());
    let log = |more: &[&str]| run(&mut runtime.vuart(&[&["log", "vm0"], more].concat())).stdout;
    for (last, text) in
        [("1", "c"), ("2", "c"), ("4", "c"), ("5", "\u{1f600}c"), ("6", "\u{1f600}c"), ("8", "€\u{1f600}c")]
    {
        assert_eq!(String::from_utf8(log(&["--last", last])).unwrap(), text, "--last {last}");
    }
    // Who asks for bytes gets them.
    assert_eq!(log(&["--last", "2", "--raw"]), b"\x80c");
    let mut file = tempfile::tempfile().unwrap();
    let out: File = file.try_clone().unwrap();
    assert_eq!(Process::spawn(runtime.vuart(&["log", "vm0", "--last", "2"]).stdout(out)).code(), 0);
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    assert_eq!(bytes, b"\x80c");
}
