//! Every figure beside its peer, in one run.
//!
//! `cargo run --release -p vuart-benches -- table` prints the table; `--json` prints it for programs; `--save` keeps it, and
//! `table-of` prints one that was kept. A new figure is a
//! function in [`figures`] that returns [`Row`](table::Row)s, and a line in [`figures::FAMILIES`].

mod devices;
mod figures;
mod loops;
mod machine;
mod measure;
mod results;
mod table;

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
#[command(name = "vuart-benches", about = "Every figure beside its peer, in one run")]
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
        /// Measure for a moment only: shows that everything runs, the figures mean little
        #[arg(long)]
        quick: bool,
        /// Only the families whose name contains this
        #[arg(long, value_name = "FAMILY")]
        only: Option<String>,
        /// Write the results and the machine's description into a file in this directory as well
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
    },
    /// Prints the table of a file that `table --save` has written
    TableOf {
        file: PathBuf,
        /// Print only the rows that the README shows, without the machine
        #[arg(long)]
        headline: bool,
    },
    /// Does one thing so many times and nothing else, for a tool that counts instructions
    Loop { what: Loop, count: u64 },
    /// Makes so many in this process and prints what each took
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
        eprintln!("This is a debug build: run it with --release.");
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
        eprintln!("written: {}", begun.save(dir, &rows)?.display());
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
