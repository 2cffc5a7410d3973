//! What is called for terminals: a server's pseudo-terminal, and the terminal that the VMM was started on.

use crate::rule::{Argument, Rule, call, equal, with};

/// What a pseudo-terminal needs in any case.
pub(super) const ADOPTED_PTY: &[Rule] = &[
    call("ppoll", libc::SYS_ppoll, "whether a program has the terminal open"),
    call("writev", libc::SYS_writev, "output"),
    terminal(&[equal(1, TIOCGPTPEER, "TIOCGPTPEER")]),
    terminal(&[equal(1, TCGETS2, "TCGETS2")]),
    terminal(&[equal(1, TCSETS2, "TCSETS2")]),
    terminal(&[equal(1, TCSETSF2, "TCSETSF2")]),
    terminal(&[equal(1, TIOCSWINSZ, "TIOCSWINSZ")]),
    terminal(&[equal(1, TCFLSH, "TCFLSH")]),
    terminal(&[equal(1, TCXONC, "TCXONC")]),
    terminal(&[equal(1, TIOCNXCL, "TIOCNXCL")]),
    call("inotify_add_watch", libc::SYS_inotify_add_watch, "to see that a program opens it"),
    call("inotify_rm_watch", libc::SYS_inotify_rm_watch, "to see that a program opens it"),
];

/// The server's own terminal is replaced after each session, so the calls that make one are among these.
pub(super) const PTY: &[Rule] = &[
    #[cfg(target_arch = "x86_64")]
    call("open", libc::SYS_open, "/dev/ptmx"),
    call("openat", libc::SYS_openat, "/dev/ptmx, and the directory of the link"),
    with("fcntl", libc::SYS_fcntl, &[equal(1, libc::F_GETFL.cast_unsigned(), "F_GETFL")], "no waiting"),
    with("fcntl", libc::SYS_fcntl, &[equal(1, libc::F_SETFL.cast_unsigned(), "F_SETFL")], "no waiting"),
    terminal(&[equal(1, TIOCSPTLCK, "TIOCSPTLCK")]),
    terminal(&[equal(1, TIOCGPTN, "TIOCGPTN")]),
    #[cfg(target_arch = "x86_64")]
    call("chmod", libc::SYS_chmod, "the mode of /dev/pts/N"),
    call("fchmodat", libc::SYS_fchmodat, "the mode of /dev/pts/N (aarch64)"),
    call("geteuid", libc::SYS_geteuid, "whose the directory of the link is"),
    call("fstat", libc::SYS_fstat, "whose the directory of the link is"),
    call("symlinkat", libc::SYS_symlinkat, "the link"),
    #[cfg(not(target_arch = "riscv64"))]
    call("renameat", libc::SYS_renameat, "the link"),
    #[cfg(target_arch = "riscv64")]
    call("renameat2", libc::SYS_renameat2, "the link"),
];

/// A `Local` on a terminal.
pub(super) const LOCAL_TERMINAL: &[Rule] = &[
    terminal(&[equal(1, TIOCGPGRP, "TIOCGPGRP")]),
    #[cfg(target_arch = "x86_64")]
    call("getpgrp", libc::SYS_getpgrp, "whether the VMM is in the background of its shell"),
    call("getpgid", libc::SYS_getpgid, "whether the VMM is in the background of its shell (aarch64)"),
    terminal(&[equal(1, TCGETS2, "TCGETS2")]),
    terminal(&[equal(1, TCSETS2, "TCSETS2")]),
    terminal(&[equal(1, TCFLSH, "TCFLSH")]),
];

pub(super) const fn terminal(request: &'static [Argument]) -> Rule {
    with("ioctl", libc::SYS_ioctl, request, "the terminal")
}

// `libc` has these in the type that the C library's `ioctl` takes, which is not the same in gnu and musl.
pub(super) const TIOCSPTLCK: u32 = 0x4004_5431;
pub(super) const TIOCGPTN: u32 = 0x8004_5430;
pub(super) const TIOCGPTPEER: u32 = 0x5441;
pub(super) const TCGETS2: u32 = 0x802C_542A;
pub(super) const TCSETS2: u32 = 0x402C_542B;
pub(super) const TCSETSF2: u32 = 0x402C_542D;
pub(super) const TIOCSWINSZ: u32 = 0x5414;
pub(super) const TCFLSH: u32 = 0x540B;
pub(super) const TCXONC: u32 = 0x540A;
pub(super) const TIOCNXCL: u32 = 0x540D;

pub(super) const TIOCGPGRP: u32 = 0x540F;
pub(super) const TIOCGWINSZ: u32 = 0x5413;
