//! Bare loops, to be run under a tool that counts instructions: see `.ci/instructions`.
//!
//! A line before the loop says where the things are that it may load from, for a look at its accesses to memory. The loop is
//! between two marks, functions that do nothing.

use std::error::Error;
use std::hint::black_box;
use std::ptr::from_ref;
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, io};

use clap::ValueEnum;
use vuart::SharedPort;
use vuart::endpoint::{Attach, Identity};
use vuart::scrollback::Scrollback;
use vuart::uart::spec::{Ier, offset};

use crate::devices;
use crate::figures::{character, expect};

/// A transmitter's FIFO.
const BURST: u64 = 16;

/// What is done again and again. Nobody is attached but in the last one of ours.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Loop {
    /// A push of one byte into a ring
    Push,
    /// A write to a port's THR
    Thr,
    /// A write to THR of a port that vCPUs share, when one of them comes for a while
    ThrShared,
    /// A write of 16 bytes to THR, in one access
    ThrString16,
    /// A driver that has enabled the THRE interrupt reads IIR and LSR and writes 16 bytes to THR, one access each
    ThrIrq16,
    /// A read of LSR
    Lsr,
    /// A read of IIR
    Iir,
    /// A read of MSR
    Msr,
    /// A read of RBR, while there is nothing
    Rbr,
    /// The owner types a character, and the guest reads LSR and RBR
    Typed,
    /// vm-superio's write to THR, into a sink that keeps nothing
    PeerThr,
    /// The same behind a mutex
    PeerThrShared,
    /// vm-superio's driver with the THRE interrupt
    PeerThrIrq16,
    /// vm-superio's read of LSR
    PeerLsr,
    /// vm-superio's read of IIR
    PeerIir,
    /// The same character on vm-superio
    PeerTyped,
}

impl Loop {
    /// Does it so many times.
    pub(crate) fn run(self, count: u64) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Push => {
                let (mut writer, scrollback) = Scrollback::new(64 << 10)?;
                turns(&mut writer, count, |writer, n| writer.push(character(n)))?;
                expect("the ring", scrollback.end(), count)
            }
            Self::Thr => write(count, 1, |port, n| port.write_register(black_box(offset::THR), character(n))),
            Self::ThrShared => {
                let mut port = SharedPort::new(devices::port()?);
                let scrollback = port.with(|port| port.console().scrollback().clone());
                turns(&mut port, count, |port, n| port.write_register(black_box(offset::THR), character(n)))?;
                expect("the ring", scrollback.end(), count)
            }
            Self::ThrString16 => {
                let bytes: Vec<u8> = (0..BURST).map(character).collect();
                let thr = u64::from(offset::THR);
                write(count, BURST, |port, _| port.write_string(black_box(thr), black_box(&bytes)))
            }
            Self::ThrIrq16 => write(count, BURST, |port, n| {
                if n == 0 {
                    port.write_register(offset::IER, Ier::ETBEI.bits());
                }
                black_box(port.read_register(black_box(offset::IIR)));
                black_box(port.read_register(black_box(offset::LSR)));
                for n in n..n + BURST {
                    black_box(&mut *port).write_register(black_box(offset::THR), character(n));
                }
            }),
            Self::Lsr => read(count, offset::LSR),
            Self::Iir => read(count, offset::IIR),
            Self::Msr => read(count, offset::MSR),
            Self::Rbr => read(count, offset::RBR),
            Self::Typed => {
                let port = devices::port()?;
                let owner = port.console().attach(Attach::new(Identity::new("bench", 0, None)))?;
                let mut taken = 0;
                turns(&mut (port, owner), count, |(port, owner), n| {
                    let typed = owner.write(black_box(&[character(n)]));
                    black_box(port.read_register(black_box(offset::LSR)));
                    let came = port.read_register(black_box(offset::RBR)) == character(n);
                    taken += u64::from(typed.is_ok() && came);
                })?;
                expect("the guest", taken, count)
            }
            Self::PeerThr => peer(count, |peer, n| {
                let _ = black_box(peer.write(black_box(offset::THR), character(n)));
            }),
            Self::PeerThrShared => {
                let mut peer = Arc::new(Mutex::new(devices::peer(io::sink())));
                turns(&mut peer, count, |peer, n| {
                    let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
                    let _ = black_box(peer.write(black_box(offset::THR), character(n)));
                })?;
                Ok(())
            }
            Self::PeerThrIrq16 => peer(count, |peer, n| {
                if n == 0 {
                    let _ = peer.write(offset::IER, Ier::ETBEI.bits());
                }
                black_box(peer.read(black_box(offset::IIR)));
                black_box(peer.read(black_box(offset::LSR)));
                for n in n..n + BURST {
                    let _ = black_box(black_box(&mut *peer).write(black_box(offset::THR), character(n)));
                }
            }),
            Self::PeerLsr => peer(count, |peer, _| {
                black_box(peer.read(black_box(offset::LSR)));
            }),
            Self::PeerIir => peer(count, |peer, _| {
                black_box(peer.read(black_box(offset::IIR)));
            }),
            Self::PeerTyped => peer(count, |peer, n| {
                let _ = black_box(peer.enqueue_raw_bytes(black_box(&[character(n)])));
                black_box(peer.read(black_box(offset::LSR)));
                black_box(peer.read(black_box(offset::RBR)));
            }),
        }
    }
}

/// A guest that writes so many bytes in each turn.
fn write(count: u64, bytes: u64, turn: impl FnMut(&mut devices::Port, u64)) -> Result<(), Box<dyn Error>> {
    let mut port = devices::port()?;
    turns(&mut port, count, turn)?;
    expect("the ring", port.console().scrollback().end(), count * bytes)
}

fn read(count: u64, register: u8) -> Result<(), Box<dyn Error>> {
    let mut port = devices::port()?;
    turns(&mut port, count, |port, _| {
        black_box(port.read_register(black_box(register)));
    })?;
    Ok(())
}

fn peer(count: u64, turn: impl FnMut(&mut devices::Peer<io::Sink>, u64)) -> Result<(), Box<dyn Error>> {
    turns(&mut devices::peer(io::sink()), count, turn)?;
    Ok(())
}

/// The loop.
fn turns<T>(subject: &mut T, count: u64, turn: impl FnMut(&mut T, u64)) -> io::Result<()> {
    tell(subject)?;
    begin();
    repeat(black_box(subject), black_box(count), turn);
    end();
    Ok(())
}

#[inline(never)]
fn repeat<T>(subject: &mut T, count: u64, mut turn: impl FnMut(&mut T, u64)) {
    for n in 0..count {
        // As from a guest: nothing is known to the compiler of the turn before.
        turn(black_box(&mut *subject), n);
    }
}

/// Prints hexadecimal addresses: the two marks, then from where to where the program itself is, the subject of the loop, and
/// the stack about here.
fn tell<T>(subject: &T) -> io::Result<()> {
    const FRAMES: usize = 4096;
    let (image, image_end) = image()?;
    let subject = from_ref(subject) as usize;
    let local = 0u8;
    let stack = from_ref(black_box(&local)) as usize;
    println!(
        "{:x} {:x} {image:x} {image_end:x} {subject:x} {:x} {:x} {:x}",
        begin as fn() as usize,
        end as fn() as usize,
        subject + size_of::<T>(),
        stack - FRAMES,
        stack + FRAMES,
    );
    Ok(())
}

/// Where the program's code and constants are.
fn image() -> io::Result<(usize, usize)> {
    let program = env::current_exe()?.display().to_string();
    let maps = fs::read_to_string("/proc/self/maps")?;
    let ends: Vec<usize> = maps
        .lines()
        .filter(|line| line.ends_with(&program))
        .filter_map(|line| line.split_whitespace().next()?.split_once('-'))
        .flat_map(|(from, to)| [from, to])
        .filter_map(|address| usize::from_str_radix(address, 16).ok())
        .collect();
    let ends = ends.iter().min().zip(ends.iter().max());
    ends.map(|(from, to)| (*from, *to))
        .ok_or_else(|| io::Error::other("the program is not in its own memory"))
}

#[inline(never)]
fn begin() {
    black_box("begin");
}

#[inline(never)]
fn end() {
    black_box("end");
}
