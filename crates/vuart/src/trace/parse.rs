//! A trace as a whole.

use std::str::FromStr;

use super::line::{self, Line};
use super::operation::{Operation, Settings};

/// A trace that makes sense. It is made by [`parse`](str::parse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    settings: Settings,
    pub(super) lines: Vec<SourceLine>,
}

/// A line and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceLine {
    pub(super) text: String,
    pub(super) operation: Option<Operation>,
}

impl SourceLine {
    /// What precedes the comment, and the comment with its `#`.
    pub(super) fn split(&self) -> (&str, &str) {
        split(&self.text)
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find('#').unwrap_or(text.len()))
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
        Self::Unknown { word: word.to_owned(), expected }
    }
}

impl Trace {
    /// What it says of the UART.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Its operations, each with the number of its line, from 1.
    pub fn operations(&self) -> impl Iterator<Item = (usize, &Operation)> {
        (1..).zip(&self.lines).filter_map(|(number, line)| Some((number, line.operation.as_ref()?)))
    }

    /// Its comments, without `#`, from the top: those that stand on a line of their own before the first operation.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .take_while(|line| line.operation.is_none())
            .filter_map(|line| line.text.trim_start().strip_prefix('#'))
            .map(str::trim)
    }
}

impl FromStr for Trace {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut settings = Settings::default();
        let mut set = Vec::new();
        let mut begun = false;
        let mut lines = Vec::new();
        for (number, text) in (1..).zip(text.lines()) {
            let fail = |reason| ParseError { line: number, reason };
            let (code, comment) = split(text);
            if let Some(version) = comment.strip_prefix("# vuart trace ") {
                let version = version.split_ascii_whitespace().next().unwrap_or_default();
                if number == 1 && version != "v1" {
                    return Err(fail(Reason::Version(version.to_owned())));
                }
            }
            let operation = match line::parse(code, &mut settings).map_err(fail)? {
                Line::Blank => None,
                Line::Setting(setting) => {
                    let word = || code.split_ascii_whitespace().next().unwrap_or_default().to_owned();
                    if begun {
                        return Err(fail(Reason::LateSetting(word())));
                    }
                    if set.contains(&setting) {
                        return Err(fail(Reason::TwiceSet(word())));
                    }
                    set.push(setting);
                    None
                }
                Line::Operation(operation) => {
                    begun = true;
                    Some(operation)
                }
            };
            lines.push(SourceLine { text: text.to_owned(), operation });
        }
        Ok(Self { settings, lines })
    }
}
