//! `vuart man`: the manual pages, from the same texts as `--help`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::error::Error;
use crate::exit::Exit;
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
    if let Some(dir) = &args.dir {
        let failed = |source| Error::Manual { path: dir.clone(), source };
        return clap_mangen::generate_to(command, dir).map(|()| Exit::DONE).map_err(failed);
    }
    let mut page = Vec::new();
    // Writing into memory does not fail.
    Man::new(command).render(&mut page).map_err(Error::Stdout)?;
    print(page)
}
