//! What drivers do besides single accesses: output by interrupts, and input by polling.

use std::error::Error;
use std::hint::black_box;
use std::io;

use vm_superio::Trigger;
use vm_superio::serial::NoEvents;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vuart::endpoint::{Attach, Identity};
use vuart::uart::spec::{Ier, Lsr, offset};
use vuart::{IrqFd, SerialPort};

use crate::devices::{self, Polled, Registers};
use crate::guest::character;
use crate::measure::{Effort, Pair, compare};
use crate::table::{Row, Rows};
use crate::verify::{expect, ring_holds};

/// The size of the transmitter's FIFO: what a driver writes when the interrupt tells it that THR is empty.
const BURST: u64 = 16;

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new(
            "16 characters by THRE interrupt (IIR read, LSR read, 16 THR writes), interrupts cost nothing: `SerialPort` vs vm-superio, ns",
            by_interrupt(effort, || Ok(Polled::<0>))?,
        ),
        Row::new(
            "16 characters by THRE interrupt (IIR read, LSR read, 16 THR writes), interrupts by eventfd: `SerialPort` vs vm-superio, ns",
            by_interrupt(effort, || EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map(IrqFd))?,
        ),
        Row::new(
            "One typed character (the host writes it, the guest reads LSR and RBR): `SerialPort` vs vm-superio, ns",
            typed(effort)?,
        )
        .with_goal(4.0),
    ])
}

/// Measures the interrupt handler of a driver that has enabled the THRE interrupt.
fn by_interrupt<T: Trigger + Send + Sync + 'static>(
    effort: Effort,
    trigger: impl Fn() -> io::Result<T>,
) -> Result<Pair, Box<dyn Error>>
where
    T::E: std::fmt::Debug,
{
    let mut port = SerialPort::new(trigger()?);
    let mut peer = vm_superio::Serial::<_, NoEvents, _>::new(trigger()?, io::sink());
    port.write_register(offset::IER, Ier::ETBEI.bits());
    peer.write(offset::IER, Ier::ETBEI.bits()).map_err(|error| format!("{error:?}"))?;
    let mut bursts = 0;
    let pair = compare(
        effort,
        &mut |count| {
            handle_interrupts(&mut port, count);
            bursts += count;
        },
        &mut |count| handle_interrupts(&mut peer, count),
    );
    ring_holds(&port, bursts * BURST)?;
    // One when it was enabled, and one for each burst.
    let interrupts = port.counters().interrupts;
    if interrupts != bursts + 1 {
        return Err(format!("{interrupts} interrupts were raised for {bursts} bursts").into());
    }
    Ok(pair)
}

/// Runs the interrupt handler `count` times.
fn handle_interrupts(device: &mut dyn Registers, count: u64) {
    let device = black_box(device);
    for n in 0..count {
        black_box(device.read_register(offset::IIR));
        black_box(device.read_register(offset::LSR));
        for n in n..n + BURST {
            device.write_register(offset::THR, character(n));
        }
    }
}

/// Measures one character at a time, to a guest that polls.
fn typed(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port();
    let mut peer = devices::peer(io::sink());
    let mut owner = port.console().attach(Attach::new(Identity::new("bench", 0, None)))?;
    let (mut typed, mut taken, mut peer_typed, mut peer_taken) = (0, 0, 0, 0);
    let pair = compare(
        effort,
        &mut |count| {
            for n in 0..count {
                typed += 1;
                let written = owner.write(black_box(&[character(n)]));
                let mut lsr = port.read_register(black_box(offset::LSR));
                // As a driver that polls does: the line pauses once in 256 characters.
                if lsr & Lsr::DR.bits() == 0 {
                    lsr = port.read_register(black_box(offset::LSR));
                }
                let came = port.read_register(black_box(offset::RBR)) == character(n);
                taken += u64::from(matches!(written, Ok(1)) && lsr & Lsr::DR.bits() != 0 && came);
            }
        },
        &mut |count| {
            for n in 0..count {
                peer_typed += 1;
                let written = peer.enqueue_raw_bytes(black_box(&[character(n)]));
                let lsr = peer.read(black_box(offset::LSR));
                let came = peer.read(black_box(offset::RBR)) == character(n);
                peer_taken += u64::from(matches!(written, Ok(1)) && lsr & Lsr::DR.bits() != 0 && came);
            }
        },
    );
    expect("the guest", taken, typed)?;
    expect("the peer's guest", peer_taken, peer_typed)?;
    Ok(pair)
}
