//! How a thread sleeps until another has something for it.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use crate::armed::Armed;

/// A wake-up for one sleeping thread, from any number of producers: an eventfd, and a flag that says whether anybody
/// sleeps.
///
/// A producer pays for a system call only when the sleeper has [armed](Self::arm) the doorbell, and then once for all that
/// is produced until the sleeper arms it again.
///
/// The sleeper's loop, in this order:
///
/// 1. work until there is nothing left to do;
/// 2. [`arm`](Self::arm);
/// 3. look again; if there is something to do after all, go to 1 (by way of 5);
/// 4. wait for the file descriptor to become readable, with `epoll` or `poll`, among others if need be;
/// 5. [`acknowledge`](Self::acknowledge), and go to 1.
///
/// A producer's:
///
/// 1. make the data visible ([`Writer::push`](crate::Writer::push));
/// 2. [`ring_if_armed`](Self::ring_if_armed).
///
/// There is one sleeper at a time. Two would disarm each other.
///
/// # Why no wake-up is lost
///
/// The sleeper says that it is armed, and then looks at the data. The producer stores the data, and then looks whether the
/// sleeper is armed. A sequentially consistent fence is between the two halves on each side, and one of the two fences is
/// before the other. If the sleeper's is, the producer sees that it is armed, and rings. If the producer's is, the sleeper
/// sees the data, and does not sleep. (This is how Dekker's algorithm for mutual exclusion starts.)
///
/// ```
/// use vuart_scrollback::{Doorbell, Scrollback};
///
/// let (mut writer, scrollback) = Scrollback::new(4096)?;
/// let mut reader = scrollback.reader_at(0);
/// let doorbell = Doorbell::new()?;
///
/// writer.push(b'a');
/// assert!(!doorbell.ring_if_armed()); // nobody sleeps
///
/// doorbell.arm();
/// assert!(reader.is_behind()); // so there is no need to
/// assert!(!doorbell.acknowledge());
/// reader.read(&mut [0; 16]);
///
/// doorbell.arm();
/// assert!(!reader.is_behind()); // here the sleeper waits
/// writer.push(b'b');
/// assert!(doorbell.ring_if_armed());
/// writer.push(b'c');
/// assert!(!doorbell.ring_if_armed()); // once is enough
/// assert!(doorbell.acknowledge());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Doorbell {
    event: EventFd,
    armed: Armed,
}

impl Doorbell {
    /// A doorbell that is not armed and was not rung.
    ///
    /// # Errors
    ///
    /// What `eventfd(2)` reports, which is that there are too many open files or too little memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { event: EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?, armed: Armed::new() })
    }

    /// Sleeper: asks for a wake-up. Look at what you wait for *again* before you sleep.
    pub fn arm(&self) {
        self.armed.arm();
    }

    /// Sleeper: asks for no more wake-ups, and makes the file descriptor unreadable. Says whether it had been rung.
    ///
    /// A producer that was about to ring may still do so a little later, which wakes the next sleep for nothing. Work can
    /// never get lost by this, if the sleeper looks again after it has armed.
    pub fn acknowledge(&self) -> bool {
        self.armed.disarm();
        // The file descriptor does not block, so the only failure is EAGAIN: it was not rung.
        self.event.read().is_ok()
    }

    /// Producer: wakes the sleeper if it sleeps or is about to. Says whether it rang.
    ///
    /// What was stored before the call (in program order) is visible to the sleeper when it looks again. While nobody
    /// sleeps this is a fence and a load; it never blocks.
    #[inline]
    pub fn ring_if_armed(&self) -> bool {
        let armed = self.armed.take();
        if armed {
            self.ring();
        }
        armed
    }

    /// Producer: makes the file descriptor readable in any case, for what is rare and must be heard (a shutdown). It never
    /// blocks.
    #[cold]
    pub fn ring(&self) {
        // The only failure is EAGAIN, that the counter is full: the file descriptor is readable then.
        let _ = self.event.write(1);
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}
