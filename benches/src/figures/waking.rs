//! A push and those who sleep: what the doorbell costs the producer, and what its readers cost it.

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use vuart::scrollback::{Doorbell, Reader, Scrollback, Sleeper, Writer};

use super::register::character;
use super::{Rows, expect};
use crate::measure::{Effort, Pair, compare, median};
use crate::table::Row;

const CAPACITY: usize = 64 << 10;

/// One byte each: what a serial line of 10 Mbit/s carries.
const PACE: Duration = Duration::from_micros(1);

/// How long readers have to start, and to be woken for the first byte, before anything is measured.
const LEAD: Duration = Duration::from_millis(1);

/// How often a reader looks that does not wait to be woken.
const POLL: Duration = Duration::from_millis(1);

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = vec![
        Row::new("push and doorbell, nobody asleep, vs push, ns", nobody(effort)?),
        Row::new("arm and acknowledge, another thread runs vs none, ns", arm(effort)?),
        Row::new("ring that wakes a thread vs one whose thread is still awake, ns", wake(effort)?),
    ];
    for (readers, count, what) in READERS {
        let figure = format!("paced push, {what}, vs no reader, ns");
        rows.push(Row::new(figure, paced(effort, readers, count)?));
    }
    Ok(rows)
}

fn nobody(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let doorbell = Doorbell::new();
    let (mut writer, scrollback) = Scrollback::new(CAPACITY)?;
    let (mut bare, bare_scrollback) = Scrollback::new(CAPACITY)?;
    // A sleeper that is awake.
    let _sleeper = doorbell.sleeper()?;
    let (mut pushed, mut bare_pushed) = (0, 0);
    let pair = compare(
        effort,
        &mut |count| {
            let (writer, doorbell) = (black_box(&mut writer), black_box(&doorbell));
            for n in 0..count {
                writer.push(black_box(character(n)));
                doorbell.ring_if_armed();
            }
            pushed += count;
        },
        &mut |count| {
            let writer = black_box(&mut bare);
            for n in 0..count {
                writer.push(black_box(character(n)));
            }
            bare_pushed += count;
        },
    );
    expect("the ring", scrollback.end(), pushed)?;
    expect("the ring without a doorbell", bare_scrollback.end(), bare_pushed)?;
    Ok(pair)
}

/// A sleeper's own price: a read-modify-write and a fence to arm, a system call to acknowledge.
fn arm(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let doorbell = Doorbell::new();
    let (mut beside, mut alone) = (doorbell.sleeper()?, doorbell.sleeper()?);
    let (run, over) = (AtomicBool::new(false), AtomicBool::new(false));
    Ok(thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !over.load(Relaxed) {
                if run.load(Relaxed) {
                    std::hint::spin_loop();
                } else {
                    thread::park();
                }
            }
        });
        let cycle = |sleeper: &mut Sleeper, running: bool, count| {
            run.store(running, Relaxed);
            other.thread().unpark();
            for _ in 0..count {
                black_box(&mut *sleeper).arm();
                black_box(sleeper.acknowledge());
            }
        };
        let pair = compare(effort, &mut |count| cycle(&mut beside, true, count), &mut |count| {
            cycle(&mut alone, false, count);
        });
        over.store(true, Relaxed);
        other.thread().unpark();
        pair
    }))
}

/// One ring at a time, so long after the one before that the reader is asleep again.
fn wake(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    const ASLEEP: Duration = Duration::from_micros(100);

    let doorbell = Doorbell::new();
    let mut asleep = doorbell.sleeper()?;
    let awake_doorbell = Doorbell::new();
    let mut awake = awake_doorbell.sleeper()?;
    let over = AtomicBool::new(false);
    let mut rings = 0;
    let pair = thread::scope(|scope| -> Result<Pair, Box<dyn Error>> {
        let thread = scope.spawn(|| asleep.wait(|| over.load(Relaxed), None));
        let (mut waking, mut not_waking) = (Vec::new(), Vec::new());
        while rings < 10 * effort.rounds() {
            spin_until(Instant::now() + ASLEEP);
            if let (nanoseconds, true) = timed(|| doorbell.ring_if_armed()) {
                waking.push(nanoseconds);
                rings += 1;
            }
            awake.arm();
            let (nanoseconds, rung) = timed(|| awake_doorbell.ring_if_armed());
            not_waking.push(nanoseconds);
            expect("the ring", u64::from(rung && awake.acknowledge()), 1)?;
        }
        over.store(true, Relaxed);
        doorbell.ring();
        let ended = thread.join().map_err(|_| "the sleeper has panicked")??;
        expect("the end of the sleep", u64::from(ended), 1)?;
        Ok(Pair { ours: median(waking), peer: median(not_waking) })
    })?;
    Ok(pair)
}

/// What readers do when they have read everything.
#[derive(Clone, Copy)]
enum Readers {
    /// Sleep until there is more.
    Parked,
    /// Sleep until there is more if nothing has come for a while; look again after a while otherwise.
    Patient,
    /// Look again after a while.
    Polling,
    /// Look again at once.
    Spinning,
}

const READERS: [(Readers, usize, &str); 8] = [
    (Readers::Parked, 0, "doorbell and no reader"),
    (Readers::Parked, 1, "1 reader that parks for each byte"),
    (Readers::Parked, 8, "8 readers that park for each byte"),
    (Readers::Patient, 1, "1 reader that parks when nothing has come for 1 ms"),
    (Readers::Patient, 8, "8 readers that park when nothing has come for 1 ms"),
    (Readers::Polling, 1, "1 reader that polls each 1 ms"),
    (Readers::Polling, 8, "8 readers that poll each 1 ms"),
    (Readers::Spinning, 1, "1 reader that spins"),
];

/// Pushes at the pace, each timed by itself, less what the clock takes: the time between them is not of interest, but what
/// readers do in it is. (The time of a whole turn would say nothing: a slower push only makes the spin after it shorter.)
///
/// The clock takes ten times as long as a push, so a turn's figure is a mean over thousands of pushes, and the result the
/// median over turns.
fn paced(effort: Effort, readers: Readers, count: usize) -> Result<Pair, Box<dyn Error>> {
    let (doorbell, reference) = (Doorbell::new(), Doorbell::new());
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds() {
        // In turn, and each of them first in turn.
        let clock = paced_turn(effort, |_| ());
        for turn in [round % 2 == 0, round % 2 != 0] {
            if turn {
                with.push(paced_with(effort, &doorbell, readers, count)? - clock);
            } else {
                without.push(paced_with(effort, &reference, readers, 0)? - clock);
            }
        }
    }
    Ok(Pair { ours: median(with), peer: median(without) })
}

/// A turn with as many readers.
fn paced_with(
    effort: Effort,
    doorbell: &Doorbell,
    readers: Readers,
    count: usize,
) -> Result<f64, Box<dyn Error>> {
    let (mut writer, scrollback) = Scrollback::new(CAPACITY)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads = (0..count)
            .map(|_| {
                let (mut reader, mut sleeper) = (scrollback.reader_at(0), doorbell.sleeper()?);
                let over = &over;
                Ok(scope.spawn(move || read(readers, &mut reader, &mut sleeper, over)))
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>();
        let nanoseconds = paced_turn(effort, |n| push(&mut writer, doorbell, n));
        over.store(true, Relaxed);
        doorbell.ring();
        for thread in threads? {
            let read = thread.join().map_err(|_| "a reader has panicked")??;
            expect("a reader", read, scrollback.end())?;
        }
        Ok(nanoseconds)
    })
}

#[inline]
fn push(writer: &mut Writer, doorbell: &Doorbell, n: u64) {
    black_box(writer).push(black_box(character(n)));
    black_box(doorbell).ring_if_armed();
}

/// The mean of what `operation` takes, and the clock, when readers have settled.
fn paced_turn(effort: Effort, mut operation: impl FnMut(u64)) -> f64 {
    let (mut sum, mut count, mut pushed) = (0.0, 0_u32, 0_u32);
    let begin = Instant::now();
    while begin.elapsed() < LEAD + effort.turn() {
        pushed += 1;
        spin_until(begin + PACE * pushed);
        let (nanoseconds, ()) = timed(|| operation(u64::from(pushed)));
        if begin.elapsed() >= LEAD {
            sum += nanoseconds;
            count += 1;
        }
    }
    sum / f64::from(count)
}

/// Reads until it is over. How much came, and was missed.
fn read(
    readers: Readers,
    reader: &mut Reader,
    sleeper: &mut Sleeper,
    over: &AtomicBool,
) -> std::io::Result<u64> {
    let mut buffer = [0; 4096];
    let mut came = false;
    loop {
        let last = over.load(Relaxed);
        loop {
            let read = reader.read(&mut buffer);
            if read.is_empty() && read.missed == 0 {
                break;
            }
            came = true;
            black_box(&buffer);
        }
        if last {
            return Ok(reader.cursor());
        }
        match readers {
            Readers::Patient if std::mem::take(&mut came) => thread::sleep(POLL),
            Readers::Parked | Readers::Patient => {
                sleeper.wait(|| reader.is_behind() || over.load(Relaxed), None)?;
            }
            Readers::Polling => thread::sleep(POLL),
            Readers::Spinning => std::hint::spin_loop(),
        }
    }
}

fn spin_until(moment: Instant) {
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn timed<T>(operation: impl FnOnce() -> T) -> (f64, T) {
    let begin = Instant::now();
    let result = operation();
    (begin.elapsed().as_nanos() as f64, result)
}
