//! What a device does with the queue in one call: take, or ask.

use super::Input;
use crate::symbol::Symbol;

impl Input {
    /// Takes as many symbols as wait and fit into `out`, in order, and returns how many. If none waits, it asks for an
    /// [announcement](Self::want) of the next.
    ///
    /// Use it in a device of your own, for a guest that is interrupted for input: `out` is as long as the receiver has room. When it
    /// returns 0 the device may leave it at that, because either
    ///
    /// * the announcement will come, and the device calls this again then; or
    /// * `out` is empty. Nothing is asked for then, and the device calls this again when the guest has made room.
    ///
    /// ```
    /// use vuart_endpoint::{Attach, Console, Identity, Symbol};
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// let (console, mut input) = Console::new(scrollback, || println!("interrupts the guest"));
    /// let mut receiver = [Symbol::Break; 16];
    /// assert_eq!(input.take_or_want(&mut receiver), 0);
    ///
    /// let mut owner = console.attach(Attach::new(Identity::new("alice", 0, None)))?;
    /// owner.write(b"ls")?; // announces
    /// assert_eq!(input.take_or_want(&mut receiver), 2);
    /// assert_eq!(receiver[..2], [Symbol::Byte(b'l'), Symbol::Byte(b's')]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_or_want(&mut self, out: &mut [Symbol]) -> usize {
        loop {
            let taken = self.take(out);
            if taken > 0 || out.is_empty() {
                // The guest has work to do, and asks again when it has done it.
                self.announced();
                return taken;
            }
            // Input may have come meanwhile: then it is taken, and not waited for.
            if self.want() {
                return 0;
            }
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use std::sync::Arc;

    use vuart_explore::{Condvar, Mutex, explore, explore_within, thread};

    use super::super::{Changes, Contents, InputBells, Size, queue};
    use super::*;
    use crate::testing::{latch_bell, silent_bell};

    /// A device sleeps whenever it gets nothing, while an owner types. A lost announcement is a deadlock.
    #[test]
    fn a_device_that_takes_or_asks_gets_all() {
        explore(1000, || {
            let (interrupt, announce) = latch_bell();
            let bells =
                InputBells { changed: silent_bell(), announce, room: silent_bell(), dropped: silent_bell() };
            let size = Size { capacity: 2, put_back: 2 };
            let (mut producer, mut input) = queue(size, Contents::default(), Changes::default(), bells);
            let typist = thread::spawn(move || {
                assert_eq!(producer.publish([Symbol::Byte(1)].into_iter()), 1);
                assert_eq!(producer.publish([Symbol::Byte(2)].into_iter()), 1);
            });
            let mut received = Vec::new();
            let mut room = [Symbol::Break; 2];
            while received.len() < 2 {
                match input.take_or_want(&mut room) {
                    0 => interrupt.wait(),
                    taken => received.extend_from_slice(&room[..taken]),
                }
            }
            assert_eq!(received, [Symbol::Byte(1), Symbol::Byte(2)]);
            typist.join().unwrap();
        });
    }

    /// An interrupt line that is triggered by its level.
    #[derive(Default)]
    struct Line {
        level: Mutex<bool>,
        rises: Condvar,
    }

    impl Line {
        fn set(&self, level: bool) {
            *self.level.lock().unwrap() = level;
            self.rises.notify_one();
        }

        /// The guest sleeps until the line is high.
        fn wait(&self) {
            let mut level = self.level.lock().unwrap();
            while !*level {
                level = self.rises.wait(level).unwrap();
            }
        }
    }

    /// The device and the console drive a line. The device lowers it first, and looks after that. An interrupt that is lost is a deadlock.
    #[test]
    fn a_line_that_falls_before_the_device_looks_loses_no_interrupt() {
        explore_within(3, 100, || {
            let line = Arc::new(Line::default());
            let raised = Arc::clone(&line);
            let announce = Box::new(move || raised.set(true));
            let bells =
                InputBells { changed: silent_bell(), announce, room: silent_bell(), dropped: silent_bell() };
            let size = Size { capacity: 2, put_back: 2 };
            let (mut producer, mut input) = queue(size, Contents::default(), Changes::default(), bells);
            let typist = thread::spawn(move || {
                assert_eq!(producer.publish([Symbol::Byte(1)].into_iter()), 1);
                assert_eq!(producer.publish([Symbol::Byte(2)].into_iter()), 1);
            });
            let mut receiver = [Symbol::Break];
            let mut received = 0;
            let mut settle = || {
                line.set(false);
                let taken = input.take_or_want(&mut receiver);
                if taken > 0 {
                    line.set(true);
                }
                taken
            };
            let mut unread = settle();
            while received < 2 {
                line.wait();
                // The guest reads what is there, and the device ends the access.
                received += unread;
                unread = settle();
            }
            typist.join().unwrap();
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Changes, Contents, InputBells, Size, queue};
    use super::*;
    use crate::testing::{counting_bell, silent_bell};

    #[test]
    fn it_asks_only_if_there_is_room_and_nothing_waits() {
        let (announce, announced) = counting_bell();
        let bells =
            InputBells { changed: silent_bell(), announce, room: silent_bell(), dropped: silent_bell() };
        let (mut producer, mut input) = queue(Size::FULL, Contents::default(), Changes::default(), bells);
        let mut types = |byte| assert_eq!(producer.publish([Symbol::Byte(byte)].into_iter()), 1);
        let mut room = [Symbol::Break; 2];

        assert_eq!(input.take_or_want(&mut room), 0);
        types(b'a');
        assert_eq!(announced.count(), 1);
        // It has work to do: no announcement.
        assert_eq!(input.take_or_want(&mut room), 1);
        assert_eq!(room[0], Symbol::Byte(b'a'));
        types(b'b');
        assert_eq!(announced.count(), 1);
        assert_eq!(input.take_or_want(&mut room), 1);

        // A receiver that has filled up since withdraws what it has asked for.
        assert_eq!(input.take_or_want(&mut room), 0);
        assert_eq!(input.take_or_want(&mut []), 0);
        types(b'c');
        assert_eq!(announced.count(), 1);
        assert_eq!(input.take_or_want(&mut []), 0);
        assert_eq!(input.take_or_want(&mut room), 1);
        assert_eq!(input.take_or_want(&mut room), 0);
        assert!(input.has_asked());
    }
}
