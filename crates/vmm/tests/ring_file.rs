//! A console's ring in a file.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use vuart::scrollback::FileError;
use vuart_vmm::{RingError, open_ring};

#[test]
fn a_new_file_is_private_and_is_not_created_through_a_link() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        return println!("not shown: no /dev/shm");
    };
    let path = |name: &str| directory.path().join(name);
    symlink(path("elsewhere"), path("link")).unwrap();
    let error = open_ring(&path("link")).unwrap_err();
    assert!(matches!(error, RingError::Open { .. }), "{error}");
    assert!(!path("elsewhere").exists());

    let output = open_ring(&path("ring")).unwrap();
    assert_eq!(std::fs::metadata(path("ring")).unwrap().permissions().mode() & 0o777, 0o600);
    let error = open_ring(&path("ring")).unwrap_err();
    assert!(matches!(error, RingError::Ring { source: FileError::InUse, .. }), "{error}");
    drop(output);
    std::fs::set_permissions(path("ring"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = open_ring(&path("ring")).unwrap_err();
    assert!(matches!(error, RingError::NotPrivate { .. }), "{error}");
}
