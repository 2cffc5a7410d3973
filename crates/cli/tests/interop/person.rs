//! A person at a terminal, whose actions go into the transcript.

use vuart_test_support::until;

use super::scene::Scene;
use super::support::pty::Pty;
use super::support::{Process, run_with};

/// A person.
pub(crate) struct Person<'a> {
    name: &'static str,
    scene: &'a Scene,
    pty: Pty,
    /// The terminal's settings at the beginning.
    settings: String,
    /// The screen, for programs that use all of it.
    screen: vt100::Parser,
    /// Whether such a program runs.
    full_screen: bool,
}

impl<'a> Person<'a> {
    pub(crate) fn new(name: &'static str, scene: &'a Scene) -> Self {
        let pty = Pty::new();
        let settings = pty.settings();
        Self { name, scene, pty, settings, screen: vt100::Parser::default(), full_screen: false }
    }

    /// Starts a program on the terminal.
    pub(crate) fn runs(&self, line: &str) -> Process {
        self.scene.transcript().add(self.name, "runs", line);
        self.pty.spawn(&mut self.scene.command(line))
    }

    /// Starts a program that reads single keys, and waits until it has made the terminal raw.
    pub(crate) fn runs_raw(&self, line: &str) -> Process {
        let process = self.runs(line);
        until("the terminal is raw", || self.pty.is_raw());
        process
    }

    /// Types keys.
    pub(crate) fn types(&self, keys: &str) {
        self.scene.transcript().add(self.name, "types", keys);
        self.pty.type_in(keys.as_bytes());
    }

    /// Reads up to the end of `text`, and returns what was shown.
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let seen = self.waits_for(text);
        self.scene.transcript().add(self.name, "sees", &seen);
        seen
    }

    /// Reads up to the end of `text`. Only the last line goes into the transcript, because the rest is about the program.
    pub(crate) fn sees_at_last(&mut self, text: &str) {
        let seen = self.waits_for(text);
        let last = seen.trim_end().rsplit('\n').next().unwrap_or_default();
        self.scene.transcript().add(self.name, "sees", &format!("...\n{last}"));
    }

    /// Reads up to the end of `text`, without the transcript.
    pub(crate) fn waits_for(&mut self, text: &str) -> String {
        let seen = self.pty.expect(text);
        self.screen.process(seen.as_bytes());
        seen
    }

    /// Reads up to the end of `text`. The row of the screen with the text goes into the transcript.
    pub(crate) fn sees_row(&mut self, text: &str) {
        self.full_screen = true;
        self.waits_for(text);
        let screen = self.screen.screen().contents();
        let row = screen.lines().rfind(|row| row.contains(text)).unwrap_or_default();
        self.scene.transcript().add(self.name, "sees", row.trim_start());
    }

    /// Reads until `text` is on the screen and its last line was shown last. The whole screen goes into the transcript.
    pub(crate) fn sees_screen(&mut self, text: &str) {
        self.full_screen = true;
        let last = text.rsplit('\n').next().unwrap_or_default();
        while !self.screen.screen().contents().contains(text) {
            self.waits_for(last);
        }
        self.scene.transcript().add(self.name, "sees", &self.screen.screen().contents());
    }

    /// Waits for the end of a program, which must have restored the terminal. Returns what it has shown.
    pub(crate) fn ends(&mut self, process: Process, code: i32) -> String {
        let (ended, seen) = self.pty.finish(process);
        let mut shown = seen.as_str();
        self.screen.process(seen.as_bytes());
        let screen = self.screen.screen().contents();
        if self.full_screen {
            shown = screen.lines().last().unwrap_or_default();
        }
        self.scene.transcript().add(self.name, "sees", shown);
        self.scene.transcript().add(self.name, "ends", &format!("with the exit status {ended}"));
        assert_eq!(ended, code, "{seen}");
        assert_eq!(self.pty.settings(), self.settings, "the terminal is as it was");
        seen
    }

    /// Runs a command in a script to its end. Returns its output, with standard error last.
    pub(crate) fn has_run(&self, line: &str, code: i32) -> String {
        let done = run_with(&mut self.scene.command(line), b"");
        let said = done.text() + &done.stderr;
        let mut transcript = self.scene.transcript();
        transcript.add(self.name, "runs", line);
        transcript.add(self.name, "sees", &said);
        transcript.add(self.name, "ends", &format!("with the exit status {}", done.code));
        assert_eq!(done.code, code, "{said}");
        said
    }
}
