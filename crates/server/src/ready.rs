//! The directions in which a file descriptor is ready.

/// The directions in which a file descriptor is ready, or in which to wait until it is. A hang-up is reported in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Ready {
    pub(crate) const NEITHER: Self = Self { read: false, write: false };
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };
    pub(crate) const BOTH: Self = Self { read: true, write: true };
}
