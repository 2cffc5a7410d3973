//! The server: one console on sockets and a pseudo-terminal, as a subscriber of a rust-vmm event loop.
//!
//! It never blocks. A client that stops reading, dies, sends garbage or comes ten thousand times costs only itself.
//! Those who are at a console share a turn of 256 KiB (but each has 16 KiB), and get what was there when it began, however fast the
//! guest writes: other consoles of the thread have theirs soon.
//!
//! # When it looks for output
//!
//! To be woken for output costs the guest a system call, some hundred nanoseconds to some microseconds: as much as an access
//! from a virtual machine takes as a whole. So the guest wakes the server for the first byte after a pause, which
//! is sent at once: a person sees what was typed. After that, for as long as something comes, the server looks each
//! millisecond by its timer; only when nothing has come in between does it go to sleep on the
//! [doorbell](vuart_endpoint::Console::doorbell). A guest that writes all the time pays for a wake-up when it, or the server, was kept
//! from running for a while, and not for its bytes. Beside a ring so small, or a guest so fast, that an eighth of the ring fills up
//! in less than a millisecond, the server looks that often. What the guest takes of input that was too much for the queue is found in
//! the same way.
//!
//! This is for output, and for room for input, alone: a session's end, another standing, the guest's hang-ups and breaks
//! ring in any case. While nobody reads, the timer is off and the guest wakes nobody.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use vuart_scrollback::{Sleeper, SleeperError};

use crate::access::{Peer, Role, SocketKind};
use crate::claim::Claim;
use crate::connection::{Connection, Context};
use crate::options::ServerOptions;
use crate::pace::Pace;
use crate::pty::{Pty, PtyError, Seen};
use crate::sockets::{Listener, Sockets};
use crate::timer::Timer;
use crate::transport::Transport;
use vuart_endpoint::{Console, Mode};
use vuart_wire::ErrorCode;

/// Why a console can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A socket can't be made.
    #[error("can't listen on {}: {source}", path.display())]
    Bind {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A socket was to be made, and no name has been claimed for it.
    #[error("no name is claimed for a socket to be made")]
    NoName,
    /// A socket that was handed in can't be used.
    #[error("can't use the socket that was handed in: {0}")]
    HandedIn(#[source] io::Error),
    /// The server can't sleep on the console's doorbell.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// There is no pseudo-terminal.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// There is no thread or event for the server.
    #[error(
        "can't start the console's server (is a limit on processes or open files reached? see `ulimit -a`): {0}"
    )]
    Thread(#[source] io::Error),
}

/// How much of the ring is made ready for the guest, in bytes: a boot's first burst, and what an idle console's memory costs.
const TOUCHED_AHEAD: usize = 64 << 10;

/// How long whoever is sent away from the pseudo-terminal may take to read why: others wait for it.
const LINGER: Duration = Duration::from_secs(5);

/// How often a server without a file descriptor looks for one.
const RETRY: Duration = Duration::from_millis(500);

/// Serves one console. Add it to an [`event_manager::EventManager`]; one loop serves any number of consoles.
///
/// Dropping it closes every connection and removes the files of a claimed name.
#[derive(Debug)]
pub struct Server {
    context: Context,
    options: ServerOptions,
    // Dropped before the claim: its link is removed while the name is still ours.
    pty: Option<Pty>,
    // Before the listeners: who comes later finds no socket, instead of one on which nobody listens.
    claim: Option<Claim>,
    /// Somebody may have opened the pseudo-terminal unseen.
    pty_due: bool,
    listeners: Vec<Listener>,
    clients: BTreeMap<u32, Client>,
    next_token: u32,
    /// Counts what clients do, to tell who has been silent longest.
    moment: u64,
    /// Of the console's doorbell.
    sleeper: Sleeper,
    /// The guest's next byte, or its next taking of input, wakes us.
    armed: bool,
    /// If not, the clock does while output flows.
    pace: Pace,
    /// When the console has something to do even if nothing happens before.
    service_at: Option<Instant>,
    timer: Timer,
    /// Given up for a moment when the process has no file descriptor left, to accept a client and send it away.
    spare: Option<UnixListener>,
    /// There was no file descriptor even so: nobody is accepted until there is one.
    paused: bool,
    /// When it is looked for one, if nothing happens before.
    retry_at: Option<Instant>,
}

/// A connection, and what the server wants to know of it.
#[derive(Debug)]
struct Client {
    connection: Connection,
    /// By when it must have introduced itself, or have read why it is sent away from the pseudo-terminal.
    until: Option<Instant>,
    /// It is to go, and has got a time for that.
    leaving: bool,
    /// The last moment at which it did something.
    moment: u64,
}

impl Client {
    /// It has a time by which it must have done something.
    fn is_pressed(&self) -> bool {
        self.leaving || self.connection.is_mute()
    }
}

/// What an event is about; higher numbers are connections.
mod token {
    pub(super) const DOORBELL: u32 = 0;
    pub(super) const TIMER: u32 = 1;
    /// Somebody has done something with the pseudo-terminal.
    pub(super) const PTY: u32 = 2;
    /// The pseudo-terminal, while those who have it open are sent away.
    pub(super) const PTY_LEAVING: u32 = 3;
    /// The first listener; there is one of each kind at most.
    pub(super) const FIRST_LISTENER: u32 = 4;
    pub(super) const FIRST_CONNECTION: u32 = 16;
}

impl Server {
    /// How many clients are let in before the ones who are in have their turn.
    const ACCEPT_TURN: usize = 16;

    /// Listens on the sockets of a claimed name: all three, for this user and root alone.
    ///
    /// # Errors
    ///
    /// When a socket can't be made, or there is no file descriptor left.
    pub fn bind(claim: Claim, console: Console) -> Result<Self, ServeError> {
        let name = claim.name().to_owned();
        Self::new(&name, console, Sockets::bind(claim)?, ServerOptions::default())
    }

    /// Serves on what has been opened before. It opens no file, then or later, but for the
    /// [names of programs](ServerOptions::with_program_names) and a new pseudo-terminal when one has been hung up.
    ///
    /// # Errors
    ///
    /// When there is no file descriptor left.
    pub fn new(
        name: &str,
        console: Console,
        sockets: Sockets,
        options: ServerOptions,
    ) -> Result<Self, ServeError> {
        let Sockets { pty, listeners, claim, .. } = sockets;
        for listener in &listeners {
            listener.socket.set_nonblocking(true).map_err(ServeError::HandedIn)?;
        }
        let sleeper = console.doorbell().sleeper()?;
        let mut server = Self {
            context: Context::new(console, name.to_owned()),
            options,
            pty_due: pty.is_some(),
            pty,
            claim,
            listeners,
            clients: BTreeMap::new(),
            next_token: token::FIRST_CONNECTION,
            moment: 0,
            sleeper,
            armed: false,
            pace: Pace::default(),
            service_at: None,
            timer: Timer::new().map_err(ServeError::Thread)?,
            retry_at: None,
            spare: None,
            paused: false,
        };
        server.spare();
        Ok(server)
    }

    /// The claimed name and its sockets, if there is one.
    pub fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// The pseudo-terminal at this moment. It is another one after somebody has been sent away from it.
    pub fn pty(&self) -> Option<&Path> {
        self.pty.as_ref().and_then(Pty::path)
    }

    /// Whether every client has got all that it was owed. After [`Console::end`] this is when the server can go; a
    /// client that does not read keeps it waiting, so put a bound on that.
    pub fn is_settled(&self) -> bool {
        self.clients.values().all(|client| client.connection.is_settled())
            && !self.pty.as_ref().is_some_and(Pty::is_leaving)
    }

    fn name(&self) -> &str {
        &self.context.name
    }

    /// Has a file descriptor to give up; any will do.
    fn spare(&mut self) {
        self.spare = self.listeners.first().and_then(|listener| listener.socket.try_clone().ok());
    }

    fn accept(&mut self, index: usize, ops: &mut EventOps<'_>) {
        for _ in 0..Self::ACCEPT_TURN {
            let Some(listener) = self.listeners.get(index) else { return };
            match accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(stream) => {
                    let stream = UnixStream::from(stream);
                    let peer = Peer::of(&stream, listener.kind, listener.group_role, self.options.programs);
                    // One whose credentials can't be had is gone already.
                    if let Ok(peer) = peer {
                        self.admit(Transport::Socket(stream), &peer, ops);
                    }
                }
                Err(Errno::MFILE | Errno::NFILE) => {
                    self.turn_away(index);
                    if self.spare.is_none() {
                        self.pause(ops);
                    }
                    return;
                }
                Err(Errno::NOMEM | Errno::NOBUFS) => return self.pause(ops),
                // EAGAIN: that was the last. Anything else is the fate of one client that is gone already.
                Err(_) => return,
            }
        }
    }

    /// Lets a client in and out again, which tells it more than a connection that nobody accepts.
    fn turn_away(&mut self, index: usize) {
        if self.spare.take().is_some() {
            if let Some(listener) = self.listeners.get(index) {
                drop(accept_with(&listener.socket, SocketFlags::CLOEXEC));
            }
            // Another thread may have been faster.
            self.spare();
        }
    }

    /// Without a file descriptor to accept with, a client that waits would wake the event loop for ever.
    fn pause(&mut self, ops: &mut EventOps<'_>) {
        log::warn!("console {}: no file descriptor is left, new clients have to wait", self.name());
        self.paused = true;
        self.retry_at = Instant::now().checked_add(RETRY);
        self.watch_listeners(EventSet::empty(), ops);
    }

    /// There may be a file descriptor again.
    fn resume(&mut self, ops: &mut EventOps<'_>) {
        if self.paused {
            self.spare();
            self.paused = self.spare.is_none();
            self.retry_at = self.paused.then(|| Instant::now().checked_add(RETRY)).flatten();
            if !self.paused {
                self.watch_listeners(EventSet::IN, ops);
            }
        }
    }

    fn watch_listeners(&self, events: EventSet, ops: &mut EventOps<'_>) {
        for (listener, token) in self.listeners.iter().zip(token::FIRST_LISTENER..) {
            if let Err(error) = ops.modify(Events::with_data(listener, token, events)) {
                log::error!("console {}: can't watch its sockets: {error:?}", self.name());
            }
        }
    }

    /// Somebody has come.
    fn admit(&mut self, transport: Transport, peer: &Peer, ops: &mut EventOps<'_>) {
        let role = (self.options.authorise)(peer);
        if let Some(role) = role {
            self.make_room(role, ops);
        }
        let full = self.clients.len() >= self.options.clients;
        let identity = peer.identity();
        let mut connection = match (peer.socket, role) {
            (SocketKind::Control, role) => {
                // Without a role it is sent away below.
                Connection::framed(transport, identity, role.unwrap_or(Role::Spectator))
            }
            (SocketKind::ReadOnly, Some(role)) if !full => {
                Connection::raw(transport, identity, role, Mode::Spectate, &self.context)
            }
            (SocketKind::Raw | SocketKind::Pty, Some(role)) if !full => {
                Connection::raw(transport, identity, role, self.options.raw.mode(), &self.context)
            }
            _ => Connection::raw_refused(transport, identity),
        };
        if role.is_none() {
            connection.refuse(ErrorCode::Forbidden, "this console belongs to another user");
        } else if full {
            connection.refuse(ErrorCode::TooMany, "too many clients; try again when one has left");
        }
        self.share_turn(1);
        let welcome = role.is_some() && !full;
        let ready = if welcome { EventSet::IN | EventSet::OUT } else { EventSet::OUT };
        // One attempt to say so: a client that is sent away is given no place to wait in.
        if (connection.drive(ready, &mut self.context).is_err() || !welcome)
            || !self.keep(&mut connection, ops)
        {
            if connection.transport().is_pty() {
                self.pty_over(!connection.is_closing(), ops);
            }
            return;
        }
        let token = self.next_token;
        // Tokens are used again after four billion clients.
        self.next_token = self.next_token.checked_add(1).unwrap_or(token::FIRST_CONNECTION);
        self.moment += 1;
        let leaving = connection.holds_pty_up();
        let patience =
            if leaving { Some(LINGER) } else { connection.is_mute().then_some(self.options.handshake) };
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        self.clients.insert(token, Client { connection, until, leaving, moment: self.moment });
    }

    /// Has the event loop wait for a connection, as the next client.
    fn keep(&self, connection: &mut Connection, ops: &mut EventOps<'_>) -> bool {
        // One that still has its connection after four billion others is passed over.
        if self.clients.contains_key(&self.next_token) {
            return false;
        }
        let events = Events::with_data(connection.transport(), self.next_token, connection.interest());
        let kept = ops.add(events);
        if let Err(error) = &kept {
            log::warn!("console {}: can't watch a client: {error:?}", self.name());
        }
        kept.is_ok()
    }

    /// If there are as many as there may be, one that asks for nothing gives way to one of that role, or else one of a lower role that
    /// does not own the console: those who may only watch can't keep out those who may send them away.
    fn make_room(&mut self, role: Role, ops: &mut EventOps<'_>) {
        if self.clients.len() < self.options.clients {
            return;
        }
        let gives_way = |client: &Client| {
            let connection = &client.connection;
            connection.is_idle() || (connection.role() < role && !connection.owns())
        };
        let least = self.clients.iter().filter(|(_, client)| gives_way(client)).min_by_key(|(_, client)| {
            (!client.connection.is_idle(), client.connection.role(), client.moment)
        });
        if let Some((token, _)) = least {
            self.dismiss(*token, ErrorCode::TooMany, "somebody else needs the place", ops);
        }
    }

    /// Sends a client away.
    fn dismiss(&mut self, token: u32, code: ErrorCode, message: &str, ops: &mut EventOps<'_>) {
        if let Some(client) = self.clients.get_mut(&token) {
            client.connection.refuse(code, message);
            // One attempt to say so.
            let _ = client.connection.drive(EventSet::OUT, &mut self.context);
            self.close(token, false, ops);
        }
    }

    /// `hung_up` says whose part it was: the client's.
    fn close(&mut self, token: u32, hung_up: bool, ops: &mut EventOps<'_>) {
        if let Some(Client { connection, .. }) = self.clients.remove(&token) {
            // Closing the file descriptor removes it too; this keeps the event manager's own table right, and a
            // pseudo-terminal stays open.
            let _ = ops.remove(Events::empty(connection.transport()));
            let pty = connection.transport().is_pty();
            drop(connection);
            if pty {
                self.pty_over(hung_up, ops);
            }
            self.resume(ops);
        }
    }

    /// As many as are at the console, and `more` who may come to be, have to share what is sent at this turn.
    fn share_turn(&mut self, more: usize) {
        let there = self.clients.values().filter(|client| client.connection.gets_output()).count();
        self.context.share_turn(there + more);
    }

    fn drive(&mut self, token: u32, ready: EventSet, ops: &mut EventOps<'_>) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        if ready.contains(EventSet::IN) {
            self.moment += 1;
            client.moment = self.moment;
        }
        let connection = &mut client.connection;
        let before = connection.interest();
        if connection.drive(ready, &mut self.context).is_err() {
            let hung_up = !connection.is_closing();
            self.close(token, hung_up, ops);
            return;
        }
        if connection.holds_pty_up() && !client.leaving {
            client.leaving = true;
            client.until = Instant::now().checked_add(LINGER);
        }
        let interest = connection.interest();
        if interest != before {
            let events = Events::with_data(connection.transport(), token, interest);
            if ops.modify(events).is_err() {
                self.close(token, false, ops);
            }
        }
    }

    /// The client's end is closed.
    fn hung_up(&mut self, token: u32, ops: &mut EventOps<'_>) {
        if let Some(client) = self.clients.get_mut(&token) {
            client.connection.drain(&mut self.context);
        }
        self.close(token, true, ops);
    }

    fn rung(&mut self, ops: &mut EventOps<'_>) {
        self.sleeper.acknowledge();
        self.armed = false;
        self.pace.woken();
        // Before it is armed again: while there is work, the guest need not ring.
        self.drive_all(ops);
    }

    /// Spares the guest the page faults of the ring's first lap, as far as we happen to run. (To be woken for it would cost the
    /// guest more than they do.)
    fn touch_ahead(&self) {
        // The guest touches them itself where the system can't: that is slower, and nothing else.
        let _ = self.context.console.scrollback().touch_ahead(TOUCHED_AHEAD);
    }

    fn drive_all(&mut self, ops: &mut EventOps<'_>) {
        let tokens: Vec<u32> = self.clients.keys().copied().collect();
        for token in tokens {
            self.drive(token, EventSet::empty(), ops);
        }
    }

    /// After all that drives connections: these get only what was there when they were driven, and are not looked at again by themselves.
    ///
    /// If the guest can have something for one of our clients, sees to it that we look again: soon while output flows, and
    /// otherwise when the guest wakes us. (What is for all, such as the end, rings in any case.) While nobody is there, or nobody
    /// reads, there is neither, and the guest does not pay for our wake-ups.
    fn watch_guest(&mut self, ops: &mut EventOps<'_>) {
        if !self.clients.values().any(|client| client.connection.awaits_guest()) {
            return self.pace.rest();
        }
        if self.armed
            || self.pace.next().is_some()
            || self.pace.look(self.context.console.scrollback(), Instant::now())
        {
            return;
        }
        self.sleeper.arm();
        self.armed = true;
        // What has come before is looked at now, and what comes after rings.
        self.drive_all(ops);
    }

    /// Has the console do what time and the guest's modem lines ask for. Whose session ends by that is told so in its turn: the
    /// doorbell rings.
    fn service(&mut self) {
        self.service_at = self.context.console.service(Instant::now());
    }

    /// When there is something to do even if nothing happens before.
    fn next_deadline(&self) -> Option<Instant> {
        let handshakes =
            self.clients.values().filter(|client| client.is_pressed()).filter_map(|client| client.until);
        let others =
            [self.pty.as_ref().and_then(Pty::deadline), self.service_at, self.retry_at, self.pace.next()];
        handshakes.chain(others.into_iter().flatten()).min()
    }

    /// Has the timer as the deadlines are.
    fn schedule(&mut self) {
        if let Err(error) = self.timer.arm(self.next_deadline()) {
            log::error!("console {}: can't set its timer: {error}", self.name());
        }
    }

    /// A deadline has come.
    fn due(&mut self, ops: &mut EventOps<'_>) {
        self.timer.acknowledge();
        let now = Instant::now();
        let late = |client: &Client| client.is_pressed() && client.until.is_some_and(|until| until <= now);
        let late: Vec<(u32, bool)> = self
            .clients
            .iter()
            .filter(|(_, client)| late(client))
            .map(|(token, client)| (*token, client.connection.is_closing()))
            .collect();
        for (token, closing) in late {
            if closing {
                self.close(token, false, ops);
            } else {
                self.dismiss(token, ErrorCode::Timeout, "no hello has come", ops);
            }
        }
        self.pty_goes_on(Seen::default(), ops);
        if self.pace.take_due(now) {
            self.drive_all(ops);
        }
    }

    /// The session at the pseudo-terminal is over, or was not begun: because nobody has it open any more, or because whoever
    /// has is to go.
    fn pty_over(&mut self, deserted: bool, ops: &mut EventOps<'_>) {
        let Some(pty) = &mut self.pty else { return };
        if deserted {
            pty.vacate();
            self.pty_due = true;
        } else {
            pty.leave(Instant::now());
            if let Some(master) = pty.master() {
                // For the hang-up, which is reported without being asked for. Failing that, their time runs out.
                let _ = ops.add(Events::with_data(master, token::PTY_LEAVING, EventSet::empty()));
            }
            // They may have read it before they were watched.
            self.pty_goes_on(Seen::UNKNOWN, ops);
        }
    }

    /// Those who were sent away from the pseudo-terminal have all closed it themselves.
    fn pty_left(&mut self, ops: &mut EventOps<'_>) {
        if let Some(pty) = &mut self.pty {
            if let Some(master) = pty.master() {
                let _ = ops.remove(Events::empty(master));
            }
            pty.vacate();
            self.pty_due = true;
        }
    }

    fn pty_goes_on(&mut self, seen: Seen, ops: &mut EventOps<'_>) {
        let Some(pty) = &mut self.pty else { return };
        if pty.has_left(seen, Instant::now()) {
            if let Some(master) = pty.master() {
                let _ = ops.remove(Events::empty(master));
            }
            self.renew_pty(ops);
        } else if let Some(master) = pty.occupy(seen) {
            self.admit(Transport::Pty(master), &Peer::at_pty(), ops);
        }
    }

    fn renew_pty(&mut self, ops: &mut EventOps<'_>) {
        let Some(pty) = &mut self.pty else { return };
        match pty.renew() {
            Ok(()) => self.pty_due = true,
            // It is tried again when something happens.
            Err(error) if error.is_passing() => {}
            Err(error) => {
                log::error!(
                    "console {}: it is served on no pseudo-terminal any more: {error}",
                    self.context.name
                );
                let _ = ops.remove(Events::empty_raw(pty.watch_fd()));
                self.pty = None;
            }
        }
    }

    /// Somebody may have come to the pseudo-terminal while others were seen off.
    fn look_at_pty(&mut self, ops: &mut EventOps<'_>) {
        if self.pty.as_ref().is_some_and(Pty::is_missing) {
            self.renew_pty(ops);
        }
        while std::mem::take(&mut self.pty_due) {
            self.pty_goes_on(Seen::UNKNOWN, ops);
        }
    }
}

impl MutEventSubscriber for Server {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        self.touch_ahead();
        self.context.borrow_buffer();
        let listeners = self.listeners.iter().zip(token::FIRST_LISTENER..);
        let fds = [(self.sleeper.as_raw_fd(), token::DOORBELL), (self.timer.as_raw_fd(), token::TIMER)]
            .into_iter()
            .chain(self.pty.as_ref().map(|pty| (pty.watch_fd(), token::PTY)))
            .chain(listeners.map(|(listener, token)| (listener.as_raw_fd(), token)));
        for (fd, token) in fds {
            if let Err(error) = ops.add(Events::with_data_raw(fd, token, EventSet::IN)) {
                log::error!("console {}: can't be served: {error:?}", self.name());
            }
        }
        self.look_at_pty(ops);
        self.service();
        self.watch_guest(ops);
        self.context.return_buffer();
        self.schedule();
    }

    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let set = events.event_set();
        self.context.borrow_buffer();
        self.share_turn(0);
        self.resume(ops);
        match events.data() {
            token::DOORBELL => self.rung(ops),
            token::TIMER => self.due(ops),
            token::PTY => {
                let seen = self.pty.as_mut().map(Pty::look).unwrap_or_default();
                self.pty_goes_on(seen, ops);
            }
            token::PTY_LEAVING => self.pty_left(ops),
            token @ token::FIRST_LISTENER..token::FIRST_CONNECTION => {
                self.accept((token - token::FIRST_LISTENER) as usize, ops);
            }
            token if set.intersects(EventSet::HANG_UP | EventSet::ERROR) => self.hung_up(token, ops),
            token => self.drive(token, set, ops),
        }
        self.look_at_pty(ops);
        self.service();
        // A client may have come, begun a session, or read on.
        self.watch_guest(ops);
        self.context.return_buffer();
        self.schedule();
        self.touch_ahead();
    }
}
