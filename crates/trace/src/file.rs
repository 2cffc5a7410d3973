//! The file of a trace.

use std::fs::File;
use std::path::Path;

use vuart_file::{Kind, OpenError, Options};

use crate::HEADER;

/// A trace of any version.
const TRACE: Kind = Kind {
    name: "a trace",
    begins: |bytes| HEADER.rsplit_once('1').is_some_and(|(any, _)| bytes.starts_with(any.as_bytes())),
};

/// Opens a file to [save](crate::Recording::save) a trace in it, and makes it if it is missing. An earlier trace there is replaced. A trace
/// holds what was typed, so the file has mode 0600.
///
/// The file is locked, so that two recordings do not share it. Keep the result, or hand it to [`save`](crate::Recording::save).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("boot.trace");
/// let file = vuart_trace::create_file(&path)?;
/// # drop(file);
/// std::fs::write(&path, "notes")?;
/// assert!(vuart_trace::create_file(&path).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When the file is not this user's alone, holds something else than a trace, or can't be opened. It is unchanged then.
pub fn create_file(path: &Path) -> Result<File, OpenError> {
    let file = Options::new(TRACE).lock().open(path)?.file;
    // Only now is it known to be a trace.
    file.set_len(0).map_err(|source| OpenError::Open { path: path.to_owned(), source })?;
    Ok(file)
}
