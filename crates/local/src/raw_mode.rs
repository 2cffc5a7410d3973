//! Raw mode of the terminal that a guest is typed to from, and its restoration.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic;
use std::sync::{Mutex, Once, PoisonError, TryLockError};

use rustix::fs::fstat;
use rustix::io::retry_on_intr;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr};

/// A terminal that is raw, and the settings to give back.
#[derive(Debug)]
struct Raw {
    terminal: OwnedFd,
    settings: Termios,
    /// The terminal's file, by its device and its number there. Two `Local`s may be at one terminal.
    file: (u64, u64),
    number: u64,
}

/// The terminals that are raw. The panic hook needs them, because it can't reach the guards.
static RAW: Mutex<(Vec<Raw>, u64)> = Mutex::new((Vec::new(), 0));

/// Keeps a terminal raw until it is dropped: what is typed comes byte by byte and unchanged, and no key sends a signal to the VMM.
#[derive(Debug)]
pub(crate) struct RawMode(u64);

impl RawMode {
    /// Makes a terminal raw. From the background it would stop this process, so there it changes nothing and returns `None`.
    pub(crate) fn enter(terminal: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        if is_in_background(terminal) {
            return Ok(None);
        }
        let terminal = terminal.try_clone_to_owned()?;
        let settings = tcgetattr(&terminal)?;
        let found = fstat(&terminal)?;
        let mut raw = settings.clone();
        raw.make_raw();
        restore_on_panic();
        let mut all = RAW.lock().unwrap_or_else(PoisonError::into_inner);
        retry_on_intr(|| tcsetattr(&terminal, OptionalActions::Now, &raw))?;
        let (terminals, next) = &mut *all;
        let number = *next;
        *next += 1;
        terminals.push(Raw { terminal, settings, file: (found.st_dev, found.st_ino), number });
        Ok(Some(Self(number)))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let mut all = RAW.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = all.0.iter().position(|raw| raw.number == self.0) else { return };
        let gone = all.0.remove(at);
        let (before, after) = all.0.split_at_mut(at);
        if let Some(next) = after.iter_mut().find(|raw| raw.file == gone.file) {
            // It has found the terminal raw, and is the one to restore it.
            next.settings = gone.settings;
        } else if !before.iter().any(|raw| raw.file == gone.file) {
            restore(&gone);
        }
    }
}

/// Gives back the settings of every terminal that a [`Local`](crate::Local) has made raw.
///
/// Dropping a `Local` does it, and so does a panic of any thread, before its message is shown. Call it where a process ends without
/// either: before `std::process::exit`, and in the thread that handles SIGTERM, SIGINT or SIGHUP. (It takes a lock, so it is not for a
/// signal handler itself. A process that SIGKILL ends leaves its terminal raw; `stty sane` mends that.)
pub fn restore_terminals() {
    // Not with a wait: the thread that has the lock restores as well, or is the one that panics.
    match RAW.try_lock() {
        Ok(all) => all.0.iter().rev().for_each(restore),
        Err(TryLockError::Poisoned(all)) => all.into_inner().0.iter().rev().for_each(restore),
        Err(TryLockError::WouldBlock) => {}
    }
}

/// Restores the terminals when a thread panics, before its message is shown.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore_terminals();
            report(panic);
        }));
    });
}

fn restore(raw: &Raw) {
    // A process in the background does not own the terminal: the shell has set it up for itself, and would stop this process.
    if is_in_background(raw.terminal.as_fd()) {
        return;
    }
    // What was typed for the guest must not reach the shell. An error means that the terminal is gone.
    let _ = tcflush(&raw.terminal, QueueSelector::IFlush);
    let _ = retry_on_intr(|| tcsetattr(&raw.terminal, OptionalActions::Now, &raw.settings));
}

fn is_in_background(terminal: BorrowedFd<'_>) -> bool {
    tcgetpgrp(terminal).is_ok_and(|foreground| foreground != getpgrp())
}
