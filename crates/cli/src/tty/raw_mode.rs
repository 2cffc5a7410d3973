//! Raw mode of the terminal on standard input, and its restoration in every case.

use std::io::stdin;
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr};

use super::screen;

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
    /// Makes the terminal raw.
    pub(crate) fn enter() -> Result<Self, Errno> {
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
        tcsetattr(stdin(), OptionalActions::Now, &raw)
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

fn restore(settings: &Termios) {
    // A process in the background does not own the terminal: the shell has set it up for itself.
    if tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp()) {
        return;
    }
    // Unread input was typed for the guest, and must not reach the shell.
    let _ = tcflush(stdin(), QueueSelector::IFlush);
    // This does not wait until the output is shown, which would take for ever on a stopped terminal. An error means that
    // the terminal is gone.
    let _ = tcsetattr(stdin(), OptionalActions::Now, settings);
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
