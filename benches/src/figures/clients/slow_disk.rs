//! A log on a disk that takes milliseconds for each write.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vuart::endpoint::Console;
use vuart::scrollback::{Doorbell, Reader, Sleeper};

/// The time of a write, in addition to what this machine's disk takes.
const SEEK: Duration = Duration::from_millis(5);

/// The most that is written at once, in bytes.
const WRITE: usize = 64 << 10;

pub(super) struct SlowLog {
    over: Arc<AtomicBool>,
    doorbell: Doorbell,
    thread: JoinHandle<io::Result<u64>>,
}

impl SlowLog {
    /// Starts a reader of the ring that sleeps when it has written everything.
    pub(super) fn start(console: &Console) -> Result<Self, Box<dyn Error>> {
        let mut reader = console.scrollback().reader_at(0);
        let mut sleeper = console.doorbell().sleeper()?;
        let over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let over = Arc::clone(&over);
            move || log(&mut reader, &mut sleeper, &over)
        });
        Ok(Self { over, doorbell: console.doorbell().clone(), thread })
    }

    /// Waits until everything is written. Returns the number of bytes that were written, plus those that were missed.
    pub(super) fn finish(self) -> Result<u64, Box<dyn Error>> {
        self.over.store(true, Relaxed);
        self.doorbell.ring();
        Ok(self.thread.join().map_err(|_| "the log's thread has panicked")??)
    }
}

fn log(reader: &mut Reader, sleeper: &mut Sleeper, over: &AtomicBool) -> io::Result<u64> {
    let mut file: File = tempfile::tempfile()?;
    let mut missed = 0;
    let mut buffer = vec![0; WRITE];
    loop {
        let last = over.load(Relaxed);
        loop {
            let read = reader.read(&mut buffer);
            missed += read.missed;
            if read.is_empty() {
                break;
            }
            file.write_all(&buffer[..read.len()])?;
            file.sync_data()?;
            thread::sleep(SEEK);
        }
        if last {
            return Ok(file.metadata()?.len() + missed);
        }
        sleeper.wait(reader, None)?;
    }
}
