//! A file that keeps a console's output.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use vuart_file::{Kind, Options};

use crate::error::LocalError;

/// A file of the VMM's user that nobody else may write: [`vuart_file`] says what is checked.
const OUTPUT: Kind = Kind { name: "a console's output", begins: |_| true };

/// A file for the guest's output. It is private to this user (mode 0600), a regular file with one name, and locked, so that no other
/// console is written into it.
#[derive(Debug, Clone)]
pub struct LogFile {
    path: PathBuf,
    truncate: bool,
    most: u64,
}

impl LogFile {
    /// A file that output is added to.
    pub fn append(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), truncate: false, most: u64::MAX }
    }

    /// A file whose content is replaced.
    pub fn truncate(path: impl AsRef<Path>) -> Self {
        Self { truncate: true, ..Self::append(path) }
    }

    /// Sets the most bytes that the file may have. At the bound a last line says so, which stands within the bound, and nothing more is
    /// written: the beginning of a log is worth more than what a guest that floods it writes later, and the newest output is in the
    /// ring. By default there is no bound.
    #[must_use]
    pub fn with_most(self, bytes: u64) -> Self {
        Self { most: bytes, ..self }
    }

    pub(crate) fn open(&self) -> Result<OpenLog, LocalError> {
        let mut file = Options::new(OUTPUT).append().lock().open(&self.path)?.file;
        if self.truncate {
            file.set_len(0).map_err(LocalError::Prepare)?;
        }
        let length = file.seek(SeekFrom::End(0)).map_err(LocalError::Prepare)?;
        let note = if self.most == u64::MAX {
            String::new()
        } else {
            format!("\r\n[vuart: the file is full: {} bytes; later output is not in it]\r\n", self.most)
        };
        Ok(OpenLog { file, left: self.most.saturating_sub(length), note })
    }
}

/// A log that is open.
#[derive(Debug)]
pub(crate) struct OpenLog {
    file: File,
    /// The bytes that it still may have.
    left: u64,
    /// The last line, which counts as part of `left`.
    note: String,
}

impl OpenLog {
    /// Writes. `FBIG` at the bound.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let note = self.note.len() as u64;
        let room = usize::try_from(self.left.saturating_sub(note)).unwrap_or(usize::MAX);
        if room == 0 {
            if self.left >= note && note > 0 {
                self.left = 0;
                self.file.write_all(self.note.as_bytes())?;
            }
            return Err(Errno::FBIG.into());
        }
        let written = self.file.write(bytes.get(..room).unwrap_or(bytes))?;
        self.left -= written as u64;
        Ok(written)
    }
}
