//! Which files are opened, and how they are left.

use std::fs::{self, Permissions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use vuart_file::{Kind, OpenError, Options};

const NOTES: Kind = Kind { name: "a file of notes", begins: |bytes| bytes.starts_with(b"# notes") };

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    (dir, path)
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn f21_a_file_is_made_once_and_its_content_is_left() {
    let (_dir, path) = place();
    let mut first = Options::new(NOTES).open(&path).unwrap();
    assert!(first.made);
    first.file.write_all(b"# notes\none\n").unwrap();
    let mut second = Options::new(NOTES).append().open(&path).unwrap();
    assert!(!second.made);
    second.file.rewind().unwrap();
    second.file.write_all(b"two\n").unwrap();
    let mut all = String::new();
    second.file.rewind().unwrap();
    second.file.read_to_string(&mut all).unwrap();
    assert_eq!(all, "# notes\none\ntwo\n");
    fs::remove_file(&path).unwrap();
    assert!(Options::new(NOTES).existing().open(&path).is_err());
    assert!(!path.exists());
}

#[test]
fn f21_a_refused_file_is_unchanged_and_so_is_its_mode() {
    let (dir, path) = place();
    for before in [0o644, 0o600, 0o666] {
        fs::write(&path, "precious").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        let refused = Options::new(NOTES).open(&path).unwrap_err();
        assert!(matches!(refused, OpenError::OtherKind { kind: "a file of notes", .. }), "{refused}");
        assert!(!refused.to_string().contains("chmod"), "{refused}");
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"precious".to_vec(), before));
    }
    symlink(&path, dir.path().join("link")).unwrap();
    let refused = Options::new(NOTES).open(&dir.path().join("link")).unwrap_err();
    assert!(matches!(refused, OpenError::NotAFile { found: "a link", .. }), "{refused}");
}

#[test]
fn f21_what_others_could_read_becomes_private_and_what_they_could_write_is_refused() {
    let (_dir, path) = place();
    for (before, after) in
        [(0o644, Some(0o600)), (0o400, Some(0o600)), (0o000, Some(0o600)), (0o620, None), (0o602, None)]
    {
        fs::write(&path, "# notes").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        match (Options::new(NOTES).open(&path), after) {
            (Ok(_), Some(after)) => assert_eq!(mode(&path), after),
            (Err(OpenError::Writable { mode, .. }), None) => assert_eq!(mode, before),
            // Without the right to read it, its user has chosen that. (Root has the right.)
            (Err(OpenError::Open { .. }), _) if before == 0o400 => {}
            other => panic!("{before:o}: {other:?}"),
        }
        let _ = fs::remove_file(&path);
    }
}

#[test]
fn f21_a_second_name_and_a_lock_are_seen() {
    let (dir, path) = place();
    let first = Options::new(NOTES).lock().open(&path).unwrap();
    assert!(matches!(Options::new(NOTES).lock().open(&path), Err(OpenError::InUse { .. })));
    drop(first);
    assert!(Options::new(NOTES).lock().open(&path).is_ok());
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    let refused = Options::new(NOTES).open(&path);
    assert!(matches!(refused, Err(OpenError::OtherNames { names: 2, .. })), "{refused:?}");
}

#[test]
fn f21_a_file_that_only_says_that_it_is_empty_is_refused() {
    // Its length is 0, and it can be written: that would change this thread's name.
    let path = PathBuf::from("/proc/thread-self/comm");
    let before = fs::read(&path).unwrap();
    assert_eq!((fs::metadata(&path).unwrap().len(), before.is_empty()), (0, false));
    let refused = Options::new(NOTES).open(&path);
    assert!(matches!(refused, Err(OpenError::OtherKind { .. })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn f28_the_name_of_a_directory_that_is_not_there_is_no_files_name() {
    let (dir, path) = place();
    let refused = Options::new(NOTES).open(&dir.path().join("file/"));
    assert!(matches!(refused, Err(OpenError::NotAFile { found: "a directory's name", .. })), "{refused:?}");
    assert!(!path.exists());
}
