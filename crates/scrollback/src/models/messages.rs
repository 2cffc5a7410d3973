//! Atomics that let a test try each behaviour that the memory model allows a reader.
//!
//! A location is the list of the messages (stores) that were ever sent to it, in modification order. The writer's code
//! runs once, and its stores become messages. Then a reader's code runs again and again, and each of its loads *chooses*
//! a message: any that is not older than the newest one that the reader already has to know. [`explore`] goes through all
//! combinations of choices. What a thread has to know of each location is its *view*, and views travel as C++20 says:
//!
//! * a release store sends the view of its thread along; a relaxed store sends the view that its thread had at its last
//!   release fence;
//! * an acquire load takes over the view that came with its message; a relaxed load keeps it aside until the next acquire
//!   fence.
//!
//! No interleaving has to be explored, since a reader of the ring stores nothing and the writer loads only its own: the
//! history is the same whatever readers do, and when a reader runs is expressed by which messages it chooses. That is why
//! this is complete, and fast.

use std::{cell::RefCell, sync::atomic::Ordering};

/// The most locations that a world has: the header's four, and a few cells.
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
    /// Its view at its last release fence.
    released: View,
    /// What the next acquire fence adds to its view.
    acquirable: View,
}

/// A choice that an execution made, of how many there were.
struct Choice {
    taken: usize,
    of: usize,
}

#[derive(Default)]
struct World {
    locations: Vec<Vec<Message>>,
    thread: Thread,
    choices: Vec<Choice>,
    /// How many choices this execution has come by.
    depth: usize,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// Stands in for [`std::sync::atomic::AtomicU64`].
pub(crate) struct AtomicU64 {
    location: usize,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        WORLD.with_borrow_mut(|world| {
            assert!(world.locations.len() < LOCATIONS, "more locations than a view has");
            world.locations.push(vec![Message { value, view: View::default() }]);
            Self { location: world.locations.len() - 1 }
        })
    }

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        WORLD.with_borrow_mut(|world| {
            let messages = &mut world.locations[self.location];
            world.thread.current.0[self.location] = messages.len();
            let view = match ordering {
                Ordering::Relaxed => world.thread.released,
                Ordering::Release => world.thread.current,
                _ => panic!("a store of the ring is relaxed or release"),
            };
            messages.push(Message { value, view });
        });
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        WORLD.with_borrow_mut(|world| {
            let oldest = world.thread.current.0[self.location];
            let index = oldest + world.choose(world.locations[self.location].len() - oldest);
            let Message { value, view } = world.locations[self.location][index];
            world.thread.current.0[self.location] = index;
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
        // A writer that loads what it has stored itself has no choice.
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

    /// Sets up the choices of the next execution; says whether there is one.
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

/// Forgets the previous test's locations, and begins a history.
pub(crate) fn reset() {
    WORLD.take();
}

/// What follows is done by another thread, which has taken a lock over from the one before: it knows what that one knew,
/// but has made no fence itself.
pub(crate) fn hand_over() {
    WORLD.with_borrow_mut(|world| {
        world.thread = Thread { current: world.thread.current, ..Thread::default() };
    });
}

/// Runs `reader` once for each behaviour that the memory model allows it, on a thread that knows nothing but the initial
/// values. Returns the number of executions.
pub(crate) fn explore(mut reader: impl FnMut()) -> u64 {
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
