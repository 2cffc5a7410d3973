//! How a console is made.

use std::sync::Arc;

use vuart_scrollback::{Doorbell, Scrollback};

use crate::announcement::Announcement;
use crate::carrier::{self, CarrierBells, GuestLines};
use crate::changes::Changes;
use crate::console::Console;
use crate::console_core::ConsoleCore;
use crate::hold::{self, HoldBells, OutputHold};
use crate::input::{self, Contents, Input, InputBells, Size};
use crate::symbol::Symbol;

/// Options of a new console: see [`Console::builder`].
///
/// ```
/// use vuart_endpoint::{Console, Symbol};
/// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
/// let waiting = [Symbol::Byte(b'l'), Symbol::Byte(b's')];
/// let parts = Console::builder(scrollback).with_waiting(&waiting).build(|| ());
/// assert_eq!(parts.input.waiting(), waiting);
/// # Ok::<(), vuart_scrollback::CapacityError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "`build` makes the console"]
pub struct ConsoleBuilder<'a> {
    scrollback: Scrollback,
    contents: Contents<'a>,
    hang_up_due: bool,
}

/// A new console, and what belongs to the guest's port: a UART, or any other device.
///
/// The device has the ring's [`Writer`](vuart_scrollback::Writer), and a clone of the console's [doorbell](Console::doorbell). On its
/// thread, which is a vCPU's or its own, it does this:
///
/// * *output:* [`push`](vuart_scrollback::Writer::push), and then [`ring_if_armed`](Doorbell::ring_if_armed);
/// * *input:* [`take_or_want`](Input::take_or_want), with as much room as the guest's receiver has: when it starts, after an announcement,
///   and whenever the guest has made room or has enabled its interrupt;
/// * *modem lines*, if it has any: the calls of [`GuestLines`]. Otherwise drop them.
///
/// None of these calls blocks. The calls of [`Console`] take its lock, except [`doorbell`](Console::doorbell) and
/// [`scrollback`](Console::scrollback), and belong to other threads. The guide's page on embedding has a section on this, "Another device".
#[derive(Debug)]
#[non_exhaustive]
pub struct ConsoleParts {
    /// The console.
    pub console: Console,
    /// The guest's end of the input queue.
    pub input: Input,
    /// The guest's end of the modem lines.
    pub guest_lines: GuestLines,
    /// The guest's end of the [output policy](crate::OutputPolicy).
    pub output_hold: OutputHold,
}

impl Console {
    /// Makes a console on a ring of output. Returns it with the guest's end of the input queue.
    ///
    /// `announce` raises the guest's interrupt: see [`ConsoleBuilder::build`].
    pub fn new(scrollback: Scrollback, announce: impl Fn() + Send + Sync + 'static) -> (Self, Input) {
        let ConsoleParts { console, input, .. } = Self::builder(scrollback).build(announce);
        (console, input)
    }

    /// Begins to make a console on a ring of output.
    pub fn builder(scrollback: Scrollback) -> ConsoleBuilder<'static> {
        ConsoleBuilder { scrollback, contents: Contents::default(), hang_up_due: false }
    }
}

impl<'a> ConsoleBuilder<'a> {
    /// Sets the input that waits for the guest already, as in a restored snapshot. Symbols beyond [`CAPACITY`](Input::CAPACITY)
    /// and [`PUT_BACK_MAX`](Input::PUT_BACK_MAX) together are left out. The input belongs to no session, and the first owner
    /// discards what is left of it.
    pub fn with_waiting(self, waiting: &'a [Symbol]) -> Self {
        Self { contents: Contents { waiting, ..self.contents }, ..self }
    }

    /// Sets the input that the guest's receiver has taken already and that the guest has not read, as in a restored snapshot. It
    /// can be [put back](Input::put_back). Of more than [`PUT_BACK_MAX`](Input::PUT_BACK_MAX) symbols the oldest are left out.
    pub fn with_taken(self, taken: &'a [Symbol]) -> Self {
        Self { contents: Contents { taken, ..self.contents }, ..self }
    }

    /// Sets whether a [hang-up](Console::hang_up) waits for the guest's next look, as in a restored snapshot. It was counted where it
    /// was made.
    pub fn with_hang_up_due(self, due: bool) -> Self {
        Self { hang_up_due: due, ..self }
    }

    /// Makes the console.
    ///
    /// `announce` raises the guest's interrupt. It is called when input arrives that the guest [waits for](Input::want), when the console
    /// [hangs up](Console::hang_up) on a guest that listens, and when held output [may go on](OutputHold::want). The calling thread does
    /// not hold the console's lock, so `announce` may use the console. It should not block, because that thread may serve all clients.
    pub fn build(self, announce: impl Fn() + Send + Sync + 'static) -> ConsoleParts {
        let (doorbell, changes) = (Doorbell::new(), Changes::default());
        let announcement = Announcement::new(Box::new(announce));
        let bells = CarrierBells {
            changed: changes.bell(),
            announce: announcement.note(),
            doorbell: {
                let doorbell = doorbell.clone();
                // In any case: it is rare, and for the thread that drives the console, also while it has no session.
                Box::new(move || doorbell.ring())
            },
        };
        let (carrier, guest_lines) = carrier::pair(bells, self.hang_up_due);
        let bells = HoldBells {
            changed: changes.bell(),
            announce: announcement.note(),
            doorbell: {
                let doorbell = doorbell.clone();
                // In any case: the thread that services the console must learn of the deadline.
                Box::new(move || doorbell.ring())
            },
        };
        let (hold, output_hold) = hold::pair(self.scrollback.capacity() as u64, bells);
        let bells = InputBells {
            changed: changes.bell(),
            announce: announcement.note(),
            room: {
                let doorbell = doorbell.clone();
                Box::new(move || {
                    // A thread that is awake looks before it sleeps.
                    doorbell.ring_if_armed();
                })
            },
            dropped: {
                let doorbell = doorbell.clone();
                Box::new(move || doorbell.ring())
            },
        };
        let (producer, input) = input::queue(Size::FULL, self.contents, changes, bells);
        let core = ConsoleCore::new(self.scrollback, producer, carrier, hold, announcement, doorbell);
        let console = Console(Arc::new(core));
        ConsoleParts { console, input, guest_lines, output_hold }
    }
}
