//! What the tour prints, and its checks.

use std::io::{Write as _, stdout};

use vuart::endpoint::Identity;
use vuart::wire::Event;

use crate::demo::error::DemoError;
use crate::error::Error;

/// How much of an unexpected result is shown, in bytes.
const EXCERPT: usize = 160;

/// Reports a step that succeeded.
pub(super) fn ok(what: &str) -> Result<(), Error> {
    line("ok", what)
}

/// Prints a text line.
pub(super) fn line(mark: &str, what: &str) -> Result<(), Error> {
    let mut stdout = stdout().lock();
    let written = writeln!(stdout, "{mark:<7} {what}").and_then(|()| stdout.flush());
    written.map_err(Error::Stdout)
}

/// Fails unless the result is right.
pub(super) fn check(expected: &str, right: bool, got: impl FnOnce() -> String) -> Result<(), Error> {
    if right { Ok(()) } else { Err(DemoError::check(expected, got()).into()) }
}

/// Fails because the server has given another answer.
pub(super) fn unexpected<T>(expected: &str, got: &Event) -> Result<T, Error> {
    Err(DemoError::check(expected, format!("{got:?}")).into())
}

/// Fails unless the identity is that of a client of the tour. Such a client has this process' ids, whatever its label is.
pub(super) fn check_identity(identity: &Identity, label: &str) -> Result<(), Error> {
    let us = Identity::new(label, rustix::process::geteuid().as_raw(), Some(std::process::id()))
        .with_gid(rustix::process::getegid().as_raw());
    check(&us.to_string(), *identity == us, || identity.to_string())
}

/// The bytes as a string literal, shortened in the middle when there are many.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    match bytes.len().checked_sub(EXCERPT) {
        None | Some(0) => format!("\"{}\"", bytes.escape_ascii()),
        Some(_) => {
            let (head, tail) = (&bytes[..EXCERPT / 2], &bytes[bytes.len() - EXCERPT / 2..]);
            format!("\"{}\" ... \"{}\" ({} bytes)", head.escape_ascii(), tail.escape_ascii(), bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_excerpt_is_shortened() {
        assert_eq!(excerpt(b"a\r\n"), r#""a\r\n""#);
        let shortened = excerpt(&[b'x'; 4096]);
        assert!(shortened.len() < 200 && shortened.ends_with("(4096 bytes)"), "{shortened}");
    }
}
