//! A command's result, on standard output: as it is, or in columns.

use std::io::{self, Write as _, stdout};

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
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        let text = aligned(row(["ID", "WHO"]), [row(["1234", "Zoë"]), row(["7", ""])]);
        assert_eq!(text, "ID    WHO\n1234  Zoë\n7\n");
    }
}
