//! What models have in place of mapped memory.

use std::{fs::File, io};

use super::Memory;

#[expect(clippy::unnecessary_wraps, reason = "it stands in for system calls")]
impl Memory {
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        Self::on_heap(len).ok_or(io::ErrorKind::OutOfMemory.into())
    }

    pub(crate) fn of_file(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn of_file_read_only(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
