//! A console that the test itself serves. The test is the guest: it decides when output is written and input is read.

use std::time::Duration;

use vuart_endpoint::{Cause, Console, Identity, Input, Symbol};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{Claim, Server, ServerThread};
use vuart_wire::RuntimeDir;

use super::{GUARD, Runtime};

/// The name of the console.
pub(crate) const NAME: &str = "vm0";

/// A console whose guest is the test.
pub(crate) struct Served {
    /// The guest's output.
    pub(crate) output: Writer,
    /// The guest's input.
    pub(crate) input: Input,
    pub(crate) console: Console,
    server: ServerThread,
}

impl Served {
    /// Serves a console with a ring of `capacity` bytes.
    pub(crate) fn new(runtime: &Runtime, capacity: usize) -> Self {
        let (output, scrollback) = Scrollback::new(capacity).unwrap();
        Self::on(runtime, output, scrollback)
    }

    /// Serves a console with this ring.
    pub(crate) fn on(runtime: &Runtime, output: Writer, scrollback: Scrollback) -> Self {
        Self::prepared(runtime, output, scrollback, |_| ()).0
    }

    /// With this ring, and something done to the console before anybody can connect.
    pub(crate) fn prepared<R>(
        runtime: &Runtime,
        output: Writer,
        scrollback: Scrollback,
        prepare: impl FnOnce(&Console) -> R,
    ) -> (Self, R) {
        let (console, input) = Console::new(scrollback, || ());
        let prepared = prepare(&console);
        let claim = Claim::new(&RuntimeDir::create(runtime.path()).unwrap(), NAME).unwrap();
        let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
        (Self { output, input, console, server }, prepared)
    }

    /// Stops the server without a notice to its clients. The guest's output stays.
    pub(crate) fn stop(self) -> (Writer, Scrollback) {
        let scrollback = self.console.scrollback().clone();
        drop(self.server);
        (self.output, scrollback)
    }

    /// Replaces the server. The guest's output stays.
    pub(crate) fn restarted(self, runtime: &Runtime) -> Self {
        let (output, scrollback) = self.stop();
        Self::on(runtime, output, scrollback)
    }

    /// Waits until the console has `count` sessions.
    pub(crate) fn until_sessions(&self, count: usize) {
        self.until(&format!("{count} sessions"), |console| console.sessions().len() == count);
    }

    /// Waits for a condition. `what` describes it.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Console) -> bool) {
        let started = std::time::Instant::now();
        while !is_so(&self.console) {
            assert!(started.elapsed() < GUARD, "hangs: {what}; {:?}", self.console.sessions());
            std::thread::yield_now();
        }
    }

    /// Lets the guest write.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
        self.console.doorbell().ring();
    }

    /// Lets the guest read all input so far. A break is returned as `^`.
    pub(crate) fn typed(&mut self) -> Vec<u8> {
        let mut typed = Vec::new();
        let mut symbols = [Symbol::Break; 256];
        loop {
            match self.input.take(&mut symbols) {
                0 => return typed,
                count => typed.extend(symbols[..count].iter().map(|symbol| match symbol {
                    Symbol::Byte(byte) => *byte,
                    Symbol::Break => b'^',
                })),
            }
        }
    }

    /// Lets the guest read until it has `count` bytes.
    pub(crate) fn typed_exactly(&mut self, count: usize) -> Vec<u8> {
        let started = std::time::Instant::now();
        let mut typed = Vec::new();
        while typed.len() < count {
            typed.extend(self.typed());
            assert!(started.elapsed() < GUARD, "hangs: {} of {count} bytes came", typed.len());
            std::thread::yield_now();
        }
        typed
    }

    /// Ends the console, and waits until the clients have received everything.
    pub(crate) fn end(self, cause: &Cause) {
        assert!(self.end_within(cause, GUARD));
    }

    /// Ends the console. Returns whether the clients have received everything within `patience`.
    pub(crate) fn end_within(self, cause: &Cause, patience: Duration) -> bool {
        self.console.end(cause);
        self.server.finish(patience)
    }
}

/// The identity of another client.
pub(crate) fn identity(label: &str) -> Identity {
    Identity::new(label, 1000, Some(42))
}
