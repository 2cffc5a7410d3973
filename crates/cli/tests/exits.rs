//! Each way to fail has its exit status, and says what is the matter (F28); no advice would harm what is not ours (F22).

mod support;

use std::fs::{self, Permissions};
#[cfg(feature = "demo")]
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;

#[cfg(feature = "demo")]
use support::Process;
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
    fails(
        &run(&mut runtime.vuart(&["who", device.to_str().unwrap()])),
        2,
        "is a device, and is not a socket",
    );
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

/// Each file that the demo writes: its option, and how such a file begins.
#[cfg(feature = "demo")]
const WRITTEN: [(&str, &[u8]); 3] =
    [("--trace", b"# vuart trace v1\n"), ("--audit", b"{\"v\":1,\"line\":0}\n"), ("--ring", b"vuartrng")];

/// Serves a guest with this umask, until it serves. Returns how it has ended: by the signal, unless it failed.
#[cfg(feature = "demo")]
fn demo(option: &str, path: &std::path::Path, umask: &str) -> Done {
    let runtime = Runtime::new();
    let path = path.to_str().unwrap();
    let vuart = runtime.vuart(&["demo", "--no-attach", "--engine", "software", option, path]);
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\""));
    shell.arg(vuart.get_program()).args(vuart.get_args());
    for (name, value) in vuart.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut process = Process::without_input(&mut shell);
    // The directions, or nothing if it fails.
    let mut first = [0];
    if process.child.stdout.as_mut().unwrap().read(&mut first).unwrap() > 0 {
        process.signal(rustix::process::Signal::TERM);
    }
    process.finish()
}

/// A directory in memory, or else any: what is refused is refused everywhere.
#[cfg(feature = "demo")]
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

#[cfg(feature = "demo")]
#[test]
fn f21_what_is_written_is_private_whatever_the_umask() {
    let dir = memory();
    let in_memory = dir.path().starts_with("/dev/shm");
    for (option, _) in WRITTEN {
        for umask in ["000", "077", "777"] {
            if option == "--ring" && !in_memory {
                continue;
            }
            let path = dir.path().join(format!("{}{umask}", &option[2..]));
            let done = demo(option, &path, umask);
            assert_eq!(done.code, 143, "{option} {umask}: {}", done.stderr);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{option} {umask}");
            // The next one goes on with it or replaces it. What others could read is private from then on.
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            assert_eq!(demo(option, &path, umask).code, 143, "{option}");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{option}");
        }
    }
}

#[cfg(feature = "demo")]
#[test]
fn f21_what_is_not_its_own_kind_is_not_written_or_truncated() {
    let dir = memory();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("notes"), "precious").unwrap();
    symlink(path("notes"), path("link")).unwrap();
    symlink(path("nowhere"), path("dangling")).unwrap();
    fs::create_dir(path("directory")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    for (number, (_, content)) in WRITTEN.iter().enumerate() {
        fs::write(path(&format!("kind{number}")), content).unwrap();
    }
    for (number, (option, content)) in WRITTEN.into_iter().enumerate() {
        let refused = |name: &str, code, words| fails(&demo(option, &path(name), "022"), code, words);
        refused("notes", 2, "choose another file");
        refused("link", 2, "is a link, not a file");
        refused("dangling", 2, "is a link, not a file");
        refused("directory", 2, "is a directory, not a file");
        refused("pipe", 2, "is a pipe, not a file");
        for other in 0..WRITTEN.len() {
            if other != number {
                refused(&format!("kind{other}"), 2, "choose another file");
            }
        }
        // Two names of one file, or others that may write it: somebody else may mean or have it.
        fs::write(path("own"), content).unwrap();
        fs::set_permissions(path("own"), Permissions::from_mode(0o622)).unwrap();
        refused("own", 6, "`chmod 600` it");
        fs::set_permissions(path("own"), Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(path("own"), path("second")).unwrap();
        refused("own", 6, "2 names of one file");
        fs::remove_file(path("second")).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path("own"), Some(64_123), None).unwrap();
            refused("own", 6, "belongs to uid 64123");
        }
        fs::remove_file(path("own")).unwrap();
        assert_eq!(fs::read(path("notes")).unwrap(), b"precious");
        assert!(!path("nowhere").exists());
    }
    for (number, (_, content)) in WRITTEN.iter().enumerate() {
        assert_eq!(fs::read(path(&format!("kind{number}"))).unwrap(), *content);
    }
    let done = demo("--trace", std::path::Path::new("/dev/null"), "022");
    fails(&done, 2, "is a device, not a file");
}
