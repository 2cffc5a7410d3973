//! Bare loops, to run under a tool that counts instructions. `.ci/instructions` does.

mod marked;

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use vuart::SharedPort;
use vuart::endpoint::{Attach, Identity};
use vuart::scrollback::Scrollback;
use vuart::uart::spec::{Ier, Lsr, offset};

use crate::devices;
use crate::guest::character;
use crate::verify::expect;

/// The size of the transmitter's FIFO.
const BURST: u64 = 16;

/// One iteration of a loop. No client is attached, except in `Typed`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Loop {
    /// Our ring: push of one byte
    Push,
    /// Our port: THR write
    Thr,
    /// Our shared port: THR write, no other vCPU
    ThrShared,
    /// Our port: THR write of 16 bytes in one access
    ThrString16,
    /// Our port: THRE interrupt handler (IIR read, LSR read, 16 THR writes)
    ThrIrq16,
    /// Our port: LSR read
    Lsr,
    /// Our port: IIR read
    Iir,
    /// Our port: MSR read
    Msr,
    /// Our port: RBR read with no input
    Rbr,
    /// Our port: the owner types a character, and the guest reads LSR and RBR
    Typed,
    /// vm-superio, writing to a sink that keeps nothing: THR write
    PeerThr,
    /// vm-superio behind a mutex: THR write
    PeerThrShared,
    /// vm-superio: THRE interrupt handler (IIR read, LSR read, 16 THR writes)
    PeerThrIrq16,
    /// vm-superio: LSR read
    PeerLsr,
    /// vm-superio: IIR read
    PeerIir,
    /// vm-superio: the host enqueues a character, and the guest reads LSR and RBR
    PeerTyped,
}

impl Loop {
    /// Runs `count` iterations.
    pub(crate) fn run(self, count: u64) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Push => {
                let (mut writer, scrollback) = Scrollback::new(64 << 10)?;
                marked::run(&mut writer, count, |writer, n| writer.push(character(n)))?;
                expect("the ring", scrollback.end(), count)
            }
            Self::Thr => write(count, 1, |port, n| port.write_register(black_box(offset::THR), character(n))),
            Self::ThrShared => {
                let mut port = SharedPort::new(devices::port());
                let scrollback = port.with(|port| port.console().scrollback().clone());
                marked::run(&mut port, count, |port, n| {
                    port.write_register(black_box(offset::THR), character(n));
                })?;
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
                let port = devices::port();
                let owner = port.console().attach(Attach::new(Identity::new("bench", 0, None)))?;
                let mut taken = 0;
                marked::run(&mut (port, owner), count, |(port, owner), n| {
                    let typed = owner.write(black_box(&[character(n)]));
                    // As a driver that polls does: the line pauses once in 256 characters.
                    if port.read_register(black_box(offset::LSR)) & Lsr::DR.bits() == 0 {
                        black_box(port.read_register(black_box(offset::LSR)));
                    }
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
                marked::run(&mut peer, count, |peer, n| {
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

/// Runs a loop in which a guest writes `bytes` bytes to our port in each iteration.
fn write(
    count: u64,
    bytes: u64,
    iteration: impl FnMut(&mut devices::Port, u64),
) -> Result<(), Box<dyn Error>> {
    let mut port = devices::port();
    marked::run(&mut port, count, iteration)?;
    expect("the ring", port.console().scrollback().end(), count * bytes)
}

fn read(count: u64, register: u8) -> Result<(), Box<dyn Error>> {
    let mut port = devices::port();
    marked::run(&mut port, count, |port, _| {
        black_box(port.read_register(black_box(register)));
    })?;
    Ok(())
}

fn peer(count: u64, iteration: impl FnMut(&mut devices::Peer<io::Sink>, u64)) -> Result<(), Box<dyn Error>> {
    marked::run(&mut devices::peer(io::sink()), count, iteration)?;
    Ok(())
}
