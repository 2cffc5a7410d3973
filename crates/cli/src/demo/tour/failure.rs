//! The reasons why a tour stops early.

use vuart::wire::ClientError;

use crate::demo::error::DemoError;
use crate::error::Error;
use crate::signals::Signal;

/// The reason why a tour stops early.
#[derive(Debug)]
pub(super) enum Failure {
    /// A check has failed.
    Check {
        /// The expected result, in words.
        expected: String,
        /// The actual result.
        got: String,
    },
    /// A signal asks to leave.
    Signal(Signal),
    /// A step could not be tried.
    Error(Error),
}

impl Failure {
    /// A check has failed.
    pub(super) fn check(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Check { expected: expected.into(), got: got.into() }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Error(error.into())
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::Error(error.into())
    }
}
