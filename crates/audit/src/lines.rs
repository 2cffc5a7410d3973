//! Reading whole lines from a trail's ring.

use serde_json::Value;
use vuart_scrollback::Reader;

use crate::line::AuditLine;

/// Reads whole lines. It skips the rest of a line whose beginning the ring has overwritten, or whose writer was killed.
#[derive(Debug)]
pub(crate) struct Lines {
    reader: Reader,
    /// The bytes that are read and not taken.
    begun: Vec<u8>,
    /// The bytes up to the next newline are more than any line has.
    skips: bool,
}

impl Lines {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, begun: Vec::new(), skips: false }
    }

    /// Takes the next line, newline included.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
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

    /// The offset behind the last line that was taken.
    pub(crate) fn cursor(&self) -> u64 {
        self.reader.cursor().saturating_sub(self.begun.len() as u64)
    }

    /// Whether there may be more.
    pub(crate) fn is_behind(&self) -> bool {
        self.reader.is_behind()
    }

    /// Whether the last line has no end. Ask it when nothing more could be taken.
    pub(crate) fn is_torn(&self) -> bool {
        !self.begun.is_empty() || self.skips
    }
}

/// The number of a line. `None` if the bytes are not a line, or only a part of one. (A part that is an object by itself has more bytes
/// behind it.)
pub(crate) fn number_of(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(line).ok()?.get("line")?.as_u64()
}

#[cfg(test)]
mod tests {
    use vuart_scrollback::Scrollback;

    use super::*;

    #[test]
    fn a_beginning_and_the_rest_of_another_line_are_no_line() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let mut lines = Lines::new(scrollback.reader_at(0));
        writer.extend(b"{\"line\":");
        assert_eq!(lines.take(), None);
        assert!(lines.is_torn());
        writer.extend(&[b' '; 8192]);
        writer.extend(b"7}\n{\"line\":8}\n");
        let mut numbers = Vec::new();
        while let Some(line) = lines.take() {
            numbers.extend(number_of(&line));
        }
        assert_eq!(numbers, [8]);
        assert_eq!(lines.cursor(), scrollback.end());
        assert!(!lines.is_torn());
    }

    #[test]
    fn what_is_longer_than_any_line_is_passed_over_and_takes_no_memory() {
        let (mut writer, scrollback) = Scrollback::new(1 << 20).unwrap();
        let mut lines = Lines::new(scrollback.reader_at(0));
        writer.extend(&vec![b'x'; 1 << 19]);
        assert_eq!(lines.take(), None);
        assert!(lines.is_torn() && lines.begun.capacity() < 4 * AuditLine::MAX);
        writer.extend(b"\nline\n");
        assert_eq!(lines.take(), Some(b"line\n".to_vec()));
        assert_eq!(lines.take(), None);
    }
}
