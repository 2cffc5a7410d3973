//! A guest that runs, with its console served.

use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::event::PollFlags;
use vuart_endpoint::Mode;
use vuart_scrollback::Position;
use vuart_wire::{Client, Event};

use super::{Process, Runtime, wait_for};

/// `vuart demo --no-attach`, with the software guest.
pub(crate) struct Demo {
    pub(crate) process: Process,
    /// The text lines of its standard output.
    pub(crate) directions: Vec<String>,
}

impl Demo {
    /// Starts the demo, and waits for the guest's prompt.
    pub(crate) fn start(runtime: &Runtime) -> Self {
        Self::start_with(runtime, &[])
    }

    /// Starts the demo with further arguments.
    pub(crate) fn start_with(runtime: &Runtime, more: &[&str]) -> Self {
        let arguments = [&["demo", "--no-attach", "--engine", "software"], more].concat();
        let mut command = runtime.vuart(&arguments);
        let mut process = Process::without_input(&mut command);
        let text = process.expect_stdout(b".sock\n");
        let directions = BufReader::new(&text[..]).lines().map(Result::unwrap).collect();
        let demo = Self { process, directions };
        demo.until_prompt();
        demo
    }

    /// Watches until the guest waits for a command. Earlier input would reach a UART that the guest is still setting up.
    fn until_prompt(&self) {
        let mut client = Client::connect(self.direction("console"), "test").unwrap();
        client.attach(Mode::Spectate, Position::Boot).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut seen = Vec::new();
        loop {
            // Events that arrived together with the answer to the attach.
            while let Some(event) = client.next_event().unwrap() {
                if let Event::Output { bytes, .. } = event {
                    seen.extend(bytes);
                }
            }
            if seen.ends_with(b"> ") {
                return;
            }
            wait_for(client.as_fd(), PollFlags::IN, "the guest's prompt");
            client.fill().unwrap();
        }
    }

    /// The path after a word at the start of a line.
    pub(crate) fn direction(&self, word: &str) -> &Path {
        let line = self.directions.iter().find_map(|line| line.strip_prefix(word)).unwrap();
        Path::new(line.trim())
    }
}
