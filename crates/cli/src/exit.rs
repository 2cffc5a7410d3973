//! What the command's exit status says.

use crate::signals::Signal;

/// How the command has ended. The numbers are part of the interface; [`TABLE`] documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// Something failed that has no number of its own.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// There is nothing to attach to.
    NoConsole,
    /// Somebody else has it.
    InUse,
    /// Somebody has taken the console over.
    Evicted,
    /// A directory or device can't be used.
    NotPermitted,
    /// The server is gone.
    Lost,
    /// A signal came.
    Signal(Signal),
}

/// For `vuart --help`.
pub(crate) const TABLE: &str = "\
Exit status:
  0      done: detached, or the guest has ended
  1      failure: input or output, a check of the demo, or a trace with other answers
  2      wrong usage, or a file that can't be read as a trace or as a console's ring
  3      no such console, nobody serves it, or its guest had ended already
  4      in use: the console is held by somebody, or the demo's name or ring is taken
  5      evicted: somebody took the console over
  6      no permission, or a directory, device or file that can't be used
  7      the connection to the console was lost
  128+N  ended by signal N

Consoles are found by name in $VUART_RUNTIME_DIR, or else in $XDG_RUNTIME_DIR/vuart, or else in
/run/vuart (root) or /tmp/vuart-UID (everybody else).";

impl Exit {
    /// The number for the caller's `$?`.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NoConsole => 3,
            Self::InUse => 4,
            Self::Evicted => 5,
            Self::NotPermitted => 6,
            Self::Lost => 7,
            Self::Signal(signal) => 128 | signal.number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_documented() {
        for exit in [
            Exit::Done,
            Exit::Failure,
            Exit::Usage,
            Exit::NoConsole,
            Exit::InUse,
            Exit::Evicted,
            Exit::NotPermitted,
            Exit::Lost,
        ] {
            assert!(TABLE.contains(&format!("\n  {}      ", exit.code())), "{exit:?}");
        }
    }
}
