//! Where output goes.

use std::io::{self, Write};

use rustix::io::Errno;

use crate::descriptor::Descriptor;
use crate::log_file::OpenLog;

/// How often a call is made that signals interrupt, before it counts as busy.
const INTERRUPTED: usize = 8;

/// What takes the output. It never waits for a reader.
pub(crate) enum Sink {
    Descriptor(Descriptor),
    Log(OpenLog),
    Writer(Box<dyn Write + Send>),
}

/// Why a sink takes nothing.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It has no room. The descriptor says when it has.
    Full,
    /// It can't at the moment, and does not say when it can: to be tried again soon.
    Busy,
    /// It can't for this reason, which may pass: a disk is full, the VMM is a job in the background.
    Trouble(io::Error),
    /// It never will again.
    Over(io::Error),
}

impl Sink {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self.try_some_times(bytes) {
            Ok(0) => Err(Stop::Over(io::ErrorKind::WriteZero.into())),
            // A writer may miscount.
            Ok(written) => Ok(written.min(bytes.len())),
            Err(error) => Err(self.stop(error)),
        }
    }

    fn try_some_times(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut left = INTERRUPTED;
        loop {
            let written = match self {
                Self::Descriptor(descriptor) => descriptor.write(bytes).map_err(io::Error::from),
                Self::Log(log) => log.write(bytes),
                Self::Writer(writer) => writer.write(bytes),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted && left > 0 => left -= 1,
                written => return written,
            }
        }
    }

    fn stop(&self, error: io::Error) -> Stop {
        match (Errno::from_io_error(&error), self) {
            (Some(Errno::AGAIN), Self::Descriptor(_)) => Stop::Full,
            (Some(Errno::NOSPC | Errno::DQUOT | Errno::NOBUFS | Errno::NOMEM), _) => Stop::Trouble(error),
            (Some(Errno::PERM), Self::Descriptor(_)) => {
                let why = "this process is in the background of its terminal, which lets no such job write (stty tostop)";
                Stop::Trouble(io::Error::new(error.kind(), why))
            }
            _ if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Interrupted => {
                Stop::Busy
            }
            _ => Stop::Over(error),
        }
    }

    pub(crate) fn descriptor(&self) -> Option<&Descriptor> {
        match self {
            Self::Descriptor(descriptor) => Some(descriptor),
            Self::Log(_) | Self::Writer(_) => None,
        }
    }
}
