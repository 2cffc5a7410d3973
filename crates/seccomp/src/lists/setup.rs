//! What the thread calls that makes a console, and the one that saves a trail.

use libc::{
    AF_UNIX, CLOCK_MONOTONIC, EFD_CLOEXEC, EFD_NONBLOCK, MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE,
    MAP_SHARED, MAP_STACK, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, TFD_CLOEXEC, TFD_NONBLOCK,
};

use super::common::{NOT_EXECUTABLE, POPULATE};
use super::terminal::{TIOCGWINSZ, terminal};
use crate::rule::{Rule, call, equal, with};

/// The directory of consoles, the files in it, a ring in a file, a log.
pub(super) const FILES: &[Rule] = &[
    #[cfg(target_arch = "x86_64")]
    call("mkdir", libc::SYS_mkdir, "the directory of consoles"),
    call("mkdirat", libc::SYS_mkdirat, "the directory of consoles (aarch64)"),
    #[cfg(target_arch = "x86_64")]
    call("open", libc::SYS_open, "files (musl), /proc/self/fd"),
    call("openat", libc::SYS_openat, "files"),
    call("statx", libc::SYS_statx, "what a file is"),
    #[cfg(target_arch = "x86_64")]
    call("stat", libc::SYS_stat, "what a file is (musl)"),
    #[cfg(target_arch = "x86_64")]
    call("lstat", libc::SYS_lstat, "what a file is (musl)"),
    call("newfstatat", libc::SYS_newfstatat, "what a file is"),
    call("fstat", libc::SYS_fstat, "what a file is"),
    call("fstatfs", libc::SYS_fstatfs, "whether a ring's file is in memory"),
    call("pread64", libc::SYS_pread64, "what a file begins with"),
    call("lseek", libc::SYS_lseek, "the end of a log"),
    call("ftruncate", libc::SYS_ftruncate, "a lock's text, a log that begins anew, a ring"),
    call("fallocate", libc::SYS_fallocate, "the memory of a ring"),
    call("flock", libc::SYS_flock, "names, rings and logs have one owner"),
    call("fchmod", libc::SYS_fchmod, "modes that no umask changes"),
    call("fchmodat", libc::SYS_fchmodat, "modes that no umask changes"),
    call("fchownat", libc::SYS_fchownat, "a socket of a group"),
    call("unlinkat", libc::SYS_unlinkat, "what a dead process has left"),
    call("memfd_create", libc::SYS_memfd_create, "a ring in a memfd"),
    fcntl(&[equal(1, 1033, "F_ADD_SEALS")], "a ring in a memfd"),
    fcntl(
        &[equal(1, libc::F_DUPFD_CLOEXEC.cast_unsigned(), "F_DUPFD_CLOEXEC")],
        "copies of the VMM's descriptors",
    ),
    fcntl(&[equal(1, libc::F_SETFD.cast_unsigned(), "F_SETFD")], "FD_CLOEXEC (musl)"),
    terminal(&[equal(1, TIOCGWINSZ, "TIOCGWINSZ")]),
    call("geteuid", libc::SYS_geteuid, "who the VMM is"),
    call("getegid", libc::SYS_getegid, "who the VMM is"),
    call("getpid", libc::SYS_getpid, "who the VMM is"),
];

pub(super) const SOCKETS: &[Rule] = &[
    with("socket", libc::SYS_socket, &[equal(0, AF_UNIX.cast_unsigned(), "AF_UNIX")], "the sockets"),
    call("bind", libc::SYS_bind, "the sockets"),
    call("listen", libc::SYS_listen, "the sockets"),
    call("connect", libc::SYS_connect, "whether the owner of a socket that is there lives"),
    call("getsockopt", libc::SYS_getsockopt, "who is at a connection of the VMM's own"),
    with("ioctl", libc::SYS_ioctl, &[equal(1, FIONBIO, "FIONBIO")], "no waiting"),
];

pub(super) const DESCRIPTORS: &[Rule] = &[
    with(
        "epoll_create1",
        libc::SYS_epoll_create1,
        &[equal(0, CLOEXEC, "EPOLL_CLOEXEC")],
        "what waits for all",
    ),
    with(
        "eventfd2",
        libc::SYS_eventfd2,
        &[equal(1, (EFD_CLOEXEC | EFD_NONBLOCK).cast_unsigned(), "EFD_CLOEXEC | EFD_NONBLOCK")],
        "doorbells",
    ),
    with(
        "eventfd2",
        libc::SYS_eventfd2,
        &[equal(1, EFD_CLOEXEC.cast_unsigned(), "EFD_CLOEXEC")],
        "a descriptor in reserve",
    ),
    with("eventfd2", libc::SYS_eventfd2, &[equal(1, EFD_NONBLOCK.cast_unsigned(), "EFD_NONBLOCK")], "irqfds"),
    with(
        "timerfd_create",
        libc::SYS_timerfd_create,
        &[
            equal(0, CLOCK_MONOTONIC.cast_unsigned(), "CLOCK_MONOTONIC"),
            equal(1, (TFD_CLOEXEC | TFD_NONBLOCK).cast_unsigned(), "TFD_CLOEXEC | TFD_NONBLOCK"),
        ],
        "timers",
    ),
    call("inotify_init1", libc::SYS_inotify_init1, "to see that a program opens the pseudo-terminal"),
];

pub(super) const MAPPINGS: &[Rule] = &[
    with(
        "mmap",
        libc::SYS_mmap,
        &[NOT_EXECUTABLE, equal(3, MAP_SHARED.cast_unsigned(), "MAP_SHARED")],
        "a ring in a file, KVM's page",
    ),
    with(
        "madvise",
        libc::SYS_madvise,
        &[equal(2, MADV_NOHUGEPAGE.cast_unsigned(), "MADV_NOHUGEPAGE")],
        "a ring",
    ),
    POPULATE,
];

pub(super) const THREADS: &[Rule] = &[
    call("clone3", libc::SYS_clone3, "a thread (gnu)"),
    call("clone", libc::SYS_clone, "a thread (musl)"),
    with(
        "mmap",
        libc::SYS_mmap,
        &[
            NOT_EXECUTABLE,
            equal(
                3,
                (MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK).cast_unsigned(),
                "MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK",
            ),
        ],
        "a thread's stack",
    ),
    call("set_robust_list", libc::SYS_set_robust_list, "a thread begins"),
    call("rseq", libc::SYS_rseq, "a thread begins (gnu)"),
    call("gettid", libc::SYS_gettid, "a thread begins"),
    call("sched_getaffinity", libc::SYS_sched_getaffinity, "a thread begins: where its stack is (gnu)"),
    with(
        "prctl",
        libc::SYS_prctl,
        &[equal(0, PR_SET_NAME.cast_unsigned(), "PR_SET_NAME")],
        "a thread's name",
    ),
    with(
        "futex",
        libc::SYS_futex,
        &[equal(1, FUTEX_JOIN, "FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME")],
        "to wait for a thread's end (gnu)",
    ),
    with(
        "futex",
        libc::SYS_futex,
        &[equal(1, libc::FUTEX_WAIT.cast_unsigned(), "FUTEX_WAIT")],
        "to wait for a thread's end (musl)",
    ),
    with(
        "prctl",
        libc::SYS_prctl,
        &[equal(0, PR_SET_NO_NEW_PRIVS.cast_unsigned(), "PR_SET_NO_NEW_PRIVS")],
        "a filter of the thread's own",
    ),
    with(
        "seccomp",
        libc::SYS_seccomp,
        &[equal(0, libc::SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER")],
        "a filter of the thread's own",
    ),
];

/// The end of a trail's lines is on the disk before its thread goes.
pub(super) const AUDIT: &[Rule] = &[
    call("ppoll", libc::SYS_ppoll, "to wait for lines"),
    call("read", libc::SYS_read, "the eventfd of the trail"),
    call("write", libc::SYS_write, "lines"),
    call("fdatasync", libc::SYS_fdatasync, "the lines, to the disk"),
    call("fsync", libc::SYS_fsync, "the directory, when the file is new or is replaced"),
    #[cfg(not(target_arch = "riscv64"))]
    call("renameat", libc::SYS_renameat, "a file that is full"),
    #[cfg(target_arch = "riscv64")]
    call("renameat2", libc::SYS_renameat2, "a file that is full"),
    #[cfg(target_arch = "x86_64")]
    call("rename", libc::SYS_rename, "a file that is full"),
    call("flock", libc::SYS_flock, "the file is this trail's"),
    call("close", libc::SYS_close, "the file, at the end"),
];

const fn fcntl(command: &'static [crate::rule::Argument], purpose: &'static str) -> Rule {
    with("fcntl", libc::SYS_fcntl, command, purpose)
}

const CLOEXEC: u32 = libc::EPOLL_CLOEXEC.cast_unsigned();
const FIONBIO: u32 = 0x5421;
const FUTEX_JOIN: u32 = libc::FUTEX_WAIT_BITSET.cast_unsigned() | libc::FUTEX_CLOCK_REALTIME.cast_unsigned();
