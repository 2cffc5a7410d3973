//! How a server goes: what its clients are told, and what it waits for.
//!
//! Clients learn of the *console's* end from its [cause](vuart_endpoint::Console::end). If the console goes on, or nobody has said that it
//! ends, the server says that it goes itself ([`Cause::ShutDown`]), and the console is free for another server.

use std::thread;
use std::time::{Duration, Instant};

use vuart_dispatch::FinishError;
use vuart_endpoint::{Cause, End};

use super::{Server, pty_left};
use crate::pass::Pass;

/// The most looks at events that a server takes before it goes. Each accepts a number of clients; together they are more than a
/// socket's queue holds.
const LAST_LOOKS: usize = 32;

impl Server {
    /// Ends the service without an event loop: lets clients read what they are owed, for at most `patience`. Those that have connected by now
    /// get an answer. Drop the server afterwards.
    ///
    /// [End the console](vuart_endpoint::Console::end) first, so that clients are told why. Otherwise they are told that its server has shut
    /// down, and the console goes on.
    ///
    /// # Errors
    ///
    /// When not every client has received everything, or the system refuses a call that the server can't do without.
    pub fn finish(&mut self, patience: Duration) -> Result<(), FinishError> {
        let deadline = Instant::now().checked_add(patience);
        self.look_around().map_err(FinishError::EventLoop)?;
        self.go();
        let mut wait = Duration::ZERO;
        loop {
            let more = self.dispatch_once(wait).map_err(FinishError::EventLoop)?;
            if self.is_settled() {
                return Ok(());
            }
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(FinishError::Unread);
            }
            wait = if more { Duration::ZERO } else { left };
        }
    }

    /// Serves what there is now, and lets those in who have connected.
    fn look_around(&mut self) -> std::io::Result<()> {
        for _ in 0..LAST_LOOKS {
            if !self.dispatch_once(Duration::ZERO)? {
                break;
            }
        }
        Ok(())
    }

    /// Ends the sessions of this server's clients, if the console has not ended, and begins no more. The clients are told in the next passes.
    pub(super) fn go(&mut self) {
        let Self { context, clients, .. } = self;
        if context.console.ended().is_some() {
            return;
        }
        let end = || End { cause: Cause::ShutDown, at: std::time::SystemTime::now().into() };
        context.going.get_or_insert_with(end);
        // The owner last: none of the others is to come to own the console in this moment.
        let owner = context.console.owner().map(|owner| owner.id);
        let mut sessions: Vec<_> =
            clients.iter().filter_map(|(_, client)| client.connection.session()).collect();
        sessions.sort_by_key(|session| Some(*session) == owner);
        for session in sessions {
            context.console.end_session(session, &Cause::ShutDown);
        }
    }

    /// Tells each client its last words and why the session ends, as far as its socket takes them now. It waits for nobody.
    fn say_last_words(&mut self) {
        // If it fails, the connected clients may still be reached.
        let _ = self.look_around();
        self.go();
        // No session begins there any more, and no other terminal takes its place.
        let pty = self.pty.take();
        let mut pass = Pass::unbounded();
        for token in self.clients.tokens() {
            if let Some(client) = self.clients.get_mut(token) {
                client.connection.part(&self.context, &mut pass);
            }
        }
        if let Some(master) = pty.as_ref().and_then(|pty| pty.master().filter(|_| !pty.is_vacant())) {
            pty_left::keep(master.clone());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not after a panic: another one, of an observer perhaps, would end the process.
        if !thread::panicking() {
            self.say_last_words();
        }
    }
}
