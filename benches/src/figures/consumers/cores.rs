//! Who runs where: the guest's thread on a core, the rest of the process on the others.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this thread may run on, divided. A thread that it starts is where it is at that moment.
pub(super) struct Cores {
    all: CpuSet,
    divided: Option<Divided>,
}

struct Divided {
    guests: CpuSet,
    others: CpuSet,
}

impl Cores {
    pub(super) fn new() -> io::Result<Self> {
        let all = sched_getaffinity(None)?;
        let mut divided = None;
        // The last one: devices tend to interrupt the first.
        if let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|core| all.is_set(*core)) {
            let (mut guests, mut others) = (CpuSet::new(), all);
            guests.set(last);
            others.unset(last);
            divided = (others.count() > 0).then_some(Divided { guests, others });
        }
        if divided.is_none() {
            eprintln!("there is one core: the guest shares it with those who are attached");
        }
        Ok(Self { all, divided })
    }

    /// From now on this thread is the guest's.
    pub(super) fn to_guests(&self) -> io::Result<()> {
        set(self.divided.as_ref().map_or(&self.all, |divided| &divided.guests))
    }

    /// From now on it is not, and those that it starts are not.
    pub(super) fn to_others(&self) -> io::Result<()> {
        set(self.divided.as_ref().map_or(&self.all, |divided| &divided.others))
    }

    /// As it was.
    pub(super) fn to_all(&self) -> io::Result<()> {
        set(&self.all)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // After an error: other figures are measured yet. It was allowed before.
        let _ = self.to_all();
    }
}

fn set(cores: &CpuSet) -> io::Result<()> {
    Ok(sched_setaffinity(None, cores)?)
}
