//! The terminal in raw mode, and its return to what it was, whatever happens.

use std::io::stdin;
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr};

use crate::screen;

/// The settings to return to, while the terminal is raw: for the panic hook, which can't reach the guard.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

fn saved() -> MutexGuard<'static, Option<Termios>> {
    // Termios is plain data, and right whatever panicked beside it.
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The terminal on standard input is raw: what is typed comes byte by byte and unchanged, what is written is shown as it
/// is. Dropping it restores the terminal exactly.
#[derive(Debug)]
pub(crate) struct RawMode {
    settings: Termios,
}

impl RawMode {
    /// Makes the terminal raw.
    pub(crate) fn enter() -> Result<Self, Errno> {
        // From here on the guard restores them.
        let guard = Self { settings: tcgetattr(stdin())? };
        *saved() = Some(guard.settings.clone());
        guard.again()?;
        Ok(guard)
    }

    /// Makes the terminal raw again, after somebody else had it: the shell, while the process was stopped.
    pub(crate) fn again(&self) -> Result<(), Errno> {
        let mut raw = self.settings.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)
    }

    /// Restores the terminal, for the time that the process is stopped.
    pub(crate) fn pause(&self) {
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
    // In the background the terminal is the shell's, which has given it its own settings.
    if tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp()) {
        return;
    }
    // What was typed for the guest and not yet read must not reach the shell.
    let _ = tcflush(stdin(), QueueSelector::IFlush);
    // Not waiting until the output is shown: on a terminal that has stopped, that would be for ever. When it fails, the
    // terminal is gone.
    let _ = tcsetattr(stdin(), OptionalActions::Now, settings);
}

/// Lets a panic, of any thread, restore the terminal before its message is shown.
pub(crate) fn restore_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // The thread that panics may hold the lock; then its guard restores the terminal.
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

#[cfg(test)]
mod tests;
