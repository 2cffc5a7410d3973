//! A guest's console: people and programs attach to it.

use std::sync::Arc;
use std::time::Instant;

use vuart_scrollback::{Doorbell, Scrollback};

use crate::attach::{Attach, Mode};
use crate::console_core::ConsoleCore;
use crate::counters::Counters;
use crate::end::{Cause, End};
use crate::event::ConsoleEvent;
use crate::identity::Identity;
use crate::info::{SessionId, SessionInfo};
use crate::policy::Policy;
use crate::refused::Refused;
use crate::session::Session;
use crate::state::State;
use crate::timestamp::Timestamp;

/// A guest's console: a handle, cheap to clone. Any thread may use it except a vCPU's, because it takes the console's lock.
///
/// [`Console::new`] makes one, and [`Console::builder`] one with more options.
#[derive(Debug, Clone)]
pub struct Console(pub(crate) Arc<ConsoleCore>);

impl Console {
    /// The guest's output, for readers that are not a session, such as a log.
    pub fn scrollback(&self) -> &Scrollback {
        self.0.scrollback()
    }

    /// Hangs up on the guest, for the VMM: DCD goes low, and high again when the guest has seen that. CTS and DSR stay high. A guest
    /// that acts on it (Linux without CLOCAL) ends the login session at its port. The [policy](Policy) decides when the console hangs
    /// up by itself.
    ///
    /// It is counted and told to observers, also when it comes before the guest has seen the last one. For the guest that is the same
    /// hang-up.
    ///
    /// Returns whether the guest is interrupted for it. If not, because the guest has not enabled that interrupt (IER.EDSSI), it
    /// finds the drop when it next looks at the lines, and may not act on it. If not because the VMM holds DCD low, nothing changes.
    // Not must_use: a caller can do nothing about a guest that does not listen.
    #[allow(clippy::must_use_candidate, reason = "see above")]
    pub fn hang_up(&self) -> bool {
        self.0.change(State::hang_up_for_vmm)
    }

    /// The doorbell, which rings when a session may have something to do: more output, room for input, another standing, an end.
    /// To wait for that, make a [`Sleeper`](vuart_scrollback::Sleeper) of it: a server has one, and a log may have its own.
    pub fn doorbell(&self) -> &Doorbell {
        self.0.doorbell()
    }

    /// Sets what happens to evicted owners, when the console hangs up, how long an owner may be idle, and what happens to output when the
    /// ring is full. At first it is the
    /// [default](Policy::default).
    pub fn set_policy(&self, policy: Policy) {
        self.0.change(|state| state.set_policy(policy));
    }

    /// The present policy.
    pub fn policy(&self) -> Policy {
        self.0.look(State::policy)
    }

    /// Tells `observer` of everything that happens from now on, in order.
    ///
    /// The thread that causes an event calls the observer, after the fact and without the console's lock, so an observer may use
    /// the console. While an observer does not return, the console goes on and keeps events for it, up to a bound. Events beyond
    /// the bound are [counted](Counters::events_lost), and a gap in the events' numbers shows where they are missing. Only that one
    /// thread waits for the observer. It may be the server's, so an observer should hand events over rather than work on them.
    ///
    /// An observer should not panic: the panic is that of the thread that has caused the event. If a panic drops sessions, the
    /// observers are told of that with the next event of another thread.
    ///
    /// An observer stays as long as the console. An observer that uses the console should not own a handle of it, or neither is
    /// ever dropped.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use vuart_endpoint::{Attach, Console, EventKind, Identity};
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// let (console, _input) = Console::new(scrollback, || ());
    /// let (sender, events) = mpsc::channel();
    /// console.observe(move |event| drop(sender.send(event.clone())));
    ///
    /// drop(console.attach(Attach::new(Identity::new("alice", 1000, None)))?);
    /// assert!(matches!(events.recv()?.kind, EventKind::Attached { .. }));
    /// assert!(matches!(events.recv()?.kind, EventKind::Ended { bytes_in: 0, .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe(&self, observer: impl FnMut(&ConsoleEvent) + Send + 'static) {
        self.0.observe(Box::new(observer));
    }

    /// Begins a session.
    ///
    /// A take-over is complete when this returns: the old owner's input that the guest's receiver has not taken is discarded, and
    /// no more of it follows. It waits for no peer.
    ///
    /// # Errors
    ///
    /// * [`Refused::Held`] in exclusive mode, if another session owns the console: by whom and since when.
    /// * [`Refused::Disabled`] if the console is switched off.
    /// * [`Refused::Ended`] if the console has ended.
    pub fn attach(&self, request: Attach) -> Result<Session, Refused> {
        Session::begin(&self.0, request)
    }

    /// Counts a session that was refused before it came to [`attach`](Self::attach), for lack of rights or of room.
    pub fn refuse(&self, identity: &Identity, mode: Mode, reason: &Refused) {
        self.0.change(|state| state.refuse(identity, mode, reason));
    }

    /// Ends another person's session. The caller has checked that `by` may do so. Returns `false` if there is no such session.
    pub fn kick(&self, session: SessionId, by: &Identity) -> bool {
        let cause = Cause::Kicked { by: by.clone() };
        self.0.change(|state| state.end(session, cause))
    }

    /// Ends a session for a cause that concerns it and not the console: [`Cause::ShutDown`], if the server that it came by goes. The session
    /// gets the output up to this moment, and the console goes on. Returns `false` if there is no such session.
    pub fn end_session(&self, session: SessionId, cause: &Cause) -> bool {
        self.0.change(|state| state.end(session, cause.clone()))
    }

    /// Switches the console off. Every session ends with [`Cause::Disabled`], and attaching is refused until the console is
    /// [switched on](Self::enable). The guest writes on, and its output is kept.
    pub fn disable(&self) {
        self.0.change(State::disable);
    }

    /// Switches the console on again. At first it is on.
    pub fn enable(&self) {
        self.0.change(State::enable);
    }

    /// Ends the console and every session. Attaching is refused from now on. The output stays readable.
    ///
    /// The causes that make sense are [`Cause::VmEnded`] if the guest has ended, [`Cause::Migrating`] if it goes on at another
    /// host, and [`Cause::ShutDown`] if only the process that serves the console ends. All other causes are those of a single
    /// session; clients would act on them wrongly. Only the first call counts.
    ///
    /// Call it before the guest's port is dropped: a dropped port ends the console with [`Cause::PortDropped`].
    pub fn end(&self, cause: &Cause) {
        self.0.change(|state| state.over(cause));
    }

    /// Does what time and the guest's modem lines ask for at the time `now`. Returns the time of the next call if nothing else
    /// happens: the end of a [grace time](crate::HangUp::OnDetach), of an owner's [idle time](Policy::idle), or of the time for which
    /// [output is held](crate::OutputPolicy::Hold).
    ///
    /// The thread that drives the console calls it then, and whenever the [doorbell](Self::doorbell) rings. `vuart-server` does.
    #[must_use = "nothing else calls it at the deadline"]
    pub fn service(&self, now: Instant) -> Option<Instant> {
        self.0.change(|state| {
            state.service(now);
            state.deadline()
        })
    }

    /// The time at which the console was [switched off](Self::disable), if it is off.
    pub fn disabled(&self) -> Option<Timestamp> {
        self.0.look(State::disabled)
    }

    /// Why and when the console has ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.0.look(|state| state.ended().cloned())
    }

    /// The session that owns the console, if any.
    pub fn owner(&self) -> Option<SessionInfo> {
        self.0.look(State::owner)
    }

    /// All sessions, the oldest first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.0.look(State::sessions)
    }

    /// The counters at this moment.
    pub fn counters(&self) -> Counters {
        self.0.look(|state| Counters { bytes_out: self.scrollback().end(), ..state.counters() })
    }

    /// Counts input that was on its way when its owner went.
    pub fn abandon(&self, bytes: u64) {
        if bytes > 0 {
            self.0.change(|state| state.abandon(bytes));
        }
    }

    /// The number of symbols of input that wait for the guest's receiver.
    pub fn input_waiting(&self) -> u64 {
        self.0.look(State::input_waiting)
    }

    /// Whether the guest has stopped input, by holding RTS low or by XOFF. Input waits until it goes on:
    /// [`input_waiting`](Self::input_waiting) says how much. Ask when somebody wants to know why nothing is taken. Nothing is woken
    /// when it changes.
    pub fn input_stopped(&self) -> bool {
        self.0.carrier().input_stopped()
    }

    /// Whether the guest's output waits for the owner at this moment, because the policy is
    /// [`Hold`](crate::OutputPolicy::Hold) and the owner is too far behind. Nothing is woken when it changes.
    pub fn output_held(&self) -> bool {
        self.0.look(State::output_held)
    }

    /// The number of symbols of input that the guest's receiver has taken.
    pub fn input_taken(&self) -> u64 {
        self.0.look(State::input_taken)
    }
}

#[cfg(all(test, loom))]
mod model;
