//! A command's result, on standard output: as it is, in columns, or as JSON.

use std::fmt::Write as _;
use std::io::{self, Write as _, stdout};

use serde::Serialize;
use vuart_endpoint::is_printable;

use crate::error::Error;
use crate::exit::Exit;

/// Writes the result. A closed pipe is no error: its reader has read enough.
pub(crate) fn print(result: impl AsRef<[u8]>) -> Result<Exit, Error> {
    let mut stdout = stdout().lock();
    match stdout.write_all(result.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
        _ => Ok(Exit::DONE),
    }
}

/// A value as JSON, in one line or in several. It is exact, and harmless on a terminal: each character that is not
/// [printable](is_printable) is an escape.
pub(crate) fn json(value: &impl Serialize, pretty: bool) -> String {
    let json = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    // Serialising plain structs with string keys into memory can't fail.
    let json = json.unwrap_or_default();
    // Line ends between members stay. In a string, `serde_json` has escaped them.
    let stays = |c: char| c == '\n' || is_printable(c);
    if json.chars().all(stays) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 16), |mut out, c| {
        if stays(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// Formats a header and rows as text lines. Each column is as wide as its widest cell.
pub(crate) fn aligned<const N: usize>(
    header: [String; N],
    lines: impl IntoIterator<Item = [String; N]>,
) -> String {
    let lines: Vec<[String; N]> = std::iter::once(header).chain(lines).collect();
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_json_is_exact_and_harmless() {
        let text: String = (0..0x3100).chain([0xfeff, 0x1f600, 0xe0041]).filter_map(char::from_u32).collect();
        for pretty in [false, true] {
            let json = json(&[&text], pretty);
            assert!(json.chars().all(|c| c == '\n' || is_printable(c)), "{json}");
            let [read]: [String; 1] = serde_json::from_str(&json).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        let text = aligned(row(["ID", "WHO"]), [row(["1234", "Zoë"]), row(["7", ""])]);
        assert_eq!(text, "ID    WHO\n1234  Zoë\n7\n");
    }
}
