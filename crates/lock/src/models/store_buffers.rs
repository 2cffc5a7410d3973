//! A thread with the bias and one that takes it away, on a machine that is small enough to go through all its states:
//! `loom` and Miri know nothing of `membarrier(2)`.
//!
//! The memory is weaker than any processor's in what matters here: a thread's stores wait in its store buffer, which lets them
//! out one after the other at any time. `membarrier` is a fence of its caller's, empties the other's buffer at any time while it
//! runs, and is a fence again. A thread's steps are taken in the order of its program: that is the compiler fence. A mutex
//! empties the buffer of who takes it and of who leaves it, as its read-modify-writes do.

use std::collections::{HashSet, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    // Of the biased thread. The numbers are those of the crate's docs.
    F3,
    F5,
    Enter,
    Leave,
    F6,
    F7,
    /// As F7 does, if it has found itself to be no more the owner.
    Wake,
    // Of the one that takes the bias away.
    V1,
    Membarrier,
    /// In its place when it is refused: so long that all that was in a store buffer at its beginning is in none at its end.
    Pause,
    Fence,
    /// Until the flag is down: in sleep, once it was seen to be up.
    V3,
    V4,
    Done,
}
use Step::*;

/// The rounds of the biased thread; after the first in which it finds that it is no more the owner it goes the way of all, by
/// the mutex that the other holds until the end, which is of no interest here.
const ROUNDS: u8 = 2;

#[derive(Clone, Copy)]
struct Protocol {
    biased: &'static [Step],
    other: &'static [Step],
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of one of the machine's many small parts")]
struct Machine {
    step: usize,
    round: u8,
    /// The flag in the biased thread's store buffer, and in memory.
    flag_buffer: VecDeque<bool>,
    flag: bool,
    /// What is done with the data: `true` while the biased thread is inside. It is a store of its own, that the other must see.
    data_buffer: u8,
    data: u8,
    inside: bool,
    /// It has found that it is the owner no more.
    lost: bool,
    over: bool,

    other_step: usize,
    /// The other's V1 is in its store buffer, and in memory.
    revoking: bool,
    revoked: bool,
    /// The system call has emptied the buffer.
    emptied: bool,
    sleeps: bool,
    other_inside: bool,
    other_over: bool,
}

/// What may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    BothInside,
    NotSeen,
    WaitsForEver,
}

impl Machine {
    fn successors(&self, protocol: Protocol) -> Vec<Self> {
        let mut next: Vec<_> =
            [self.lets_out(), self.other_lets_out(), self.biased(protocol)].into_iter().flatten().collect();
        self.other(protocol, &mut next);
        next
    }

    /// The oldest store leaves the buffer: the data's before the flag's that releases it.
    fn lets_out(&self) -> Option<Self> {
        let mut next = self.clone();
        if next.data_buffer > 0 {
            next.data_buffer -= 1;
            next.data += 1;
        } else {
            next.flag = next.flag_buffer.pop_front()?;
        }
        Some(next)
    }

    fn empty(&mut self) {
        self.data += std::mem::take(&mut self.data_buffer);
        self.flag = self.flag_buffer.drain(..).next_back().unwrap_or(self.flag);
    }

    fn other_lets_out(&self) -> Option<Self> {
        let mut next = self.clone();
        next.revoked |= next.revoking;
        std::mem::take(&mut next.revoking).then_some(next)
    }

    fn biased(&self, protocol: Protocol) -> Option<Self> {
        if self.over {
            return None;
        }
        let mut next = self.clone();
        match protocol.biased[self.step] {
            F3 => next.flag_buffer.push_back(true),
            F5 | F7 => next.lost |= self.revoked,
            Enter => next.inside = !self.lost,
            Leave => {
                next.data_buffer += u8::from(self.inside);
                next.inside = false;
            }
            F6 => next.flag_buffer.push_back(false),
            // It takes a mutex.
            Wake if self.lost => {
                next.empty();
                next.sleeps = false;
            }
            Wake => {}
            step => panic!("{step:?} is not the biased thread's"),
        }
        next.step += 1;
        if next.step == protocol.biased.len() {
            next.step = 0;
            next.round += 1;
            next.over = next.lost || next.round == ROUNDS;
        }
        Some(next)
    }

    fn other(&self, protocol: Protocol, successors: &mut Vec<Self>) {
        if self.other_over || self.sleeps {
            return;
        }
        let mut next = self.clone();
        match protocol.other[self.other_step] {
            V1 => next.revoking = true,
            Membarrier | Fence | Pause if self.revoking => return,
            Membarrier | Pause if !self.emptied => {
                next.empty();
                next.emptied = true;
                successors.push(next);
                return;
            }
            // It sleeps only while it sees the flag, under the mutex that who wakes it takes.
            V3 if self.flag => {
                next.sleeps = true;
                successors.push(next);
                return;
            }
            Membarrier | Pause | Fence | V3 => {}
            V4 => next.other_inside = true,
            Done => {
                next.other_inside = false;
                next.other_over = true;
            }
            step => panic!("{step:?} is not the other's"),
        }
        next.other_step += 1;
        successors.push(next);
    }

    fn fault(&self) -> Option<Fault> {
        if self.inside && self.other_inside {
            Some(Fault::BothInside)
        } else if self.other_inside && self.data_buffer > 0 {
            Some(Fault::NotSeen)
        } else {
            None
        }
    }
}

/// Goes through all states, and says what is wrong in any.
fn faults(protocol: Protocol) -> Vec<Fault> {
    let (mut seen, mut open) = (HashSet::new(), vec![Machine::default()]);
    let (mut ends, mut faults) = (0, Vec::new());
    while let Some(machine) = open.pop() {
        let successors = machine.successors(protocol);
        let strands = successors.is_empty() && !(machine.over && machine.other_over);
        ends += u32::from(successors.is_empty());
        faults.extend(machine.fault());
        faults.extend(strands.then_some(Fault::WaitsForEver));
        open.extend(successors.into_iter().filter(|next| seen.insert(next.clone())));
    }
    println!("{} states, {ends} ends", seen.len());
    assert!(ends > 0 && seen.len() > 100, "hardly anything was tried");
    faults.sort_by_key(|fault| *fault as u8);
    faults.dedup();
    faults
}

const BIASED: &[Step] = &[F3, F5, Enter, Leave, F6, F7, Wake];
const OTHER: &[Step] = &[V1, Membarrier, V3, V4, Done];

#[test]
fn one_is_inside_and_nobody_waits_for_ever() {
    for other in [OTHER, &[V1, Fence, Pause, V3, V4, Done]] {
        assert_eq!(faults(Protocol { biased: BIASED, other }), []);
    }
}

/// The model sees what each part is for.
#[test]
fn without_any_part_something_is_wrong() {
    use Fault::{BothInside, NotSeen, WaitsForEver};
    let cases: [(&str, &[Step], &[Step], Fault); 12] = [
        ("no membarrier", BIASED, &[V1, Fence, V3, V4, Done], BothInside),
        ("membarrier before the bias is taken", BIASED, &[Membarrier, V1, Fence, V3, V4, Done], BothInside),
        ("membarrier after the look", BIASED, &[V1, V3, Membarrier, V4, Done], BothInside),
        ("no fence of its own", BIASED, &[V1, V3, V4, Done], BothInside),
        ("no look at the flag", BIASED, &[V1, Membarrier, V4, Done], BothInside),
        ("no second look", &[F3, Enter, Leave, F6, F7, Wake], OTHER, BothInside),
        ("no compiler fence in F4", &[F5, F3, Enter, Leave, F6, F7, Wake], OTHER, BothInside),
        ("no flag", &[F5, Enter, Leave, F6, F7, Wake], OTHER, BothInside),
        ("the flag down too early", &[F3, F5, Enter, F6, Leave, F7, Wake], OTHER, NotSeen),
        ("no wake", &[F3, F5, Enter, Leave, F6], OTHER, WaitsForEver),
        ("no compiler fence in F7", &[F3, F5, Enter, Leave, F7, F6, Wake], OTHER, WaitsForEver),
        ("no membarrier for F7", BIASED, &[V1, Fence, V3, V4, Done], WaitsForEver),
    ];
    for (what, biased, other, fault) in cases {
        let found = faults(Protocol { biased, other });
        assert!(found.contains(&fault), "{what}: {found:?}");
    }
}
