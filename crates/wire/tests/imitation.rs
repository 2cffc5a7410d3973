//! Imitations of a console: a client reaches the right server or none (F23).

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use vuart_wire::{Client, ClientError, Event, Frame as _, RuntimeDir, RuntimeDirError, Welcome};

/// A number that no account has.
const STRANGER: u32 = 64_123;

/// Serves a console that only welcomes its clients, for the rest of the test's process.
fn serve(path: &Path, console: &'static str) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            // The greeting: a frame with a label.
            let mut header = [0; 5];
            if client.read_exact(&mut header).is_err() {
                continue;
            }
            let length = u32::from_le_bytes(header[..4].try_into().unwrap());
            let mut label = vec![0; length as usize];
            let _ = client.read_exact(&mut label);
            let welcome = Welcome { version: 1, console: console.to_owned().into(), pid: 1 };
            let mut frame = Vec::new();
            Event::Welcome(welcome).encode(&mut frame);
            let _ = client.write_all(&frame);
        }
    });
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Others may write the parent of the runtime directory, and exchange it for one of theirs at any moment.
#[test]
fn f23_a_directory_that_is_exchanged_leads_to_no_imitation() {
    let temp = tempfile::tempdir().unwrap();
    let (run, theirs) = (temp.path().join("run"), temp.path().join("theirs"));
    RuntimeDir::create(&run).unwrap();
    serve(&run.join("vm0.ctl"), "ours");
    fs::create_dir(&theirs).unwrap();
    serve(&theirs.join("vm0.ctl"), "imitation");
    // Only root can give a directory away. Without that, its mode shows that it is not to be trusted.
    fs::set_permissions(&theirs, Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(&theirs, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let exchange = || renameat_with(CWD, &run, CWD, &theirs, RenameFlags::EXCHANGE).unwrap();
    let is_refused = |error: &ClientError| {
        let ClientError::Directory(error) = error else { return false };
        matches!(error, RuntimeDirError::NotYours { .. } | RuntimeDirError::NotPrivate { .. })
    };

    // Between two steps of a program: what was checked before does not count.
    let dir = RuntimeDir::open(&run).unwrap();
    exchange();
    assert!(dir.connect("vm0", "me").is_err_and(|error| is_refused(&error)));
    exchange();
    assert_eq!(dir.connect("vm0", "me").unwrap().welcome().console, "ours");

    // At any moment within a step.
    let stop = AtomicBool::new(false);
    let (reached, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                exchange();
            }
        });
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        match dir.connect("vm0", "me") {
                            Ok(client) if client.welcome().console == "ours" => reached.fetch_add(1, Relaxed),
                            Err(error) if is_refused(&error) => refused.fetch_add(1, Relaxed),
                            other => {
                                return Err(format!("{:?}", other.map(|client| client.welcome().clone())));
                            }
                        };
                        thread::yield_now();
                    }
                    Ok(())
                })
            })
            .collect();
        let clients: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        stop.store(true, Relaxed);
        assert_eq!(clients, [const { Ok(()) }; 4]);
    });
    println!("{reached:?} reached, {refused:?} refused");
}

/// The process that listens counts, and not the file.
#[test]
fn f23_a_server_of_another_user_is_not_believed() {
    if !is_root() {
        return println!("not shown here: only root can be somebody else");
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(temp.path().join("run")).unwrap();
    let path = dir.path().join("vm0.ctl");
    // The kernel notes who listens at that moment: a thread that is somebody else then.
    thread::scope(|scope| {
        scope.spawn(|| {
            let listener =
                rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None);
            let listener = listener.unwrap();
            rustix::net::bind(&listener, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(STRANGER)).unwrap();
            rustix::net::listen(&listener, 1).unwrap();
            std::mem::forget(listener);
        });
    });
    for client in [dir.connect("vm0", "me"), Client::connect(&path, "me")] {
        assert!(matches!(client, Err(ClientError::Imitation { uid: STRANGER, .. })), "{client:?}");
    }
}

/// In a directory that everybody may write, such as /tmp, a socket's owner proves nothing.
#[test]
fn f23_by_its_path_a_console_is_trusted_as_far_as_its_directory() {
    let temp = tempfile::tempdir().unwrap();
    serve(&temp.path().join("vm0.ctl"), "ours");
    for mode in [0o700, 0o755, 0o777, 0o1777] {
        fs::set_permissions(temp.path(), Permissions::from_mode(mode)).unwrap();
        let client = Client::connect(&temp.path().join("vm0.ctl"), "me").unwrap();
        assert_eq!(client.welcome().console, "ours");
    }
}

/// A path that is longer than a socket's address, of a directory with a long name.
#[test]
fn f23_the_length_of_the_path_does_not_matter_to_a_client() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(temp.path().join("x".repeat(200))).unwrap();
    let short = temp.path().join("vm0.ctl");
    serve(&short, "ours");
    fs::rename(&short, dir.path().join("vm0.ctl")).unwrap();
    assert_eq!(dir.connect("vm0", "me").unwrap().welcome().console, "ours");
    let client = Client::connect(&dir.path().join("vm0.ctl"), "me").unwrap();
    assert_eq!(client.welcome().console, "ours");
}
