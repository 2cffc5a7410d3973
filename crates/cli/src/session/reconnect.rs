//! Reconnecting: a session whose connection was lost continues when there is a server again.
//!
//! It never takes the console over: two sessions that did would evict each other for ever (E17). The output continues where it
//! stopped; if that part is lost, the server says so.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart_endpoint::{Cause, Standing};
use vuart_scrollback::Position;
use vuart_wire::{Client, ClientError, LogRequest, Request};

use super::attempt::{Attempt, Destination, Found, Resumption, may_pass};
use super::carry::Session;
use super::options::Outcome;
use super::progress::Progress;
use super::role::{Role, place};
use crate::error::Error;
use crate::time::with_age;

/// The pauses before attempts to connect. Each is twice as long as the last, up to a limit.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// The pauses, from the shortest on.
    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// The pause before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let next = (self.0 * 2).min(Self::LONGEST);
        std::mem::replace(&mut self.0, next)
    }
}

impl Session<'_> {
    /// Whether the connection was lost, rather than ended on purpose.
    pub(crate) fn was_lost(&self, end: &Result<Outcome, Error>) -> bool {
        let lost = match end {
            Ok(Outcome::Ended(end)) => end.cause == Cause::ShutDown,
            Err(Error::Client(ClientError::Lost(_))) => true,
            _ => false,
        };
        // A script that is detaching can't know how much of its input was taken, so it does not continue.
        lost && !self.detaching
    }

    /// Waits for a server and attaches there. Then [`run`](Self::run) continues the session.
    ///
    /// Returns the outcome if the session has ended instead.
    pub(crate) fn reconnect(&mut self, destination: &Destination) -> Result<Option<Outcome>, Error> {
        let typed = if self.role.is_owner() { "; what was typed last may be lost" } else { "" };
        self.note(&format!("the connection was lost: waiting for the console to come back{typed}"));
        let resumption = Resumption {
            mode: self.role.disconnected(),
            options: self.options,
            progress: self.progress.clone(),
        };
        let mut pauses = Pauses::new();
        loop {
            let next = Instant::now() + pauses.next();
            while Instant::now() < next {
                if let Some(outcome) = self.stand_by(None, Some(next))? {
                    return Ok(Some(outcome));
                }
            }
            let attempt = Attempt::start(destination, &resumption)
                .map_err(|source| Error::Host { operation: "start a thread that connects", source })?;
            let found = loop {
                if let Some(outcome) = self.stand_by(Some(attempt.as_fd()), None)? {
                    return Ok(Some(outcome));
                }
                if let Some(found) = attempt.result() {
                    break found;
                }
            };
            match found {
                Ok((client, found)) => return self.resume(client, found),
                Err(error) if may_pass(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Continues with what an attempt has found.
    fn resume(&mut self, mut client: Client, found: Found) -> Result<Option<Outcome>, Error> {
        client.set_nonblocking(true)?;
        self.client = client;
        self.window = None;
        match found {
            Found::Over(end) if end.cause == Cause::VmEnded => {
                self.role = Role::spectator();
                // The guest's last output.
                let from = Position::Offset(self.progress.next());
                self.client.queue(&Request::Log(LogRequest { from, max: None }));
                self.over = Some(end);
            }
            Found::Over(end) => return Ok(Some(Outcome::Ended(end))),
            Found::Session { attached, held, anew } => {
                self.role = Role::new(&attached);
                self.tell_window();
                if anew {
                    self.progress = Progress::at(attached.offset);
                    self.note("the console has begun anew, and so does its output");
                }
                let now = match (self.role.standing(), held) {
                    (Standing::Owner { .. }, _) => "the console is yours again".to_owned(),
                    (Standing::Waiting { ahead }, Some((holder, since))) => {
                        format!(
                            "back: {holder} holds the console since {}; {}",
                            with_age(since),
                            place(ahead)
                        )
                    }
                    (Standing::Waiting { ahead }, None) => format!("back: {}", place(ahead)),
                    _ => "back: you are watching".to_owned(),
                };
                self.note(&now);
            }
        }
        Ok(None)
    }

    /// Waits without a server, and handles the user's side meanwhile.
    fn stand_by(
        &mut self,
        attempt: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<Option<Outcome>, Error> {
        let patience = until.map(|until| until.saturating_duration_since(Instant::now()));
        let attempt = attempt.map(|attempt| (attempt, PollFlags::IN));
        let woken = self.local.wait(self.reads_input(), attempt, patience)?;
        let outcome = self.handle_local(woken)?;
        // Without a server, nothing needs to be confirmed before the user leaves.
        let left = self.detaching.then_some(Outcome::Detached { unanswered: false });
        Ok(outcome.or(left))
    }
}
