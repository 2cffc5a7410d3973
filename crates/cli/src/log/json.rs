//! Output for programs: one JSON object in each text line. `docs/log-json.md` describes the objects.

use std::fmt::Write as _;
use std::io::{self, stdout};

use serde::Serialize;
use vuart_endpoint::{Cause, End};
use vuart_wire::Hole;

use super::printout::Printout;
use crate::error::Error;
use crate::print::json;

/// The longest piece of a text line in one object, in bytes. A guest may write a line without end.
const LONGEST: usize = 64 << 10;

/// A printout of objects. An incomplete text line is held back, up to a limit. The output is escaped, so it changes nothing in a
/// terminal.
#[derive(Debug, Default)]
pub(super) struct Json {
    /// The incomplete text line.
    line: Vec<u8>,
    /// The offset of its first byte.
    offset: u64,
}

/// An object of the output.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Object<'a> {
    Hole {
        from: u64,
        to: u64,
    },
    End {
        next: u64,
        #[serde(flatten)]
        cause: Option<Cause>,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    #[serde(untagged)]
    Text {
        offset: u64,
        text: &'a str,
    },
    #[serde(untagged)]
    Hex {
        offset: u64,
        hex: String,
    },
}

impl Json {
    /// Prints the incomplete line. If it may continue, the bytes of an incomplete character stay.
    fn flush(&mut self, goes_on: bool) -> Result<(), Error> {
        let most = if goes_on { whole_characters(&self.line) } else { self.line.len() };
        if most == 0 {
            return Ok(());
        }
        let (offset, line) = (self.offset, &self.line[..most]);
        match std::str::from_utf8(line) {
            Ok(text) => write(&Object::Text { offset, text })?,
            Err(_) => write(&Object::Hex { offset, hex: hex(line) })?,
        }
        self.line.drain(..most);
        self.offset = self.offset.saturating_add(most as u64);
        Ok(())
    }
}

impl Printout for Json {
    fn output(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            // At most an incomplete character is left from the last piece, so there is room.
            let most = bytes.len().min(LONGEST - self.line.len());
            let end = bytes[..most].iter().position(|byte| *byte == b'\n');
            let (piece, rest) = bytes.split_at(end.map_or(most, |end| end + 1));
            if self.line.is_empty() {
                self.offset = offset;
            }
            self.line.extend_from_slice(piece);
            offset = offset.saturating_add(piece.len() as u64);
            bytes = rest;
            if end.is_some() {
                self.flush(false)?;
            } else if self.line.len() == LONGEST {
                self.flush(true)?;
            }
        }
        Ok(())
    }

    fn hole(&mut self, Hole { from, to }: Hole) -> Result<(), Error> {
        self.flush(false)?;
        write(&Object::Hole { from, to })
    }

    fn pause(&mut self) -> Result<(), Error> {
        self.flush(true)
    }

    fn end(&mut self, next: u64, end: Option<&End>) -> Result<(), Error> {
        self.flush(false)?;
        let (cause, at) = (end.map(|end| end.cause.clone()), end.map(|end| end.at.to_string()));
        write(&Object::End { next, cause, at })
    }
}

/// The length without an incomplete UTF-8 character at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    // A character has at most four bytes.
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (0..tail.len())
        .find(|start| {
            std::str::from_utf8(&tail[*start..])
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .map_or(bytes.len(), |start| bytes.len() - tail.len() + start)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn write(object: &Object<'_>) -> Result<(), Error> {
    let line = json(object, false) + "\n";
    let mut stdout = stdout().lock();
    io::Write::write_all(&mut stdout, line.as_bytes())
        .and_then(|()| io::Write::flush(&mut stdout))
        .map_err(Error::Stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_split() {
        for (bytes, whole) in [
            (&b"abc"[..], 3),
            (b"", 0),
            ("aé".as_bytes(), 3),
            (&"aé".as_bytes()[..2], 1),
            (&"a\u{1f600}".as_bytes()[..4], 1),
            (&"a\u{1f600}".as_bytes()[..2], 1),
            ("a\u{1f600}".as_bytes(), 5),
            // These bytes can't become a character, whatever follows.
            (b"a\xff", 2),
            (b"a\x80\x80\x80", 4),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:?}");
        }
    }

    #[test]
    fn objects_are_as_documented() {
        let json = |object: &Object<'_>| json(object, false);
        let text = Object::Text { offset: 7, text: "\x1b[m\u{9b}\x7f\"\r\n" };
        assert_eq!(json(&text), r#"{"offset":7,"text":"\u001b[m\u009b\u007f\"\r\n"}"#);
        assert_eq!(json(&Object::Hex { offset: 7, hex: hex(b"\xff\n") }), r#"{"offset":7,"hex":"ff0a"}"#);
        assert_eq!(json(&Object::Hole { from: 1, to: 9 }), r#"{"hole":{"from":1,"to":9}}"#);
        assert_eq!(json(&Object::End { next: 9, cause: None, at: None }), r#"{"end":{"next":9}}"#);
        let end = Object::End { next: 9, cause: Some(Cause::VmEnded), at: Some("T".to_owned()) };
        assert_eq!(json(&end), r#"{"end":{"next":9,"code":"vm-ended","at":"T"}}"#);
    }
}
