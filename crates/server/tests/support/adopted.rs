//! A pseudo-terminal that the VMM has made before.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use vuart_test_support::{Vm, read_to};

/// A pseudo-terminal as Cloud Hypervisor makes it: non-blocking, unlocked, raw; the path is for its API.
pub(crate) fn made() -> (OwnedFd, PathBuf) {
    let both = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(both).unwrap();
    unlockpt(&master).unwrap();
    let flags = rustix::fs::fcntl_getfl(&master).unwrap();
    rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK).unwrap();
    let slave = ioctl_tiocgptpeer(&master, both).unwrap();
    let mut termios = tcgetattr(&slave).unwrap();
    termios.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &termios).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (master, path.into())
}

/// Whether something can be read, or nobody is at the other end.
pub(crate) fn readable(terminal: &File) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
    fds[0].revents()
}

/// The program types a line, which arrives, and reads one.
pub(crate) fn works(vm: &mut Vm, terminal: &mut File, line: &str) {
    terminal.write_all(line.as_bytes()).unwrap();
    assert_eq!(vm.guest.reads(line.len()), line.as_bytes());
    vm.guest.writes(line.as_bytes());
    assert!(read_to(terminal, line).ends_with(line));
}
