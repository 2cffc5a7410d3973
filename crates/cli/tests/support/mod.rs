//! What the tests of the command share: a runtime directory for each test, processes that end with the test, a console that
//! the test serves, a terminal.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

#[cfg(feature = "demo")]
mod demo;
mod process;
pub(crate) mod pty;
pub(crate) mod served;

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

#[cfg(feature = "demo")]
pub(crate) use demo::Demo;
pub(crate) use process::{Done, GUARD, Process, run, run_with, wait_for};

/// A runtime directory for one test.
pub(crate) struct Runtime {
    temp: TempDir,
}

impl Runtime {
    /// A directory that is removed with the test.
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::Builder::new().prefix("vuart-test-").tempdir().unwrap() }
    }

    /// The path of the runtime directory, which the command creates if it is missing.
    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().join("r")
    }

    /// The command, with this runtime directory and a login name.
    pub(crate) fn vuart(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vuart"));
        command
            .args(arguments)
            .env("VUART_RUNTIME_DIR", self.path())
            .env("LOGNAME", "tester")
            .env_remove("VUART_ESCAPE");
        command
    }

    /// The names of the files in the directory.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path()) else { return Vec::new() };
        let mut files: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }
}
