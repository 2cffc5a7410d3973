//! A port that several vCPUs share. The lock is not contended here: this is what sharing costs by itself.

use std::hint::black_box;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use vuart::uart::spec::offset;

use super::Rows;
use super::register::{character, verify};
use crate::devices;
use crate::measure::{Effort, compare};
use crate::table::Row;

pub(super) fn rows(effort: Effort) -> Rows {
    let port = Arc::new(Mutex::new(devices::port()?));
    let peer = Arc::new(Mutex::new(devices::peer(io::sink())));
    let mut written = 0;
    let pair = compare(
        effort,
        &mut |count| {
            for n in 0..count {
                let mut port = black_box(&port).lock().unwrap_or_else(PoisonError::into_inner);
                port.write_register(black_box(offset::THR), black_box(character(n)));
            }
            written += count;
        },
        &mut |count| {
            for n in 0..count {
                let mut peer = black_box(&peer).lock().unwrap_or_else(PoisonError::into_inner);
                let _ = black_box(peer.write(black_box(offset::THR), black_box(character(n))));
            }
        },
    );
    verify(&port.lock().unwrap_or_else(PoisonError::into_inner), written)?;
    let figure = "THR write, shared by vCPUs, vs `Arc<Mutex<vm-superio>>` into a sink, ns";
    Ok(vec![Row::new(figure, pair).goal(0.5)])
}
