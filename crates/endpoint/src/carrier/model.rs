//! The carrier under `loom`: `RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-endpoint model`.

use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;

use super::*;
use crate::models::{Latch, explore};

fn count() -> (Arc<AtomicUsize>, Bell) {
    let rung = Arc::new(AtomicUsize::new(0));
    let bell = Arc::clone(&rung);
    let bell = move || {
        bell.fetch_add(1, SeqCst);
    };
    (rung, Box::new(bell))
}

/// A guest that comes to listen, writes to its console with interrupts off as Linux does, and then sleeps until it is
/// interrupted: a hang-up that is lost is a deadlock.
#[test]
fn e18_no_hang_up_is_unseen_by_a_guest_that_comes_to_listen() {
    explore(30, || {
        let (interrupt, announce) = Latch::with_bell();
        let (carrier, mut lines) = pair(Changes::default(), announce, Box::new(|| ()));
        let host = thread::spawn(move || carrier.hang_up());
        let mut seen = 0;
        for listens in [true, false, true] {
            if let Some(due) = lines.listen(listens) {
                seen += 1;
                if due.announced {
                    // Made, or still to come: one for this drop.
                    interrupt.wait();
                }
            }
        }
        if seen == 0 {
            interrupt.wait();
            assert_eq!(lines.take(), Some(DropDue { announced: true }));
            seen += 1;
        }
        host.join().unwrap();
        assert_eq!((seen, lines.take()), (1, None), "one hang-up is one drop");
    });
}

/// The duty to interrupt is one side's: of every drop the port knows whether the guest is interrupted for it, and an interrupt
/// that comes to nothing is at most the one of a drop.
#[test]
fn e18_a_drop_is_announced_exactly_when_the_port_is_told_so() {
    explore(30, || {
        let (rung, announce) = count();
        let (carrier, mut lines) = pair(Changes::default(), announce, Box::new(|| ()));
        let host = thread::spawn(move || [carrier.hang_up(), carrier.hang_up()]);
        let drops = [true, true, false].map(|listens| lines.listen(listens));
        let answers = host.join().unwrap();
        let drops: Vec<_> = drops.into_iter().chain([lines.take()]).flatten().collect();
        assert!((1..=2).contains(&drops.len()), "two hang-ups: {drops:?}");
        let announced = drops.iter().filter(|due| due.announced).count();
        assert_eq!(rung.load(SeqCst), announced);
        assert!(announced <= answers.into_iter().filter(|listened| *listened).count());
    });
}

/// Two who hang up at once, and a guest that takes.
#[test]
fn e18_hang_ups_at_once_are_one_drop_or_two() {
    explore(200, || {
        let (rung, announce) = count();
        let (carrier, mut lines) = pair(Changes::default(), announce, Box::new(|| ()));
        assert_eq!(lines.listen(true), None);
        let hosts = [carrier.clone(), carrier].map(|carrier| thread::spawn(move || carrier.hang_up()));
        let early = lines.take();
        for host in hosts {
            assert!(host.join().unwrap());
        }
        let drops = [early, lines.take()].into_iter().flatten().count();
        assert!((1..=2).contains(&drops));
        assert_eq!(rung.load(SeqCst), drops);
    });
}

/// A console that sleeps until the guest hangs up, and sees what the guest did before.
#[test]
fn what_the_guest_tells_is_heard() {
    explore(100, || {
        let (woken, doorbell) = Latch::with_bell();
        let (carrier, mut lines) = pair(Changes::default(), Box::new(|| ()), doorbell);
        let guest = thread::spawn(move || {
            lines.dtr(true);
            lines.break_out(true);
            lines.dtr(false);
        });
        let mut breaks = 0;
        let mut hung_up = false;
        while !hung_up {
            woken.wait();
            hung_up = carrier.guest_hung_up();
            breaks += carrier.guest_breaks();
        }
        assert_eq!(breaks, 1);
        guest.join().unwrap();
    });
}
