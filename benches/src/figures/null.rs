//! One register access beside a handler that does nothing: what of an access's cost is the loop that calls it.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use vuart::uart::spec::offset;

use super::Rows;
use super::register::{read_often, verify, write};
use crate::devices::{self, Registers};
use crate::measure::{Effort, Pair, medians, time};
use crate::table::Row;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = writes(effort)?.to_vec();
    rows.extend(reads(effort, "LSR", offset::LSR)?);
    rows.extend(reads(effort, "IIR", offset::IIR)?);
    Ok(rows)
}

/// A device that answers nothing.
struct Null;

impl Registers for Null {
    fn read_register(&mut self, register: u8) -> u8 {
        black_box((self, register)).1
    }

    fn write_register(&mut self, register: u8, value: u8) {
        black_box((self, register, value));
    }
}

/// A device that stores each byte at an offset that it keeps, and says how far it has come: the least that a ring of any kind
/// does. An access can't begin before the one before it has stored that offset.
struct Bare {
    next: usize,
    bytes: Box<[AtomicU8]>,
    tail: AtomicUsize,
}

impl Bare {
    fn new() -> Self {
        let bytes = (0..1 << 20).map(|_| AtomicU8::new(0)).collect();
        Self { next: 0, bytes, tail: AtomicUsize::new(0) }
    }
}

impl Registers for Bare {
    fn read_register(&mut self, register: u8) -> u8 {
        register
    }

    fn write_register(&mut self, register: u8, value: u8) {
        if register == offset::THR {
            let mask = self.bytes.len() - 1;
            self.bytes[self.next & mask].store(value, Ordering::Relaxed);
            self.next += 1;
            self.tail.store(self.next, Ordering::Release);
        }
    }
}

fn writes(effort: Effort) -> Result<[Row; 3], Box<dyn std::error::Error>> {
    let (mut port, mut peer, mut bare) = (devices::port()?, devices::peer(io::sink()), Bare::new());
    let mut written = 0;
    let medians = medians(
        effort,
        &mut [
            &mut |count| {
                written += count;
                time(|| write(&mut port, count))
            },
            &mut |count| time(|| write(&mut peer, count)),
            &mut |count| time(|| write(&mut Null, count)),
            &mut |count| time(|| write(&mut bare, count)),
        ],
    );
    verify(&port, written)?;
    let [ours, peers] = beside_null("THR write", &medians);
    let figure = "THR write vs a byte stored at an offset that is kept, and nothing else, ns";
    Ok([ours, peers, Row::new(figure, Pair { ours: medians[0], peer: medians[3] })])
}

fn reads(effort: Effort, name: &str, register: u8) -> Result<[Row; 2], Box<dyn std::error::Error>> {
    let (mut port, mut peer) = (devices::port()?, devices::peer(io::sink()));
    let medians = medians(
        effort,
        &mut [
            &mut |count| time(|| read_often(&mut port, register, count)),
            &mut |count| time(|| read_often(&mut peer, register, count)),
            &mut |count| time(|| read_often(&mut Null, register, count)),
        ],
    );
    Ok(beside_null(&format!("{name} read"), &medians))
}

/// Both devices, each beside the handler, from one run.
fn beside_null(access: &str, medians: &[f64]) -> [Row; 2] {
    [
        Row::new(
            format!("{access} vs a handler that does nothing, ns"),
            Pair { ours: medians[0], peer: medians[2] },
        ),
        Row::new(
            format!("vm-superio's {access} vs a handler that does nothing, ns"),
            Pair { ours: medians[1], peer: medians[2] },
        ),
    ]
}
