//! `vuart man`: the manual pages, from the same texts as `--help`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::error::Error;
use crate::exit::{self, Exit};
use crate::print::print;

/// Write the manual: this command's page to standard output, or with DIR all pages, a file each.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct ManArgs {
    /// Where the files go, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the page of `command` to standard output, or all pages into a directory.
pub(crate) fn run(args: &ManArgs, command: Command) -> Result<Exit, Error> {
    // Otherwise each page would refer to one of `help`, which says nothing that the others do not.
    let mut command = without_help(command);
    command.build();
    if let Some(dir) = &args.dir {
        let failed = |source| Error::Manual { path: dir.clone(), source };
        return write_all(&command, dir).map(|()| Exit::DONE).map_err(failed);
    }
    // Writing into memory does not fail.
    print(page(&command).map_err(Error::Stdout)?)
}

fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// Writes the page of a command, and those of its subcommands.
fn write_all(command: &Command, dir: &Path) -> io::Result<()> {
    let man = Man::new(command.clone());
    fs::write(dir.join(man.get_filename()), page(command)?)?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_all(command, dir))
}

/// A page. Its exit statuses are a section of their own in each page, where a reader looks for them.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let is_root = !command.get_display_name().unwrap_or_default().contains('-');
    // What stands behind the help of the whole command is the table that follows here.
    let command = if is_root { command.clone().after_help("") } else { command.clone() };
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if !is_root && command.get_after_help().is_some() {
        man.render_extra_section(&mut page)?;
    }
    let (statuses, rest) = exit::TABLE.split_once("\n\n").unwrap_or((exit::TABLE, ""));
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    roff.control("nf", []);
    roff.text(statuses.lines().skip(1).map(|line| roman(format!("{line}\n"))).collect::<Vec<_>>());
    roff.control("fi", []);
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(rest)]);
    roff.to_writer(&mut page)?;
    if is_root {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}
