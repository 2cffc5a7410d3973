//! This process, and parts of a test that need a process of their own.

use std::process::{Command, Output, Stdio};

/// The environment variable that names the part to play.
pub const PART: &str = "VUART_TEST_PART";

/// Runs the test `name` of this program in another process, to play `part` there. `change` changes the process first.
pub fn play(name: &str, part: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(PART, part).stdin(Stdio::null());
    change(&mut command).output().unwrap()
}

/// The part to play, if this is such a process.
pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// The resident memory of this process, in KiB.
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The number of open files of this process.
pub fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
