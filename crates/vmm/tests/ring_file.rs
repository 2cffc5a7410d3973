//! A console's ring in a file.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use vuart::file::OpenError;
use vuart::scrollback::FileError;
use vuart_vmm::open_ring;

#[test]
fn a_new_file_is_private_and_is_not_created_through_a_link() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        return println!("not shown: no /dev/shm");
    };
    let path = |name: &str| directory.path().join(name);
    symlink(path("elsewhere"), path("link")).unwrap();
    let error = open_ring(&path("link")).unwrap_err();
    assert!(matches!(error.source, FileError::Open(OpenError::NotAFile { .. })), "{error}");
    assert!(!path("elsewhere").exists());

    let output = open_ring(&path("ring")).unwrap();
    assert_eq!(std::fs::metadata(path("ring")).unwrap().permissions().mode() & 0o777, 0o600);
    let error = open_ring(&path("ring")).unwrap_err();
    assert!(matches!(error.source, FileError::InUse), "{error}");
    drop(output);
    // Who could write it may have it open, and may make it shorter at any moment.
    std::fs::set_permissions(path("ring"), std::fs::Permissions::from_mode(0o660)).unwrap();
    let error = open_ring(&path("ring")).unwrap_err();
    assert!(matches!(error.source, FileError::Open(OpenError::Writable { mode: 0o660, .. })), "{error}");
}
