//! Why text is not a trace.

/// A line of a text is not a line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {reason}")]
#[non_exhaustive]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The header names a version that this crate does not read.
    #[error("the trace is of version {0:?}, and this reads v1")]
    Version(String),
    /// No operation has that name.
    #[error(
        "{0:?} is no operation; there are w r rx rx-err break tx tx-break irq modem reset t mode at profile out2-gate"
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
    /// A setting comes after the first operation.
    #[error("{0} must stand before the first operation")]
    LateSetting(String),
    /// A setting comes twice.
    #[error("{0} is said twice")]
    TwiceSet(String),
    /// Time passes in instant mode.
    #[error("time passes only after `mode timed`")]
    TimeInInstantMode,
    /// The recorder could not keep everything.
    #[error("operations were lost here when this was recorded: what follows can't be replayed")]
    Lost,
}

impl Reason {
    pub(crate) fn unknown(word: &str, expected: &'static str) -> Self {
        Self::Unknown { word: excerpt(word), expected }
    }
}

/// The beginning of a word, which may be as long as its file.
pub(crate) fn excerpt(word: &str) -> String {
    const LONGEST: usize = 40;
    if word.chars().nth(LONGEST).is_none() {
        return word.to_owned();
    }
    word.chars().take(LONGEST).chain(['\u{2026}']).collect()
}
