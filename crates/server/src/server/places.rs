//! The places of a server: who gets one when all are taken, and who gives way.
//!
//! A place is taken from the user who holds most of them. The owner of the console is never sent away for a place.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Server;
use super::clients::Client;
use crate::access::{Peer, Role, SocketKind};
use crate::pass::Pass;
use vuart_endpoint::SessionInfo;
use vuart_wire::ErrorCode;

/// The places beyond the others that are kept for admins who ask something, end a session, or own the console. No session that
/// only watches or waits begins there.
pub(super) const RESERVED: usize = 8;

/// What the loss of its place means to a client, from the least to the most. The owner is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stake {
    /// It has no session and no request under way, or is sent away and does not read why.
    Nothing,
    /// It watches, or reads the history.
    View,
    /// It waits in the queue.
    Turn,
}

impl Server {
    /// Makes sure that there is a place for a client of this role: it may be one of those that are [reserved](RESERVED).
    /// Another client may have to give way. Returns whether there is a place.
    pub(super) fn make_room(&mut self, peer: &Peer, role: Role, pass: &mut Pass) -> bool {
        let places = self.options.clients;
        let reserved = if may_use_reserve(peer, role) { RESERVED } else { 0 };
        if self.clients.len() < places {
            return true;
        }
        if let Some(token) = self.gives_way_to(peer, role, false) {
            self.give_way(token, pass);
        } else if self.clients.len() >= places.saturating_add(reserved)
            && let Some(token) = self.gives_way_to(peer, role, true)
        {
            self.give_way(token, pass);
        }
        self.clients.len() < places.saturating_add(reserved)
    }

    /// Sends a client away for another.
    pub(super) fn give_way(&mut self, token: u32, pass: &mut Pass) {
        let message = "somebody else needs the place; come back when others have left";
        self.dismiss(token, ErrorCode::TooMany, message, pass);
    }

    /// What a client is told that gets no place.
    pub(super) fn full(&self, uid: u32) -> String {
        let own = self.clients.iter().filter(|(_, client)| client.connection.uid() == uid).count();
        let places = self.options.clients;
        format!(
            "too many clients: all {places} places are taken, {own} of them by clients of your user; \
             end one of these, or have an admin end a session (vuart kick)"
        )
    }

    /// The client that gives way to a new one. If an admin `must` get in, it is the one with the least to lose, of the user who
    /// holds most. Otherwise only these give way:
    ///
    /// * a client that has nothing to lose, of a user who holds at least as many places as the newcomer's;
    /// * a client of a user who holds more places than the newcomer's user will;
    /// * a client of a lower role.
    pub(super) fn gives_way_to(&self, peer: &Peer, role: Role, must: bool) -> Option<u32> {
        let must = must && may_use_reserve(peer, role);
        let sessions = self.context.console.sessions();
        let mut held = BTreeMap::<u32, usize>::new();
        for (_, client) in self.clients.iter() {
            *held.entry(client.connection.uid()).or_default() += 1;
        }
        let of = |uid| held.get(&uid).copied().unwrap_or_default();
        let own = of(peer.uid);
        self.clients
            .iter()
            .filter_map(|(token, client)| {
                let (held, stake) = (of(client.connection.uid()), stake(client, &sessions)?);
                let lower = client.connection.role() < role;
                let gives_way = must || lower || held > own + 1 || (stake == Stake::Nothing && held >= own);
                gives_way.then_some((Reverse(held), stake, client.connection.role(), client.acted(), token))
            })
            .min()
            .map(|(.., token)| token)
    }
}

/// Whether a client may have a place that is [reserved](RESERVED). At the raw socket and the pseudo-terminal it owns the console
/// or is sent away; at the read-only socket it only watches.
fn may_use_reserve(peer: &Peer, role: Role) -> bool {
    role == Role::Admin && peer.socket != SocketKind::ReadOnly
}

/// What a client loses with its place; `None` for the owner of the console.
fn stake(client: &Client, sessions: &[SessionInfo]) -> Option<Stake> {
    let connection = &client.connection;
    let session = connection.session().and_then(|id| sessions.iter().find(|session| session.id == id));
    match session {
        // A session may own the console without its connection having been told.
        Some(session) if session.owner => None,
        Some(session) if session.waiting => Some(Stake::Turn),
        _ if connection.is_idle() => Some(Stake::Nothing),
        _ => Some(Stake::View),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use vuart_endpoint::{Console, Identity, Input, Mode};
    use vuart_scrollback::Scrollback;

    use super::*;
    use crate::access::Own;
    use crate::connection::Connection;
    use crate::options::ServerOptions;
    use crate::sockets::Sockets;
    use crate::transport::Transport;

    const ALICE: u32 = 1000;
    const BOB: u32 = 1001;
    const CAROL: u32 = 1002;

    /// A server that nobody runs, the other ends of its connections, and the guest's end of the console, which would end without it.
    struct Rig(Server, Vec<UnixStream>, #[expect(dead_code, reason = "it is only kept")] Input);

    impl Rig {
        fn new() -> Self {
            let (_writer, scrollback) = Scrollback::new(4096).unwrap();
            let (console, input) = Console::new(scrollback, || ());
            let server = Server::new("test", console, Sockets::default(), ServerOptions::default());
            Self(server.unwrap(), Vec::new(), input)
        }

        /// Connects a client, which has a session in this mode or none. Returns its token.
        fn connect(&mut self, uid: u32, role: Role, mode: Option<Mode>) -> u32 {
            let (ours, theirs) = UnixStream::pair().unwrap();
            self.1.push(theirs);
            let (transport, identity) = (Transport::Socket(ours), Identity::new("test", uid, None));
            let connection = match mode {
                Some(mode) => {
                    let start = self.0.options.raw_start(mode);
                    Connection::raw(transport, identity, role, start, &self.0.context)
                }
                None => Connection::framed(transport, identity, role),
            };
            let token = self.0.clients.free_token().unwrap();
            self.0.clients.insert(connection, false, Duration::MAX);
            token
        }

        fn watch(&mut self, uid: u32, count: usize) -> Vec<u32> {
            (0..count).map(|_| self.connect(uid, Role::Owner, Some(Mode::Spectate))).collect()
        }

        fn leaves_for(&self, uid: u32, role: Role) -> Option<u32> {
            self.0.gives_way_to(&peer(uid), role, false)
        }
    }

    fn peer(uid: u32) -> Peer {
        Peer { uid, socket: SocketKind::Control, ..Peer::at_pty(Own::now()) }
    }

    #[test]
    fn f20_a_place_is_taken_from_the_user_who_holds_most() {
        let mut rig = Rig::new();
        let bobs = rig.watch(BOB, 2);
        let alices = rig.watch(ALICE, 5);
        assert_eq!(
            rig.leaves_for(CAROL, Role::Owner),
            Some(alices[0]),
            "the one that has been silent longest"
        );
        assert_eq!(rig.leaves_for(BOB, Role::Owner), Some(alices[0]));
        rig.0.clients.acted(alices[0]);
        assert_eq!(rig.leaves_for(BOB, Role::Owner), Some(alices[1]));
        assert_eq!(rig.leaves_for(ALICE, Role::Owner), None, "nothing is won by it");
        // Nobody takes a place back and forth.
        for bob in &bobs {
            rig.0.clients.remove(*bob);
        }
        rig.watch(BOB, 4);
        assert_eq!(rig.leaves_for(BOB, Role::Owner), None, "they hold 5 and 4");
    }

    #[test]
    fn f20_of_a_user_s_clients_the_one_with_the_least_to_lose_goes() {
        let mut rig = Rig::new();
        let owner = rig.connect(ALICE, Role::Owner, Some(Mode::Exclusive));
        let waits = rig.connect(ALICE, Role::Owner, Some(Mode::Wait));
        let watches = rig.connect(ALICE, Role::Owner, Some(Mode::Spectate));
        let idle = rig.connect(ALICE, Role::Owner, None);
        for expected in [idle, watches, waits] {
            assert_eq!(rig.0.gives_way_to(&peer(BOB), Role::Admin, true), Some(expected));
            rig.0.clients.remove(expected);
        }
        assert_eq!(rig.0.gives_way_to(&peer(BOB), Role::Admin, true), None, "the owner stays");
        assert!(rig.0.clients.get_mut(owner).is_some());
    }

    /// A command of a user who holds little does not lose its place to a flood of another.
    #[test]
    fn f20_an_idle_client_gives_way_to_those_of_a_user_who_holds_no_more() {
        let mut rig = Rig::new();
        let idle = rig.connect(BOB, Role::Owner, None);
        rig.watch(ALICE, 3);
        assert_eq!(rig.leaves_for(ALICE, Role::Owner), None);
        let own = rig.connect(ALICE, Role::Owner, None);
        assert_eq!(rig.leaves_for(ALICE, Role::Owner), Some(own));
        rig.0.clients.remove(own);
        assert_eq!(rig.leaves_for(BOB, Role::Owner), rig.leaves_for(CAROL, Role::Owner));
        assert_ne!(rig.leaves_for(BOB, Role::Owner), Some(idle), "it holds less than the other");
    }

    #[test]
    fn f20_a_higher_role_gets_a_place_of_a_lower_one() {
        let mut rig = Rig::new();
        let spectator = rig.connect(ALICE, Role::Spectator, Some(Mode::Spectate));
        rig.watch(BOB, 1);
        assert_eq!(rig.leaves_for(CAROL, Role::Spectator), None);
        assert_eq!(rig.leaves_for(CAROL, Role::Owner), Some(spectator));
    }
}
