//! `vuart trace`: register traces, replayed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _, stderr, stdin, stdout};

use vuart_trace::{Board, ParseError, Trace};

use crate::args::TraceCommand;
use crate::error::Error;
use crate::exit::Exit;

/// The longest trace, in bytes: some ten million accesses. In memory it is a few times as long.
const LONGEST: u64 = 1 << 26;

/// Does what was asked for.
pub(crate) fn run(command: &TraceCommand) -> Result<Exit, Error> {
    let TraceCommand::Replay(args) = command;
    if args.fill && args.files.len() > 1 {
        // Two traces in one file are none.
        return Err(Error::OneFile);
    }
    let mut out = Out::default();
    // The worst that happened: a trace that makes no sense (2) is worse than one that does not hold (1).
    let mut worst = Exit::Done;
    for file in &args.files {
        let name = file.to_string_lossy();
        match read(file).and_then(|text| replay(&name, &text, args.fill, &mut out)) {
            Ok(false) if worst == Exit::Done => worst = Exit::Failure,
            Ok(_) => {}
            Err(complaint) => {
                // Nobody can be told that standard error fails.
                let _ = writeln!(stderr(), "vuart: {name}:{complaint}");
                worst = Exit::Usage;
            }
        }
    }
    out.failed.map_or(Ok(worst), |error| Err(Error::Stdout(error)))
}

/// Standard output. What becomes of it changes nothing of what is found.
#[derive(Default)]
struct Out {
    /// Whoever reads has read enough, or it has failed.
    closed: bool,
    failed: Option<io::Error>,
}

impl Out {
    fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        let mut stdout = stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.closed = true;
            self.failed = (error.kind() != io::ErrorKind::BrokenPipe).then_some(error);
        }
    }
}

/// The text, or what follows the file's name in a complaint.
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

/// Whether all answers were as expected.
fn replay(name: &str, text: &str, fill: bool, out: &mut Out) -> Result<bool, String> {
    let trace: Trace = text.parse().map_err(|error: ParseError| error.to_string())?;
    let mut board = Board::new(trace.settings());
    if fill {
        out.write(&trace.fill(&mut board).map_err(|error| error.to_string())?);
        return Ok(true);
    }
    let mismatches = trace.replay(&mut board);
    let lines: Vec<_> = mismatches.iter().map(|mismatch| format!("{name}:{mismatch}\n")).collect();
    out.write(&lines.concat());
    Ok(mismatches.is_empty())
}
