//! Each way to fail has its exit status, and says what is the matter (F28); no advice would harm what is not ours (F22).

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;

use support::{Done, Runtime, run};
use vuart_wire::RuntimeDir;

fn made(runtime: &Runtime) -> PathBuf {
    RuntimeDir::create(runtime.path()).unwrap();
    runtime.path()
}

#[track_caller]
fn fails(done: &Done, code: i32, words: &str) {
    assert!(done.one_line().contains(words), "{words:?} in {:?}", done.stderr);
    assert_eq!(done.code, code, "{}", done.stderr);
}

#[test]
fn f28_what_is_no_socket_is_called_by_its_name() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    fs::write(dir.join("file.ctl"), "precious").unwrap();
    fs::create_dir(dir.join("directory.ctl")).unwrap();
    symlink("/dev/null", dir.join("device.ctl")).unwrap();
    let _datagrams = UnixDatagram::bind(dir.join("datagrams.ctl")).unwrap();
    for (name, found) in [
        ("file", "is a file, and is not a socket"),
        ("directory", "is a directory, and is not a socket"),
        ("datagrams", "is a socket of another type"),
    ] {
        for command in ["attach", "who"] {
            fails(&run(&mut runtime.vuart(&[command, name])), 2, found);
            let path = dir.join(format!("{name}.ctl"));
            fails(&run(&mut runtime.vuart(&[command, path.to_str().unwrap()])), 2, found);
        }
    }
    // By its name, a console is no link. By a path, a link leads on.
    fails(&run(&mut runtime.vuart(&["who", "device"])), 2, "is a link, and is not a socket");
    let device = dir.join("device.ctl");
    fails(&run(&mut runtime.vuart(&["who", device.to_str().unwrap()])), 2, "is a device, and is not a socket");
    fails(&run(&mut runtime.vuart(&["attach", "/etc/passwd"])), 2, "is a file, and is not a socket");
    fails(&run(&mut runtime.vuart(&["attach", "/"])), 2, "is a directory, and is not a socket");
    assert_eq!(fs::read(dir.join("file.ctl")).unwrap(), b"precious");
}

#[test]
fn f28_paths_that_lead_nowhere() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    symlink("loop", dir.join("loop")).unwrap();
    let at = |path: PathBuf| run(&mut runtime.vuart(&["attach", path.to_str().unwrap()]));
    fails(&at(dir.join("loop").join("vm0.ctl")), 2, "can't be the path of a console");
    fails(&at("/etc/passwd/vm0.ctl".into()), 2, "can't be the path of a console");
    fails(&at(dir.join("x".repeat(300))), 2, "can't be the path of a console");
    // Longer than a socket's address, and otherwise in order.
    fails(&at(dir.join("x".repeat(200)).join("vm0.ctl")), 3, "no console at");
    fails(&at(dir.join("vm0.ctl")), 3, "no console at");
    drop(UnixListener::bind(dir.join("dead.ctl")).unwrap());
    fails(&at(dir.join("dead.ctl")), 3, "nobody serves");
}

#[test]
fn f28_a_server_that_lets_nobody_in_is_as_one_that_is_lost() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    let listener = UnixListener::bind(dir.join("jammed.ctl")).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(dir.join("jammed.ctl")).unwrap();
    fails(&run(&mut runtime.vuart(&["who", "jammed"])), 7, "does not let anybody in");
}

#[test]
fn f28_runtime_directories_that_are_none() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    let file = dir.join("file");
    fs::write(&file, "").unwrap();
    symlink(&dir, dir.join("link")).unwrap();
    let list = |path: PathBuf| run(runtime.vuart(&["list"]).env("VUART_RUNTIME_DIR", path));
    for path in [file.clone(), file.join("beneath"), dir.join("link"), dir.join("link/")] {
        let done = list(path);
        fails(&done, 2, "is a file or a link, not a directory");
        assert!(!done.stderr.contains("remove"), "{}", done.stderr);
    }
}

#[cfg(feature = "demo")]
#[test]
fn f28_a_name_that_can_not_be_served() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    let demo = ["demo", "--no-attach", "--engine", "software", "--name", "vm0"];
    fs::write(dir.join("vm0.sock"), "precious").unwrap();
    fails(&run(&mut runtime.vuart(&demo)), 4, "something else has that name there");
    assert_eq!(fs::read(dir.join("vm0.sock")).unwrap(), b"precious");
    let long = dir.join("x".repeat(110));
    fails(&run(runtime.vuart(&demo).env("VUART_RUNTIME_DIR", long)), 2, "too long for a socket");
}

#[test]
fn f22_nobody_is_advised_to_change_the_mode_of_a_foreign_directory() {
    let runtime = Runtime::new();
    let dir = made(&runtime);
    let list = || run(&mut runtime.vuart(&["list"]));
    for mode in [0o755, 0o777] {
        // Nothing but what consoles leave.
        for file in ["vm0.lock", "vm0.ro.sock", "vm0.pty"] {
            fs::write(dir.join(file), "").unwrap();
        }
        fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
        fails(&list(), 6, "`chmod 700` it");
        for other in ["passwd", ".lock", "sock"] {
            fs::write(dir.join(other), "").unwrap();
            let done = list();
            fails(&done, 2, "holds other files than those of consoles");
            assert!(!done.stderr.contains("chmod"), "{}", done.stderr);
            fs::remove_file(dir.join(other)).unwrap();
        }
    }
    for foreign in ["/etc", "/", "/etc/passwd"] {
        let done = run(runtime.vuart(&["list"]).env("VUART_RUNTIME_DIR", foreign));
        assert!([2, 6].contains(&done.code), "{foreign}: {}", done.code);
        assert!(!done.stderr.contains("chmod") && !done.stderr.contains("remove"), "{}", done.stderr);
    }
}
