//! The exit statuses of the command, and which failure has which status.

use std::io;

use vuart_endpoint::Cause;
use vuart_scrollback::FileError;
use vuart_wire::RuntimeDirError;

use crate::signals::Signal;

/// How the command has ended. The numbers are part of the interface; [`TABLE`] documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command has done what the user requested.
    Done,
    /// A failure without a number of its own.
    Failure,
    /// The command line is wrong.
    Usage,
    /// The console or session does not exist.
    NoConsole,
    /// Somebody else holds the console, the name or the file.
    InUse,
    /// Somebody took the console over.
    Evicted,
    /// A directory, file or device may not be used.
    NotPermitted,
    /// The connection to the server was lost.
    Lost,
    /// Output was lost in a session that must not lose any.
    Lagged,
    /// Somebody ended the session.
    Kicked,
    /// The owner typed nothing for too long.
    Idle,
    /// The console is switched off.
    Disabled,
    /// The guest has hung up.
    GuestHungUp,
    /// The guest has moved to another host.
    Migrating,
    /// The guest has not taken the input in time.
    NotTaken,
    /// A signal has ended the command.
    Signal(Signal),
}

/// Makes the table, so that a command without the demo does not mention it.
macro_rules! table {
    ($failure:literal, $in_use:literal) => {
        concat!(
            "\
Exit status:
  0      done: detached, or the guest has ended
  1      failure: input or output, ",
            $failure,
            "a trace with other answers
  2      wrong usage, or a file that can't be read as a trace or as a console's ring
  3      no such console or session, nobody serves it, or its guest had ended already
  4      in use: the console is held by somebody",
            $in_use,
            "
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
/run/vuart (root) or /tmp/vuart-UID (everybody else)."
        )
    };
}

/// The table of exit statuses in `vuart --help`.
pub(crate) const TABLE: &str = if cfg!(feature = "demo") {
    table!("a check of the demo, or ", ", or the demo's name or a file of it is taken")
} else {
    table!("or ", "")
};

impl Exit {
    /// The status for the cause that ended a session.
    pub(crate) fn of_cause(cause: &Cause) -> Self {
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
            // A cause that only a later server knows.
            _ => Self::Failure,
        }
    }

    /// The status for a runtime directory that can't be used.
    pub(crate) fn of_runtime_dir(error: &RuntimeDirError) -> Self {
        match error {
            RuntimeDirError::BadName { .. } => Self::Usage,
            _ => Self::NotPermitted,
        }
    }

    /// The status for a file that can't be opened.
    pub(crate) fn of_open(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted,
            _ => Self::Failure,
        }
    }

    /// The status for a file that holds no usable ring.
    pub(crate) fn of_ring_file(error: &FileError) -> Self {
        match error {
            FileError::Layout(_) => Self::Usage,
            FileError::InUse => Self::InUse,
            FileError::OnDisk => Self::NotPermitted,
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
