//! Who holds the lock of a file.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{major, minor};

/// The process that holds a lock of `flock(2)` on the file, as far as the kernel shows it to this one.
pub(super) fn of(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    let inode = format!("{:02x}:{:02x}:{}", major(file.dev()), minor(file.dev()), file.ino());
    // 1: FLOCK  ADVISORY  WRITE 4711 00:1a:42 0 EOF
    fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (kind, pid, locked) = (fields.next()?, fields.nth(2)?, fields.next()?);
        (kind == "FLOCK" && locked == inode).then(|| pid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_the_holder_of_a_lock_is_found() {
        // In memory, as rings are. Some file systems on a disk have another number there.
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        assert_eq!(of(file.path()), None);
        file.as_file().lock().unwrap();
        // A kernel may hide the table, or this process' number.
        let table = fs::read_to_string("/proc/locks").unwrap_or_default();
        if table.contains(&format!(" {} ", std::process::id())) {
            assert_eq!(of(file.path()), Some(std::process::id()));
        }
        assert_eq!(of(Path::new("/nowhere")), None);
    }
}
