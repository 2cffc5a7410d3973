//! Parsing a whole trace.

use std::str::FromStr;

use crate::error::{ParseError, Reason, excerpt};
use crate::line::{self, Line};
use crate::operation::{Operation, Settings};

/// A valid trace. [`parse`](str::parse) makes it from text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    settings: Settings,
    pub(super) text: String,
    /// The operations, each with the number of its text line, from 1.
    operations: Vec<(usize, Operation)>,
}

/// Splits a text line into what precedes its comment, and the comment with its `#`.
pub(super) fn split(line: &str) -> (&str, &str) {
    line.split_at(line.find('#').unwrap_or(line.len()))
}

impl Trace {
    /// The settings of the UART.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The operations, each with the number of its text line, from 1.
    pub fn operations(&self) -> impl Iterator<Item = (usize, &Operation)> {
        self.operations.iter().map(|(number, operation)| (*number, operation))
    }

    /// The comments at the top, without `#`: those on a line of their own before the first operation.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        let before = self.operations.first().map_or(usize::MAX, |(number, _)| number - 1);
        let lines = self.text.lines().take(before);
        lines.filter_map(|line| line.trim_start().strip_prefix('#')).map(str::trim)
    }
}

impl FromStr for Trace {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut settings = Settings::default();
        let mut set = Vec::new();
        let mut operations = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let fail = |reason| ParseError { line: number, reason };
            let (code, comment) = split(line);
            if number == 1
                && let Some(version) = foreign_version(comment)
            {
                return Err(fail(Reason::Version(excerpt(version))));
            }
            match line::parse(code, &mut settings).map_err(fail)? {
                Line::Blank => {}
                Line::Setting(setting) => {
                    let word = || excerpt(code.split_ascii_whitespace().next().unwrap_or_default());
                    if !operations.is_empty() {
                        return Err(fail(Reason::LateSetting(word())));
                    }
                    if set.contains(&setting) {
                        return Err(fail(Reason::TwiceSet(word())));
                    }
                    set.push(setting);
                }
                Line::Operation(operation) => operations.push((number, operation)),
            }
        }
        Ok(Self { settings, text: text.to_owned(), operations })
    }
}

/// The version in a header of another version: `# vuart trace v2`.
fn foreign_version(comment: &str) -> Option<&str> {
    let version = comment.strip_prefix("# vuart trace ")?.split_ascii_whitespace().next()?;
    let digits = version.strip_prefix('v')?;
    (version != "v1" && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(version)
}
