//! Every behaviour that the memory model allows a reader, for one history of the writer.
//!
//! A location is the list of the messages (stores) that were ever sent to it, in modification order. The writer's code runs once, and
//! its stores become messages. Then a reader's code runs again and again, and each of its loads *chooses* a message: any that is not
//! older than the newest one that the reader already has to know. [`History::explore`] goes through all combinations of choices. The
//! messages that a thread has to know are its *view*. Views travel as C++20 says:
//!
//! * A release store sends the view of its thread along. A relaxed store sends the view that its thread had at its last release fence.
//! * An acquire load takes over the view that came with its message. A relaxed load keeps it aside until the next acquire fence.
//!
//! Interleavings need not be explored. A reader of the ring stores nothing, and the writer loads only its own stores, so the history is
//! the same whatever readers do. The messages that a reader chooses express the moment at which it runs. So this is complete, and fast.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use crate::atomic::{Explorer, With};

/// The most locations that a history has: four words of a ring's header, and a few cells.
const LOCATIONS: usize = 10;

/// For each location the index of the newest message that has to be known.
#[derive(Clone, Copy, Default)]
struct View([usize; LOCATIONS]);

impl View {
    fn join(&mut self, other: Self) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine = other.max(*mine);
        }
    }
}

#[derive(Clone, Copy)]
struct Message {
    value: u64,
    view: View,
}

/// What a thread knows.
#[derive(Clone, Copy, Default)]
struct Thread {
    current: View,
    /// The view at the last release fence.
    released: View,
    /// What the next acquire fence adds to the view.
    acquirable: View,
}

/// A choice that an execution made.
struct Choice {
    taken: usize,
    /// The number of alternatives.
    of: usize,
}

#[derive(Default)]
struct World {
    locations: Vec<Vec<Message>>,
    thread: Thread,
    choices: Vec<Choice>,
    /// The number of choices that this execution has made.
    depth: usize,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// A word of a history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location(usize);

impl Location {
    pub(crate) fn new(value: u64) -> Self {
        WORLD.with_borrow_mut(|world| {
            assert!(world.locations.len() < LOCATIONS, "more locations than a view has");
            world.locations.push(vec![Message { value, view: View::default() }]);
            Self(world.locations.len() - 1)
        })
    }

    pub(crate) fn store(self, value: u64, ordering: Ordering) {
        WORLD.with_borrow_mut(|world| {
            let messages = &mut world.locations[self.0];
            world.thread.current.0[self.0] = messages.len();
            let view = match ordering {
                Ordering::Relaxed => world.thread.released,
                Ordering::Release => world.thread.current,
                _ => panic!("a store of the ring is relaxed or release"),
            };
            messages.push(Message { value, view });
        });
    }

    pub(crate) fn load(self, ordering: Ordering) -> u64 {
        WORLD.with_borrow_mut(|world| {
            let oldest = world.thread.current.0[self.0];
            let index = oldest + world.choose(world.locations[self.0].len() - oldest);
            let Message { value, view } = world.locations[self.0][index];
            world.thread.current.0[self.0] = index;
            world.thread.acquirable.join(view);
            match ordering {
                Ordering::Relaxed => (),
                Ordering::Acquire => world.thread.current.join(view),
                _ => panic!("a load of the ring is relaxed or acquire"),
            }
            value
        })
    }
}

/// Stands in for [`std::sync::atomic::fence`].
pub(crate) fn fence(ordering: Ordering) {
    WORLD.with_borrow_mut(|World { thread, .. }| match ordering {
        Ordering::Acquire => thread.current.join(thread.acquirable),
        Ordering::Release => thread.released = thread.current,
        _ => panic!("a fence of the ring is acquire or release"),
    });
}

impl World {
    fn choose(&mut self, of: usize) -> usize {
        // A writer that loads its own stores has no choice.
        if of == 1 {
            return 0;
        }
        if self.depth == self.choices.len() {
            self.choices.push(Choice { taken: 0, of });
        }
        let choice = &self.choices[self.depth];
        assert_eq!(choice.of, of, "an execution must be determined by its choices");
        self.depth += 1;
        choice.taken
    }

    /// Sets up the choices of the next execution. Returns whether there is one.
    fn advance(&mut self) -> bool {
        self.depth = 0;
        while let Some(mut last) = self.choices.pop() {
            last.taken += 1;
            if last.taken < last.of {
                self.choices.push(last);
                return true;
            }
        }
        false
    }
}

/// A writer's history, on this thread, until this is dropped. The words that are made meanwhile take part in it.
#[must_use = "the history ends when this is dropped"]
pub struct History(With);

impl History {
    /// Begins a history.
    ///
    /// # Panics
    ///
    /// Panics if this thread has another history, or runs a model of `loom`'s.
    pub fn begin() -> Self {
        let with = With::new(Explorer::Messages);
        WORLD.take();
        Self(with)
    }

    /// Makes all values what they are now from the beginning: what was stored until now is known to every thread.
    pub fn settle(&self) {
        WORLD.with_borrow_mut(|world| {
            for messages in &mut world.locations {
                let value = messages.last().map_or(0, |last| last.value);
                *messages = vec![Message { value, view: View::default() }];
            }
            world.thread = Thread::default();
        });
    }

    /// Lets another thread of the writer go on, which has taken a lock over from the one before: it knows what that thread knew, but
    /// has made no fence itself.
    pub fn hand_over(&self) {
        WORLD.with_borrow_mut(|world| {
            world.thread = Thread { current: world.thread.current, ..Thread::default() };
        });
    }

    /// Runs `reader` once for each behaviour that the memory model allows it, on a thread that knows nothing but the initial
    /// values. Returns the number of executions.
    pub fn explore(&self, mut reader: impl FnMut()) -> u64 {
        let mut executions = 0;
        loop {
            WORLD.with_borrow_mut(|world| world.thread = Thread::default());
            reader();
            executions += 1;
            if !WORLD.with_borrow_mut(World::advance) {
                return executions;
            }
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}
