//! Pseudo-terminals that a server has left, with last words that their programs may not have read.
//!
//! Closing the master discards what the programs have not read, and a server that is dropped waits for nobody. So the process keeps
//! the master for a while. It is closed, which hangs up on the programs, when another server of the process comes or goes after
//! [`Pty::LEAVING_TIME`], or with the process.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::pty::Pty;

/// The most masters that are kept. The oldest one goes first.
const MOST: usize = 16;

static LEFT: Mutex<Vec<(Instant, Arc<OwnedFd>)>> = Mutex::new(Vec::new());

/// Keeps the master of a terminal whose programs have been told why they must leave.
pub(super) fn keep(master: Arc<OwnedFd>) {
    sweep();
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    if left.len() >= MOST {
        left.remove(0);
    }
    left.push((Instant::now(), master));
}

/// Closes those that were kept for long enough.
pub(super) fn sweep() {
    let now = Instant::now();
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|(since, _)| now.saturating_duration_since(*since) < Pty::LEAVING_TIME);
}
