//! Sockets at exact paths, where others are at the same directory or path in the same moment, and paths of all kinds.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use vuart_endpoint::Console;
use vuart_scrollback::Scrollback;
use vuart_server::{Dispatch as _, Server, ServerOptions, Sockets};
use vuart_test_support::settle;

/// A host comes up again after a crash, and starts all of its VMs at once. Their sockets are in one directory, where the last ones are left.
#[test]
fn servers_that_replace_sockets_in_one_directory_do_not_disturb_each_other() {
    const VMS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..VMS).map(|n| dir.path().join(format!("vm{n}.serial"))).collect();
    for round in 0..30 {
        for path in &paths {
            drop(UnixListener::bind(path).unwrap());
        }
        let all = Arc::new(Barrier::new(VMS));
        let threads: Vec<_> = paths
            .iter()
            .map(|path| {
                let (all, path) = (Arc::clone(&all), path.clone());
                thread::spawn(move || {
                    all.wait();
                    let bound = Sockets::default().bind_raw_at(path);
                    all.wait();
                    bound.map(drop)
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

/// Of two servers at one path, one has it. The other one is told so.
#[test]
fn of_servers_that_race_for_a_dead_socket_one_has_it() {
    const VMS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm0.serial");
    for round in 0..50 {
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).unwrap());
        }
        let all = Arc::new(Barrier::new(VMS));
        let threads: Vec<_> = (0..VMS)
            .map(|_| {
                let (all, path) = (Arc::clone(&all), path.clone());
                thread::spawn(move || {
                    all.wait();
                    let bound = Sockets::default().bind_raw_at(&path);
                    all.wait();
                    let connects = UnixStream::connect(&path).is_ok();
                    all.wait();
                    (bound.is_ok(), connects)
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(results.iter().filter(|(bound, _)| *bound).count(), 1, "round {round}: {results:?}");
        assert!(results.iter().all(|(_, connects)| *connects), "round {round}: {results:?}");
        assert!(!path.exists(), "the one that has bound it removes it");
    }
}

/// A path as long as the kernel allows, and longer; the directory goes while it is served; nothing of it can panic.
#[test]
fn paths_of_any_length_and_directories_that_go() {
    let dir = tempfile::tempdir().unwrap();
    // In a directory of a long path, in which only the name counts; and as long as the kernel allows, in a short one.
    let deep = dir.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    let whole = 107 - dir.path().join("").as_os_str().len();
    for (dir, length) in [(dir.path(), 1), (dir.path(), whole), (&*deep, 1), (&*deep, 80)] {
        let path = dir.join("x".repeat(length));
        // Of a dead server.
        if length == whole {
            drop(UnixListener::bind(&path).unwrap());
        }
        let mut server = server(Sockets::default().bind_raw_at(&path).unwrap());
        assert!(path.exists(), "{length}");
        settle(&mut server);
        drop(server);
        assert!(!path.exists(), "{length}");
    }
    for (dir, length) in [(dir.path(), whole + 2), (&*deep, 100), (&*deep, 1000)] {
        Sockets::default().bind_raw_at(dir.join("x".repeat(length))).unwrap_err();
    }
    for bad in ["", "/", ".", "..", "a/../..", "no/such/directory"] {
        assert!(Sockets::default().bind_raw_at(dir.path().join(bad)).is_err() || bad.is_empty(), "{bad}");
    }
    let gone = dir.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let mut server = server(Sockets::default().bind_raw_at(gone.join("s")).unwrap());
    fs::remove_dir_all(&gone).unwrap();
    settle(&mut server);
    server.finish(Duration::ZERO).unwrap();
}

fn server(sockets: Sockets) -> Server {
    let (_writer, scrollback) = Scrollback::new(4096).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let mut server = Server::new("vm0", console, sockets, ServerOptions::default()).unwrap();
    server.dispatch().unwrap();
    server
}
