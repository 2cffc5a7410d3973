//! The table of connected clients: who is silent, who is late, and who rests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::token;
use crate::connection::Connection;

/// How long a client may take to read why it must leave the pseudo-terminal. Other users wait for the terminal meanwhile.
const LEAVING_TIME: Duration = Duration::from_secs(5);

/// A connection, and what the server needs to know about it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: Connection,
    /// When the client must have introduced itself, or must have read why it leaves the pseudo-terminal.
    deadline: Option<Instant>,
    /// When the client is served again, while it [rests](Self::rest_until).
    rested: Option<Instant>,
    /// The number of the client's last action: see [`Clients::acted`].
    acted: u64,
    /// The client has a place that is reserved.
    pub(super) reserved: bool,
}

impl Client {
    /// Sets or clears the deadline, after the connection has made progress.
    pub(super) fn update_deadline(&mut self) {
        if self.connection.holds_pty_up() {
            self.deadline = self.deadline.or_else(|| Instant::now().checked_add(LEAVING_TIME));
        } else if !self.connection.is_mute() {
            self.deadline = None;
        }
    }

    /// Whether the client was to rest, and its rest is over.
    fn has_rested(&self, now: Instant) -> bool {
        self.rested.is_some_and(|until| until <= now)
    }

    /// Ends the client's rest.
    pub(super) fn rise(&mut self) {
        self.rest_until(None);
    }

    /// Serves the client no more until then. What it sends waits in its socket.
    pub(super) fn rest_until(&mut self, until: Option<Instant>) {
        self.rested = until;
        self.connection.set_resting(until.is_some());
    }

    /// The number of the client's last action: see [`Clients::acted`].
    pub(super) fn acted(&self) -> u64 {
        self.acted
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// The clients, by the token that the event loop reports them with.
#[derive(Debug)]
pub(super) struct Clients {
    table: BTreeMap<u32, Client>,
    next_token: u32,
    /// The number of actions of all clients.
    actions: u64,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self { table: BTreeMap::new(), next_token: token::FIRST_CLIENT, actions: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn get_mut(&mut self, token: u32) -> Option<&mut Client> {
        self.table.get_mut(&token)
    }

    /// The clients with their tokens.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Client)> {
        self.table.iter().map(|(token, client)| (*token, client))
    }

    pub(super) fn tokens(&self) -> Vec<u32> {
        self.table.keys().copied().collect()
    }

    /// The token of the next client. `None` if a client still has it that came four billion clients ago.
    pub(super) fn free_token(&self) -> Option<u32> {
        (!self.table.contains_key(&self.next_token)).then_some(self.next_token)
    }

    /// Adds a client under the [free token](Self::free_token). If the client does not introduce itself at once, it must within
    /// `handshake`.
    pub(super) fn insert(&mut self, connection: Connection, reserved: bool, handshake: Duration) {
        self.actions += 1;
        let deadline = connection.is_mute().then(|| Instant::now().checked_add(handshake)).flatten();
        let mut client = Client { connection, deadline, rested: None, acted: self.actions, reserved };
        client.update_deadline();
        self.table.insert(self.next_token, client);
        self.next_token = self.next_token.checked_add(1).unwrap_or(token::FIRST_CLIENT);
    }

    pub(super) fn remove(&mut self, token: u32) -> Option<Client> {
        self.table.remove(&token)
    }

    /// Notes that a client has sent something. The actions of all clients are numbered, so the lowest number is that of the
    /// client that has been silent longest.
    pub(super) fn acted(&mut self, token: u32) {
        self.actions += 1;
        if let Some(client) = self.table.get_mut(&token) {
            client.acted = self.actions;
        }
    }

    /// The clients whose deadline has come.
    pub(super) fn late(&self, now: Instant) -> Vec<u32> {
        self.table.iter().filter(|(_, client)| client.is_late(now)).map(|(token, _)| *token).collect()
    }

    /// The earliest deadline of a client, or the end of a rest.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.table.values().flat_map(|client| [client.deadline, client.rested]).flatten().min()
    }

    /// The clients that have rested long enough.
    pub(super) fn rested(&self, now: Instant) -> Vec<u32> {
        self.table.iter().filter(|(_, client)| client.has_rested(now)).map(|(token, _)| *token).collect()
    }

    fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.table.values().map(|client| &client.connection)
    }

    /// How many clients are sent output.
    pub(super) fn at_console(&self) -> usize {
        self.connections().filter(|connection| connection.gets_output()).count()
    }

    /// Whether the guest can have something for a client.
    pub(super) fn await_guest(&self) -> bool {
        self.connections().any(Connection::awaits_guest)
    }

    /// Whether each client has everything that it is owed.
    pub(super) fn are_settled(&self) -> bool {
        self.connections().all(Connection::is_settled)
    }
}
