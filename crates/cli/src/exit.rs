//! What the command's exit status says.

use vuart_endpoint::Cause;

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
    /// The session was to lose nothing, and has.
    Lagged,
    /// Somebody has ended the session.
    Kicked,
    /// The owner has typed nothing for too long.
    Idle,
    /// The console is switched off.
    Disabled,
    /// The guest has hung up.
    GuestHungUp,
    /// The guest goes on elsewhere.
    Migrating,
    /// The guest has not taken what was sent.
    NotTaken,
    /// A signal came.
    Signal(Signal),
}

/// For `vuart --help`.
pub(crate) const TABLE: &str = "\
Exit status:
  0      done: detached, or the guest has ended
  1      failure: input or output, a check of the demo, or a trace with other answers
  2      wrong usage, or a file that can't be read as a trace or as a console's ring
  3      no such console or session, nobody serves it, or its guest had ended already
  4      in use: the console is held by somebody, or the demo's name or a file of it is taken
  5      evicted: somebody took the console over
  6      no permission: the server's, or for a directory, device or file
  7      the connection to the console was lost
  8      lagged: output was lost, and the session was to lose nothing (--on-lag disconnect)
  9      kicked: somebody ended the session
  10     idle: the owner typed nothing for longer than the console allows
  11     the console is switched off
  12     the guest has hung up
  13     the guest has moved to another host
  14     the guest has not taken what was sent in the time allowed
  128+N  ended by signal N

Consoles are found by name in $VUART_RUNTIME_DIR, or else in $XDG_RUNTIME_DIR/vuart, or else in
/run/vuart (root) or /tmp/vuart-UID (everybody else).";

impl Exit {
    /// What a session's end is to its caller.
    pub(crate) fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Detached | Cause::VmEnded => Self::Done,
            Cause::Evicted { .. } => Self::Evicted,
            Cause::ShutDown => Self::Lost,
            Cause::Lagged { .. } => Self::Lagged,
            Cause::Kicked { .. } => Self::Kicked,
            Cause::Idle => Self::Idle,
            Cause::Disabled => Self::Disabled,
            Cause::GuestHungUp => Self::GuestHungUp,
            Cause::Migrating => Self::Migrating,
            // A later server's.
            _ => Self::Failure,
        }
    }

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
            Self::Lagged => 8,
            Self::Kicked => 9,
            Self::Idle => 10,
            Self::Disabled => 11,
            Self::GuestHungUp => 12,
            Self::Migrating => 13,
            Self::NotTaken => 14,
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
            Exit::Lagged,
            Exit::Kicked,
            Exit::Idle,
            Exit::Disabled,
            Exit::GuestHungUp,
            Exit::Migrating,
            Exit::NotTaken,
        ] {
            assert!(TABLE.contains(&format!("\n  {:<7}", exit.code())), "{exit:?}");
        }
    }
}
