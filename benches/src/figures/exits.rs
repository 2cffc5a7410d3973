//! A guest in a KVM virtual machine that prints as Linux' console does: its exits to user space and its time, with coalescing and
//! without.
//!
//! The peer is this port, too: any other that is told of each byte when it is written has as many exits. What an exit takes is the
//! machine's; where KVM is itself interpreted, as on the machines of this project (10 µs an exit, a million instructions a second),
//! exits count as elsewhere, and times say little of a processor's virtualisation.

use std::error::Error;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart::{IrqFd, SerialPort};
use vuart_vmm::{Burst, Engine, Exit, Machine, MachineOptions, Program, choose, printed_bytes};

use super::Rows;
use crate::measure::{Effort, Pair, median};
use crate::table::Row;

/// What the guest prints.
const BYTES: u32 = 64 << 10;

/// A print takes a second where KVM is interpreted: one for so many rounds of what takes milliseconds.
const ROUNDS: usize = 40;

pub(super) fn rows(effort: Effort) -> Rows {
    if let Err(error) = choose(Some(Engine::Kvm)) {
        eprintln!("NOT MEASURED: {error}");
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    for (burst, how) in
        [(Burst::Bytes, "16 × outb an LSR read"), (Burst::String, "rep outsb of 16 an LSR read")]
    {
        let [ours, peer] = compare(effort, burst)?;
        let exits = Pair { ours: ours.exits, peer: peer.exits };
        let time = Pair { ours: ours.milliseconds, peer: peer.milliseconds };
        let print = format!("64 KiB of a KVM guest, {how}, coalesced vs not");
        let row = |unit, pair| Row::new(format!("{print}, {unit}"), pair);
        let (exits_row, time_row) = (row("exits", exits), row("ms", time));
        // KVM takes a `rep outsb` byte by byte, so its exits are the same.
        let goals = burst == Burst::Bytes;
        rows.push(if goals { exits_row.goal(1.0 / 16.0) } else { exits_row });
        rows.push(row("exits per 1000 bytes", exits.per(BYTES, 1000.0)));
        rows.push(if goals { time_row.goal(0.4).headline() } else { time_row });
        rows.push(row("µs per byte", time.per(BYTES, 1000.0)));
    }
    Ok(rows)
}

/// What a print has cost.
struct Cost {
    exits: f64,
    milliseconds: f64,
}

/// The medians, with coalescing and without.
fn compare(effort: Effort, burst: Burst) -> Result<[Cost; 2], Box<dyn Error>> {
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..effort.rounds().div_ceil(ROUNDS) {
        // Who is first alternates.
        for turn in 0..2 {
            let candidate = (turn + round) % 2;
            costs[candidate].push(print(burst, candidate == 0)?);
        }
    }
    Ok(costs.map(|costs| Cost {
        exits: median(costs.iter().map(|cost| cost.exits).collect()),
        milliseconds: median(costs.iter().map(|cost| cost.milliseconds).collect()),
    }))
}

/// Prints once, and shows that all of it has arrived.
fn print(burst: Burst, coalescing: bool) -> Result<Cost, Box<dyn Error>> {
    let irq = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?;
    let port = Arc::new(Mutex::new(SerialPort::new(IrqFd(irq.try_clone()?))?));
    let options = MachineOptions::default().with_program(Program::Print { bytes: BYTES, burst });
    let options = if coalescing { options } else { options.without_coalescing() };
    let machine = Machine::start_with(Engine::Kvm, port.clone(), irq, options)?;
    // The machine has been made; its guest begins.
    let begin = Instant::now();
    wait(machine.ended())?;
    let elapsed = begin.elapsed();
    let counters = machine.counters();
    if machine.join()? != Exit::Halted {
        return Err("the guest was stopped".into());
    }
    let port = port.lock().map_err(|_| "the guest's thread has panicked")?;
    let mut output = vec![0; BYTES as usize + 1];
    let read = port.console().scrollback().read_at(0, &mut output);
    if output[..read.len()] != printed_bytes(BYTES) {
        return Err("what has arrived is not what was printed".into());
    }
    Ok(Cost { exits: count(counters.exits), milliseconds: elapsed.as_secs_f64() * 1000.0 })
}

#[expect(clippy::cast_precision_loss, reason = "exits of one print are far below 2^52")]
fn count(exits: u64) -> f64 {
    exits as f64
}

fn wait(event: &EventFd) -> io::Result<()> {
    let epoll = Epoll::new()?;
    epoll.ctl(ControlOperation::Add, event.as_raw_fd(), EpollEvent::new(EventSet::IN, 0))?;
    let patience = Duration::from_secs(300);
    match epoll.wait(i32::try_from(patience.as_millis()).unwrap_or(i32::MAX), &mut [EpollEvent::default()])? {
        0 => Err(io::Error::other("the guest does not come to an end")),
        _ => Ok(()),
    }
}
