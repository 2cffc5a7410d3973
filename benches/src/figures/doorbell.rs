//! The doorbell: its cost to the thread that pushes into the ring, while no reader sleeps and when it wakes one.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use vuart::scrollback::{Doorbell, Reader, Scrollback, Sleeper};

use crate::guest::character;
use crate::measure::{Effort, Pair, compare, median};
use crate::table::{Row, Rows};
use crate::verify::expect;

/// The size of each ring in bytes.
const CAPACITY: usize = 64 << 10;

/// The pace of a fast guest: one byte per microsecond.
const PACE: Duration = Duration::from_micros(1);

/// The time for readers to start, and to be woken for the first byte, before anything is measured.
const LEAD: Duration = Duration::from_millis(1);

pub(super) fn rows(effort: Effort) -> Rows {
    let paced = |what: &str, pair| {
        Row::new(
            format!("Ring write of 1 byte, one per µs: with a doorbell and {what} vs with neither, ns"),
            pair,
        )
    };
    Ok(vec![
        Row::new(
            "Ring write of 1 byte, no reader asleep: with a look at the doorbell vs without, ns",
            look(effort)?,
        ),
        Row::new("Ringing the doorbell: wakes a sleeping thread vs thread is still awake, ns", wake(effort)?),
        paced("no reader", paced_pushes(effort, None)?),
        paced("a reader that sleeps after each byte", paced_pushes(effort, Some(Habit::Sleeps))?),
        paced("a reader that polls each ms while output flows", paced_pushes(effort, Some(Habit::Polls))?),
    ])
}

/// Measures pushes in a tight loop while a sleeper is awake.
fn look(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let doorbell = Doorbell::new();
    let (mut writer, scrollback) = Scrollback::new(CAPACITY)?;
    let (mut bare, bare_scrollback) = Scrollback::new(CAPACITY)?;
    let _awake = doorbell.sleeper()?;
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

/// Measures single rings of the doorbell. The time between two of them lets the woken thread fall asleep again.
fn wake(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    const ASLEEP: Duration = Duration::from_micros(100);

    let doorbell = Doorbell::new();
    let mut asleep = doorbell.sleeper()?;
    let awake_doorbell = Doorbell::new();
    let mut awake = awake_doorbell.sleeper()?;
    let over = AtomicBool::new(false);
    let mut rings = 0;
    thread::scope(|scope| {
        let thread = scope.spawn(|| asleep.wait_at_once(|| over.load(Relaxed), None));
        let (mut waking, mut not_waking) = (Vec::new(), Vec::new());
        while rings < 10 * effort.rounds() {
            spin_until(Instant::now() + ASLEEP);
            if let (nanoseconds, true) = timed(|| doorbell.ring_if_armed()) {
                waking.push(nanoseconds);
                rings += 1;
            }
            awake.arm_at_once();
            let (nanoseconds, rung) = timed(|| awake_doorbell.ring_if_armed());
            not_waking.push(nanoseconds);
            if !rung || !awake.acknowledge() {
                return Err("an armed sleeper was not rung".into());
            }
        }
        over.store(true, Relaxed);
        doorbell.ring();
        if !thread.join().map_err(|_| "the sleeper's thread has panicked")?? {
            return Err("the sleeper did not wake for the end".into());
        }
        Ok(Pair { ours: median(waking), peer: median(not_waking) })
    })
}

/// What a reader does when it has read everything.
#[derive(Clone, Copy)]
enum Habit {
    /// It sleeps until there is more.
    Sleeps,
    /// It looks again after a [tick](vuart::scrollback::Pace::TICK), and sleeps if there is nothing then, as the server does.
    Polls,
}

/// Measures pushes at [`PACE`], beside pushes into a ring without doorbell and reader.
///
/// Each push is timed by itself, because a slower push only shortens the wait after it. The clock takes ten times as long as a push. So
/// the figure of a slot is a mean over thousands of pushes, and the clock's time, measured in slots of its own, is subtracted.
fn paced_pushes(effort: Effort, reader: Option<Habit>) -> Result<Pair, Box<dyn Error>> {
    let doorbell = Doorbell::new();
    let (mut ours, mut peers, mut clock) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in effort.slots(3) {
        match candidate {
            0 => ours.push(paced_slot_with(effort, &doorbell, reader)?),
            1 => {
                let (mut writer, _scrollback) = Scrollback::new(CAPACITY)?;
                peers.push(paced_slot(effort, |n| black_box(&mut writer).push(black_box(character(n)))));
            }
            _ => clock.push(paced_slot(effort, |_| ())),
        }
    }
    let clock = median(clock);
    Ok(Pair { ours: median(ours) - clock, peer: median(peers) - clock })
}

/// Returns the mean time of a push and a look at the doorbell, in nanoseconds.
fn paced_slot_with(
    effort: Effort,
    doorbell: &Doorbell,
    reader: Option<Habit>,
) -> Result<f64, Box<dyn Error>> {
    let (mut writer, scrollback) = Scrollback::new(CAPACITY)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let thread = match reader {
            Some(habit) => {
                let (mut reader, mut sleeper) = (scrollback.reader_at(0), doorbell.sleeper()?);
                let over = &over;
                Some(scope.spawn(move || read(habit, &mut reader, &mut sleeper, over)))
            }
            None => None,
        };
        let nanoseconds = paced_slot(effort, |n| {
            black_box(&mut writer).push(black_box(character(n)));
            black_box(doorbell).ring_if_armed();
        });
        over.store(true, Relaxed);
        doorbell.ring();
        if let Some(thread) = thread {
            let read = thread.join().map_err(|_| "the reader's thread has panicked")??;
            expect("the reader", read, scrollback.end())?;
        }
        Ok(nanoseconds)
    })
}

/// Returns the mean time of `operation` plus that of the clock, in nanoseconds, after the readers have settled.
fn paced_slot(effort: Effort, mut operation: impl FnMut(u64)) -> f64 {
    let (mut sum, mut count, mut done) = (0.0, 0_u32, 0_u32);
    let begin = Instant::now();
    while begin.elapsed() < LEAD + effort.slot() {
        done += 1;
        spin_until(begin + PACE * done);
        let (nanoseconds, ()) = timed(|| operation(u64::from(done)));
        if begin.elapsed() >= LEAD {
            sum += nanoseconds;
            count += 1;
        }
    }
    sum / f64::from(count)
}

/// Reads until `over`. Returns the number of bytes that were read or missed.
fn read(habit: Habit, reader: &mut Reader, sleeper: &mut Sleeper, over: &AtomicBool) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    loop {
        let last = over.load(Relaxed);
        loop {
            let read = reader.read(&mut buffer);
            if read.is_empty() && read.missed == 0 {
                break;
            }
            black_box(&buffer);
        }
        if last {
            return Ok(reader.cursor());
        }
        let _ = match habit {
            Habit::Polls => sleeper.wait(reader, None)?,
            Habit::Sleeps => sleeper.wait_at_once(|| reader.is_behind() || over.load(Relaxed), None)?,
        };
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
