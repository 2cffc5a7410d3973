//! `vuart trace`: register traces, replayed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _, stderr, stdin, stdout};

use vuart::trace::{Board, Trace};

use crate::args::{ReplayArgs, TraceCommand};
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
    // The worst that happened: a trace that makes no sense (2) is worse than one that does not hold (1).
    let mut worst = Exit::Done;
    for file in &args.files {
        let name = file.to_string_lossy();
        match read(file).and_then(|text| replay(&name, &text, args)) {
            Ok(false) if worst == Exit::Done => worst = Exit::Failure,
            Ok(_) => {}
            Err(Complaint::File(complaint)) => {
                // Nobody can be told that standard error fails.
                let _ = writeln!(stderr(), "vuart: {name}:{complaint}");
                worst = Exit::Usage;
            }
            // Whoever reads has read enough, of what is only written when something differs.
            Err(Complaint::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(if worst == Exit::Done && !args.fill { Exit::Failure } else { worst });
            }
            Err(Complaint::Stdout(error)) => return Err(Error::Stdout(error)),
        }
    }
    Ok(worst)
}

/// Why a file could not be replayed.
enum Complaint {
    /// It is not a trace, or not to be had: what follows the file's name in the message.
    File(String),
    /// Nobody takes the answers.
    Stdout(io::Error),
}

fn read(file: &OsStr) -> Result<String, Complaint> {
    let mut bytes = Vec::new();
    let copied = if file == "-" {
        stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
    };
    copied.map_err(|error| Complaint::File(format!(" {error}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Complaint::File(format!(" longer than {LONGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        Complaint::File(format!("{line}: this is not text (UTF-8)"))
    })
}

/// Whether all answers were as expected.
fn replay(name: &str, text: &str, args: &ReplayArgs) -> Result<bool, Complaint> {
    let trace: Trace = text.parse().map_err(|error| Complaint::File(format!("{error}")))?;
    let mut board = Board::new(trace.settings());
    let mut stdout = stdout().lock();
    if args.fill {
        let filled = trace.fill(&mut board).map_err(|error| Complaint::File(error.to_string()))?;
        stdout.write_all(filled.as_bytes()).and_then(|()| stdout.flush()).map_err(Complaint::Stdout)?;
        return Ok(true);
    }
    let mismatches = trace.replay(&mut board);
    for mismatch in &mismatches {
        writeln!(stdout, "{name}:{mismatch}").map_err(Complaint::Stdout)?;
    }
    stdout.flush().map_err(Complaint::Stdout)?;
    Ok(mismatches.is_empty())
}
