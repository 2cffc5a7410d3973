//! The file of a trail and the older files beside it, which together never take more than their limit (E8).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use vuart_file::{Kind, OpenError, Options};

use crate::error::AuditError;
use crate::line::AuditLine;
use crate::saver::Sink;

/// The most older files: `.1`, the newest, to `.3`.
const OLDER: u64 = 3;

/// The file in which a trail is saved, and how much of it is kept.
///
/// Lines are appended. When the file has a quarter of the limit, it is renamed to `FILE.1`, the former `FILE.1` to `FILE.2`, up to
/// `FILE.3`, and a new file is begun. The former `FILE.3` is removed. The file is locked (`flock(2)`) while a trail is saved in it.
///
/// Each file has mode 0600, whatever the umask. Only a file of this user's that holds a trail, or is empty, is appended to, renamed or
/// removed. No link is followed.
///
/// When the limit is lowered, the oldest files beyond it are removed at the next [save](crate::Audit::save).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFile {
    path: PathBuf,
    limit: u64,
}

impl AuditFile {
    /// The default limit: 16 MiB, some fifty thousand lines.
    pub const LIMIT: u64 = 16 << 20;

    /// The smallest limit.
    pub const LIMIT_MIN: u64 = (OLDER + 1) * AuditLine::MAX as u64;

    /// Uses the file by that name, which must be in a directory that other users can't write.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), limit: Self::LIMIT }
    }

    /// Sets the limit of all files together, in bytes: at least [`LIMIT_MIN`](Self::LIMIT_MIN).
    #[must_use]
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    pub(crate) fn open(self) -> Result<Capped, AuditError> {
        if self.limit < Self::LIMIT_MIN {
            return Err(AuditError::Limit { limit: self.limit, least: Self::LIMIT_MIN });
        }
        let Self { path, limit } = self;
        let share = limit / (OLDER + 1);
        check_older(&path)?;
        let file = open(&path)?;
        let fail = |source| AuditError::Open { path: path.clone(), source };
        let len = file.metadata().map_err(fail)?.len();
        let mut last = [b'\n'];
        if len > 0 {
            file.read_exact_at(&mut last, len - 1).map_err(fail)?;
        }
        let torn = last != [b'\n'];
        let mut capped = Capped { path, file, len, limit, share, torn, moved: false };
        if capped.len > capped.share {
            capped.rotate()?;
        }
        capped.prune()?;
        sync_directory(&capped.path);
        Ok(capped)
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Capped {
    path: PathBuf,
    file: File,
    len: u64,
    limit: u64,
    share: u64,
    /// The last line has no end: its writer was killed, or the disk was full.
    torn: bool,
    /// The file is renamed already, and a new one could not be made yet.
    moved: bool,
}

impl Capped {
    /// The end of what was saved before: at least some lines, if there are any.
    pub(crate) fn tail(&self) -> Result<Vec<u8>, AuditError> {
        let tail =
            end_of(&self.file).map_err(|source| AuditError::Open { path: self.path.clone(), source })?;
        if !tail.is_empty() {
            return Ok(tail);
        }
        // If it can't be read, more is saved than need be.
        let older = Options::new(TRAIL).existing().open(&numbered(&self.path, 1));
        Ok(older.ok().and_then(|older| end_of(&older.file).ok()).unwrap_or(tail))
    }

    /// Begins a new file.
    fn rotate(&mut self) -> Result<(), AuditError> {
        let fail = |source| AuditError::Rotate { path: self.path.clone(), source };
        if !self.moved {
            check_older(&self.path).map_err(|error| match error {
                AuditError::File(error) => fail(io::Error::other(error)),
                error => error,
            })?;
            // Later this file is not open any more.
            self.file.sync_data().map_err(AuditError::Sync)?;
            for number in (1..OLDER).rev() {
                rename(&numbered(&self.path, number), &numbered(&self.path, number + 1)).map_err(fail)?;
            }
            rename(&self.path, &numbered(&self.path, 1)).map_err(fail)?;
            // Rename once, however often the rest fails: otherwise each attempt would push a file out.
            self.moved = true;
        }
        self.file = open(&self.path)?;
        self.len = self.file.metadata().map_err(fail)?.len();
        (self.torn, self.moved) = (false, false);
        sync_directory(&self.path);
        self.prune()
    }

    /// Removes the oldest files beyond the limit.
    fn prune(&self) -> Result<(), AuditError> {
        let mut left = self.limit - self.share;
        for number in 1..=OLDER {
            let path = numbered(&self.path, number);
            let fail = |source| AuditError::Rotate { path: path.clone(), source };
            // The length of a link, not of its target.
            let len = match fs::symlink_metadata(&path) {
                Ok(found) => found.len(),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(error)),
            };
            if let Some(rest) = left.checked_sub(len) {
                left = rest;
            } else {
                left = 0;
                fs::remove_file(&path).map_err(fail)?;
            }
        }
        Ok(())
    }
}

impl Drop for Capped {
    fn drop(&mut self) {
        // To close it is not enough if a child was forked meanwhile and has not begun its program yet.
        let _ = self.file.unlock();
    }
}

impl Sink for Capped {
    fn make_room(&mut self, len: usize) -> Result<(), AuditError> {
        // One byte more for the end of a torn line.
        let len = len as u64 + 1;
        if self.moved || self.len.saturating_add(len) > self.share {
            self.rotate()?;
        }
        if self.torn {
            self.write(b"\n").map_err(AuditError::Write)?;
            self.torn = false;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A file with lines of a trail.
const TRAIL: Kind = Kind { name: "an audit trail", begins: begins_trail };

/// Whether a file begins as a trail does: with a line of one, or with what is left of a line whose writer was killed, and which has its end
/// from the next.
fn begins_trail(bytes: &[u8]) -> bool {
    let begins_line = |line: &[u8]| line.starts_with(&START[..line.len().min(START.len())]);
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.next().is_none_or(begins_line)
}

/// How each line begins, of every version.
const START: &[u8] = b"{\"v\":";

fn open(path: &Path) -> Result<File, AuditError> {
    match Options::new(TRAIL).append().lock().open(path) {
        Ok(opened) => Ok(opened.file),
        Err(OpenError::InUse { path }) => Err(AuditError::InUse { path }),
        Err(error) => Err(AuditError::File(error)),
    }
}

/// Checks that what has the name of an older file is one: it will be renamed or removed.
fn check_older(path: &Path) -> Result<(), AuditError> {
    for number in 1..=OLDER {
        match Options::new(TRAIL).existing().open(&numbered(path, number)) {
            Err(OpenError::Open { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            opened => drop(opened.map_err(AuditError::File)?),
        }
    }
    Ok(())
}

fn end_of(file: &File) -> io::Result<Vec<u8>> {
    let end = file.metadata()?.len();
    // The last two lines may be torn or have no number.
    let from = end.saturating_sub(4 * AuditLine::MAX as u64);
    let mut tail = vec![0; usize::try_from(end - from).unwrap_or_default()];
    file.read_exact_at(&mut tail, from)?;
    Ok(tail)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Brings the names to the disk, too. Some file systems can't do that, and then nothing can be done.
fn sync_directory(path: &Path) {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_begun_has_been_moved_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit");
        let mut capped = AuditFile::new(&path).open().unwrap();
        capped.write(b"old\n").unwrap();
        // As if there had been no file descriptor left for the next one.
        fs::rename(&path, numbered(&path, 1)).unwrap();
        capped.moved = true;
        capped.make_room(100).unwrap();
        capped.write(b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::read(numbered(&path, 1)).unwrap(), b"old\n");
        assert!(!numbered(&path, 2).exists() && !capped.moved);
    }
}
