//! One register access, with nobody attached, beside vm-superio writing into a sink that keeps nothing.

use std::error::Error;
use std::hint::black_box;
use std::io;

use vm_device::MutDevicePio;
use vm_device::bus::PioAddress;
use vm_superio::Trigger;
use vuart::SerialPort;
use vuart::uart::spec::{Lsr, offset};

use super::{Rows, copies, expect, over_copies};
use crate::devices::{self, PeerOnBus, Registers};
use crate::measure::{Effort, Pair, compare};
use crate::table::Row;

const COM1: PioAddress = PioAddress(0x3F8);

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new(
            "THR write, nobody attached, vs vm-superio into a sink, ns",
            over_copies(effort, copies!(thr))?,
        )
        .goal(1.5),
        Row::new(
            "the same as a VMM has both, on a bus of `dyn MutDevicePio`, ns",
            over_copies(effort, copies!(thr_on_bus))?,
        )
        .goal(1.5),
        Row::new("LSR read vs vm-superio, ns", over_copies(effort, copies!(lsr))?).goal(1.0),
        Row::new("IIR read vs vm-superio, ns", over_copies(effort, copies!(iir))?).goal(1.0),
    ])
}

/// What the guest writes as its `n`th character.
pub(crate) fn character(n: u64) -> u8 {
    n.to_le_bytes()[0]
}

/// The guest writes `count` characters, one access each.
pub(super) fn write(device: &mut dyn Registers, count: u64) {
    let device = black_box(device);
    for n in 0..count {
        device.write_register(offset::THR, character(n));
    }
}

/// The guest reads a register `count` times.
pub(super) fn read_often(device: &mut dyn Registers, register: u8, count: u64) {
    let device = black_box(device);
    for _ in 0..count {
        black_box(device.read_register(register));
    }
}

/// What writing to THR costs, and how many characters each of the two was given.
pub(super) struct Written {
    pub(super) pair: Pair,
    pub(super) ours: u64,
    pub(super) peer: u64,
}

/// Writes to THR, here and there in turn.
pub(super) fn compare_writes(effort: Effort, port: &mut dyn Registers, peer: &mut dyn Registers) -> Written {
    let (mut our_count, mut peer_count) = (0, 0);
    let pair = compare(
        effort,
        &mut |count| {
            write(port, count);
            our_count += count;
        },
        &mut |count| {
            write(peer, count);
            peer_count += count;
        },
    );
    Written { pair, ours: our_count, peer: peer_count }
}

fn thr<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port_copy::<COPY>()?;
    let written = compare_writes(effort, &mut port, &mut devices::peer_copy::<_, COPY>(io::sink()));
    verify(&port, written.ours)?;
    Ok(written.pair)
}

fn thr_on_bus<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    fn write_on_bus(device: &mut dyn MutDevicePio, count: u64) {
        for n in 0..count {
            device.pio_write(COM1, black_box(u16::from(offset::THR)), black_box(&[character(n)]));
        }
    }
    let mut port = devices::port_copy::<COPY>()?;
    let mut peer = PeerOnBus(devices::peer_copy::<_, COPY>(io::sink()));
    let mut written = 0;
    let pair = compare(
        effort,
        &mut |count| {
            write_on_bus(black_box(&mut port), count);
            written += count;
        },
        &mut |count| write_on_bus(black_box(&mut peer), count),
    );
    verify(&port, written)?;
    Ok(pair)
}

/// All that was written has its place in the ring, and the newest of it can be read.
pub(super) fn verify<T: Trigger>(port: &SerialPort<T>, written: u64) -> Result<(), Box<dyn Error>> {
    let scrollback = port.console().scrollback();
    expect("the ring", scrollback.end(), written)?;
    let mut newest = [0; 4096];
    let read = scrollback.read_at(written.saturating_sub(newest.len() as u64), &mut newest);
    expect("the ring's end", read.len() as u64, written.min(newest.len() as u64))
}

fn lsr<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    read::<COPY>(effort, offset::LSR)
}

fn iir<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    read::<COPY>(effort, offset::IIR)
}

/// Reads a register of an idle port, here and there.
pub(super) fn read<const COPY: u8>(effort: Effort, register: u8) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port_copy::<COPY>()?;
    let mut peer = devices::peer_copy::<_, COPY>(io::sink());
    let lsr = (Lsr::THRE | Lsr::TEMT).bits();
    if (port.read_register(offset::LSR), peer.read(offset::LSR)) != (lsr, lsr) {
        return Err("the two devices do not agree on an idle LSR".into());
    }
    Ok(compare(effort, &mut |count| read_often(&mut port, register, count), &mut |count| {
        read_often(&mut peer, register, count);
    }))
}
