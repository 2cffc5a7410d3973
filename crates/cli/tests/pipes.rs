//! `vuart attach` in scripts: standard input or output is not a terminal.

mod support;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::Signal;
#[cfg(feature = "demo")]
use support::Demo;
use support::pty::Pty;
use support::served::Served;
use support::{Process, Runtime, run_with};
use vuart_endpoint::Cause;

/// Starts a client on pipes, and reads its first note.
fn piped(runtime: &Runtime, more: &[&str]) -> Process {
    let mut command = runtime.vuart(&[&["attach", "vm0"], more].concat());
    let mut client = Process::piped(&mut command);
    client.expect_stderr(b"]\n");
    client
}

#[test]
fn e11_piped_input_goes_to_the_guest_as_it_is() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut all: Vec<u8> = (0..=255).collect();
    all.extend_from_slice(b"\r~.\r~B\r~?\r~~\x1d");
    let script = std::thread::spawn({
        let (mut command, input) = (runtime.vuart(&["attach", "vm0"]), all.clone());
        move || run_with(&mut command, &input)
    });
    assert_eq!(served.typed_exactly(all.len()), all);
    let done = script.join().unwrap();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(
        done.stderr,
        "[vuart: attached to vm0 as owner; the end of the input detaches]\n[vuart: detached]\n"
    );
    // When the command ends, the guest has taken everything and the console is free.
    assert!(served.console.owner().is_none());
}

#[test]
fn all_of_the_input_is_sent_before_its_end_detaches() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let input: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let client = std::thread::spawn({
        let (mut command, input) = (runtime.vuart(&["attach", "vm0"]), input.clone());
        move || run_with(&mut command, &input)
    });
    assert!(served.typed_exactly(input.len()) == input, "it is not what was sent");
    assert_eq!(client.join().unwrap().code, 0);
}

#[test]
fn input_that_the_guest_does_not_read_stays_in_its_file() {
    const SIZE: usize = 32 << 20;
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(&vec![b'x'; SIZE]).unwrap();
    input.seek(SeekFrom::Start(0)).unwrap();
    let mut command = runtime.vuart(&["attach", "vm0"]);
    let client = Process::spawn(command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null()));
    // More is left than the console holds for the guest, so the client still has input to send.
    let taken = served.typed_exactly(SIZE - (64 << 10)).len();
    let memory = std::fs::read_to_string(format!("/proc/{}/status", client.child.id())).unwrap();
    let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < SIZE / 2 / 1024, "the client held {peak} KiB");
    served.typed_exactly(SIZE - taken);
    assert_eq!(client.finish().code, 0);
}

#[cfg(feature = "demo")]
#[test]
fn output_comes_while_input_is_open() {
    let runtime = Runtime::new();
    let _demo = Demo::start_with(&runtime, &["--name", "vm0"]);
    let mut client = piped(&runtime, &[]);
    let mut stdin = client.child.stdin.take().unwrap();
    stdin.write_all(b"echo from a script\r").unwrap();
    client.expect_stdout(b"\r\nfrom a script\r\n> ");
    drop(stdin);
    assert_eq!(client.finish().code, 0);
}

#[test]
fn output_is_complete_when_its_reader_is_slow() {
    let runtime = Runtime::new();
    // The ring holds all of the output, so nothing may be lost.
    let mut served = Served::new(&runtime, 1 << 23);
    let mut client = piped(&runtime, &["--raw"]);
    let written: Vec<u8> = (0..=255).cycle().take(4 << 20).collect();
    served.write(&written);
    served.console.end(&Cause::VmEnded);
    // Nothing has been read so far, and pipes and sockets hold less than the output.
    let mut read = Vec::new();
    client.child.stdout.take().unwrap().read_to_end(&mut read).unwrap();
    assert!(read == written, "{} of {} bytes", read.len(), written.len());
    let done = client.finish();
    assert_eq!((done.code, done.stderr.as_str()), (0, "[vuart: the guest has ended]\n"));
}

#[test]
fn unread_output_stays_in_the_ring() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 25);
    let _client = piped(&runtime, &[]);
    served.write(&vec![b'x'; 1 << 24]);
    // A client that buffers without limit would have received everything by then.
    assert!(!served.end_within(&Cause::VmEnded, Duration::from_secs(2)));
}

#[test]
fn output_is_complete_when_it_is_non_blocking() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 23);
    let (reader, writer) = std::io::pipe().unwrap();
    // Some parent processes leave a pipe non-blocking.
    fcntl_setfl(&writer, fcntl_getfl(&writer).unwrap() | OFlags::NONBLOCK).unwrap();
    // The pipe is smaller than a frame, so that no write takes a whole frame.
    fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut command = runtime.vuart(&["attach", "vm0", "--raw"]);
    let mut client = Process::spawn(command.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped()));
    drop(command);
    client.expect_stderr(b"]\n");
    let written: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    served.write(&written);
    served.console.end(&Cause::VmEnded);
    let mut read = Vec::new();
    let mut reader = reader;
    reader.read_to_end(&mut read).unwrap();
    assert!(read == written, "{} of {} bytes", read.len(), written.len());
    assert_eq!(client.finish().code, 0);
}

#[test]
fn a_closed_standard_output_ends_the_session_quietly() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    for writes in [true, false] {
        let mut client = piped(&runtime, &[]);
        drop(client.child.stdout.take());
        // Even if the guest does not write, the console becomes free.
        if writes {
            served.write(b"anybody there?");
        }
        let done = client.finish();
        assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    }
    // This client can attach.
    let _client = piped(&runtime, &[]);
}

#[test]
fn a_full_standard_output_is_an_error() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"some output");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = runtime.vuart(&["attach", "vm0", "--replay", "all"]);
    let client = Process::spawn(command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()));
    let done = client.finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("vuart: can't write to standard output: No space left"), "{}", done.stderr);
}

#[test]
fn a_signal_ends_a_session_whose_output_is_stuck() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 20);
    let client = piped(&runtime, &[]);
    served.write(&vec![b'x'; 1 << 20]);
    client.signal(Signal::TERM);
    let mut client = client;
    // The output is not read.
    assert_eq!(client.code(), 143);
}

#[test]
fn a_spectator_on_pipes_ignores_the_end_of_its_input() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut client = piped(&runtime, &["--spy"]);
    drop(client.child.stdin.take());
    served.write(b"login: ");
    client.expect_stdout(b"login: ");
    served.end(&Cause::VmEnded);
    assert_eq!(client.finish().code, 0);
}

#[test]
fn a_script_is_told_by_whom_it_is_evicted() {
    let runtime = Runtime::new();
    let _served = Served::new(&runtime, 4096);
    let client = piped(&runtime, &[]);
    let other = piped(&runtime, &["--force", "--label", "bob"]);
    let done = client.finish();
    assert_eq!(done.code, 5);
    assert!(done.stderr.starts_with("[vuart: bob (uid "), "{}", done.stderr);
    drop(other);
}

#[test]
fn standard_input_or_output_alone_may_be_a_terminal() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    // A terminal for input, and a pipe for output.
    let mut pty = Pty::new();
    let mut command = runtime.vuart(&["attach", "vm0"]);
    let mut client = Process::spawn(command.stdin(pty.stream()).stdout(Stdio::piped()).stderr(pty.stream()));
    pty.expect("helps]\r\n");
    served.write(b"login: ");
    client.expect_stdout(b"login: ");
    pty.type_in(b"root\r~.");
    let done = client.finish();
    assert_eq!(done.code, 0);
    assert_eq!(served.typed(), b"root\r");
    assert!(!pty.is_raw());

    // A pipe for input, and a terminal for output.
    let mut pty = Pty::new();
    let mut command = runtime.vuart(&["attach", "vm0", "--replay", "all"]);
    let mut client = Process::spawn(command.stdin(Stdio::piped()).stdout(pty.stream()).stderr(pty.stream()));
    pty.expect("login: ");
    assert!(!pty.is_raw());
    drop(client.child.stdin.take());
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 0);
    assert_eq!(shown.replace('\r', ""), "\n[vuart: detached]\n");
}
