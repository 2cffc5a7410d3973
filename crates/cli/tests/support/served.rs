//! A console that the test itself serves. The test is the guest: it decides when output is written and input is read.

use std::time::Duration;

use vuart_endpoint::{Cause, Console, Identity};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{Claim, Server, ServerThread};
use vuart_test_support::{Guest, take, until};
use vuart_wire::RuntimeDir;

use super::{GUARD, Runtime};

/// The name of the console.
pub(crate) const NAME: &str = "vm0";

/// A console whose guest is the test.
pub(crate) struct Served {
    pub(crate) guest: Guest,
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
        let guest = Guest::on((output, scrollback));
        let console = guest.console.clone();
        let prepared = prepare(&console);
        let claim = Claim::new(&RuntimeDir::create(runtime.path()).unwrap(), NAME).unwrap();
        let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
        (Self { guest, console, server }, prepared)
    }

    /// Stops the server without a notice to its clients. The guest's output stays.
    pub(crate) fn stop(self) -> (Writer, Scrollback) {
        let scrollback = self.console.scrollback().clone();
        drop(self.server);
        (self.guest.writer, scrollback)
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
        until(what, || is_so(&self.console));
    }

    /// Lets the guest write.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.guest.writes(bytes);
    }

    /// Lets the guest read all input so far. A break is returned as `^`.
    pub(crate) fn typed(&mut self) -> Vec<u8> {
        let input = &mut self.guest.input;
        std::iter::from_fn(|| Some(take(input)).filter(|taken| !taken.is_empty())).flatten().collect()
    }

    /// Lets the guest read `count` bytes, and no more, however many come.
    pub(crate) fn typed_exactly(&mut self, count: usize) -> Vec<u8> {
        self.guest.reads(count)
    }

    /// Lets the guest read byte by byte until `enough` says so of what it has read.
    pub(crate) fn typed_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut typed = Vec::new();
        while !enough(&typed) {
            typed.extend(self.typed_exactly(1));
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
        self.server.finish(patience).is_ok()
    }
}

/// The identity of another client.
pub(crate) fn identity(label: &str) -> Identity {
    Identity::new(label, 1000, Some(42))
}
