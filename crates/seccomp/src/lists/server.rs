//! What the thread calls that serves clients.

use libc::{EFD_CLOEXEC, SO_PEERCRED, SO_PEERGROUPS, SOCK_CLOEXEC, SOL_SOCKET};

use super::common::POPULATE;
use crate::rule::{Argument, Rule, call, equal, with};

pub(super) const SERVER: &[Rule] = &[
    with(
        "accept4",
        libc::SYS_accept4,
        &[equal(3, SOCK_CLOEXEC.cast_unsigned(), "SOCK_CLOEXEC")],
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
        "the groups of a client of another user, at a socket of a group",
    ),
    call("recvfrom", libc::SYS_recvfrom, "what clients send"),
    call("sendmsg", libc::SYS_sendmsg, "what clients are sent"),
    with(
        "eventfd2",
        libc::SYS_eventfd2,
        &[equal(1, EFD_CLOEXEC.cast_unsigned(), "EFD_CLOEXEC")],
        "a file descriptor in reserve, after there was none left",
    ),
    POPULATE,
    call("fstat", libc::SYS_fstat, "whether the name is still the server's, at its end"),
    with("unlinkat", libc::SYS_unlinkat, &[equal(2, 0, "a file")], "the sockets go with the server"),
];

const SOCKET_LEVEL: Argument = equal(1, SOL_SOCKET.cast_unsigned(), "SOL_SOCKET");

pub(super) const PROGRAM_NAMES: &[Rule] = &[
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

pub(super) const EXACT_PATHS: &[Rule] =
    &[call("newfstatat", libc::SYS_newfstatat, "whether the socket is still the server's, at its end")];
