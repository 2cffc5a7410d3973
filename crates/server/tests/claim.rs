//! Names: who has one, and which files go with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use vuart_server::{Claim, ClaimError, RuntimeDir, RuntimeDirError, Sockets};

fn dir() -> (tempfile::TempDir, RuntimeDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(temp.path().join("vuart")).unwrap();
    (temp, dir)
}

#[test]
fn names_that_are_no_console_names_are_refused() {
    let (_temp, dir) = dir();
    for name in ["", ".", "..", ".hidden", "a/b", "-x", "é", "a b", "a\n", "vm0.ro", &"x".repeat(65)] {
        assert!(
            matches!(Claim::new(&dir, name), Err(ClaimError::Directory(RuntimeDirError::BadName { .. }))),
            "{name:?}"
        );
    }
    assert!(Claim::new(&dir, &"x".repeat(64)).is_ok() || dir.path().as_os_str().len() > 40);
}

#[test]
fn one_server_has_a_name_and_its_files_are_removed_with_it() {
    let (_temp, dir) = dir();
    let claim = Claim::new(&dir, "vm0").unwrap();
    let pid = std::process::id().to_string();
    assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::Taken { pid: by, .. }) if by == pid));
    let listener = UnixListener::bind(claim.control_socket()).unwrap();
    assert_eq!(dir.names().unwrap(), ["vm0"]);
    drop((claim, listener));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(Claim::new(&dir, "vm0").is_ok());
}

#[test]
fn the_files_of_a_killed_server_are_removed() {
    let (_temp, dir) = dir();
    // A lock file without a lock, and sockets without a listener.
    fs::write(dir.path().join("vm0.lock"), "1\n").unwrap();
    drop(UnixListener::bind(dir.path().join("vm0.ctl")).unwrap());
    drop(UnixListener::bind(dir.path().join("vm0.ro.sock")).unwrap());
    std::os::unix::fs::symlink("/dev/pts/0", dir.path().join("vm0.pty")).unwrap();
    let _claim = Claim::new(&dir, "vm0").unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the lock");
}

#[test]
fn a_lock_file_that_is_a_link_is_refused() {
    let (temp, dir) = dir();
    fs::write(temp.path().join("target"), "").unwrap();
    std::os::unix::fs::symlink(temp.path().join("target"), dir.path().join("vm0.lock")).unwrap();
    assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::File { .. })));
}

#[test]
fn a_claim_without_its_lock_file_leaves_its_successor_alone() {
    let (_temp, dir) = dir();
    let first = Claim::new(&dir, "vm0").unwrap();
    fs::remove_file(dir.path().join("vm0.lock")).unwrap();
    let second = Claim::new(&dir, "vm0").unwrap();
    let _listener = UnixListener::bind(second.control_socket()).unwrap();
    drop(first);
    assert!(second.control_socket().exists());
    assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::Taken { .. })));
}

#[test]
fn files_that_are_not_the_consoles_are_left_alone() {
    let (_temp, dir) = dir();
    for file in ["vm0.sock", "vm0.pty"] {
        fs::write(dir.path().join(file), "precious").unwrap();
    }
    drop(Claim::new(&dir, "vm0").unwrap());
    for file in ["vm0.sock", "vm0.pty"] {
        assert!(dir.path().join(file).exists());
    }
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(temp.path().join("x".repeat(110))).unwrap();
    assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::Directory(RuntimeDirError::TooLong { .. }))));
}

/// A process that is killed between two steps, under a umask that takes all rights, leaves such a lock.
#[test]
fn f21_a_lock_without_permissions_does_not_shut_its_user_out() {
    let (_temp, dir) = dir();
    let lock = dir.path().join("vm0.lock");
    for content in ["", "1234\n"] {
        fs::write(&lock, content).unwrap();
        fs::set_permissions(&lock, Permissions::from_mode(0o000)).unwrap();
        let claim = Claim::new(&dir, "vm0").unwrap();
        assert_eq!(fs::metadata(&lock).unwrap().permissions().mode() & 0o7777, 0o600);
        drop(claim);
        assert!(!lock.exists());
    }
}

#[test]
fn f21_what_is_no_lock_is_not_written() {
    let (_temp, dir) = dir();
    let lock = dir.path().join("vm0.lock");
    fs::write(&lock, "precious").unwrap();
    let refused = Claim::new(&dir, "vm0").unwrap_err();
    assert!(refused.to_string().contains("vm0.lock is not the lock of a console"), "{refused}");
    assert_eq!(fs::read(&lock).unwrap(), b"precious");
}

/// Others may write the parent of the runtime directory, and exchange it for a directory of theirs between two steps of the server.
#[test]
fn f23_a_server_works_in_the_directory_that_it_has_checked() {
    let (temp, dir) = dir();
    let theirs = temp.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    // Not to be trusted, because of its mode: the test's user may be the only one that there is.
    fs::set_permissions(&theirs, Permissions::from_mode(0o755)).unwrap();
    for file in ["vm0.sock", "vm0.ctl"] {
        drop(UnixListener::bind(theirs.join(file)).unwrap());
    }
    let stop = AtomicBool::new(false);
    let mut served = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                renameat_with(CWD, dir.path(), CWD, &theirs, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..300 {
            // Either it works or it is refused.
            let sockets = Claim::new(&dir, "vm0").map(Sockets::bind);
            served += usize::from(matches!(sockets, Ok(Ok(_))));
        }
        stop.store(true, Relaxed);
    });
    println!("served {served} times");
    let theirs =
        [dir.path(), &theirs].into_iter().find(|dir| fs::metadata(dir).unwrap().mode() & 0o777 == 0o755);
    let mut files: Vec<_> =
        fs::read_dir(theirs.unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["vm0.ctl", "vm0.sock"], "nothing was made or removed there");
}

/// Something else is at the directory's path when the claim is dropped.
#[test]
fn f23_a_claim_removes_its_files_where_it_has_made_them() {
    let (temp, dir) = dir();
    let sockets = Sockets::bind(Claim::new(&dir, "vm0").unwrap()).unwrap();
    let moved = temp.path().join("moved");
    fs::rename(dir.path(), &moved).unwrap();
    fs::create_dir(dir.path()).unwrap();
    let files = ["vm0.sock", "vm0.ctl", "vm0.lock"];
    for file in files {
        fs::write(dir.path().join(file), "somebody else's").unwrap();
    }
    drop(sockets);
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 0);
    for file in files {
        assert!(dir.path().join(file).exists(), "{file}");
    }
}

/// All consoles of a process in one directory share its descriptor.
#[test]
fn the_directory_is_open_once_for_any_number_of_claims() {
    let (_temp, dir) = dir();
    let open = || {
        let links =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links.filter(|link| link == dir.path()).count()
    };
    let claims: Vec<_> = (0..10).map(|n| Claim::new(&dir, &format!("vm{n}")).unwrap()).collect();
    assert_eq!(open(), 1);
    drop(claims);
    assert_eq!(open(), 0);
}
