//! Reading a trail's ring by whole lines.

use serde::Deserialize;
use vuart_scrollback::Reader;

use super::line::AuditLine;

/// What is not a whole line is passed over: the rest of one whose beginning the ring has overwritten, or whose writer was killed.
#[derive(Debug)]
pub(super) struct Lines {
    reader: Reader,
    /// What was read and not taken.
    begun: Vec<u8>,
    /// What comes up to the next newline is longer than any line.
    skips: bool,
}

impl Lines {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, begun: Vec::new(), skips: false }
    }

    /// The next line, newline included.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.begun.drain(..=at).collect();
                if !std::mem::take(&mut self.skips) {
                    return Some(line);
                }
                continue;
            }
            if self.begun.len() > AuditLine::MAX {
                self.begun.clear();
                self.skips = true;
            }
            let read = self.reader.read(&mut buffer);
            if read.missed > 0 {
                self.begun.clear();
            } else if read.is_empty() {
                return None;
            }
            self.begun.extend(&buffer[..read.len()]);
        }
    }

    /// The offset behind the line that was taken last.
    pub(super) fn cursor(&self) -> u64 {
        self.reader.cursor().saturating_sub(self.begun.len() as u64)
    }

    /// There may be more.
    pub(super) fn is_behind(&self) -> bool {
        self.reader.is_behind()
    }

    /// When nothing more could be taken: the end of a line is not there.
    pub(super) fn is_torn(&self) -> bool {
        !self.begun.is_empty() || self.skips
    }
}

/// The number of a line; `None` if it is none, or only a part of one. (A part that is an object by itself has more behind it.)
pub(super) fn number_of(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        line: u64,
    }
    serde_json::from_slice(line).ok().map(|Numbered { line }| line)
}
