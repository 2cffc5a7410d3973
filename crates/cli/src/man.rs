//! `vuart man`: the manual pages, from the same texts as `--help`.

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::{Arguments, ManArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::print::print;

/// Writes the command's page to standard output, or all pages into a directory.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, Error> {
    let command = Arguments::command();
    if let Some(dir) = &args.dir {
        let failed = |source| Error::Manual { path: dir.clone(), source };
        return clap_mangen::generate_to(command, dir).map(|()| Exit::Done).map_err(failed);
    }
    let mut page = Vec::new();
    // Writing into memory does not fail.
    Man::new(command).render(&mut page).map_err(Error::Stdout)?;
    print(page)
}
