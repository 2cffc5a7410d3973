//! A guest, its console, and the transcript of what people and programs do there.

use std::cell::{RefCell, RefMut};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use vuart_endpoint::SessionInfo;
use vuart_test_support::until;
use vuart_wire::Client;

use super::person::Person;
use super::programs;
use super::support::{Demo, Runtime};
use super::transcript::Transcript;

/// The console's name.
pub(crate) const CONSOLE: &str = "vm0";

/// The environment of one test.
pub(crate) struct Scene {
    runtime: Runtime,
    /// A private home directory for the programs, as screen requires.
    home: TempDir,
    /// The guest. It ends with the scene.
    _demo: Demo,
    transcript: RefCell<Transcript>,
}

impl Scene {
    /// Starts a guest, and waits for its prompt. No client is at the console.
    pub(crate) fn new(transcript: &'static str) -> Self {
        let runtime = Runtime::new();
        let demo = Demo::start_with(&runtime, &["--name", CONSOLE]);
        let scene = Self {
            runtime,
            home: tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap(),
            _demo: demo,
            transcript: RefCell::new(Transcript::new(transcript)),
        };
        let directory = scene.directory();
        scene.transcript().replace(directory.to_str().unwrap(), "RUNTIME-DIR");
        scene
    }

    /// The runtime directory. Each command runs in it.
    pub(crate) fn directory(&self) -> PathBuf {
        self.runtime.path()
    }

    pub(crate) fn transcript(&self) -> RefMut<'_, Transcript> {
        self.transcript.borrow_mut()
    }

    /// A person at a terminal.
    pub(crate) fn person(&self, name: &'static str) -> Person<'_> {
        Person::new(name, self)
    }

    /// A shell command. The shell replaces itself with the command, unless it is a pipeline.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let exec = if line.contains('|') { "" } else { "exec " };
        command
            .args(["-c", &format!("{exec}{line}")])
            .current_dir(self.directory())
            .env("PATH", programs::search_path())
            .env("VUART_RUNTIME_DIR", self.directory())
            .env("TERM", "vt100")
            .env("LC_ALL", "C")
            // For the files of screen and minicom.
            .env("SCREENDIR", self.home.path())
            .env("HOME", self.home.path());
        command
    }

    /// The sessions at the console.
    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        let socket = self.directory().join(CONSOLE).with_extension("ctl");
        Client::connect(&socket, "test").unwrap().status().unwrap().sessions
    }

    /// Waits until the console has no session.
    pub(crate) fn until_free(&self) {
        until("the console is free", || self.sessions().is_empty());
    }

    /// Compares the transcript with the committed one, or writes it.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.transcript.into_inner().finish();
    }
}
