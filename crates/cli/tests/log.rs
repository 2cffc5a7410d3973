//! `vuart log` of a console that is served.

mod support;

#[cfg(feature = "demo")]
use std::process::Stdio;

use support::served::Served;
#[cfg(feature = "demo")]
use support::{Demo, run_with};
use support::{Process, Runtime, run};

fn log(runtime: &Runtime, more: &[&str]) -> Vec<u8> {
    // Every byte, also into this pipe.
    let done = run(&mut runtime.vuart(&[&["log", "vm0", "--raw"], more].concat()));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{more:?}");
    done.stdout
}

#[test]
fn ranges() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 20);
    let written: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    served.write(&written);
    assert!(log(&runtime, &[]) == written);
    assert!(log(&runtime, &["--from", "70000"]) == written[70_000..]);
    assert!(log(&runtime, &["--from", "70000", "--max", "20000"]) == written[70_000..90_000]);
    assert!(log(&runtime, &["--last", "5"]) == written[99_995..]);
    assert!(log(&runtime, &["--last", "50", "--max", "20"]) == written[99_950..99_970]);
    assert!(log(&runtime, &["--last", "1000000"]) == written);
    assert!(log(&runtime, &["--max", "0"]).is_empty());
    assert!(log(&runtime, &["--from", "100000"]).is_empty());
    // E6: reading has removed nothing.
    assert!(log(&runtime, &[]) == written);
}

#[test]
fn lines_and_the_newest_boot() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"first boot\n");
    served.guest.writer.mark();
    served.write(b"one\ntwo\nlogin: ");
    assert_eq!(log(&runtime, &["--lines", "2"]), b"two\nlogin: ");
    assert_eq!(log(&runtime, &["-n", "1"]), b"login: ");
    assert_eq!(log(&runtime, &["--boot"]), b"one\ntwo\nlogin: ");
    assert_eq!(log(&runtime, &["--boot", "--max", "3"]), b"one");
}

#[test]
fn verbose_prints_the_next_offset() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"0123456789");
    let done = run(&mut runtime.vuart(&["log", "vm0", "--from", "2", "--max", "3", "--verbose"]));
    assert_eq!(
        (done.text().as_str(), done.stderr.as_str()),
        ("234", "[vuart: 3 bytes; the next offset is 5]\n")
    );
    let done = run(&mut runtime.vuart(&["log", "vm0", "--from", "10", "-v"]));
    assert_eq!(
        (done.text().as_str(), done.stderr.as_str()),
        ("", "[vuart: 0 bytes; the next offset is 10]\n")
    );
}

#[test]
fn e7_lost_output_is_declared() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let written: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    served.write(&written);
    let done = run(&mut runtime.vuart(&["log", "vm0", "--raw", "--from", "1000"]));
    assert_eq!(done.code, 0);
    let oldest = usize::try_from(served.console.scrollback().oldest()).unwrap();
    assert!(oldest > 1000 && done.stdout == written[oldest..]);
    let lost =
        format!("{} bytes are lost here, from offset 1000 on; the next offset is {oldest}", oldest - 1000);
    assert_eq!(done.stderr, format!("[vuart: {lost}]\n"));
    // A log from the oldest byte on has no hole.
    assert!(log(&runtime, &[]) == written[oldest..]);
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 20);
    served.write(&vec![b'x'; 1 << 20]);
    let mut command = runtime.vuart(&["log", "vm0"]);
    let mut reader = Process::without_input(&mut command);
    reader.expect_stdout(b"xxx");
    drop(reader.child.stdout.take());
    let done = reader.finish();
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[cfg(feature = "demo")]
#[test]
fn the_log_of_a_running_guest_equals_the_live_output() {
    let runtime = Runtime::new();
    let demo = Demo::start_with(&runtime, &["--name", "vm0"]);
    let mut command = runtime.vuart(&["attach", "vm0", "--replay", "all"]);
    let mut client =
        Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut seen = client.expect_stdout(b"\r\n> ");
    std::io::Write::write_all(client.child.stdin.as_mut().unwrap(), b"print 100\r").unwrap();
    seen.extend(client.expect_stdout(b"\r\n> "));
    assert!(seen.len() > 7000);
    assert!(log(&runtime, &[]) == seen);
    let middle = seen.len() / 2;
    assert!(log(&runtime, &["--from", &middle.to_string(), "--max", "1000"]) == seen[middle..middle + 1000]);
    // The path of each socket names the console.
    for word in ["console", "or       socat -,raw,echo=0,escape=0x1d UNIX:"] {
        let path = demo.direction(word).to_str().unwrap();
        let done = run_with(&mut runtime.vuart(&["log", path, "--last", "2"]), b"");
        assert_eq!(done.text(), "> ");
    }
}
