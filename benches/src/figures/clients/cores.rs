//! One core for the guest's thread, and the other cores for all other threads.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this thread may use, divided. A new thread may use those that its parent may use at that moment.
pub(super) struct Cores {
    all: CpuSet,
    guests: CpuSet,
    others: CpuSet,
}

impl Cores {
    pub(super) fn new() -> io::Result<Self> {
        let all = sched_getaffinity(None)?;
        let (mut guests, mut others) = (all, all);
        // The last core, because devices tend to interrupt the first.
        let last = (0..CpuSet::MAX_CPU).rev().find(|core| all.is_set(*core));
        if let Some(last) = last.filter(|_| all.count() > 1) {
            guests = CpuSet::new();
            guests.set(last);
            others.unset(last);
        } else {
            eprintln!("this machine has one core, so the guest shares it with the server and the clients");
        }
        Ok(Self { all, guests, others })
    }

    /// Puts this thread on the guest's core.
    pub(super) fn use_guests(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.guests)?)
    }

    /// Puts this thread, and those that it starts from now on, on the other cores.
    pub(super) fn use_others(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.others)?)
    }

    /// Lets this thread use all cores again.
    pub(super) fn use_all(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.all)?)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // After an error, too. These cores were allowed before, so this does not fail.
        let _ = self.use_all();
    }
}
