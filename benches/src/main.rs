//! Figures, each measured beside its peer in the same run.
//!
//! `cargo run --release -p vuart-benches -- table` measures and prints the table. With `--json` it prints for programs, and with `--save`
//! it also saves the results. `table-of` prints saved results.
//!
//! [`figures`] says where to add a figure. All of them use these words: an [`Effort`] says how long to measure, a
//! [`Pair`](measure::Pair) is two values that are compared, and a [`Row`] is a line of the table.

mod copies;
mod devices;
mod figures;
mod guest;
mod loops;
mod machine;
mod measure;
mod readers;
mod results;
mod served;
mod table;
mod verify;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::figures::Kind;
use crate::loops::Loop;
use crate::measure::Effort;
use crate::results::Begun;
use crate::table::Row;

#[derive(Parser)]
#[command(name = "vuart-benches", about = "Measures figures, each beside its peer in the same run")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and prints the table
    Table {
        /// Print {"rows": [...]} on stdout, for programs; the machine is described on stderr
        #[arg(long)]
        json: bool,
        /// Measure only for a moment, to check that everything runs; the figures mean little
        #[arg(long)]
        quick: bool,
        /// Measure only the families whose name contains FAMILY
        #[arg(long, value_name = "FAMILY")]
        only: Option<String>,
        /// Also save the results and a description of the machine to a file in this directory
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
    },
    /// Prints the table of a file that `table --save` wrote
    TableOf {
        file: PathBuf,
        /// Print only the rows of the README, without the machine
        #[arg(long)]
        headline: bool,
    },
    /// Runs a loop, for a tool that counts instructions
    Loop {
        /// What one iteration does
        what: Loop,
        /// The number of iterations
        count: u64,
    },
    /// Makes many of one kind in this process, and prints what each took
    #[command(hide = true)]
    Crowd { kind: Kind, count: usize },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Table { json, quick, only, save } => {
            let effort = if quick { Effort::QUICK } else { Effort::FULL };
            table(json, effort, only.as_deref(), save.as_deref())
        }
        Command::TableOf { file, headline } => table_of(&file, headline),
        Command::Loop { what, count } => what.run(count),
        Command::Crowd { kind, count } => figures::crowd(kind, count),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vuart-benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(json: bool, effort: Effort, only: Option<&str>, save: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let begun = Begun::now();
    let machine = machine::describe();
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build, whose figures mean nothing: use --release");
    }
    let mut out = io::stdout().lock();
    if json {
        eprintln!("{machine}");
    } else {
        writeln!(out, "{machine}\n")?;
    }
    let mut rows = Vec::new();
    for (name, family) in figures::chosen(only)? {
        eprintln!("measuring: {name}");
        rows.extend(family(effort).map_err(|error| format!("{name}: {error}"))?);
    }
    if json {
        writeln!(out, "{}", table::json(&rows)?)?;
    } else {
        write!(out, "{}", table::markdown(&rows))?;
    }
    if let Some(dir) = save {
        eprintln!("saved: {}", begun.save(dir, &rows)?.display());
    }
    Ok(())
}

fn table_of(file: &Path, headline: bool) -> Result<(), Box<dyn Error>> {
    let (machine, mut rows) = results::load(file).map_err(|error| format!("{}: {error}", file.display()))?;
    if headline {
        rows.retain(Row::is_headline);
        write!(io::stdout().lock(), "{}", table::markdown(&rows))?;
        return Ok(());
    }
    write!(io::stdout().lock(), "{machine}\n\n{}", table::markdown(&rows))?;
    Ok(())
}
