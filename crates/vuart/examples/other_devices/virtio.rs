//! A virtio-console at a console, with two plain queues in place of virtqueues in the guest's memory.
//!
//! The guest finds input in its memory, without an access that the VMM sees. So the device must move it there before the interrupt, and an
//! announcement wakes the device's thread, as the guest's notifications do. All of the device runs on that thread.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vuart::endpoint::{Console, Input, Symbol};
use vuart::scrollback::{CapacityError, Doorbell, Scrollback, Writer};

/// A virtqueue: what the driver has made available, and what the device has used.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) available: VecDeque<Vec<u8>>,
    pub(crate) used: VecDeque<Vec<u8>>,
}

/// The guest's memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<[Queue; 2]>>);

/// The index of the queue with input for the guest, and of that with its output.
pub(crate) const RECEIVE: usize = 0;
pub(crate) const TRANSMIT: usize = 1;

impl Memory {
    pub(crate) fn queues(&self) -> MutexGuard<'_, [Queue; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What wakes the device's thread. A VMM has eventfds for them: one for each queue's notification, and one for the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The driver has notified a queue, or the console announces input.
    Look,
    /// The VM ends.
    Stop,
}

/// The device.
#[derive(Debug)]
pub(crate) struct VirtioConsole {
    memory: Memory,
    output: Writer,
    doorbell: Doorbell,
    input: Input,
    /// The guest's interrupt, an MSI.
    interrupt: Sender<()>,
}

impl VirtioConsole {
    /// Makes the device and its console. The thread that the device [runs](Self::run) on waits for what is sent by the sender.
    pub(crate) fn new(
        memory: Memory,
        interrupt: Sender<()>,
    ) -> Result<(Self, Console, Sender<Wake>, Receiver<Wake>), CapacityError> {
        let (output, scrollback) = Scrollback::new(1 << 20)?;
        let (wake, wakes) = channel();
        let announce = wake.clone();
        // It does not block, and the device's thread does the rest.
        let (console, input) = Console::new(scrollback, move || {
            let _ = announce.send(Wake::Look);
        });
        let device = Self { memory, output, doorbell: console.doorbell().clone(), input, interrupt };
        Ok((device, console, wake, wakes))
    }

    /// The device's thread.
    pub(crate) fn run(mut self, wakes: &Receiver<Wake>) {
        // Once before the first wake-up: it asks for input.
        self.receive();
        while wakes.recv() == Ok(Wake::Look) {
            self.transmit();
            self.receive();
        }
    }

    /// Moves the guest's output into the ring.
    fn transmit(&mut self) {
        let mut queues = self.memory.queues();
        let queue = &mut queues[TRANSMIT];
        let mut sent = false;
        while let Some(buffer) = queue.available.pop_front() {
            self.output.extend(&buffer);
            queue.used.push_back(buffer);
            sent = true;
        }
        drop(queues);
        if sent {
            // One ring for all of it, after all of it.
            self.doorbell.ring_if_armed();
            let _ = self.interrupt.send(());
        }
    }

    /// Moves input into the guest's buffers, until one of the two runs out.
    fn receive(&mut self) {
        let mut queues = self.memory.queues();
        let queue = &mut queues[RECEIVE];
        let mut symbols = [Symbol::Break; 64];
        let mut moved = false;
        loop {
            let room = queue.available.front().map_or(0, |buffer| buffer.len().min(symbols.len()));
            // Without a buffer it asks for nothing: the driver notifies the queue when there is one.
            let taken = self.input.take_or_want(&mut symbols[..room]);
            if taken == 0 {
                break;
            }
            // The wire has no breaks.
            let bytes = symbols[..taken].iter().filter_map(|symbol| match symbol {
                Symbol::Byte(byte) | Symbol::Damaged(byte, _) => Some(*byte),
                Symbol::Break => None,
            });
            if let Some(mut buffer) = queue.available.pop_front() {
                buffer.clear();
                buffer.extend(bytes);
                queue.used.push_back(buffer);
                moved = true;
            }
        }
        drop(queues);
        if moved {
            let _ = self.interrupt.send(());
        }
    }
}
