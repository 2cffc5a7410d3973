//! The output in the file that holds a console's ring. It needs no server.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use vuart_scrollback::{FileError, Position, RingFile};
use vuart_wire::Hole;

use super::args::LogArgs;
use super::printout::Printout;
use super::quiet::{Quiet, wait_unless_unread};
use super::served::too_far;
use crate::error::Error;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// How often the file is checked for more output. Nothing notifies a reader of a file.
const INTERVAL: Duration = Duration::from_millis(200);

/// Prints the requested part as it is at this moment, and with `--follow` what comes after it. Only that part of the file is read.
pub(super) fn print(path: &Path, args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
    let file = open(path)?;
    let spoilt = |source: FileError| Error::Ring { path: path.to_owned(), source };
    let ring = RingFile::new(file).map_err(spoilt)?;
    let mut end = ring.end().map_err(spoilt)?;
    let mut cursor = ring.offset(args.begin()).map_err(spoilt)?;
    if let Position::Offset(from) = args.begin()
        && end < from
    {
        printout.note(&too_far(end, from));
        if !args.follow {
            return printout.end(end, None);
        }
    }
    let mut left = args.max.unwrap_or(u64::MAX);
    let mut buf = vec![0; CHUNK];
    let mut quiet = Quiet::default();
    loop {
        // A hole before the first byte is reported even if no byte is requested. Other holes are reported with the byte after.
        while cursor < end {
            let from = cursor;
            let most = usize::try_from(left.min(end - from)).unwrap_or(usize::MAX).min(buf.len());
            let read = ring.read_at(from, &mut buf[..most]).map_err(spoilt)?;
            cursor = read.next;
            if read.missed > 0 {
                printout.hole(Hole { from, to: read.start })?;
            }
            printout.output(read.start, &buf[..read.len()])?;
            quiet.ended();
            left -= read.len() as u64;
            if left == 0 || cursor == from {
                break;
            }
        }
        if !args.follow || left == 0 {
            return printout.end(cursor, None);
        }
        if wait_unless_unread(None, INTERVAL)?.is_none() {
            return Ok(());
        }
        end = ring.end().map_err(spoilt)?;
        if quiet.lasts() {
            printout.pause()?;
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    // Looked at first, because a device may act when it is opened, and somebody may wait for a pipe's other end.
    is_file(&fs::metadata(path).map_err(failed)?, path)?;
    // It may be another by now. Opening a pipe must not block, and opening a terminal must not make it the controlling terminal.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = File::options().read(true).custom_flags(flags.cast_signed()).open(path).map_err(failed)?;
    is_file(&file.metadata().map_err(failed)?, path)?;
    Ok(file)
}

fn is_file(found: &Metadata, path: &Path) -> Result<(), Error> {
    let kind = found.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a pipe",
        _ => "a device",
    };
    Err(Error::NoRing { path: path.to_owned(), what })
}
