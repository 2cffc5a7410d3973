//! The console's lock, and the rules that hold around it.

use std::sync::{PoisonError, TryLockError};
use std::thread;

use vuart_scrollback::{Doorbell, Scrollback};

use crate::announcement::Announcement;
use crate::carrier::Carrier;
use crate::end::Cause;
use crate::hold::{HoldControl, HoldSwitch};
use crate::input::{InputProducer, InputWatch};
use crate::observer::{Observer, Observers};
use crate::state::State;
use crate::sync::{Mutex, MutexGuard};
use crate::warnings::Warnings;

/// What all handles of one console share: those of the console, and those of its sessions.
///
/// Everything that changes the state goes through [`change`](Self::change). The guest is interrupted, the doorbell is rung and the
/// observers are called after the lock is released. So each of them may use the console.
///
/// The guest's port can't take the lock when it is dropped. So each change and each look first ends a console whose port was dropped.
#[derive(Debug)]
pub(crate) struct ConsoleCore {
    scrollback: Scrollback,
    carrier: Carrier,
    hold: HoldSwitch,
    announcement: Announcement,
    doorbell: Doorbell,
    input: InputWatch,
    /// No vCPU thread ever takes this lock.
    state: Mutex<State>,
    /// Held by the thread that delivers events. No other thread waits for it.
    observers: Mutex<Observers>,
    warnings: Warnings,
}

/// Whether a change has events that the observers are to be told of.
#[must_use = "the observers are to be told"]
pub(crate) struct Untold(bool);

impl ConsoleCore {
    pub(crate) fn new(
        scrollback: Scrollback,
        input: InputProducer,
        carrier: Carrier,
        hold: HoldControl,
        announcement: Announcement,
        doorbell: Doorbell,
    ) -> Self {
        let watch = input.watch();
        let switch = hold.switch();
        let state = State::new(scrollback.clone(), input, carrier.clone(), hold);
        let (state, observers) = (Mutex::new(state), Mutex::new(Observers::default()));
        let warnings = Warnings::default();
        Self {
            scrollback,
            carrier,
            hold: switch,
            announcement,
            doorbell,
            input: watch,
            state,
            observers,
            warnings,
        }
    }

    pub(crate) fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }

    pub(crate) fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Whether output may have to wait for the owner, so that the console must know how far sessions have read.
    pub(crate) fn holds_output(&self) -> bool {
        self.hold.is_on()
    }

    pub(crate) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    pub(crate) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Looks at the state under the lock.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        let state = self.lock();
        if !self.outlives_port(&state) {
            return look(&state);
        }
        drop(state);
        self.hear_port();
        look(&self.lock())
    }

    /// Ends the console if the guest's port was dropped.
    pub(crate) fn hear_port(&self) {
        if self.input.is_abandoned() {
            self.change(|_| ());
        }
    }

    fn outlives_port(&self, state: &State) -> bool {
        self.input.is_abandoned() && state.ended().is_none()
    }

    /// Changes the state under the lock. Then interrupts the guest if it is to be told, rings for the sleepers that the change
    /// concerns, and tells the observers. The guest comes first, so that it never waits for an observer.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, untold) = self.change_untold(change);
        self.tell(untold);
        result
    }

    /// The same, but whoever calls it lets the observers be [told](Self::tell). It is for a change that needs more to be whole: an observer
    /// may panic.
    pub(crate) fn change_untold<R>(&self, change: impl FnOnce(&mut State) -> R) -> (R, Untold) {
        let mut state = self.lock();
        state.begin_change();
        if self.outlives_port(&state) {
            state.over(&Cause::PortDropped);
        }
        let result = change(&mut state);
        state.end_change();
        let announces = self.announcement.take_note();
        let (rings, quiet) = (state.rings_doorbell(), state.events().is_empty());
        drop(state);
        if announces {
            self.announcement.make();
        }
        if rings {
            self.doorbell.ring();
        }
        (result, Untold(!quiet))
    }

    /// Tells the observers of a change.
    pub(crate) fn tell(&self, Untold(untold): Untold) {
        if untold {
            self.deliver();
        }
    }

    pub(crate) fn observe(&self, observer: Observer) {
        self.lock().events_mut().observe(observer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under this lock can panic half-way through a change. If it ever does, going on is better than a console that
        // nothing can use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the observers what they do not know yet. If another thread does so already, that thread looks again when it is
    /// done, and this one returns at once.
    fn deliver(&self) {
        // Dropping a session is a change. If an observer's panic drops it, and the observer panics again, the process would end. The events
        // are told by the next change of another thread.
        if thread::panicking() {
            return;
        }
        loop {
            let mut observers = match self.observers.try_lock() {
                Ok(observers) => observers,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            loop {
                // A statement of its own, so that the lock is released before the observers are called.
                let next = self.lock().events_mut().take();
                let Some((event, arrived)) = next else { break };
                observers.tell(arrived, &event);
            }
            drop(observers);
            if self.look(|state| state.events().is_empty()) {
                return;
            }
        }
    }
}
