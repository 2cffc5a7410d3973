//! `vuart trace`, and `vuart demo --trace`.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

#[cfg(feature = "demo")]
use rustix::fs::{CWD, FileType, Mode, mknodat};
#[cfg(feature = "demo")]
use rustix::process::Signal;
#[cfg(feature = "demo")]
use support::Demo;
use support::{Process, Runtime, run, run_with};

/// Writes a file into the test's directory.
fn file(runtime: &Runtime, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = runtime.path().with_file_name(name);
    fs::write(&path, text).unwrap();
    path
}

fn replay(runtime: &Runtime, more: &[&str]) -> support::Done {
    run(&mut runtime.vuart(&[&["trace", "replay"], more].concat()))
}

/// What a trace of a host at a port is replayed on.
const PORT: &str = if cfg!(feature = "demo") { "SerialPort" } else { "Uart" };

#[test]
fn matching_traces_are_counted() {
    let runtime = Runtime::new();
    let good = file(&runtime, "good.trace", "# vuart trace v1\nw 0 41\ntx 41\nr 5 60\n");
    let done = replay(&runtime, &[good.to_str().unwrap(), good.to_str().unwrap()]);
    let expected = format!("2 traces on {PORT}: every answer is as expected\n");
    assert_eq!((done.code, done.text(), done.stderr.as_str()), (0, expected, ""));
}

/// The output says what a trace was replayed on, and it is so: only a port gives input back that a reset has taken from the receiver,
/// only a recording is at home on the chip alone, and only virtual time passes.
#[test]
fn f4_each_kind_of_trace_goes_to_the_device_that_the_output_names() {
    let runtime = Runtime::new();
    let back = "w 2 01\nrx 41\nr 5 61\nw 2 03\nr 5 60\n";
    let port = if cfg!(feature = "demo") { "r 5 61\nr 0 41\n" } else { "r 5 60\nr 0 00\n" };
    let port = file(&runtime, "port", format!("{back}{port}"));
    let chip = file(&runtime, "chip", format!("at chip\n{back}r 5 60\nr 0 00\n"));
    let timed =
        file(&runtime, "timed", "mode timed\nw 3 83\nw 0 1\nw 1 0\nw 3 3\nw 0 41\ntx\nt 86806\ntx 41\n");
    for (trace, device) in [(port, PORT), (chip, "Uart"), (timed, "Uart<Timed>")] {
        let done = replay(&runtime, &[trace.to_str().unwrap()]);
        let expected = format!("1 trace on {device}: every answer is as expected\n");
        assert_eq!((done.code, done.text()), (0, expected));
    }
}

#[test]
fn every_answer_that_differs_is_a_line() {
    let runtime = Runtime::new();
    let bad = file(&runtime, "bad.trace", "r 5 61\nr 5 60\nirq 1\n");
    let name = bad.to_str().unwrap();
    let done = replay(&runtime, &[name]);
    assert_eq!((done.code, done.stderr.as_str()), (1, ""));
    assert_eq!(
        done.text(),
        format!(
            "{name}:1: r 5: expected 61, got 60\n{name}:3: irq: expected 1, got 0\n\
             1 trace on {PORT}: 1 with other answers\n"
        )
    );
}

#[test]
fn a_file_that_is_not_a_trace_is_reported_with_its_line() {
    let runtime = Runtime::new();
    for (text, complaint) in [
        (&b"r 5\nr 9\n"[..], ":2: \"9\" is not a register, 0 to 7"),
        (b"r 5\n\n# \xFF\n", ":3: this is not text (UTF-8)"),
        (b"# vuart trace v9\n", ":1: the trace is of version \"v9\", and this reads v1"),
    ] {
        let bad = file(&runtime, "bad.trace", text);
        let done = replay(&runtime, &[bad.to_str().unwrap()]);
        assert_eq!((done.code, done.text().as_str()), (2, ""));
        assert_eq!(done.one_line(), format!("vuart: {}{complaint}", bad.display()));
    }
    let done = replay(&runtime, &["/nonexistent/trace"]);
    assert_eq!(done.code, 2);
    assert!(done.one_line().contains("/nonexistent/trace: No such file"), "{}", done.stderr);
}

#[test]
fn the_worst_of_several_files_decides_the_status() {
    let runtime = Runtime::new();
    let good = file(&runtime, "good", "r 5 60\n");
    let wrong = file(&runtime, "wrong", "r 5 61\n");
    let none = file(&runtime, "none", "what\n");
    let [good, wrong, none] = [&good, &wrong, &none].map(|path| path.to_str().unwrap());
    assert_eq!(replay(&runtime, &[good, wrong, good]).code, 1);
    for files in [[none, wrong], [wrong, none]] {
        let done = replay(&runtime, &files);
        assert_eq!(done.code, 2);
        let expected =
            format!("{wrong}:1: r 5: expected 61, got 60\n1 trace on {PORT}: 1 with other answers\n");
        assert_eq!(done.text(), expected);
        assert!(done.one_line().starts_with(&format!("vuart: {none}:1: ")));
    }
}

/// The status is still that of all files.
#[test]
fn a_reader_that_closes_the_pipe_changes_no_status() {
    let runtime = Runtime::new();
    // More than a pipe holds.
    let wrong = file(&runtime, "wrong", "r 5 61\n".repeat(20_000));
    let none = file(&runtime, "none", "what\n");
    let status = |files: &[&PathBuf]| {
        let mut command = runtime.vuart(&["trace", "replay"]);
        command.args(files).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        drop(process.child.stdout.take());
        process.code()
    };
    assert_eq!(status(&[&wrong]), 1);
    assert_eq!(status(&[&wrong, &none]), 2);
}

#[test]
fn standard_input() {
    let runtime = Runtime::new();
    let done = run_with(&mut runtime.vuart(&["trace", "replay", "-"]), b"r 5 61\n");
    let expected = format!("-:1: r 5: expected 61, got 60\n1 trace on {PORT}: 1 with other answers\n");
    assert_eq!((done.code, done.text()), (1, expected));
}

#[test]
fn a_sketch_is_filled_in() {
    let runtime = Runtime::new();
    let sketch = b"# a sketch\nw 1 2 # THRE\nr 2\nirq 1\nw 0 41\ntx\n";
    let done = run_with(&mut runtime.vuart(&["trace", "replay", "--fill", "-"]), sketch);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let filled = "# a sketch\nw 1 2 # THRE\nr 2 02\nirq 0\nw 0 41\ntx 41\n";
    assert_eq!(done.text(), filled);
    let done = run_with(&mut runtime.vuart(&["trace", "replay", "-"]), filled.as_bytes());
    assert_eq!(done.code, 0, "{}", done.text());
}

#[test]
fn usage() {
    let runtime = Runtime::new();
    for arguments in [&["trace"][..], &["trace", "replay"], &["trace", "play", "-"], &["demo", "--trace"]] {
        assert_eq!(run(&mut runtime.vuart(arguments)).code, 2, "{arguments:?}");
    }
    let done = run(&mut runtime.vuart(&["trace", "replay", "--fill", "-", "-"]));
    assert_eq!((done.code, done.one_line()), (2, "vuart: --fill takes one FILE"));
    let help = run(&mut runtime.vuart(&["trace", "replay", "--help"])).text();
    for word in ["rx-err pe|fe|pe+fe", "tx-break 0|1", "mode instant|timed", "--fill"] {
        assert!(help.contains(word), "{word}");
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_tour_is_recorded_and_replays() {
    let runtime = Runtime::new();
    let trace = runtime.path().with_file_name("tour.trace");
    let path = trace.to_str().unwrap();
    let done = run(&mut runtime.vuart(&["demo", "--trace", path]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.text());
    let text = fs::read_to_string(&trace).unwrap();
    assert!(text.starts_with("# vuart trace v1\nat chip\n"), "{text:.100}");
    // The trace has everything that the guest has printed, and interrupts.
    let printed: Vec<u8> = text
        .lines()
        .filter_map(|line| line.strip_prefix("tx "))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert!(String::from_utf8_lossy(&printed).ends_with("halting\r\n"));
    assert!(text.lines().any(|line| line == "irq 1") && text.lines().any(|line| line.starts_with("rx ")));
    let done = replay(&runtime, &[path]);
    let expected = "1 trace on Uart: every answer is as expected\n";
    assert_eq!((done.code, done.text().as_str(), done.stderr.as_str()), (0, expected, ""));
}

#[cfg(feature = "demo")]
#[test]
fn a_demo_that_is_stopped_leaves_a_whole_trace() {
    let runtime = Runtime::new();
    let trace = runtime.path().with_file_name("stopped.trace");
    let path = trace.to_str().unwrap();
    let demo = Demo::start_with(&runtime, &["--trace", path]);
    demo.process.signal(Signal::TERM);
    let done = demo.process.finish();
    assert_eq!(done.code, 128 + 15, "{}", done.stderr);
    let done = replay(&runtime, &[path]);
    let expected = "1 trace on Uart: every answer is as expected\n";
    assert_eq!((done.code, done.text().as_str(), done.stderr.as_str()), (0, expected, ""));
}

#[cfg(feature = "demo")]
#[test]
fn a_demo_that_fails_to_start_overwrites_no_trace() {
    let runtime = Runtime::new();
    let old = file(&runtime, "old.trace", "r 5 60\n");
    let _demo = Demo::start_with(&runtime, &["--name", "taken"]);
    let done = run(&mut runtime.vuart(&["demo", "--name", "taken", "--trace", old.to_str().unwrap()]));
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert_eq!(fs::read_to_string(old).unwrap(), "r 5 60\n");
}

#[cfg(feature = "demo")]
#[test]
fn a_trace_that_can_not_be_written_ends_the_demo() {
    let runtime = Runtime::new();
    let done = run(runtime.vuart(&["demo", "--trace", "/nonexistent/trace"]).stdin(Stdio::null()));
    assert_eq!((done.code, done.text().as_str()), (1, ""));
    let said = "vuart: can't write the trace: can't open /nonexistent/trace: ";
    assert!(done.one_line().starts_with(said), "{}", done.stderr);
    // What is no file can't keep a trace: a pipe without a reader, and a device to which every write fails.
    let pipe = runtime.path().with_file_name("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for (path, said) in
        [(pipe.to_str().unwrap(), "is a pipe, not a file"), ("/dev/full", "is a device, not a file")]
    {
        let done =
            run(runtime.vuart(&["demo", "--engine", "software", "--trace", path]).stdin(Stdio::null()));
        assert_eq!(done.code, 2);
        assert!(done.one_line().contains(said), "{}", done.stderr);
    }
}
