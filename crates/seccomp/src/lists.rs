//! The lists. Each entry says what the call is for, so that a maintainer can decide about it.

mod common;
mod kvm;
mod local;
mod server;
mod setup;
mod terminal;

use crate::rule::{Rule, call};
use crate::rules::Rules;
use common::{LOCKS, LOOP, MEMORY, THREAD_END};

/// The calls of a vCPU's thread: it accesses the port, raises interrupts through an irqfd, and wakes readers.
///
/// What else your trigger calls, and `KVM_RUN`, you have in your own list.
///
/// ```
/// let calls: Vec<_> = vuart_seccomp::vcpu().iter().map(|rule| rule.name).collect();
/// assert_eq!(calls, ["write", "clock_gettime", "futex", "futex", "futex"]);
/// ```
pub fn vcpu() -> Rules {
    Rules::of(&[VCPU, LOCKS])
}

/// The further calls of a vCPU's thread if KVM collects the guest's output (`vuart::CoalescedPort`).
///
/// ```
/// let rules = vuart_seccomp::vcpu().and(&vuart_seccomp::vcpu_coalescing());
/// assert!(rules.to_string().contains("KVM_REGISTER_COALESCED_MMIO"));
/// ```
pub fn vcpu_coalescing() -> Rules {
    Rules::of(&[kvm::VCPU_COALESCING])
}

/// The calls of the thread that dispatches `vuart::Ticks`, and of the one that drops a port whose output KVM collects.
///
/// ```
/// // One thread for both.
/// let rules = vuart_seccomp::server().and(&vuart_seccomp::ticks());
/// assert!(rules.iter().any(|rule| rule.name == "ioctl"));
/// ```
pub fn ticks() -> Rules {
    Rules::of(&[kvm::TICKS, LOCKS])
}

/// The calls of the thread that serves clients on sockets: in an event loop of yours, whose own wait you have in your own list, or in a
/// `ServerThread`, from the end of its `on_start` to its own end. Connections that you give to the server need no others.
///
/// ```
/// let rules = vuart_seccomp::server();
/// assert!(rules.iter().all(|rule| !rule.name.starts_with("open")));
/// ```
pub fn server() -> Rules {
    Rules::of(&[LOOP, server::SERVER, LOCKS, MEMORY, THREAD_END])
}

/// The further calls of a server with sockets at exact paths (`Sockets::bind_raw_at` and its like).
///
/// ```
/// let rules = vuart_seccomp::server().and(&vuart_seccomp::exact_paths());
/// assert!(rules.iter().any(|rule| rule.name == "newfstatat"));
/// ```
pub fn exact_paths() -> Rules {
    Rules::of(&[server::EXACT_PATHS])
}

/// The further calls of a server with a pseudo-terminal of its own.
///
/// ```
/// let rules = vuart_seccomp::server().and(&vuart_seccomp::pty());
/// assert!(rules.to_string().contains("/dev/ptmx"));
/// ```
pub fn pty() -> Rules {
    Rules::of(&[terminal::ADOPTED_PTY, terminal::PTY])
}

/// The further calls of a server with a pseudo-terminal that the VMM has made (`Sockets::with_pty`). It opens no file.
///
/// ```
/// let rules = vuart_seccomp::server().and(&vuart_seccomp::adopted_pty());
/// assert!(rules.iter().all(|rule| !rule.name.starts_with("open")));
/// ```
pub fn adopted_pty() -> Rules {
    Rules::of(&[terminal::ADOPTED_PTY])
}

/// The further calls of a server that reads the names of programs (`ServerOptions::with_program_names`).
///
/// ```
/// let rules = vuart_seccomp::server().and(&vuart_seccomp::program_names());
/// assert!(rules.to_string().contains("/proc/PID/comm"));
/// ```
pub fn program_names() -> Rules {
    Rules::of(&[server::PROGRAM_NAMES])
}

/// The calls of the thread that drives a `Local` on files, pipes, sockets, the master of a pseudo-terminal: from its making to its drop.
/// Your own wait, and what a writer of yours calls, you have in your own list.
///
/// ```
/// let rules = vuart_seccomp::local();
/// assert!(rules.iter().all(|rule| rule.name != "ioctl"));
/// ```
pub fn local() -> Rules {
    Rules::of(&[LOOP, local::LOCAL, LOCKS, MEMORY, THREAD_END])
}

/// The further calls of a `Local` on a terminal, with raw mode or without.
///
/// ```
/// let rules = vuart_seccomp::local().and(&vuart_seccomp::local_terminal());
/// assert!(rules.to_string().contains("TCSETS2"));
/// ```
pub fn local_terminal() -> Rules {
    Rules::of(&[terminal::LOCAL_TERMINAL])
}

/// The calls of the thread that saves an audit trail (`Audit::save`). It has the filter of the thread that starts it, which has [`setup()`].
///
/// ```
/// let rules = vuart_seccomp::setup().and(&vuart_seccomp::audit());
/// assert!(rules.iter().any(|rule| rule.name == "fdatasync"));
/// ```
pub fn audit() -> Rules {
    Rules::of(&[setup::AUDIT, LOCKS, MEMORY, THREAD_END])
}

/// The calls of any thread of Rust's `std`: memory, locks, its end. The lists for threads have these, but for [`vcpu`], whose thread needs
/// no memory for the port.
///
/// ```
/// let rules = vuart_seccomp::vcpu().and(&vuart_seccomp::any_thread());
/// assert!(rules.iter().any(|rule| rule.name == "exit"));
/// ```
pub fn any_thread() -> Rules {
    Rules::of(&[LOCKS, MEMORY, THREAD_END])
}

/// The calls that make ports, rings, names, sockets, servers, their threads, and `Local`s, for a VMM that makes them under its filter. The
/// thread that a `ServerThread` starts has these until your `on_start` gives it others.
///
/// It is much, and most VMMs make their consoles before their filters. Then no thread needs it.
///
/// ```
/// let setup = vuart_seccomp::setup();
/// assert!(setup.iter().any(|rule| rule.name == "bind"));
/// ```
pub fn setup() -> Rules {
    let making =
        [setup::FILES, setup::SOCKETS, setup::DESCRIPTORS, setup::MAPPINGS, setup::THREADS, kvm::SETUP];
    let terminals = [terminal::ADOPTED_PTY, terminal::PTY, terminal::LOCAL_TERMINAL];
    let running = [LOOP, LOCKS, MEMORY, THREAD_END];
    Rules::of(&making).and(&Rules::of(&terminals)).and(&Rules::of(&running))
}

const VCPU: &[Rule] = &[
    call("write", libc::SYS_write, "irqfds, and the eventfds of readers that sleep"),
    call(
        "clock_gettime",
        libc::SYS_clock_gettime,
        "output that waits for the owner, where the vDSO has no time",
    ),
];
