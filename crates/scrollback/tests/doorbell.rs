//! A thread that sleeps on the doorbell's file descriptor, with a real `epoll`.

use std::{os::fd::AsRawFd, sync::Arc, thread};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vuart_scrollback::{Doorbell, Scrollback};

struct Sleeper {
    epoll: Epoll,
    doorbell: Arc<Doorbell>,
}

impl Sleeper {
    fn new(doorbell: Arc<Doorbell>) -> Self {
        let epoll = Epoll::new().expect("an epoll");
        // Miri knows no other trigger than the edge.
        let events = if cfg!(miri) { EventSet::IN | EventSet::EDGE_TRIGGERED } else { EventSet::IN };
        epoll
            .ctl(ControlOperation::Add, doorbell.as_raw_fd(), EpollEvent::new(events, 0))
            .expect("an eventfd can be polled");
        Self { epoll, doorbell }
    }

    /// Whether the doorbell's file descriptor becomes readable within the time.
    fn wait(&self, milliseconds: i32) -> bool {
        let mut events = [EpollEvent::default()];
        self.epoll.wait(milliseconds, &mut events).expect("a wait") == 1
    }

    /// Sleeps until `scrollback` has more than `seen` bytes. Returns whether it slept at all.
    fn sleep(&self, scrollback: &Scrollback, seen: u64) -> bool {
        let mut slept = false;
        while scrollback.end() == seen {
            self.doorbell.arm();
            if scrollback.end() == seen {
                slept = true;
                assert!(self.wait(10_000), "a wake-up was lost at offset {seen}");
            }
            self.doorbell.acknowledge();
        }
        slept
    }
}

#[test]
fn it_is_silent_unless_armed() {
    let doorbell = Arc::new(Doorbell::new().expect("an eventfd"));
    let sleeper = Sleeper::new(Arc::clone(&doorbell));
    assert!(!doorbell.ring_if_armed());
    assert!(!sleeper.wait(0));

    doorbell.arm();
    assert!(doorbell.ring_if_armed());
    assert!(!doorbell.ring_if_armed());
    assert!(sleeper.wait(0));
    assert!(doorbell.acknowledge());
    assert!(!doorbell.acknowledge());
    assert!(!sleeper.wait(0));
}

#[test]
fn acknowledging_disarms() {
    let doorbell = Doorbell::new().expect("an eventfd");
    doorbell.arm();
    assert!(!doorbell.acknowledge());
    assert!(!doorbell.ring_if_armed());
}

#[test]
fn it_can_be_rung_unarmed() {
    let doorbell = Arc::new(Doorbell::new().expect("an eventfd"));
    let sleeper = Sleeper::new(Arc::clone(&doorbell));
    doorbell.ring();
    doorbell.ring();
    assert!(sleeper.wait(0));
    assert!(doorbell.acknowledge());
    assert!(!sleeper.wait(0));
}

/// Each byte is written when the reader has taken the one before, so that it often is about to fall asleep. One lost
/// wake-up would leave both waiting, until the sleeper's time is up.
#[test]
fn no_wake_up_is_lost() {
    const BYTES: u64 = if cfg!(miri) { 50 } else { 10_000 };
    let (mut writer, scrollback) = Scrollback::new(Scrollback::MIN_CAPACITY).expect("an allowed capacity");
    let to_reader = Arc::new(Doorbell::new().expect("an eventfd"));
    let to_writer = Arc::new(Doorbell::new().expect("an eventfd"));
    let (mut answer, answers) = Scrollback::new(Scrollback::MIN_CAPACITY).expect("an allowed capacity");

    thread::scope(|scope| {
        scope.spawn({
            let (to_reader, to_writer) = (Arc::clone(&to_reader), Arc::clone(&to_writer));
            move || {
                let sleeper = Sleeper::new(to_reader);
                for offset in 0..BYTES {
                    sleeper.sleep(&scrollback, offset);
                    answer.push(b'.');
                    to_writer.ring_if_armed();
                }
            }
        });
        let sleeper = Sleeper::new(to_writer);
        let mut slept = 0;
        for offset in 0..BYTES {
            writer.push(b'.');
            to_reader.ring_if_armed();
            slept += u64::from(sleeper.sleep(&answers, offset));
        }
        println!("slept {slept} times for {BYTES} bytes");
    });
}
