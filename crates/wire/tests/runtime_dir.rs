//! The runtime directory: who may use it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use vuart_wire::{RuntimeDir, RuntimeDirError};

fn dir() -> (tempfile::TempDir, RuntimeDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(temp.path().join("vuart")).unwrap();
    (temp, dir)
}

#[test]
fn a_directory_is_created_private_and_refused_if_others_may_use_it() {
    let (_temp, dir) = dir();
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o700);
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(RuntimeDir::open(dir.path()), Err(RuntimeDirError::NotPrivate { mode: 0o755, .. })));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(RuntimeDir::open(dir.path()), Err(RuntimeDirError::NotPrivate { mode: 0o770, .. })));
}

#[test]
fn a_shared_directory_can_be_read_by_its_group_and_not_written() {
    let (_temp, dir) = dir();
    let gid = rustix::process::getegid().as_raw();
    RuntimeDir::create_shared(dir.path(), gid).unwrap();
    let metadata = fs::metadata(dir.path()).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o750, gid));
    // Its own user, and a server that comes back, accept it.
    assert!(RuntimeDir::create(dir.path()).is_ok());
}

#[test]
fn a_link_is_not_followed() {
    let (temp, dir) = dir();
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    assert!(matches!(RuntimeDir::create(link), Err(RuntimeDirError::NotADirectory { .. })));
}

#[test]
fn f22_a_directory_with_other_files_is_not_shared_and_its_mode_is_left_alone() {
    let (_temp, dir) = dir();
    fs::write(dir.path().join("notes"), "").unwrap();
    let gid = rustix::process::getegid().as_raw();
    let refused = RuntimeDir::create_shared(dir.path(), gid);
    assert!(matches!(refused, Err(RuntimeDirError::OtherFiles { .. })), "{refused:?}");
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o700);
    // Consoles may be served there all the same: it is private.
    assert!(RuntimeDir::create(dir.path()).is_ok());
}

/// So a umask of 0777 leaves it if the process is killed between two steps.
#[test]
fn f21_a_directory_without_permissions_does_not_shut_its_user_out() {
    let (_temp, dir) = dir();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o000)).unwrap();
    let dir = RuntimeDir::create(dir.path()).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o700);
    assert!(dir.names().unwrap().is_empty());
}
