//! The command over OpenSSH, as `docs/ssh.md` describes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, geteuid};

use super::person::Person;
use super::programs::{are_there, not_tested};
use super::scene::Scene;
use super::sshd::Sshd;
use super::support::{Process, run};

const PROGRAMS: [&str; 3] = ["sshd", "ssh", "ssh-keygen"];

/// The end of the first notes of a session.
const GREETED: &str = "--replay all]\r\n";

/// Whether the programs are installed, and the user who runs the test could log in.
fn can_be_tried() -> bool {
    if !are_there(&PROGRAMS) {
        return false;
    }
    let uid = geteuid().as_raw().to_string();
    let entry = run(Command::new("getent").args(["passwd", &uid])).text();
    let shell = entry.trim_end().rsplit(':').next().unwrap_or_default();
    let logs_in = !(shell.is_empty() || shell.ends_with("/nologin") || shell.ends_with("/false"));
    if !logs_in {
        not_tested(&format!("ssh: the user {uid} has no shell to log in to"));
    }
    logs_in && can_have_a_terminal()
}

/// Whether sshd can make a terminal. It gives each terminal to the group `tty`, unless the system has done so, which needs
/// privileges.
fn can_have_a_terminal() -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let given = geteuid().is_root()
        || mounts.lines().any(|line| line.starts_with("devpts /dev/pts ") && line.contains("gid="));
    if !given {
        not_tested("ssh: terminals here belong to no group, and only root's sshd can change that");
    }
    given
}

/// Attaches, and waits for the guest's prompt.
fn attach(person: &mut Person<'_>, line: &str) -> Process {
    let ssh = person.runs_raw(line);
    person.sees(GREETED);
    person.types("\r");
    person.sees("\r\n> ");
    ssh
}

#[test]
fn a_terminal_through_ssh() {
    if !can_be_tried() {
        return;
    }
    let scene = Scene::new("ssh");
    let sshd = Sshd::start(&scene, "", "");
    let ssh = sshd.ssh();
    let mut alice = scene.person("alice");
    let mut bob = scene.person("bob");
    scene.transcript().title("~. at the start of a line is ssh's: ~~. is vuart's, and so is ^]");
    for leave in ["~~.", "\x1d"] {
        let first = attach(&mut alice, &format!("{ssh} -t host vuart attach vm0"));
        alice.types("echo hi\r");
        alice.sees("echo hi\r\nhi\r\n> ");
        alice.types(leave);
        alice.ends(first, 0);
    }

    scene.transcript().title("The exit status is vuart's");
    bob.has_run(&format!("{ssh} host vuart attach vm9"), 3);
    let first = attach(&mut alice, &format!("{ssh} -t host vuart attach vm0 --label alice"));
    let refusal = bob.has_run(&format!("{ssh} host vuart attach vm0 --label bob"), 4);
    assert!(refusal.contains("held by alice (uid "), "{refusal}");
    let second = bob.runs_raw(&format!("{ssh} -t host vuart attach vm0 --label bob --force"));
    bob.sees(GREETED);
    alice.ends(first, 5);
    bob.types("\x1d");
    bob.ends(second, 0);

    // How much of the guest's answer is seen differs from run to run, so it is not in the transcript.
    let line = format!("printf 'echo hi\\rhalt\\r' | {ssh} host vuart attach vm0");
    let done = run(&mut scene.command(&line));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("attached to vm0 as owner"), "{}", done.stderr);
    scene.finish();
}

#[test]
fn e15_a_killed_ssh_gives_the_console_back() {
    if !can_be_tried() {
        return;
    }
    let scene = Scene::new("ssh-killed");
    let sshd = Sshd::start(&scene, "", "");
    let mut alice = scene.person("alice");
    let mut bob = scene.person("bob");
    let line = format!("{} -t host vuart attach vm0", sshd.ssh());
    scene.transcript().title("ssh is killed, and the next one is not refused");
    let mut first = attach(&mut alice, &line);
    first.signal(Signal::KILL);
    let code = first.code();
    scene.transcript().add("alice", "ends", &format!("killed, with the exit status {code}"));
    scene.until_free();
    let second = attach(&mut bob, &line);
    bob.types("\x1d");
    bob.ends(second, 0);
    scene.finish();
}

#[test]
fn an_ssh_key_can_be_limited_to_one_console() {
    if !can_be_tried() {
        return;
    }
    let scene = Scene::new("ssh-key");
    let options = "command=\"vuart attach vm0 --label alice\",restrict,pty";
    let sshd = Sshd::start(&scene, options, "");
    let ssh = sshd.ssh();
    let mut alice = scene.person("alice");
    let carol = scene.person("carol");
    scene.transcript().title(&format!("The key stands behind {options}"));
    let first = attach(&mut alice, &format!("{ssh} -t host"));
    let refusal = carol.has_run("vuart attach vm0", 4);
    assert!(refusal.contains("held by alice (uid "), "{refusal}");
    alice.types("\x1d");
    alice.ends(first, 0);

    scene.transcript().title("Whatever else is asked for");
    let instead = alice.has_run(&format!("{ssh} host id"), 0);
    assert!(instead.contains("attached to vm0") && !instead.contains("gid="), "{instead}");
    alice.has_run(&format!("{ssh} -W 127.0.0.1:1 host"), 255);
    scene.finish();
}

#[test]
fn an_ssh_group_can_have_consoles_and_no_shell() {
    if !can_be_tried() {
        return;
    }
    let scene = Scene::new("ssh-group");
    let group = run(Command::new("id").arg("-gn")).text();
    let forced = format!(
        "Match Group {}\n  ForceCommand {}\n  DisableForwarding yes\n",
        group.trim(),
        wrapper().display()
    );
    let sshd = Sshd::start(&scene, "", &forced);
    let ssh = sshd.ssh();
    let mut alice = scene.person("alice");
    scene.transcript().title("What it gives");
    alice.has_run(&format!("{ssh} host"), 0);
    let first = attach(&mut alice, &format!("{ssh} -t host vm0"));
    alice.types("\x1d");
    alice.ends(first, 0);
    scene.until_free();
    let first = alice.runs_raw(&format!("{ssh} -t host vm0 --spy"));
    alice.sees(GREETED);
    alice.types("\x1d");
    alice.ends(first, 0);
    alice.has_run(&format!("{ssh} host log vm0"), 0);
    alice.has_run(&format!("{ssh} host vm9"), 3);

    scene.transcript().title("What it does not");
    for asked in ["id", "'vm0; id'", "'$(id)'", "../vm0"] {
        let said = alice.has_run(&format!("{ssh} host {asked}"), if asked == "id" { 3 } else { 2 });
        assert!(!said.contains("gid="), "{said}");
    }
    scene.finish();
}

/// This needs only a shell.
#[test]
fn the_wrapper_takes_names_of_consoles_only() {
    let scene = Scene::new("");
    for (asked, code) in [
        ("vm9", 3),
        ("vm9 --spy", 3),
        ("  vm9\t--force ", 3),
        ("log vm9", 3),
        ("vm9 --label root", 2),
        ("vm9 --replay", 2),
        ("--help", 2),
        ("log --help", 2),
        ("log", 3),
        ("-", 2),
        (".", 2),
        ("../vm0", 2),
        ("/etc/passwd", 2),
        ("log /etc/passwd", 2),
        ("vm0;id", 2),
        ("vm0 ; id", 2),
        ("$(id)", 2),
        ("`id`", 2),
        ("vm0\u{85}", 2),
        ("vmé", 2),
        ("vm0\nid", 2),
        ("*", 2),
        ("''", 2),
    ] {
        let mut command = scene.command(wrapper().to_str().unwrap());
        let done = run(command.env("SSH_ORIGINAL_COMMAND", asked).env("LC_ALL", "C.UTF-8"));
        assert_eq!(done.code, code, "{asked:?}: {}", done.stderr);
        assert!(code != 2 || done.stderr.starts_with("usage: "), "{asked:?}: {}", done.stderr);
    }
    let mut list = scene.command(wrapper().to_str().unwrap());
    assert!(run(list.env_remove("SSH_ORIGINAL_COMMAND")).text().contains("\nvm0 "));
}

fn wrapper() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap().join("../../docs/ssh/vuart-console")
}
