//! The table of connected clients: who is silent, who is late, and who gives way when the table is full.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::token;
use crate::access::Role;
use crate::connection::Connection;

/// How long a client may take to read why it must leave the pseudo-terminal. Other users wait for the terminal meanwhile.
const LEAVING_TIME: Duration = Duration::from_secs(5);

/// A connection, and what the server needs to know about it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: Connection,
    /// When the client must have introduced itself, or must have read why it leaves the pseudo-terminal.
    deadline: Option<Instant>,
    /// The number of the client's last action: see [`Clients::acted`].
    acted: u64,
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

    pub(super) fn tokens(&self) -> Vec<u32> {
        self.table.keys().copied().collect()
    }

    /// The token of the next client. `None` if a client still has it that came four billion clients ago.
    pub(super) fn free_token(&self) -> Option<u32> {
        (!self.table.contains_key(&self.next_token)).then_some(self.next_token)
    }

    /// Adds a client under the [free token](Self::free_token). If the client does not introduce itself at once, it must within
    /// `handshake`.
    pub(super) fn insert(&mut self, connection: Connection, handshake: Duration) {
        self.actions += 1;
        let deadline = connection.is_mute().then(|| Instant::now().checked_add(handshake)).flatten();
        let mut client = Client { connection, deadline, acted: self.actions };
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

    /// The client that gives way to a new one of this role when the table is full. Idle clients go first, then those of a
    /// lower role that do not own the console: spectators can't keep out an admin who may send them away. Of several, the
    /// one goes that has been silent longest.
    pub(super) fn gives_way_to(&self, role: Role) -> Option<u32> {
        self.table
            .iter()
            .map(|(token, client)| (*token, client.acted, &client.connection))
            .filter(|(_, _, connection)| {
                connection.is_idle() || (connection.role() < role && !connection.owns())
            })
            .min_by_key(|(_, acted, connection)| (!connection.is_idle(), connection.role(), *acted))
            .map(|(token, _, _)| token)
    }

    /// The clients whose deadline has come.
    pub(super) fn late(&self, now: Instant) -> Vec<u32> {
        self.table.iter().filter(|(_, client)| client.is_late(now)).map(|(token, _)| *token).collect()
    }

    /// The earliest deadline of a client.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.table.values().filter_map(|client| client.deadline).min()
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
