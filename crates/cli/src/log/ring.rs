//! The output in the file that holds a console's ring. It needs no server.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use vuart_scrollback::{Position, Scrollback};
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

/// The position in the file of the end of the output, as `vuart_scrollback::layout` says. It only decides when to load the
/// ring again, so another value there would do no harm.
const TAIL: u64 = 128;

/// Prints the requested part as it is at this moment, and with `--follow` what comes after it.
pub(super) fn print(path: &Path, args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
    let file = open(path)?;
    let load = || Scrollback::load(&file).map_err(|source| Error::Ring { path: path.to_owned(), source });
    let mut ring = load()?;
    let mut reader = ring.reader(args.begin());
    if let Position::Offset(from) = args.begin()
        && ring.end() < from
    {
        printout.note(&too_far(ring.end(), from));
        if !args.follow {
            return printout.end(ring.end(), None);
        }
    }
    let mut left = args.max.unwrap_or(u64::MAX);
    let mut buf = vec![0; CHUNK];
    let mut quiet = Quiet::default();
    loop {
        // A hole before the first byte is reported even if no byte is requested. Other holes are reported with the byte after.
        while reader.cursor() < ring.end() {
            let from = reader.cursor();
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            let read = reader.read(&mut buf[..most]);
            if read.missed > 0 {
                printout.hole(Hole { from, to: read.start })?;
            }
            printout.output(read.start, &buf[..read.len()])?;
            quiet.ended();
            left -= read.len() as u64;
            if left == 0 {
                break;
            }
        }
        if !args.follow || left == 0 {
            return printout.end(reader.cursor(), None);
        }
        if wait_unless_unread(None, INTERVAL)?.is_none() {
            return Ok(());
        }
        if end(&file).is_none_or(|end| end != ring.end()) {
            // A copy, because another process may make the file shorter while it is mapped.
            ring = load()?;
            reader = ring.reader_at(reader.cursor());
        }
        if quiet.lasts() {
            printout.pause()?;
        }
    }
}

/// The end of the output in the file at this moment.
fn end(file: &File) -> Option<u64> {
    let mut word = [0; 8];
    file.read_exact_at(&mut word, TAIL).ok()?;
    Some(u64::from_ne_bytes(word))
}

fn open(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    // Opening a pipe must not block, and opening a terminal must not make it the controlling terminal.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = File::options().read(true).custom_flags(flags.cast_signed()).open(path).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(file),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a pipe",
        _ => "a device",
    };
    Err(Error::NoRing { path: path.to_owned(), what })
}
