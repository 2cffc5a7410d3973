//! Who is at the other end of a Unix socket, as the kernel says.
//!
//! The kernel notes this when a client connects, and when a server begins to listen. A process that changes its user or its groups later,
//! or hands the socket on, changes nothing.
//!
//! Why it has unsafe code: `rustix` has no value for a process of another namespace, and no crate in use has `SO_PEERGROUPS`.

#![deny(clippy::multiple_unsafe_ops_per_block)]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

use libc::{SO_PEERCRED, SO_PEERGROUPS, SOL_SOCKET, c_int, socklen_t};

/// The user, the group and the process at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process, or `None` if it is in another process namespace.
    pub pid: Option<u32>,
}

impl Credentials {
    /// Asks the kernel (`SO_PEERCRED`).
    ///
    /// ```
    /// # use std::os::unix::net::UnixStream;
    /// # use vuart_peer::Credentials;
    /// let (here, _there) = UnixStream::pair()?;
    /// assert_eq!(Credentials::of(&here)?.pid, Some(std::process::id()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `getsockopt(2)`: above all, it is not a Unix socket.
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        // `struct ucred` is these three numbers.
        let mut words = [0; 3];
        match get(&socket, SO_PEERCRED, &mut words)? {
            Got::All(12) => {}
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        let [pid, uid, gid] = words;
        // 0 stands for a process of another namespace, and the largest numbers for no user.
        if uid == u32::MAX {
            return Err(io::ErrorKind::NotConnected.into());
        }
        Ok(Self { uid, gid, pid: (pid != 0).then_some(pid) })
    }
}

/// The most supplementary groups of a process, `NGROUPS_MAX`.
const GROUPS_MAX: usize = 65_536;

/// Returns whether the process at the other end is in a group: by its effective group, or by a supplementary one (`SO_PEERGROUPS`).
///
/// # Errors
///
/// The error of `getsockopt(2)`: it is not a Unix socket, Linux is older than 4.13, or a filter refuses the call.
pub fn is_member(socket: impl AsFd, gid: u32) -> io::Result<bool> {
    if Credentials::of(&socket)?.gid == gid {
        return Ok(true);
    }
    let mut groups = vec![0; 64];
    loop {
        match get(&socket, SO_PEERGROUPS, &mut groups)? {
            Got::All(bytes) => {
                groups.truncate(bytes / 4);
                return Ok(groups.contains(&gid));
            }
            Got::Needs(bytes) if groups.len() < GROUPS_MAX => {
                groups.resize((bytes / 4).clamp(groups.len() + 1, GROUPS_MAX), 0);
            }
            Got::Needs(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// What `getsockopt(2)` has given, in bytes.
enum Got {
    /// The whole value.
    All(usize),
    /// Nothing: the value is longer than there was room for.
    Needs(usize),
}

/// Gets an option of a socket whose value is 32-bit numbers.
fn get(socket: &impl AsFd, option: c_int, value: &mut [u32]) -> io::Result<Got> {
    let mut len = socklen_t::try_from(size_of_val(value)).map_err(|_| io::ErrorKind::InvalidInput)?;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `len` bytes to `value`, which is that long and may have any content, and a length to `len`.
    let result =
        unsafe { libc::getsockopt(socket, SOL_SOCKET, option, value.as_mut_ptr().cast(), &raw mut len) };
    let bytes = usize::try_from(len).unwrap_or(usize::MAX);
    if result == 0 {
        return Ok(Got::All(bytes));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ERANGE) => Ok(Got::Needs(bytes)),
        _ => Err(error),
    }
}

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn f24_membership_is_that_of_the_peer() {
        let (here, _there) = UnixStream::pair().unwrap();
        let gid = Credentials::of(&here).unwrap().gid;
        assert!(is_member(&here, gid).unwrap());
        // No account has this group.
        assert!(!is_member(&here, 64_205).unwrap());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        for group in groups.split_whitespace() {
            assert!(is_member(&here, group.parse().unwrap()).unwrap(), "{group}");
        }
    }

    #[test]
    fn what_is_no_unix_socket_has_no_peer() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Credentials::of(&socket).is_err());
        assert!(Credentials::of(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
