//! Hooks that change the bytes on their way.

/// Changes bytes on their way: what the guest has written before it is shown, or what was typed before the guest gets it.
///
/// It gets the bytes in order, in pieces of any length, so it keeps what it needs to know of the piece before. What it adds to `out` may
/// be longer or shorter. Any `FnMut(&[u8], &mut Vec<u8>)` that can be sent to another thread is one.
pub trait Filter: Send {
    /// Adds to `out` what becomes of `bytes`.
    fn filter(&mut self, bytes: &[u8], out: &mut Vec<u8>);
}

impl<F: FnMut(&[u8], &mut Vec<u8>) + Send> Filter for F {
    fn filter(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self(bytes, out);
    }
}

/// The maps of line ends that serial programs offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineEnds {
    /// A line feed becomes a carriage return and a line feed, unless there is one before it already: for output of a guest whose terminal
    /// would do that.
    LfToCrLf,
    /// A line feed becomes a carriage return: for input from a file or a pipe. Enter is a carriage return for a guest.
    LfToCr,
    /// A carriage return before a line feed is left out: for output to a file.
    CrLfToLf,
}

impl LineEnds {
    /// Makes the filter.
    pub fn filter(self) -> impl Filter + 'static {
        let mut after_cr = false;
        move |bytes: &[u8], out: &mut Vec<u8>| {
            for byte in bytes {
                let before = std::mem::replace(&mut after_cr, *byte == b'\r');
                match (self, *byte) {
                    (Self::LfToCrLf, b'\n') if !before => out.extend_from_slice(b"\r\n"),
                    (Self::LfToCr, b'\n') => out.push(b'\r'),
                    // Kept until it is known what comes after it.
                    (Self::CrLfToLf, b'\r') if before => out.push(b'\r'),
                    (Self::CrLfToLf, b'\r') => {}
                    (Self::CrLfToLf, byte) if before && byte != b'\n' => {
                        out.extend_from_slice(&[b'\r', byte]);
                    }
                    (_, byte) => out.push(byte),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(ends: LineEnds, pieces: &[&str]) -> String {
        let (mut filter, mut out) = (ends.filter(), Vec::new());
        for piece in pieces {
            filter.filter(piece.as_bytes(), &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn line_ends_are_mapped_also_across_pieces() {
        for (ends, text, expected) in [
            (LineEnds::LfToCrLf, "a\nb\r\nc\rd\n\n", "a\r\nb\r\nc\rd\r\n\r\n"),
            (LineEnds::LfToCr, "a\nb\r\nc", "a\rb\r\rc"),
            (LineEnds::CrLfToLf, "a\r\nb\nc\rd\r\r\ne", "a\nb\nc\rd\r\ne"),
        ] {
            assert_eq!(through(ends, &[text]), expected, "{ends:?}");
            let pieces: Vec<String> = text.chars().map(String::from).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(through(ends, &pieces), expected, "{ends:?}, a byte at a time");
        }
    }
}
