//! Signals as events, so that a process that is asked to leave can clean up first.

use std::ffi::c_int;
use std::fmt;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::{emulate_default_handler, signal_name};

/// The signals that end a process by default, that another process may send, and that the command need not heed when it was
/// started with them ignored, as by `nohup`.
///
/// Not among them are those of a fault of this process itself, behind which nothing can go on (SEGV, BUS, ILL, FPE, TRAP, SYS),
/// and PIPE, which Rust ignores.
const ENDING: &[c_int] = &[
    SIGHUP,
    SIGUSR1,
    SIGUSR2,
    SIGALRM,
    SIGABRT,
    SIGIO,
    SIGPROF,
    SIGVTALRM,
    SIGXCPU,
    SIGXFSZ,
    rustix::process::Signal::POWER.as_raw(),
    // These machines have no such signal.
    #[cfg(not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64")))]
    rustix::process::Signal::STKFLT.as_raw(),
];

/// The realtime signals. The C library keeps those below for itself. (The demo's VMM takes the first of them when it boots a guest,
/// to interrupt a vCPU.)
const REALTIME: RangeInclusive<c_int> = if cfg!(target_env = "gnu") { 34..=64 } else { 35..=64 };

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
        Self::of(leaving())
    }

    /// Starts to catch the signals in a process that runs a guest. A file that may not grow any more (`ulimit -f`) must not end
    /// that guest, as a full disk does not: the write fails, and whoever writes says so.
    #[cfg(feature = "demo")]
    pub(crate) fn catch_for_guest() -> io::Result<Self> {
        // Only a handler prevents the end of the process. What it notes is of no interest.
        signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default())?;
        Self::of(leaving().into_iter().filter(|signal| *signal != SIGXFSZ).collect())
    }

    fn of(leaving: Vec<c_int>) -> io::Result<Self> {
        let signals = [leaving, vec![SIGCONT, SIGWINCH]].concat();
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

/// The signals that ask the process to leave: INT, QUIT, TERM, and each other that would end it, unless it is ignored.
pub(crate) fn leaving() -> Vec<c_int> {
    let ignored = ignored();
    let is_heeded = |signal: &c_int| ignored & (1 << (signal - 1)) == 0;
    let others = ENDING.iter().copied().chain(REALTIME).filter(is_heeded);
    [SIGINT, SIGQUIT, SIGTERM].into_iter().chain(others).collect()
}

/// Ends this process by the signal that it was asked to leave by, so that the parent process sees which it was. Everything must
/// be cleaned up.
///
/// It returns if there is no way to do that. The [exit status](crate::exit::Exit::signal) is the one that shells show for it.
pub(crate) fn end_by(signal: c_int) {
    // It fails for signals that signal-hook does not know, such as the realtime signals.
    let _ = emulate_default_handler(signal);
}

fn leave(signal: c_int) -> Pending {
    u8::try_from(signal).map_or(Pending::Nothing, |number| Pending::Leave(Signal(number)))
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// The signals that the process was started with as ignored, a bit for each.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
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
