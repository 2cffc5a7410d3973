//! `vuart trace`: replays register traces.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write as _, stderr, stdin};

use clap::{Args, Subcommand};
use vuart_endpoint::Printable;
use vuart_trace::{Board, ParseError, Trace};

use crate::error::Error;
use crate::exit::Exit;
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

/// Do what traces say to a UART, and compare its answers with those expected.
///
/// Each answer that differs is a line on standard output, `FILE:LINE: r 5: expected 61, got 60`. The exit status is 0 when
/// there is none, 1 when there are some, and 2 when a file can't be read or is not a trace, which standard error explains.
#[derive(Debug, Args)]
#[command(max_term_width = 100, after_help = vuart_trace::FORMAT)]
pub(crate) struct TraceReplayArgs {
    /// Write the trace, with the UART's answers in the place of those expected, instead of comparing; takes one FILE
    #[arg(long)]
    fill: bool,

    /// The traces; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<OsString>,
}

/// The longest trace, in bytes: some ten million accesses. It takes a few times as much memory.
const LONGEST: u64 = 1 << 26;

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
    for file in &args.files {
        // A shell's `*` may name a file that somebody else has named.
        let name = Printable(&file.to_string_lossy()).to_string();
        match read(file).and_then(|text| replay(&name, &text, args.fill)) {
            Ok((as_expected, text)) => {
                printed = printed.and_then(|_| print(text));
                if !as_expected && worst == Exit::DONE {
                    worst = Exit::FAILURE;
                }
            }
            Err(complaint) => {
                // A failure of standard error can't be reported anywhere.
                let _ = writeln!(stderr(), "vuart: {name}:{complaint}");
                worst = Exit::USAGE;
            }
        }
    }
    printed.map(|_| worst)
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

/// Replays one trace. Returns whether all answers were as expected, and the text for standard output.
fn replay(name: &str, text: &str, fill: bool) -> Result<(bool, String), String> {
    let trace: Trace = text.parse().map_err(|error: ParseError| error.to_string())?;
    let mut board = Board::new(trace.settings());
    if fill {
        return Ok((true, trace.fill(&mut board).map_err(|error| error.to_string())?));
    }
    let mismatches = trace.replay(&mut board);
    let lines: Vec<_> = mismatches.iter().map(|mismatch| format!("{name}:{mismatch}\n")).collect();
    Ok((mismatches.is_empty(), lines.concat()))
}
