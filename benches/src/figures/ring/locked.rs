//! A queue behind a mutex, which is what VMMs have.

use std::collections::VecDeque;
use std::error::Error;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::sink::{CAPACITY, Sink, SliceSink};
use crate::guest::character;
use crate::measure::time;
use crate::verify::expect;

/// A full queue, as a console's is after a minute: each new byte pushes the oldest out.
pub(super) struct Locked {
    queue: Mutex<VecDeque<u8>>,
    arrived: u64,
}

impl Locked {
    pub(super) fn new(len: usize) -> Self {
        Self { queue: Mutex::new(VecDeque::from(vec![0; len])), arrived: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(super) fn push_byte(&self, byte: u8) {
        let mut queue = self.lock();
        queue.pop_front();
        queue.push_back(byte);
    }

    /// Copies the whole queue.
    pub(super) fn copy(&self, out: &mut [u8]) {
        let queue = self.lock();
        let (front, back) = queue.as_slices();
        out[..front.len()].copy_from_slice(front);
        out[front.len()..].copy_from_slice(back);
    }
}

impl Sink for Locked {
    fn push(&mut self, count: u64) -> Duration {
        self.arrived += count;
        let locked = black_box(&*self);
        time(|| {
            for n in 0..count {
                locked.push_byte(black_box(character(n)));
            }
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        expect("the queue", self.lock().len() as u64, CAPACITY as u64)?;
        Ok(self.arrived)
    }
}

impl SliceSink for Locked {
    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        self.arrived += count * bytes.len() as u64;
        let locked = black_box(&*self);
        time(|| {
            for _ in 0..count {
                let bytes = black_box(bytes);
                let mut queue = locked.lock();
                queue.drain(..bytes.len());
                queue.extend(bytes);
            }
        })
    }
}
