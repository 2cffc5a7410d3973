//! Raw mode of the terminal on standard input, and its restoration in every case.

use std::io::stdin;
use std::os::fd::AsFd as _;
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::getpgrp;
use rustix::termios::{
    Action, OptionalActions, QueueSelector, Termios, tcflow, tcflush, tcgetattr, tcgetpgrp, tcsetattr,
};

use super::screen;

/// How long no input must have come before the terminal is given back: what a terminal or a network still has of a paste
/// comes sooner.
const QUIET: Duration = Duration::from_millis(100);

/// How long input is discarded at most, however much comes.
const DISCARDING: Duration = Duration::from_secs(2);

/// The settings to restore while the terminal is raw. The panic hook needs them, because it can't reach the guard.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

fn saved() -> MutexGuard<'static, Option<Termios>> {
    // Termios is plain data, and a panic can't leave it half changed.
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guard for the terminal in raw mode: input arrives byte by byte and unchanged, output is shown as it is. Dropping the
/// guard restores the terminal exactly.
#[derive(Debug)]
pub(crate) struct RawMode {
    settings: Termios,
}

impl RawMode {
    /// Makes the terminal raw. A job in the background is stopped first, until it is brought to the foreground.
    pub(crate) fn enter() -> Result<Self, Errno> {
        // First, because a shell that has the terminal has settings of its own in it.
        wait_for_foreground()?;
        // From here on, dropping the guard restores the settings.
        let guard = Self { settings: tcgetattr(stdin())? };
        *saved() = Some(guard.settings.clone());
        guard.resume()?;
        Ok(guard)
    }

    /// Makes the terminal raw again, after the shell has had it while the process was stopped.
    pub(crate) fn resume(&self) -> Result<(), Errno> {
        let mut raw = self.settings.clone();
        raw.make_raw();
        retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &raw))
    }

    /// Restores the terminal for the time that the process is stopped.
    pub(crate) fn suspend(&self) {
        restore(&self.settings);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        *saved() = None;
        restore(&self.settings);
    }
}

/// Stops this process, as every job that uses the terminal from the background, until it is in the foreground.
///
/// The error `IO` means that no shell can bring it there.
pub(crate) fn wait_for_foreground() -> Result<(), Errno> {
    // This ends a stop that a program may have asked for by the same call, and otherwise does nothing. But the kernel stops a
    // process that does it from the background.
    retry_on_intr(|| tcflow(stdin(), Action::OOn))
}

fn restore(settings: &Termios) {
    // A process in the background does not own the terminal: the shell has set it up for itself.
    if tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp()) {
        return;
    }
    discard_input();
    // This does not wait until the output is shown, which would take for ever on a stopped terminal. An error means that
    // the terminal is gone.
    let _ = tcsetattr(stdin(), OptionalActions::Now, settings);
}

/// Discards unread input: it was typed for the guest, and must not reach the shell. Of a long paste, the terminal has only the
/// beginning, and the rest comes as soon as there is room.
fn discard_input() {
    let deadline = Instant::now() + DISCARDING;
    let quiet = Timespec::try_from(QUIET).ok();
    let stdin = stdin();
    while Instant::now() < deadline {
        match poll(&mut [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)], quiet.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(ready) if ready > 0 => match rustix::io::read(&stdin, &mut [0; 4096]) {
                Err(Errno::INTR) | Ok(1..) => {}
                // The terminal has hung up, or is not readable.
                Ok(0) | Err(_) => break,
            },
            // Quiet, at last.
            Ok(_) | Err(_) => break,
        }
    }
    let _ = tcflush(stdin, QueueSelector::IFlush);
}

/// Discards what was typed before the terminal is raw, and nobody has read.
pub(crate) fn discard_typed() {
    // A terminal that is gone is noticed later.
    let _ = tcflush(stdin(), QueueSelector::IFlush);
}

/// Installs a panic hook that restores the terminal before the panic message of any thread is shown.
pub(crate) fn restore_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // If the panicking thread holds the lock, its guard restores the terminal.
        let settings = match SAVED.try_lock() {
            Ok(saved) => saved.clone(),
            Err(TryLockError::Poisoned(saved)) => saved.into_inner().clone(),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(settings) = settings {
            restore(&settings);
        }
        screen::give_back();
        report(panic);
    }));
}
