//! The exit statuses of the command, and which failure has which status.

use std::io;
use std::process::ExitCode;

use rustix::io::Errno;
use vuart_endpoint::Cause;
use vuart_file::OpenError;
use vuart_scrollback::FileError;
use vuart_wire::RuntimeDirError;

use crate::signals::Signal;

/// How the command has ended: the number for the caller's `$?`. The numbers are part of the interface; [`TABLE`] documents
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(u8);

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
  2      wrong usage: also a path that leads to no console, or to a file of another kind
  3      no such console or session, nobody serves it, or its guest had ended already
  4      in use: the console is held by somebody",
            $in_use,
            "
  5      evicted: somebody took the console over
  6      no permission: the server's, or for a directory, device or file
  7      the connection to the console was lost, its server lets nobody in, or the VMM removed its port
         and did not say why
  8      lagged: output was lost, and the session was to lose nothing (--on-lag disconnect)
  9      kicked: somebody ended the session
  10     idle: the owner typed nothing for longer than the console allows
  11     the console is switched off
  12     the guest has hung up
  13     the guest has moved to another host
  14     the guest has not taken (with --pace echo: not echoed) what was sent in the time allowed
  15     too many clients: all places at the console are taken, or yours was needed
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
    /// The command has done what the user requested.
    pub(crate) const DONE: Self = Self(0);
    /// A failure without a number of its own.
    pub(crate) const FAILURE: Self = Self(1);
    /// The command line is wrong.
    pub(crate) const USAGE: Self = Self(2);
    /// The console or session does not exist.
    pub(crate) const NO_CONSOLE: Self = Self(3);
    /// Somebody else holds the console, the name or the file.
    pub(crate) const IN_USE: Self = Self(4);
    /// Somebody took the console over.
    pub(crate) const EVICTED: Self = Self(5);
    /// A directory, file or device may not be used.
    pub(crate) const NOT_PERMITTED: Self = Self(6);
    /// The connection to the server was lost.
    pub(crate) const LOST: Self = Self(7);
    /// Output was lost in a session that must not lose any.
    pub(crate) const LAGGED: Self = Self(8);
    /// Somebody ended the session.
    pub(crate) const KICKED: Self = Self(9);
    /// The owner typed nothing for too long.
    pub(crate) const IDLE: Self = Self(10);
    /// The console is switched off.
    pub(crate) const DISABLED: Self = Self(11);
    /// The guest has hung up.
    pub(crate) const GUEST_HUNG_UP: Self = Self(12);
    /// The guest has moved to another host.
    pub(crate) const MIGRATING: Self = Self(13);
    /// The guest has not taken the input in time.
    pub(crate) const NOT_TAKEN: Self = Self(14);
    /// All places at the console are taken.
    pub(crate) const TOO_MANY: Self = Self(15);

    /// A signal has ended the command.
    pub(crate) fn signal(signal: Signal) -> Self {
        Self(128 | signal.number())
    }

    /// The signal that has ended the command, if one has.
    pub(crate) fn by_signal(self) -> Option<u8> {
        (self.0 > 128).then_some(self.0 & 127)
    }

    /// The status for the cause that ended a session.
    pub(crate) fn of_cause(cause: &Cause) -> Self {
        match cause {
            Cause::Detached | Cause::VmEnded => Self::DONE,
            Cause::Evicted { .. } => Self::EVICTED,
            Cause::ShutDown | Cause::PortDropped => Self::LOST,
            Cause::Lagged { .. } => Self::LAGGED,
            Cause::Kicked { .. } => Self::KICKED,
            Cause::Idle => Self::IDLE,
            Cause::Disabled => Self::DISABLED,
            Cause::GuestHungUp => Self::GUEST_HUNG_UP,
            Cause::Migrating => Self::MIGRATING,
            // A cause that only a later server knows.
            _ => Self::FAILURE,
        }
    }

    /// The status for a runtime directory that can't be used.
    pub(crate) fn of_runtime_dir(error: &RuntimeDirError) -> Self {
        match error {
            RuntimeDirError::BadName { .. }
            | RuntimeDirError::TooLong { .. }
            | RuntimeDirError::NotADirectory { .. }
            | RuntimeDirError::OtherFiles { .. } => Self::USAGE,
            RuntimeDirError::NotYours { .. } | RuntimeDirError::NotPrivate { .. } => Self::NOT_PERMITTED,
            RuntimeDirError::Create { source, .. }
            | RuntimeDirError::Read { source, .. }
            | RuntimeDirError::Share { source, .. } => Self::of_io(source),
            _ => Self::FAILURE,
        }
    }

    /// The status for an operation on a file that the operating system refuses.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NOT_PERMITTED,
            io::ErrorKind::AddrInUse | io::ErrorKind::ResourceBusy => Self::IN_USE,
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::InvalidFilename => {
                Self::USAGE
            }
            _ if Errno::from_io_error(error) == Some(Errno::LOOP) => Self::USAGE,
            _ => Self::FAILURE,
        }
    }

    /// The status for a file to write that is not opened.
    pub(crate) fn of_opening(error: &OpenError) -> Self {
        match error {
            OpenError::NotAFile { .. } | OpenError::OtherKind { .. } => Self::USAGE,
            OpenError::NotYours { .. } | OpenError::OtherNames { .. } | OpenError::Writable { .. } => {
                Self::NOT_PERMITTED
            }
            OpenError::InUse { .. } => Self::IN_USE,
            OpenError::Open { source, .. } => Self::of_io(source),
            _ => Self::FAILURE,
        }
    }

    /// The status for a file that holds no usable ring.
    pub(crate) fn of_ring_file(error: &FileError) -> Self {
        match error {
            FileError::Layout(_) | FileError::OnDisk => Self::USAGE,
            FileError::InUse => Self::IN_USE,
            FileError::Io { source, .. } => Self::of_io(source),
            FileError::Open(error) => Self::of_opening(error),
            _ => Self::FAILURE,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_documented() {
        for number in 0..=Exit::TOO_MANY.0 {
            assert!(TABLE.contains(&format!("\n  {number:<7}")), "{number}");
        }
    }
}
