//! The size of a ring in memory.

use alloc::alloc::{Layout, handle_alloc_error};

use crate::{
    CapacityError, RingOptions, Scrollback, Writer,
    geometry::WORD,
    limits::{MAX_CAPACITY, MIN_CAPACITY},
};

/// The number of bytes that a ring keeps: a power of two from [`Scrollback::MIN_CAPACITY`] to [`Scrollback::MAX_CAPACITY`].
///
/// The compiler checks a constant ([`of`](Self::of)), so that a ring of it needs no `Result`. A number that is known at run time only is
/// checked once ([`new`](Self::new)). The default is a megabyte.
///
/// ```
/// use vuart_scrollback::{RingSize, Scrollback};
///
/// let (_writer, scrollback) = Scrollback::with_size(RingSize::of::<{ 64 << 10 }>());
/// assert_eq!(scrollback.capacity(), 65536);
///
/// let asked: usize = "4096".parse()?;
/// assert_eq!(RingSize::new(asked)?.bytes(), 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What no ring can have does not compile:
///
/// ```compile_fail,E0080
/// vuart_scrollback::RingSize::of::<1000>();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSize(usize);

impl RingSize {
    /// A size that is known when the program is compiled.
    pub const fn of<const BYTES: usize>() -> Self {
        const { assert!(is_size(BYTES), "a ring's size is a power of two, from 4 KiB to 1 GiB") };
        Self(BYTES)
    }

    /// A size that is known at run time only: from a configuration, or a command line.
    ///
    /// # Errors
    ///
    /// When no ring can have that size.
    pub const fn new(bytes: usize) -> Result<Self, CapacityError> {
        if is_size(bytes) {
            Ok(Self(bytes))
        } else if bytes < MIN_CAPACITY || bytes > MAX_CAPACITY {
            Err(CapacityError::OutOfRange { capacity: bytes })
        } else {
            Err(CapacityError::NotPowerOfTwo { capacity: bytes })
        }
    }

    /// The number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl Default for RingSize {
    fn default() -> Self {
        Self::of::<{ 1 << 20 }>()
    }
}

const fn is_size(bytes: usize) -> bool {
    bytes.is_power_of_two() && bytes >= MIN_CAPACITY && bytes <= MAX_CAPACITY
}

impl Scrollback {
    /// Makes a ring of this size, and its writer, in memory of this process. The first byte will have the offset 0.
    ///
    /// If there is not enough memory, the process ends, as it does when a `Vec` or a `Box` gets none
    /// ([`handle_alloc_error`]). The kernel only reserves addresses here, so that happens where they are
    /// limited: `RLIMIT_AS`, or a host without overcommit. To have an error for it, use [`Scrollback::new`], or [`RingOptions`].
    pub fn with_size(size: RingSize) -> (Writer, Self) {
        RingOptions::new(size.0).create().unwrap_or_else(|_| {
            // The size is right, and there is neither a boot head nor an offset: nothing else is left.
            handle_alloc_error(Layout::from_size_align(size.0, WORD).unwrap_or(Layout::new::<u64>()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_what_a_ring_can_have() {
        for bytes in [0, 1, 2048, 4095, 4096, 5000, 1 << 20, 1 << 30, (1 << 30) + 1, 1 << 31, usize::MAX] {
            let geometry = crate::geometry::Geometry::new(bytes, 0, 0).is_ok();
            assert_eq!(RingSize::new(bytes).is_ok(), geometry, "{bytes}");
        }
        assert_eq!(RingSize::new(5000), Err(CapacityError::NotPowerOfTwo { capacity: 5000 }));
        assert_eq!(RingSize::new(2048), Err(CapacityError::OutOfRange { capacity: 2048 }));
    }
}
