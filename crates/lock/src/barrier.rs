//! The two halves of the barrier between the thread that has the bias and the one that takes it away.
//!
//! The doorbell of `vuart-scrollback` has one like it that can also do with fences, for good. Here that is of no use: with two
//! fences an access costs more than with a mutex. So who has no `membarrier(2)` has no bias, and the light half no flag to load.

#[cfg(not(any(miri, all(test, loom))))]
mod by_membarrier {
    use std::{
        sync::atomic::{Ordering, compiler_fence},
        thread,
        time::Duration,
    };

    use rustix::thread::{MembarrierCommand, membarrier};

    /// Longer than a store stays in a store buffer: that is well below a microsecond on a core that runs, and a core that
    /// takes an interrupt (a timer's is due in this time) or changes threads has emptied it.
    const DRAIN: Duration = Duration::from_millis(10);

    /// Whether there can be a barrier in this process.
    pub(crate) fn available() -> bool {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }

    /// The half of the thread that has the bias: no instruction.
    #[inline]
    pub(crate) fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// The half of the thread that takes it away. False if it had to do without the system call, by waiting, which is once.
    pub(crate) fn heavy() -> bool {
        let done = membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        if !done {
            refused();
        }
        done
    }

    /// A filter was installed since it was asked for.
    #[cold]
    pub(super) fn refused() {
        // SeqCst: in place of the barrier that the call would have been for this thread.
        std::sync::atomic::fence(Ordering::SeqCst);
        thread::sleep(DRAIN);
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn it_can_be_had_here_or_is_not_tested() {
            if super::available() {
                assert!(super::heavy());
            } else {
                eprintln!("NOT TESTED: there is no membarrier(2) here");
            }
            super::refused();
        }
    }
}
#[cfg(not(any(miri, all(test, loom))))]
pub(crate) use by_membarrier::{available, heavy, light};

/// What knows the memory model knows no `membarrier(2)`.
#[cfg(any(miri, all(test, loom)))]
mod by_fences {
    #[cfg(all(test, loom))]
    use loom::sync::atomic::{Ordering, fence};
    #[cfg(not(all(test, loom)))]
    use std::sync::atomic::{Ordering, fence};

    pub(crate) fn available() -> bool {
        true
    }

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        true
    }
}
#[cfg(any(miri, all(test, loom)))]
pub(crate) use by_fences::{available, heavy, light};
