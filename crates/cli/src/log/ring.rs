//! The history from the file that a console's ring lives in: no server is needed, and none need be alive.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use vuart::endpoint::wire::Hole;
use vuart::scrollback::Scrollback;

use super::Printout;
use crate::args::LogArgs;
use crate::error::Error;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Prints what was asked for, as it is at this moment.
pub(super) fn print(path: &Path, args: &LogArgs, printout: &mut Printout) -> Result<(), Error> {
    let file = open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
    let ring = Scrollback::load(&file).map_err(|source| Error::Ring { path: path.to_owned(), source })?;
    let mut reader = ring.reader(args.begin().into());
    let mut left = args.max.unwrap_or(u64::MAX);
    let mut buf = vec![0; CHUNK];
    // What is gone before the first byte is told, also when no byte is asked for. Otherwise it is when a byte follows.
    while reader.cursor() < ring.end() {
        let from = reader.cursor();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let read = reader.read(&mut buf[..most]);
        if read.missed > 0 {
            printout.hole(Hole { from, to: read.start });
        }
        printout.output(&buf[..read.len()])?;
        left -= read.len() as u64;
        if left == 0 {
            break;
        }
    }
    printout.end(reader.cursor());
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe that nobody writes to is no ring, and not to be waited for; a terminal is not to become ours.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    File::options().read(true).custom_flags(flags.cast_signed()).open(path)
}
