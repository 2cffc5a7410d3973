//! A trace as a whole.

use std::str::FromStr;

use crate::line::{self, Line};
use crate::operation::{Operation, Settings};

/// A trace that makes sense. It is made by [`parse`](str::parse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    settings: Settings,
    pub(super) text: String,
    /// Each with the number of its line, from 1.
    operations: Vec<(usize, Operation)>,
}

/// What precedes a line's comment, and the comment with its `#`.
pub(super) fn split(line: &str) -> (&str, &str) {
    line.split_at(line.find('#').unwrap_or(line.len()))
}

/// Where a trace makes no sense, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {reason}")]
#[non_exhaustive]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a line makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The header names a version that this is not made for.
    #[error("the trace is of version {0:?}, and this reads v1")]
    Version(String),
    /// No operation has that name.
    #[error(
        "{0:?} is no operation; there are w r rx rx-err break tx tx-break irq modem t mode profile out2-gate"
    )]
    UnknownOperation(String),
    /// A word is not what belongs there.
    #[error("{word:?} is not {expected}")]
    Unknown {
        /// The word.
        word: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The line ends early.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The line goes on after its end.
    #[error("{0:?} is too much")]
    Surplus(String),
    /// A modem input goes on and off at once.
    #[error("an input can't go on and off at once")]
    OnAndOff,
    /// The settings stand before the first operation.
    #[error("{0} must stand before the first operation")]
    LateSetting(String),
    /// A setting stands there already.
    #[error("{0} is said twice")]
    TwiceSet(String),
    /// Time in a mode that has none.
    #[error("time passes only after `mode timed`")]
    TimeInInstantMode,
    /// The recorder could not keep everything.
    #[error("operations were lost here when this was recorded: what follows can't be replayed")]
    Lost,
}

impl Reason {
    pub(super) fn unknown(word: &str, expected: &'static str) -> Self {
        Self::Unknown { word: excerpt(word), expected }
    }
}

impl Trace {
    /// What it says of the UART.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Its operations, each with the number of its line, from 1.
    pub fn operations(&self) -> impl Iterator<Item = (usize, &Operation)> {
        self.operations.iter().map(|(number, operation)| (*number, operation))
    }

    /// Its comments, without `#`, from the top: those that stand on a line of their own before the first operation.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        let before = self.operations.first().map_or(usize::MAX, |(number, _)| number - 1);
        let lines = self.text.lines().take(before);
        lines.filter_map(|line| line.trim_start().strip_prefix('#')).map(str::trim)
    }
}

impl FromStr for Trace {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // Some editors begin a file with it.
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

/// The version in a header that is not ours: `# vuart trace v2`.
fn foreign_version(comment: &str) -> Option<&str> {
    let version = comment.strip_prefix("# vuart trace ")?.split_ascii_whitespace().next()?;
    let digits = version.strip_prefix('v')?;
    (version != "v1" && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(version)
}

/// The beginning of a word that may be as long as its file.
pub(super) fn excerpt(word: &str) -> String {
    const LONGEST: usize = 40;
    if word.chars().nth(LONGEST).is_none() {
        return word.to_owned();
    }
    word.chars().take(LONGEST).chain(['\u{2026}']).collect()
}
