//! The carrier under `loom`: `RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-endpoint model`.

use vuart_explore::{explore, thread};

use super::*;
use crate::testing::{counting_bell, latch_bell, silent_bell};

/// Both ends. No model reads the count of changes.
fn lines(announce: Bell, doorbell: Bell) -> (Carrier, GuestLines) {
    pair(CarrierBells { changed: silent_bell(), announce, doorbell }, false)
}

/// A guest begins to listen, writes to its console with interrupts off as Linux does, and then sleeps until it is interrupted. A
/// lost hang-up is a deadlock.
#[test]
fn e18_no_hang_up_is_unseen_by_a_guest_that_comes_to_listen() {
    explore(30, || {
        let (interrupt, announce) = latch_bell();
        let (carrier, mut guest) = lines(announce, silent_bell());
        let host = thread::spawn(move || carrier.hang_up());
        let mut seen = 0;
        for listens in [true, false, true] {
            if let Some(due) = guest.listen(listens) {
                seen += 1;
                if due.announced {
                    // The interrupt for this drop has come, or will come.
                    interrupt.wait();
                }
            }
        }
        if seen == 0 {
            interrupt.wait();
            assert_eq!(guest.take(), Some(DropDue { announced: true }));
            seen += 1;
        }
        host.join().unwrap();
        assert_eq!((seen, guest.take()), (1, None), "one hang-up is one drop");
    });
}

/// Exactly one side interrupts: the port knows of every drop whether the console interrupts the guest for it, and there is at most
/// one interrupt for each drop.
#[test]
fn e18_a_drop_is_announced_exactly_when_the_port_is_told_so() {
    explore(30, || {
        let (announce, interrupts) = counting_bell();
        let (carrier, mut guest) = lines(announce, silent_bell());
        let host = thread::spawn(move || [carrier.hang_up(), carrier.hang_up()]);
        let drops = [true, true, false].map(|listens| guest.listen(listens));
        let answers = host.join().unwrap();
        let drops: Vec<_> = drops.into_iter().chain([guest.take()]).flatten().collect();
        assert!((1..=2).contains(&drops.len()), "two hang-ups: {drops:?}");
        let announced = drops.iter().filter(|due| due.announced).count();
        assert_eq!(interrupts.count(), announced as u64);
        assert!(announced <= answers.into_iter().filter(|listened| *listened).count());
    });
}

/// Two threads hang up at once, while the guest takes the drop.
#[test]
fn e18_two_hang_ups_at_once_are_one_drop_or_two() {
    explore(200, || {
        let (announce, announced) = counting_bell();
        let (carrier, mut guest) = lines(announce, silent_bell());
        assert_eq!(guest.listen(true), None);
        let hosts = [carrier.clone(), carrier].map(|carrier| thread::spawn(move || carrier.hang_up()));
        let early = guest.take();
        for host in hosts {
            assert!(host.join().unwrap());
        }
        let drops = [early, guest.take()].into_iter().flatten().count();
        assert!((1..=2).contains(&drops));
        assert_eq!(announced.count(), drops as u64);
    });
}

/// A console sleeps until the guest hangs up, and then sees what the guest did before.
#[test]
fn a_hang_up_and_a_break_of_the_guest_are_heard() {
    explore(100, || {
        let (woken, doorbell) = latch_bell();
        let (carrier, mut guest) = lines(silent_bell(), doorbell);
        let guest = thread::spawn(move || {
            guest.dtr(true);
            guest.break_out(true);
            guest.dtr(false);
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
