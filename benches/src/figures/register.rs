//! One register access with no client attached, beside vm-superio writing to a sink that keeps nothing.

use std::error::Error;
use std::hint::black_box;
use std::io;

use vm_device::MutDevicePio;
use vm_device::bus::PioAddress;
use vuart::uart::spec::{Lsr, offset};

use crate::copies::{copies, over_copies};
use crate::devices::{self, PeerOnBus};
use crate::guest::{character, compare_thr_writes, read_register};
use crate::measure::{Effort, Pair, compare, medians, time};
use crate::table::{Row, Rows};
use crate::verify::ring_holds;

const COM1: PioAddress = PioAddress(0x3F8);

/// The goal of a write to a port that only one vCPU uses. Each write has a fence for the doorbell, which costs some nanoseconds. A
/// guest's exit takes a thousand.
const EXCLUSIVE: f64 = 1.5;

/// The bytes of a string access: the size of the transmitter's FIFO, so what a driver writes at once.
const STRING: u32 = 16;

pub(super) fn rows(effort: Effort) -> Rows {
    let string = over_copies(effort, copies!(string))?;
    let string = Pair { ours: string.ours / f64::from(STRING), ..string };
    Ok(vec![
        Row::new(
            "THR write, no client attached: `SerialPort` vs vm-superio writing to a sink, ns",
            over_copies(effort, copies!(thr))?,
        )
        .with_goal(EXCLUSIVE)
        .with_headline(),
        Row::new(
            "THR write through a bus of `dyn MutDevicePio`: `SerialPort` vs vm-superio writing to a sink, ns",
            over_copies(effort, copies!(thr_on_bus))?,
        )
        .with_goal(EXCLUSIVE),
        Row::new("LSR read: `SerialPort` vs vm-superio, ns", over_copies(effort, copies!(lsr))?)
            .with_goal(1.0),
        Row::new("IIR read: `SerialPort` vs vm-superio, ns", over_copies(effort, copies!(iir))?)
            .with_goal(1.0),
        Row::new("RBR read with no input: `SerialPort` vs vm-superio, ns", read::<0>(effort, offset::RBR)?),
        Row::new(
            "One byte of output by THR write: in a string access of 16 bytes vs in an access of its own, ns",
            string,
        )
        .with_goal(0.3),
    ])
}

fn thr<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port_copy::<COPY>();
    let written = compare_thr_writes(effort, &mut port, &mut devices::peer_copy::<_, COPY>(io::sink()));
    ring_holds(&port, written.ours)?;
    Ok(written.pair)
}

fn thr_on_bus<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    fn write_on_bus(device: &mut dyn MutDevicePio, count: u64) {
        for n in 0..count {
            device.pio_write(COM1, black_box(u16::from(offset::THR)), black_box(&[character(n)]));
        }
    }
    let mut port = devices::port_copy::<COPY>();
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
    ring_holds(&port, written)?;
    Ok(pair)
}

fn lsr<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    read::<COPY>(effort, offset::LSR)
}

fn iir<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    read::<COPY>(effort, offset::IIR)
}

/// Measures reads of a register of an idle port and of its peer.
fn read<const COPY: u8>(effort: Effort, register: u8) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port_copy::<COPY>();
    let mut peer = devices::peer_copy::<_, COPY>(io::sink());
    let lsr = (Lsr::THRE | Lsr::TEMT).bits();
    if (port.read_register(offset::LSR), peer.read(offset::LSR)) != (lsr, lsr) {
        return Err("the LSR of an idle device is not THRE | TEMT".into());
    }
    Ok(compare(effort, &mut |count| read_register(&mut port, register, count), &mut |count| {
        read_register(&mut peer, register, count);
    }))
}

/// Measures a string access of [`STRING`] bytes, as `rep outsb` makes it, and a single write to another port of ours.
fn string<const COPY: u8>(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let bytes: Vec<u8> = (0..u64::from(STRING)).map(character).collect();
    let (mut single, mut string) = (devices::port_copy::<COPY>(), devices::port_copy::<COPY>());
    let (mut single_written, mut string_written) = (0, 0);
    let medians = medians(
        effort,
        &mut [
            &mut |count| {
                string_written += count * u64::from(STRING);
                time(|| {
                    for _ in 0..count {
                        string.write_string(black_box(u64::from(offset::THR)), black_box(&bytes));
                    }
                })
            },
            &mut |count| {
                single_written += count;
                time(|| {
                    for n in 0..count {
                        single.write_register(black_box(offset::THR), black_box(character(n)));
                    }
                })
            },
        ],
    );
    ring_holds(&string, string_written)?;
    ring_holds(&single, single_written)?;
    Ok(Pair { ours: medians[0], peer: medians[1] })
}
