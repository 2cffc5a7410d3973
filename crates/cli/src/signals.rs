//! Signals as events, so that a process that is asked to leave can clean up first.

use std::ffi::c_int;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::signal_name;

/// A signal that asks the process to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal(u8);

impl Signal {
    /// The signal's number.
    pub(crate) fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0.into()) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// What the signals of the time since the last look mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Nothing.
    Nothing,
    /// The terminal has another size.
    Resized,
    /// The process was stopped and continues. The terminal may have another size as well.
    Continued,
    /// This signal asks the process to leave.
    Leave(Signal),
}

/// Catches the signals that end a process, continue it after a stop, or report a new size of its terminal.
///
/// The file descriptor is readable when one has arrived.
#[derive(Debug)]
pub(crate) struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

impl Signals {
    /// Starts to catch the signals. They do not end the process by themselves any more.
    pub(crate) fn catch() -> io::Result<Self> {
        let signals = [leaving(), vec![SIGCONT, SIGWINCH]].concat();
        let (read, write) = UnixStream::pair()?;
        Ok(Self { delivery: SignalDelivery::with_pipe(read, write, SignalOnly, signals)? })
    }

    /// What has arrived since the last call. The first signal that asks to leave counts.
    pub(crate) fn pending(&mut self) -> Pending {
        let mut pending = Pending::Nothing;
        for signal in self.delivery.pending() {
            pending = match (signal, pending) {
                (_, Pending::Leave(_)) => pending,
                (SIGCONT, _) | (SIGWINCH, Pending::Continued) => Pending::Continued,
                (SIGWINCH, _) => Pending::Resized,
                (signal, _) => leave(signal),
            };
        }
        pending
    }
}

/// The signals that ask the process to leave: INT, QUIT, TERM, and HUP unless it is ignored.
pub(crate) fn leaving() -> Vec<c_int> {
    let mut signals = vec![SIGINT, SIGQUIT, SIGTERM];
    if !hangup_is_ignored() {
        signals.push(SIGHUP);
    }
    signals
}

fn leave(signal: c_int) -> Pending {
    u8::try_from(signal).map_or(Pending::Nothing, |number| Pending::Leave(Signal(number)))
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Whether the process was started with SIGHUP ignored, as by `nohup`, which must keep its meaning.
fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn the_first_request_to_leave_counts() {
        let mut signals = Signals::catch().unwrap();
        assert_eq!(signals.pending(), Pending::Nothing);
        raise(SIGCONT).unwrap();
        assert_eq!(signals.pending(), Pending::Continued);
        raise(SIGWINCH).unwrap();
        assert_eq!(signals.pending(), Pending::Resized);
        raise(SIGWINCH).unwrap();
        raise(SIGCONT).unwrap();
        assert_eq!(signals.pending(), Pending::Continued);
        raise(SIGTERM).unwrap();
        raise(SIGCONT).unwrap();
        let Pending::Leave(signal) = signals.pending() else { panic!("no signal") };
        assert_eq!((signal.number(), signal.to_string().as_str()), (15, "SIGTERM"));
        assert_eq!(signals.pending(), Pending::Nothing);
    }
}
