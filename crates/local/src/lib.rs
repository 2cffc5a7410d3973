#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod descriptor;
mod error;
mod filter;
mod inlet;
mod limit;
mod local;
mod log_file;
mod outlet;
mod poller;
mod raw_mode;
mod sink;

pub use builder::LocalBuilder;
pub use error::{FinishError, LocalError};
pub use filter::{Filter, LineEnds};
pub use limit::Limit;
pub use local::Local;
pub use log_file::LogFile;
pub use raw_mode::restore_terminals;
