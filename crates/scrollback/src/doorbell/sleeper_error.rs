//! Why a thread can't sleep on a doorbell.

use thiserror::Error;

use super::sleepers::PLACES;

/// No more threads can sleep on a doorbell.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SleeperError {
    /// All places are taken.
    #[error("{PLACES} readers sleep on the same doorbell already")]
    TooMany,
    /// There are too many open files, or there is too little memory.
    #[cfg(feature = "std")]
    #[error("no eventfd for a reader that sleeps: {0}")]
    Eventfd(#[source] std::io::Error),
}
