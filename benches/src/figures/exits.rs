//! A guest in a KVM virtual machine that prints as Linux' console does: its exits to user space and its time, with coalescing and
//! without.
//!
//! The peer is this port, too. Any other port that is told of each byte when it is written has as many exits. The cost of an exit is
//! the machine's. Where KVM is itself interpreted, as on the machines of this project (10 µs an exit, a million instructions a second),
//! the number of exits is the same as elsewhere, but the times say little about a processor's virtualisation.

use std::error::Error;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart::{IrqFd, SerialPort};
use vuart_vmm::{Burst, Engine, Exit, Machine, MachineOptions, Program, choose, printed_bytes};

use crate::measure::{Effort, Pair, median};
use crate::table::{Row, Rows};

/// The number of bytes that the guest prints.
const BYTES: u32 = 64 << 10;

/// A print takes a second where KVM is interpreted. So there is one print for this many rounds of other measurements.
const ROUNDS_PER_PRINT: usize = 40;

/// The longest that one print may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) fn rows(effort: Effort) -> Rows {
    if let Err(error) = choose(Some(Engine::Kvm)) {
        eprintln!("not measured, because there is no KVM: {error}");
        return Ok(Vec::new());
    }
    let row = |how: &str, unit: &str, pair| {
        Row::new(format!("64 KiB printed by a KVM guest, {how} per LSR read: coalesced vs not, {unit}"), pair)
    };
    let bytes = compare(effort, Burst::Bytes)?;
    // KVM executes a `rep outsb` byte by byte, so the exits are those of `outb`.
    let string = compare(effort, Burst::String)?;
    Ok(vec![
        row("16 × `outb`", "exits", bytes.exits).with_goal(1.0 / 16.0),
        row("16 × `outb`", "ms", bytes.milliseconds).with_goal(0.4).with_headline(),
        row("`rep outsb` of 16 bytes", "ms", string.milliseconds),
    ])
}

/// The cost of a print with coalescing (ours) and without (the peer).
struct Costs {
    exits: Pair,
    milliseconds: Pair,
}

fn compare(effort: Effort, burst: Burst) -> Result<Costs, Box<dyn Error>> {
    let mut exits = [Vec::new(), Vec::new()];
    let mut milliseconds = [Vec::new(), Vec::new()];
    for n in effort.scaled(1, ROUNDS_PER_PRINT).slots(2) {
        let (exits_of_print, elapsed) = print(burst, n == 0)?;
        exits[n].push(count(exits_of_print));
        milliseconds[n].push(elapsed.as_secs_f64() * 1000.0);
    }
    let pair = |[ours, peer]: [Vec<f64>; 2]| Pair { ours: median(ours), peer: median(peer) };
    Ok(Costs { exits: pair(exits), milliseconds: pair(milliseconds) })
}

/// Prints once, and checks that all of it arrived. Returns the number of exits, and the time.
fn print(burst: Burst, coalescing: bool) -> Result<(u64, Duration), Box<dyn Error>> {
    let irq = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?;
    let port = Arc::new(Mutex::new(SerialPort::new(IrqFd(irq.try_clone()?))?));
    let options = MachineOptions::default().with_program(Program::Print { bytes: BYTES, burst });
    let options = if coalescing { options } else { options.without_coalescing() };
    let machine = Machine::start_with(Engine::Kvm, port.clone(), irq, options)?;
    // Creating the machine is not part of the time.
    let begin = Instant::now();
    wait(machine.ended())?;
    let elapsed = begin.elapsed();
    let counters = machine.counters();
    if machine.join()? != Exit::Halted {
        return Err("the guest was stopped before its end".into());
    }
    let port = port.lock().map_err(|_| "the guest's thread has panicked")?;
    let mut output = vec![0; BYTES as usize + 1];
    let read = port.console().scrollback().read_at(0, &mut output);
    if output[..read.len()] != printed_bytes(BYTES) {
        return Err("the ring does not hold what the guest printed".into());
    }
    Ok((counters.exits, elapsed))
}

#[expect(clippy::cast_precision_loss, reason = "exits of one print are far below 2^52")]
fn count(exits: u64) -> f64 {
    exits as f64
}

fn wait(event: BorrowedFd<'_>) -> io::Result<()> {
    let epoll = Epoll::new()?;
    epoll.ctl(ControlOperation::Add, event.as_raw_fd(), EpollEvent::new(EventSet::IN, 0))?;
    match epoll.wait(i32::try_from(PATIENCE.as_millis()).unwrap_or(i32::MAX), &mut [EpollEvent::default()])? {
        0 => Err(io::Error::other(format!("the guest did not end within {} s", PATIENCE.as_secs()))),
        _ => Ok(()),
    }
}
