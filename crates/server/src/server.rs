//! The server: one console on sockets and a pseudo-terminal, in any event loop.
//!
//! It never blocks. A client that stops reading, dies, sends garbage or connects ten thousand times costs only itself: what the
//! clients of a [user](users) cost has a bound.
//!
//! # One pass
//!
//! Everything happens in passes ([`Server::pass`]): one for each event. A pass serves the event and then looks after what may
//! have changed: the pseudo-terminal, the console's deadlines, the guest's output, the timer. The clients at a console share a
//! budget of 256 KiB of output for each pass (but each has at least 16 KiB), and are sent what was there when the pass began, however
//! fast the guest writes. Then other consoles of the thread are served.
//!
//! # When it looks for output
//!
//! Waking the server for output costs the guest a system call: some hundred nanoseconds to some microseconds, as much as a
//! whole access from a virtual machine. So the guest wakes the server for the first byte after a pause. That byte is sent at
//! once: a person sees the echo of a key. Afterwards the server looks every millisecond by its timer, as long as output comes.
//! When none has come in between, it goes to sleep on the [doorbell](vuart_endpoint::Console::doorbell) again. A guest that
//! writes all the time pays for a wake-up only when it, or the server, was kept from running for a while. When an eighth of
//! the ring fills up in less than a millisecond, the server looks that often. It finds room for waiting input in the same way.
//!
//! This applies to output and to room for input. Other events always ring the doorbell: the end of a session, a change of
//! role, the guest's hang-ups and breaks. While no client reads, the timer is off and the guest wakes nobody.
//!
//! # File descriptors
//!
//! An idle console with three sockets takes seven: the sockets, the lock of its name, the doorbell, the timer, and the epoll instance with
//! all that is waited for. The whole process has one for the runtime directory, and the [acceptor] keeps a spare one. All are made with the
//! server, so when no file descriptor is left, only new clients miss one: they are sent away or wait.

mod acceptor;
mod admission;
mod adopted;
mod clients;
mod deadlines;
mod ending;
mod events;
mod places;
mod pty_left;
mod terminal;
mod users;
mod waiting;

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use vuart_dispatch::TimerFd;
use vuart_scrollback::{Rest, Sleeper};

use crate::access::Own;
use crate::adopter::Queue;
use crate::claim::Claim;
use crate::connection::Context;
use crate::error::ServeError;
use crate::options::ServerOptions;
use crate::pass::Pass;
use crate::poller::Poller;
use crate::pty::Pty;
use crate::sockets::Sockets;
use acceptor::Acceptor;
use clients::Clients;
use deadlines::{Deadlines, Timer};
use users::Users;
use vuart_endpoint::Console;
use waiting::Waiting;

/// How much of the ring is touched ahead of the guest, in bytes: enough for a boot's first burst. An idle console uses this
/// much memory.
const TOUCHED_AHEAD: usize = 64 << 10;

/// Serves one console. It hangs in any event loop: see [`Dispatch`](vuart_dispatch::Dispatch). One loop serves any number of consoles.
/// [`ServerThread`](crate::ServerThread) is a loop on a thread of its own.
///
/// Dropping it sends each client its last words and why the session ends, as far as its socket takes them at once; closes every connection;
/// and removes the files of a claimed name. [`finish`](Self::finish) waits until clients have read.
#[derive(Debug)]
pub struct Server {
    poller: Poller,
    /// The first call has been made.
    begun: bool,
    context: Context,
    options: ServerOptions,
    pty: Option<Pty>,
    // Dropped before the listeners: a late client finds no socket, instead of one without a listener.
    claim: Option<Claim>,
    /// A program may have opened the pseudo-terminal unseen.
    pty_due: bool,
    /// When a program at the pseudo-terminal may have its session that has come too soon after others.
    pty_at: Option<Instant>,
    acceptor: Acceptor,
    /// The connections that the VMM has given the server.
    adopted: Arc<Queue>,
    clients: Clients,
    /// What the clients of each user have asked of the server.
    users: Users,
    /// The clients that have come too soon after others of their users.
    waiting: Waiting,
    /// The number of clients that were held back since the last pause.
    held_back: usize,
    /// Waits for the console's doorbell, and decides when to look for output by the timer instead.
    sleeper: Sleeper,
    /// The guest wakes the server for its next byte, or when it next takes input.
    armed: bool,
    deadlines: Deadlines,
    timer: TimerFd,
}

/// The numbers by which file descriptors are reported.
mod token {
    pub(super) const DOORBELL: u32 = 0;
    pub(super) const TIMER: u32 = 1;
    /// The watch on the pseudo-terminal: a program has opened or read it.
    pub(super) const PTY: u32 = 2;
    /// The pseudo-terminal itself, while the programs that have it open must leave.
    pub(super) const PTY_LEAVING: u32 = 3;
    /// The first listener. There is at most one of each kind.
    pub(super) const FIRST_LISTENER: u32 = 4;
    pub(super) const FIRST_CLIENT: u32 = 16;
}

impl Server {
    /// Listens on all three sockets of a claimed name, for this user and root alone.
    ///
    /// # Errors
    ///
    /// When a socket can't be created, or no file descriptor is left.
    pub fn bind(claim: Claim, console: Console) -> Result<Self, ServeError> {
        let name = claim.name().to_owned();
        Self::new(&name, console, Sockets::bind(claim)?, ServerOptions::default())
    }

    /// Serves on sockets that are open already. The server opens no file, now or later, except a new
    /// pseudo-terminal for each session at one, and those with the [names of programs](ServerOptions::with_program_names) if you ask for them.
    ///
    /// # Errors
    ///
    /// When no file descriptor is left.
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
        pty_left::sweep();
        let poller = Poller::new().map_err(ServeError::EventLoop)?;
        let timer = TimerFd::new().map_err(ServeError::EventLoop)?;
        poller.add_edge(timer.as_fd(), token::TIMER).map_err(ServeError::EventLoop)?;
        let server = Self {
            poller,
            begun: false,
            context: Context { console, name: name.to_owned(), own: Own::now(), going: None },
            users: Users::new(options.clients),
            waiting: Waiting::default(),
            held_back: 0,
            options,
            pty_due: pty.is_some(),
            pty_at: None,
            pty,
            claim,
            acceptor: Acceptor::new(listeners),
            adopted: Arc::default(),
            clients: Clients::new(),
            sleeper,
            armed: false,
            deadlines: Deadlines::default(),
            timer,
        };
        server.register().map_err(ServeError::EventLoop)?;
        Ok(server)
    }

    /// The name under which the console is served.
    pub fn name(&self) -> &str {
        &self.context.name
    }

    /// The claimed name and its sockets, if a name is claimed.
    pub fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// The device of the pseudo-terminal at this moment. Each session has another device: give programs the link instead. Without
    /// a link the next device has the same number, as a rule. One that [the VMM has made](Sockets::with_pty) stays.
    pub fn pty(&self) -> Option<&Path> {
        self.pty.as_ref().and_then(Pty::path)
    }

    /// Whether every client has received everything that it is owed. After [`Console::end`] the server can be dropped when
    /// this is true. A client that does not read keeps it false, so limit the time that you wait.
    pub fn is_settled(&self) -> bool {
        self.clients.are_settled() && !self.pty.as_ref().is_some_and(Pty::is_leaving)
    }

    /// Handles one event, and then whatever may have changed by it. Every entry into the server is a pass. (`admission.rs` and
    /// `terminal.rs` have the steps that concern new clients and the pseudo-terminal.)
    fn pass(&mut self, event: impl FnOnce(&mut Self, &mut Pass)) {
        let mut pass = Pass::begin(self.clients.at_console());
        self.resume();
        event(self, &mut pass);
        self.admit_adopted(&mut pass);
        self.meet_deadlines(&mut pass);
        self.look_at_pty(&mut pass);
        // Clients learn of a session that ends here in a later pass, which the doorbell causes.
        self.deadlines.set(Timer::Service, self.context.console.service(Instant::now()));
        // After all that drives connections: a client may have come, begun a session, or read on.
        self.watch_guest(&mut pass);
        self.schedule();
        self.touch_ahead();
    }

    /// The doorbell has rung.
    fn rung(&mut self, pass: &mut Pass) {
        self.sleeper.acknowledge();
        self.armed = false;
        // Before it is armed again: while there is work, the guest need not ring.
        self.drive_all(pass);
    }

    /// Does what is due.
    fn meet_deadlines(&mut self, pass: &mut Pass) {
        let now = Instant::now();
        while let Some(timer) = self.deadlines.take_expired(now) {
            match timer {
                Timer::Client => {
                    self.dismiss_late(now, pass);
                    self.serve_rested(now, pass);
                }
                Timer::Pty => self.replace_pty(),
                Timer::Accept => self.resume(),
                Timer::Admit => {
                    self.pty_due |= self.pty_at.take().is_some();
                    self.admit_waiting(now, pass);
                }
                Timer::Look => self.drive_all(pass),
                // Every pass does this.
                Timer::Service => {}
            }
        }
    }

    /// If a client waits for the guest's output, or for room for its input, makes sure that the server looks again: soon while
    /// output flows, and otherwise when the guest wakes it. If no client waits, the guest does not pay for wake-ups.
    fn watch_guest(&mut self, pass: &mut Pass) {
        if !self.clients.await_guest() {
            self.sleeper.forget_pace();
            self.deadlines.set(Timer::Look, None);
            return;
        }
        if self.armed || self.deadlines.is_set(Timer::Look) {
            return;
        }
        match self.sleeper.rest(self.context.console.scrollback(), Instant::now()) {
            Rest::Until(next) => self.deadlines.set(Timer::Look, Some(next)),
            Rest::Asleep => {
                self.armed = true;
                // What came before this moment is looked at now: output, and room for input. What comes after it rings.
                self.drive_all(pass);
            }
        }
    }

    /// Sets the timer to the next deadline.
    fn schedule(&mut self) {
        self.deadlines.set(Timer::Client, self.clients.next_deadline());
        let next = if self.waiting.is_empty() { None } else { self.next_admission(Instant::now()) };
        self.deadlines.set(Timer::Admit, [next, self.pty_at].into_iter().flatten().min());
        if let Err(error) = self.timer.arm(self.deadlines.next()) {
            log::error!("console {}: can't set its timer: {error}", self.context.name);
        }
    }

    /// Saves the guest the page faults of the ring's first lap, when the server runs anyway. Waking the server for it would
    /// cost the guest more.
    fn touch_ahead(&self) {
        // Where the system can't do this, the guest touches the pages itself, which is only slower.
        let _ = self.context.console.scrollback().touch_ahead(TOUCHED_AHEAD);
    }
}
