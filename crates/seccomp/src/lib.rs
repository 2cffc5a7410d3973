//! The system calls of each thread of a console, with their arguments: rules for the seccomp filter of the VMM that embeds it.
//!
//! A VMM that filters its threads adds these rules to its own. A call that is in no rule kills the VMM, so the lists have all: also the
//! calls that a thread makes only when the first client comes, when a client dies, when the console ends, and when the allocator needs
//! memory. The tests run a port, a server, a pseudo-terminal and a local console under filters of exactly these rules.
//!
//! | thread | rules |
//! |---|---|
//! | a vCPU's | [`vcpu`], and [`vcpu_coalescing`] if KVM collects its output |
//! | the one that serves clients: [`Server`]'s, with or without [`ServerThread`] | [`server`], and [`pty`], [`adopted_pty`], [`exact_paths`], [`program_names`] for what you use |
//! | the one that drives a `Local` | [`local`], and [`local_terminal`] on a terminal |
//! | the one that dispatches `Ticks`, and that drops the port | [`ticks`] |
//! | the one that saves an audit trail | [`audit`] and [`setup`] |
//! | the one that makes ports, sockets and threads | [`setup`], unless the filter comes later |
//!
//! [`Server`]: https://docs.rs/vuart-server
//! [`ServerThread`]: https://docs.rs/vuart-dispatch
//!
//! The lists are those of Linux' gnu and musl targets on x86-64 and aarch64. They hold for this version of the crates: a release that makes
//! another call says so in its change log.
//!
//! # In a VMM that uses `seccompiler`
//!
//! ```
//! use seccompiler::{SeccompAction, SeccompFilter, TargetArch};
//!
//! let rules = vuart_seccomp::server().and(&vuart_seccomp::pty());
//! let filter = SeccompFilter::new(
//!     rules.to_seccompiler()?,
//!     SeccompAction::Trap,
//!     SeccompAction::Allow,
//!     std::env::consts::ARCH.try_into()?,
//! )?;
//! let program: seccompiler::BpfProgram = filter.try_into()?;
//! // In `ServerThread::builder().on_start(…)`: seccompiler::apply_filter(&program)
//! # drop(program);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In a VMM whose filters are JSON
//!
//! [`Rules`] prints itself as the entries of such a file's `filter`, for Firecracker's `seccompiler-bin` and `seccompiler`'s own JSON alike.
//!
//! ```
//! let rules = vuart_seccomp::vcpu().to_string();
//! assert!(rules.starts_with("[\n"));
//! assert!(rules.contains(r#"{ "syscall": "write", "comment": "#));
//! ```

#![forbid(unsafe_code)]

mod lists;
mod rule;
mod rules;

pub use lists::{
    adopted_pty, any_thread, audit, exact_paths, local, local_terminal, program_names, pty, server, setup,
    ticks, vcpu, vcpu_coalescing,
};
pub use rule::{Argument, Comparison, Rule};
pub use rules::{Rules, RulesError};

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
