//! `vuart trace`: replays register traces.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write as _, stderr, stdin};

use clap::{Args, Subcommand};
use vuart_endpoint::Printable;
use vuart_trace::{Device, ParseError, Settings, Trace};

use crate::error::Error;
use crate::exit::Exit;
use crate::number::counted;
use crate::print::print;

/// Replay register traces: what a guest and its host did to a UART, as text.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct TraceArgs {
    #[command(subcommand)]
    command: TraceCommand,
}

/// What to do with traces.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    Replay(TraceReplayArgs),
}

/// Do what traces say to a serial port, and compare its answers with those expected.
///
/// Each answer that differs is a line on standard output, `FILE:LINE: r 5: expected 61, got 60`. Then a line for each kind of device says
/// how many traces were replayed on it. The exit status is 0 when no answer differs, 1 when some do, and 2 when a file can't be read or is
/// not a trace, which standard error explains.
///
/// A trace is replayed on `SerialPort`, the device that a VMM embeds. Two kinds of traces have no port to go to: one in virtual time (`mode
/// timed`) is replayed on `Uart<Timed>`, the register machine with a serial line, and a recording (`at chip`) on `Uart`, the register
/// machine inside the port that was recorded. A command that was built without its demo has no port: it replays all traces on the register
/// machine.
#[derive(Debug, Args)]
#[command(max_term_width = 100, after_help = vuart_trace::FORMAT)]
pub(crate) struct TraceReplayArgs {
    /// Write the trace, with the device's answers in the place of those expected, instead of comparing; takes one FILE
    #[arg(long)]
    fill: bool,

    /// The traces; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<OsString>,
}

/// The longest trace, in bytes: some ten million accesses. It takes a few times as much memory.
const LONGEST: u64 = 1 << 26;

/// How many traces were replayed on one kind of device, and how many of them had other answers.
#[derive(Debug, Default)]
struct Count {
    traces: usize,
    other: usize,
}

/// Replays the traces.
pub(crate) fn run(args: &TraceArgs) -> Result<Exit, Error> {
    let TraceCommand::Replay(args) = &args.command;
    if args.fill && args.files.len() > 1 {
        // Two traces one after the other are not a trace.
        return Err(Error::OneFile);
    }
    // A failure of standard output does not change the result of the replay.
    let mut printed = Ok(Exit::DONE);
    // The worst result: a file that is not a trace (2) is worse than a trace with other answers (1).
    let mut worst = Exit::DONE;
    let mut counts = BTreeMap::<_, Count>::new();
    for file in &args.files {
        // A shell's `*` may name a file that somebody else has named.
        let name = Printable(&file.to_string_lossy()).to_string();
        match read(file).and_then(|text| replay(&name, &text, args.fill)) {
            Ok(Replayed { device, as_expected, text }) => {
                printed = printed.and_then(|_| print(text));
                let count = counts.entry(device).or_default();
                count.traces += 1;
                if !as_expected {
                    count.other += 1;
                    worst = if worst == Exit::DONE { Exit::FAILURE } else { worst };
                }
            }
            Err(complaint) => {
                // A failure of standard error can't be reported anywhere.
                let _ = writeln!(stderr(), "vuart: {name}:{complaint}");
                worst = Exit::USAGE;
            }
        }
    }
    if !args.fill {
        printed = printed.and_then(|_| print(summary(&counts)));
    }
    printed.map(|_| worst)
}

/// A line for each kind of device.
fn summary(counts: &BTreeMap<&str, Count>) -> String {
    let mut text = String::new();
    for (device, Count { traces, other }) in counts {
        let traces = counted(*traces as u64, "trace", "traces");
        // A string takes everything.
        let _ = match other {
            0 => writeln!(text, "{traces} on {device}: every answer is as expected"),
            _ => writeln!(text, "{traces} on {device}: {other} with other answers"),
        };
    }
    text
}

/// Reads a file. The error is the part of the message after the file's name.
fn read(file: &OsStr) -> Result<String, String> {
    let mut bytes = Vec::new();
    let copied = if file == "-" {
        stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
    };
    copied.map_err(|error| format!(" {error}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!(" longer than {LONGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        format!("{line}: this is not text (UTF-8)")
    })
}

/// What came of one trace.
#[derive(Debug)]
struct Replayed {
    /// What it was replayed on.
    device: &'static str,
    as_expected: bool,
    /// For standard output.
    text: String,
}

/// Replays one trace.
fn replay(name: &str, text: &str, fill: bool) -> Result<Replayed, String> {
    let trace: Trace = text.parse().map_err(|error: ParseError| error.to_string())?;
    let mut device = device(trace.settings())?;
    let (as_expected, text) = if fill {
        (true, trace.fill(&mut *device).map_err(|error| error.to_string())?)
    } else {
        let mismatches = trace.replay(&mut *device);
        let lines: Vec<_> = mismatches.iter().map(|mismatch| format!("{name}:{mismatch}\n")).collect();
        (mismatches.is_empty(), lines.concat())
    };
    Ok(Replayed { device: device.name(), as_expected, text })
}

/// What a VMM embeds.
#[cfg(feature = "demo")]
fn device(settings: Settings) -> Result<Box<dyn Device>, String> {
    vuart::replay::device(settings).map_err(|error| format!(" {error}"))
}

/// Without the demo there is no port.
#[cfg(not(feature = "demo"))]
#[allow(clippy::unnecessary_wraps, reason = "a port can fail")]
fn device(settings: Settings) -> Result<Box<dyn Device>, String> {
    Ok(Box::new(vuart_trace::Board::new(settings)))
}
