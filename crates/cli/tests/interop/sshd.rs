//! An sshd on the loopback interface, for one test, which the test's user runs.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread};

use tempfile::TempDir;

use super::programs;
use super::scene::Scene;
use super::support::{Process, run};

/// The directory for the privilege separation of an sshd that root runs.
const SEPARATION: &str = "/run/sshd";

/// How many ports are tried, in case another process takes one.
const ATTEMPTS: usize = 5;

/// A server that ends with the test, and the files for its clients.
pub(crate) struct Sshd {
    _process: Process,
    dir: TempDir,
}

impl Sshd {
    /// Starts a server that accepts this user. `options` precede the key in `authorized_keys`.
    pub(crate) fn start(scene: &Scene, options: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        scene.transcript().replace(dir.path().to_str().unwrap(), "DIR");
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(dir.path().join(key));
            assert_eq!(run(&mut keygen).code, 0);
        }
        let public = |key: &str| fs::read_to_string(dir.path().join(key).with_extension("pub")).unwrap();
        let authorized = format!("{options} {}", public("user"));
        fs::write(dir.path().join("authorized_keys"), authorized.trim_start()).unwrap();
        if rustix::process::geteuid().is_root() {
            // Debian's service would make this directory.
            fs::create_dir_all(SEPARATION).unwrap();
        }
        let (process, port) =
            (0..ATTEMPTS).find_map(|_| listen(scene, dir.path(), more)).expect("a free port");
        fs::write(dir.path().join("known_hosts"), format!("[127.0.0.1]:{port} {}", public("host"))).unwrap();
        fs::write(dir.path().join("ssh_config"), client(dir.path(), port)).unwrap();
        Self { _process: process, dir }
    }

    /// The start of a client's command line. The host name `host` is this machine.
    pub(crate) fn ssh(&self) -> String {
        format!("ssh -F {}", self.dir.path().join("ssh_config").display())
    }
}

/// Starts the server. Returns the process and its port, or `None` if the port is taken.
fn listen(scene: &Scene, dir: &Path, more: &str) -> Option<(Process, u16)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let config = dir.join("sshd_config");
    fs::write(&config, server(scene, dir, port) + more).unwrap();
    // sshd requires its full path.
    let mut command = Command::new(programs::find("sshd").unwrap());
    command.args(["-D", "-e", "-f"]).arg(&config).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let mut log = BufReader::new(process.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    loop {
        let Some(line) = log.next() else { panic!("sshd has ended without a word of the port") };
        if line.starts_with("Server listening") {
            // The log is part of the test's output, which is shown if the test fails.
            thread::spawn(move || log.for_each(|line| eprintln!("sshd: {line}")));
            return Some((process, port));
        }
        if line.contains("Address already in use") {
            return None;
        }
        eprintln!("sshd: {line}");
    }
}

fn server(scene: &Scene, dir: &Path, port: u16) -> String {
    let mut config = String::new();
    let set_env = format!(
        "PATH=\"{}\" VUART_RUNTIME_DIR=\"{}\"",
        programs::search_path().to_str().unwrap(),
        scene.directory().display()
    );
    for (key, value) in [
        ("Port", port.to_string()),
        ("ListenAddress", "127.0.0.1".to_owned()),
        ("PidFile", "none".to_owned()),
        ("HostKey", path(dir, "host")),
        ("AuthorizedKeysFile", path(dir, "authorized_keys")),
        // The directory for temporary files is writable by everybody.
        ("StrictModes", "no".to_owned()),
        ("UsePAM", "no".to_owned()),
        ("PasswordAuthentication", "no".to_owned()),
        ("KbdInteractiveAuthentication", "no".to_owned()),
        ("SetEnv", set_env),
    ] {
        writeln!(config, "{key} {value}").unwrap();
    }
    config
}

fn client(dir: &Path, port: u16) -> String {
    let mut config = "Host host\n".to_owned();
    for (key, value) in [
        ("HostName", "127.0.0.1".to_owned()),
        ("Port", port.to_string()),
        ("IdentityFile", path(dir, "user")),
        ("IdentitiesOnly", "yes".to_owned()),
        ("IdentityAgent", "none".to_owned()),
        ("UserKnownHostsFile", path(dir, "known_hosts")),
        ("GlobalKnownHostsFile", "none".to_owned()),
        ("StrictHostKeyChecking", "yes".to_owned()),
        ("BatchMode", "yes".to_owned()),
    ] {
        writeln!(config, "  {key} {value}").unwrap();
    }
    config
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}
