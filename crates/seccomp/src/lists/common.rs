//! What any thread of a console calls: locks, memory, the wait for what happens, the end of the thread.

use libc::{MADV_DONTNEED, MADV_POPULATE_WRITE, MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_EXEC};

use crate::rule::{Argument, Rule, call, equal, with, without};

pub(super) const LOCKS: &[Rule] = &[
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
pub(super) const LOOP: &[Rule] = &[
    call("epoll_pwait", libc::SYS_epoll_pwait, "to look what has happened"),
    call("epoll_ctl", libc::SYS_epoll_ctl, "what comes and goes, or has no room for output"),
    call("read", libc::SYS_read, "eventfds and timers"),
    call("write", libc::SYS_write, "the guest's interrupt for input"),
    call("close", libc::SYS_close, "what goes"),
    with(
        "fcntl",
        libc::SYS_fcntl,
        &[equal(1, libc::F_GETFD.cast_unsigned(), "F_GETFD")],
        "std looks before it closes, in builds with debug assertions",
    ),
    with("timerfd_settime", libc::SYS_timerfd_settime, &[equal(1, 0, "relative")], "deadlines"),
    call("clock_gettime", libc::SYS_clock_gettime, "the time, where the vDSO has none"),
    call("restart_syscall", libc::SYS_restart_syscall, "the kernel makes it after a SIGSTOP"),
];

/// What the allocators of gnu and musl need, and what `std` needs for a hash map.
pub(super) const MEMORY: &[Rule] = &[
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

pub(super) const NOT_EXECUTABLE: Argument = without(2, PROT_EXEC.cast_unsigned(), "without PROT_EXEC");
const DONT_NEED: Argument = equal(2, MADV_DONTNEED.cast_unsigned(), "MADV_DONTNEED");

/// What a thread does at its end, in gnu and musl.
pub(super) const THREAD_END: &[Rule] = &[
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

/// The server touches the ring's pages ahead of the guest, and so does whoever makes a ring that is to be there at once.
pub(super) const POPULATE: Rule = with(
    "madvise",
    libc::SYS_madvise,
    &[equal(2, MADV_POPULATE_WRITE.cast_unsigned(), "MADV_POPULATE_WRITE")],
    "the guest's page faults are taken here",
);
