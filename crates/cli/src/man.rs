//! `vuart man`: the manual, from the same texts as `--help`.

use std::io::{self, Write as _, stdout};

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::{Arguments, ManArgs};
use crate::error::Error;
use crate::exit::Exit;

/// Writes it.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, Error> {
    let command = Arguments::command();
    if let Some(dir) = &args.dir {
        let failed = |source| Error::Manual { path: dir.clone(), source };
        return clap_mangen::generate_to(command, dir).map(|()| Exit::Done).map_err(failed);
    }
    let mut page = Vec::new();
    // Into memory, which does not fail.
    let written = Man::new(command).render(&mut page).and_then(|()| stdout().write_all(&page));
    match written.and_then(|()| stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
        _ => Ok(Exit::Done),
    }
}
