//! A terminal.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode as Permissions, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// A terminal emulator's side, and the device that programs open.
pub(crate) fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let device = device(&master);
    (master.into(), device)
}

pub(crate) fn device(master: &OwnedFd) -> File {
    let path = ptsname(master, Vec::new()).unwrap();
    open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Permissions::empty()).unwrap().into()
}

pub(crate) fn is_raw(terminal: &File) -> bool {
    !tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ICANON)
}
