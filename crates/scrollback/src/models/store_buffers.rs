//! Producers and sleepers of a doorbell on a machine that is small enough to go through all its states, and whose memory is
//! weaker than any processor's in what matters here: `loom` and Miri know nothing of `membarrier(2)`.
//!
//! A thread's stores wait in its store buffer, which lets them out at any time; even a sleeper's setting its bit does,
//! although that is a read-modify-write. Nothing waits for an empty buffer but a fence. `membarrier` is a fence, and then empties
//! the buffers of all producers, one after the other in any order, each at any time while it runs. (A model in which its own
//! fence came last lost a wake-up. The kernel has one at both ends.) A thread's steps are taken in the order of its program:
//! that is the compiler fence.

use std::collections::HashSet;

const PRODUCERS: usize = 2;
const SLEEPERS: usize = 2;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    // Of a producer.
    Store,
    /// Also a producer's that was not told to fence, where nothing fences.
    Fence,
    FenceIfTold,
    LookWhoSleeps,
    /// All the bits, if it has seen any.
    Take,
    /// One eventfd after the other.
    Ring,
    // Of a sleeper.
    Arm,
    Membarrier,
    /// `membarrier` fails: producers are told to fence.
    Tell,
    /// So long that all that was in a store buffer when it began is not in one when it ends.
    Pause,
    LookAtData,
    Wait,
    Disarm,
    Clear,
}
use Step::*;

/// What one does for each round, and the other for each sleep.
struct Protocol {
    producer: &'static [Step],
    sleeper: &'static [Step],
    /// How much each producer produces.
    rounds: u8,
    sleepers: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Producer {
    step: usize,
    stored: u8,
    /// How much of that has left its store buffer.
    visible: u8,
    saw_armed: bool,
    taken: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Sleeper {
    step: usize,
    /// Its bit is in its store buffer.
    arming: bool,
    /// The producers, a bit each, whose buffers its system call or pause has emptied.
    emptied: u8,
    done: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Machine {
    producers: [Producer; PRODUCERS],
    sleepers: [Sleeper; SLEEPERS],
    armed: u8,
    events: u8,
    told: bool,
}

impl Machine {
    /// All that can happen next.
    fn successors(self, protocol: &Protocol) -> Vec<Self> {
        let mut next = Vec::new();
        for index in 0..PRODUCERS {
            next.extend(self.producer_lets_out(index));
            next.extend(self.produce(index, protocol));
        }
        for index in 0..protocol.sleepers {
            next.extend(self.sleeper_lets_out(index));
            self.sleep(index, protocol, &mut next);
        }
        next
    }

    /// The oldest that is in a store buffer leaves it.
    fn producer_lets_out(mut self, index: usize) -> Option<Self> {
        let me = &mut self.producers[index];
        me.visible += 1;
        (me.visible <= me.stored).then_some(self)
    }

    fn sleeper_lets_out(mut self, index: usize) -> Option<Self> {
        self.armed |= 1 << index;
        std::mem::take(&mut self.sleepers[index].arming).then_some(self)
    }

    fn produce(mut self, index: usize, protocol: &Protocol) -> Option<Self> {
        let program = protocol.producer;
        let me = &mut self.producers[index];
        let empty = me.visible == me.stored;
        match program.get(me.step)? {
            Store => me.stored += 1,
            Fence if !empty => return None,
            FenceIfTold if self.told && !empty => return None,
            LookWhoSleeps => me.saw_armed = self.armed != 0,
            Take if me.saw_armed => me.taken = std::mem::take(&mut self.armed),
            Ring if me.taken != 0 => {
                self.events |= me.taken & me.taken.wrapping_neg();
                me.taken &= me.taken - 1;
                return Some(self);
            }
            Fence | FenceIfTold | Take | Ring => {}
            _ => panic!("not a producer's"),
        }
        me.step += 1;
        if me.step == program.len() && me.stored < protocol.rounds {
            me.step = 0;
        }
        Some(self)
    }

    fn sleep(mut self, index: usize, protocol: &Protocol, next: &mut Vec<Self>) {
        let program = protocol.sleeper;
        let bit = 1 << index;
        let has_all = self.producers.iter().all(|producer| producer.visible == protocol.rounds);
        let me = &mut self.sleepers[index];
        if me.done {
            return;
        }
        match program[me.step] {
            Arm => me.arming = true,
            Fence | Membarrier | Disarm if me.arming => return,
            Membarrier | Pause if me.emptied + 1 < 1 << PRODUCERS => {
                let emptied = me.emptied;
                for producer in (0..PRODUCERS).filter(|producer| emptied & 1 << producer == 0) {
                    let mut after = self;
                    after.producers[producer].visible = after.producers[producer].stored;
                    after.sleepers[index].emptied |= 1 << producer;
                    next.push(after);
                }
                return;
            }
            Membarrier | Pause => me.emptied = 0,
            Tell => self.told = true,
            LookAtData => me.done = has_all,
            Wait if self.events & bit == 0 => return,
            Fence | Wait => {}
            Disarm => self.armed &= !bit,
            Clear => self.events &= !bit,
            _ => panic!("not a sleeper's"),
        }
        let me = &mut self.sleepers[index];
        me.step = (me.step + 1) % program.len();
        next.push(self);
    }

    fn is_done(&self, protocol: &Protocol) -> bool {
        self.sleepers[..protocol.sleepers].iter().all(|sleeper| sleeper.done)
    }
}

/// Goes through all states. Whether there is one in which somebody sleeps, and nothing will happen any more.
fn strands(protocol: &Protocol) -> bool {
    let (mut seen, mut open) = (HashSet::new(), vec![Machine::default()]);
    let (mut ends, mut lost) = (0_u64, false);
    while let Some(machine) = open.pop() {
        let successors = machine.successors(protocol);
        if successors.is_empty() {
            ends += 1;
            lost |= !machine.is_done(protocol);
        }
        open.extend(successors.into_iter().filter(|next| seen.insert(*next)));
    }
    println!("{} states, {ends} ends", seen.len());
    assert!(ends > 0 && seen.len() > 1000, "hardly anything was tried");
    lost
}

/// Two producers, with two sleepers once, and with one twice.
fn loses_a_wake_up(producer: &'static [Step], sleeper: &'static [Step]) -> bool {
    [(1, 2), (2, 1)]
        .into_iter()
        .any(|(rounds, sleepers)| strands(&Protocol { producer, sleeper, rounds, sleepers }))
}

const PLAIN: &[Step] = &[Store, LookWhoSleeps, Take, Ring];
const FENCED: &[Step] = &[Store, Fence, LookWhoSleeps, Take, Ring];
const TOLD: &[Step] = &[Store, FenceIfTold, LookWhoSleeps, Take, Ring];

const BY_MEMBARRIER: &[Step] = &[Arm, Membarrier, LookAtData, Wait, Disarm, Clear];
const BY_FENCE: &[Step] = &[Arm, Fence, LookAtData, Wait, Disarm, Clear];

#[test]
fn no_wake_up_is_lost() {
    for (producer, sleeper) in [
        (PLAIN, BY_MEMBARRIER),
        (FENCED, BY_FENCE),
        (TOLD, &[Arm, Tell, Pause, Fence, LookAtData, Wait, Disarm, Clear]),
        // The eventfd may be cleared before the bit is.
        (PLAIN, &[Arm, Membarrier, LookAtData, Wait, Clear, Disarm]),
    ] {
        assert!(!loses_a_wake_up(producer, sleeper));
    }
}

/// The model sees what each part is for.
#[test]
fn without_any_part_one_is_lost() {
    for (what, producer, sleeper) in [
        ("no membarrier", PLAIN, BY_FENCE),
        ("no fence of the sleeper's", FENCED, &[Arm, LookAtData, Wait, Disarm, Clear] as &[_]),
        ("no compiler fence", &[LookWhoSleeps, Store, Take, Ring], BY_MEMBARRIER),
        ("armed after the look", PLAIN, &[LookAtData, Arm, Membarrier, Wait, Disarm, Clear]),
        ("membarrier before it arms", PLAIN, &[Membarrier, Arm, LookAtData, Wait, Disarm, Clear]),
        ("membarrier after the look", PLAIN, &[Arm, LookAtData, Membarrier, Wait, Disarm, Clear]),
        ("no pause after membarrier failed", TOLD, &[Arm, Tell, Fence, LookAtData, Wait, Disarm, Clear]),
        ("the pause before they are told", TOLD, &[Arm, Pause, Tell, Fence, LookAtData, Wait, Disarm, Clear]),
    ] {
        assert!(loses_a_wake_up(producer, sleeper), "{what}");
    }
}
