//! The lists. Each entry says what the call is for, so that a maintainer can decide about it.

use libc::{
    CLOCK_MONOTONIC, EFD_CLOEXEC, MADV_DONTNEED, MADV_POPULATE_WRITE, MAP_ANONYMOUS, MAP_NORESERVE,
    MAP_PRIVATE, PROT_EXEC, SO_PEERCRED, SO_PEERGROUPS, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET, TFD_CLOEXEC,
    TFD_NONBLOCK,
};

use crate::rule::{Argument, Rule, call, equal, with, without};
use crate::rules::Rules;

/// The calls of a vCPU's thread: it accesses the port, raises interrupts through an irqfd, and wakes readers.
///
/// What else your trigger calls, and `KVM_RUN`, you have in your own list.
pub fn vcpu() -> Rules {
    Rules::of(&[VCPU, LOCKS])
}

/// The calls of the thread that serves clients on sockets: in an event loop of yours or in a `ServerThread`, from the end of its
/// `on_start` to its own end.
pub fn server() -> Rules {
    Rules::of(&[LOOP, SERVER, LOCKS, MEMORY, THREAD_END])
}

/// The further calls of a server with a pseudo-terminal.
pub fn pty() -> Rules {
    Rules::of(&[PTY])
}

/// The further calls of a server that [reads the names of programs](https://docs.rs/vuart-server), which is its default.
pub fn program_names() -> Rules {
    Rules::of(&[PROGRAM_NAMES])
}

const VCPU: &[Rule] = &[call("write", libc::SYS_write, "irqfds, and the eventfds of readers that sleep")];

const LOCKS: &[Rule] = &[
    with("futex", libc::SYS_futex, &[equal(1, FUTEX_WAIT_PRIVATE, "FUTEX_WAIT_PRIVATE")], "locks (libc)"),
    with(
        "futex",
        libc::SYS_futex,
        &[equal(1, FUTEX_WAIT_BITSET_PRIVATE, "FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG")],
        "locks (std)",
    ),
    with("futex", libc::SYS_futex, &[equal(1, FUTEX_WAKE_PRIVATE, "FUTEX_WAKE_PRIVATE")], "locks"),
];

const FUTEX_WAIT: u32 = libc::FUTEX_WAIT.cast_unsigned();
const FUTEX_WAKE: u32 = libc::FUTEX_WAKE.cast_unsigned();
const FUTEX_WAIT_PRIVATE: u32 = FUTEX_WAIT | PRIVATE;
const FUTEX_WAKE_PRIVATE: u32 = FUTEX_WAKE | PRIVATE;
const FUTEX_WAIT_BITSET_PRIVATE: u32 = libc::FUTEX_WAIT_BITSET.cast_unsigned() | PRIVATE;
const PRIVATE: u32 = libc::FUTEX_PRIVATE_FLAG.cast_unsigned();

/// What an event loop with timers and doorbells needs.
const LOOP: &[Rule] = &[
    #[cfg(target_arch = "x86_64")]
    call("epoll_wait", libc::SYS_epoll_wait, "to wait"),
    call("epoll_pwait", libc::SYS_epoll_pwait, "to wait (aarch64, musl)"),
    call(
        "epoll_pwait2",
        libc::SYS_epoll_pwait2,
        "to wait for a time that is no whole number of milliseconds",
    ),
    call("epoll_ctl", libc::SYS_epoll_ctl, "clients that come and go, or have output that waits"),
    call("read", libc::SYS_read, "eventfds and timers"),
    call("write", libc::SYS_write, "the guest's interrupt for input"),
    call("close", libc::SYS_close, "clients that go"),
    with(
        "fcntl",
        libc::SYS_fcntl,
        &[equal(1, libc::F_GETFD.cast_unsigned(), "F_GETFD")],
        "std looks before it closes, in builds with debug assertions",
    ),
    with(
        "timerfd_create",
        libc::SYS_timerfd_create,
        &[
            equal(0, CLOCK_MONOTONIC.cast_unsigned(), "CLOCK_MONOTONIC"),
            equal(1, (TFD_CLOEXEC | TFD_NONBLOCK).cast_unsigned(), "TFD_CLOEXEC | TFD_NONBLOCK"),
        ],
        "deadlines, when the first client comes",
    ),
    with("timerfd_settime", libc::SYS_timerfd_settime, &[equal(1, 0, "relative")], "deadlines"),
    call("clock_gettime", libc::SYS_clock_gettime, "the time, where the vDSO has none"),
    call("restart_syscall", libc::SYS_restart_syscall, "the kernel makes it after a SIGSTOP"),
];

const SERVER: &[Rule] = &[
    with(
        "accept4",
        libc::SYS_accept4,
        &[equal(3, (SOCK_CLOEXEC | SOCK_NONBLOCK).cast_unsigned(), "SOCK_CLOEXEC | SOCK_NONBLOCK")],
        "a client comes",
    ),
    with(
        "getsockopt",
        libc::SYS_getsockopt,
        &[SOCKET_LEVEL, equal(2, SO_PEERCRED.cast_unsigned(), "SO_PEERCRED")],
        "who the client is",
    ),
    with(
        "getsockopt",
        libc::SYS_getsockopt,
        &[SOCKET_LEVEL, equal(2, SO_PEERGROUPS.cast_unsigned(), "SO_PEERGROUPS")],
        "the groups of a client at a socket of a group",
    ),
    call("recvfrom", libc::SYS_recvfrom, "what clients send"),
    call("sendmsg", libc::SYS_sendmsg, "what clients are sent"),
    with(
        "eventfd2",
        libc::SYS_eventfd2,
        &[equal(1, EFD_CLOEXEC.cast_unsigned(), "EFD_CLOEXEC")],
        "a file descriptor in reserve, after there was none left",
    ),
    with(
        "madvise",
        libc::SYS_madvise,
        &[equal(2, MADV_POPULATE_WRITE.cast_unsigned(), "MADV_POPULATE_WRITE")],
        "the guest's page faults are taken here",
    ),
    call("fstat", libc::SYS_fstat, "whether the name is still the server's, at its end"),
    with("unlinkat", libc::SYS_unlinkat, &[equal(2, 0, "a file")], "the sockets go with the server"),
];

const SOCKET_LEVEL: Argument = equal(1, SOL_SOCKET.cast_unsigned(), "SOL_SOCKET");

/// What the allocators of gnu and musl need, and what `std` needs for a hash map.
const MEMORY: &[Rule] = &[
    call("brk", libc::SYS_brk, "memory"),
    with(
        "mmap",
        libc::SYS_mmap,
        &[
            NOT_EXECUTABLE,
            equal(3, (MAP_PRIVATE | MAP_ANONYMOUS).cast_unsigned(), "MAP_PRIVATE | MAP_ANONYMOUS"),
        ],
        "memory",
    ),
    with(
        "mmap",
        libc::SYS_mmap,
        &[
            NOT_EXECUTABLE,
            equal(
                3,
                (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE).cast_unsigned(),
                "MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE",
            ),
        ],
        "memory (gnu)",
    ),
    with("mprotect", libc::SYS_mprotect, &[NOT_EXECUTABLE], "memory"),
    call("mremap", libc::SYS_mremap, "memory"),
    call("munmap", libc::SYS_munmap, "memory"),
    with("madvise", libc::SYS_madvise, &[DONT_NEED], "memory"),
    call("getrandom", libc::SYS_getrandom, "the seed of the allocator, and of hash maps"),
];

const NOT_EXECUTABLE: Argument = without(2, PROT_EXEC.cast_unsigned(), "without PROT_EXEC");
const DONT_NEED: Argument = equal(2, MADV_DONTNEED.cast_unsigned(), "MADV_DONTNEED");

/// What a thread does at its end, in gnu and musl.
const THREAD_END: &[Rule] = &[
    call("rt_sigprocmask", libc::SYS_rt_sigprocmask, "the thread's end"),
    call("sigaltstack", libc::SYS_sigaltstack, "the thread's end"),
    call("munmap", libc::SYS_munmap, "the thread's end"),
    with("madvise", libc::SYS_madvise, &[DONT_NEED], "the thread's end (gnu)"),
    with(
        "futex",
        libc::SYS_futex,
        &[equal(1, FUTEX_WAKE, "FUTEX_WAKE")],
        "the thread's end, for who joins it",
    ),
    call("exit", libc::SYS_exit, "the thread's end"),
];

/// The terminal is replaced after each session, so the calls that make one are among these.
const PTY: &[Rule] = &[
    call("ppoll", libc::SYS_ppoll, "whether a program has the terminal open"),
    call("writev", libc::SYS_writev, "output"),
    #[cfg(target_arch = "x86_64")]
    call("open", libc::SYS_open, "/dev/ptmx"),
    call("openat", libc::SYS_openat, "/dev/ptmx, and the directory of the link"),
    with("fcntl", libc::SYS_fcntl, &[equal(1, libc::F_GETFL.cast_unsigned(), "F_GETFL")], "no waiting"),
    with("fcntl", libc::SYS_fcntl, &[equal(1, libc::F_SETFL.cast_unsigned(), "F_SETFL")], "no waiting"),
    terminal(&[equal(1, TIOCSPTLCK, "TIOCSPTLCK")]),
    terminal(&[equal(1, TIOCGPTN, "TIOCGPTN")]),
    terminal(&[equal(1, TIOCGPTPEER, "TIOCGPTPEER")]),
    terminal(&[equal(1, TCGETS2, "TCGETS2")]),
    terminal(&[equal(1, TCSETS2, "TCSETS2")]),
    terminal(&[equal(1, TCSETSF2, "TCSETSF2")]),
    terminal(&[equal(1, TIOCSWINSZ, "TIOCSWINSZ")]),
    terminal(&[equal(1, TCFLSH, "TCFLSH")]),
    terminal(&[equal(1, TCXONC, "TCXONC")]),
    terminal(&[equal(1, TIOCNXCL, "TIOCNXCL")]),
    #[cfg(target_arch = "x86_64")]
    call("chmod", libc::SYS_chmod, "the mode of /dev/pts/N"),
    call("fchmodat", libc::SYS_fchmodat, "the mode of /dev/pts/N (aarch64)"),
    call("inotify_add_watch", libc::SYS_inotify_add_watch, "to see that a program opens it"),
    call("inotify_rm_watch", libc::SYS_inotify_rm_watch, "to see that a program opens it"),
    call("geteuid", libc::SYS_geteuid, "whose the directory of the link is"),
    call("fstat", libc::SYS_fstat, "whose the directory of the link is"),
    call("symlinkat", libc::SYS_symlinkat, "the link"),
    call("renameat", libc::SYS_renameat, "the link"),
];

const fn terminal(request: &'static [Argument]) -> Rule {
    with("ioctl", libc::SYS_ioctl, request, "the terminal")
}

// `libc` has these in the type that the C library's `ioctl` takes, which is not the same in gnu and musl.
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCGPTN: u32 = 0x8004_5430;
const TIOCGPTPEER: u32 = 0x5441;
const TCGETS2: u32 = 0x802C_542A;
const TCSETS2: u32 = 0x402C_542B;
const TCSETSF2: u32 = 0x402C_542D;
const TIOCSWINSZ: u32 = 0x5414;
const TCFLSH: u32 = 0x540B;
const TCXONC: u32 = 0x540A;
const TIOCNXCL: u32 = 0x540D;

const PROGRAM_NAMES: &[Rule] = &[
    #[cfg(target_arch = "x86_64")]
    call("open", libc::SYS_open, "/proc/PID/comm (musl)"),
    call("openat", libc::SYS_openat, "/proc/PID/comm"),
    with(
        "fcntl",
        libc::SYS_fcntl,
        &[equal(1, libc::F_SETFD.cast_unsigned(), "F_SETFD")],
        "FD_CLOEXEC (musl)",
    ),
    call("statx", libc::SYS_statx, "the size of what is read"),
    call("lseek", libc::SYS_lseek, "the place in what is read"),
];
