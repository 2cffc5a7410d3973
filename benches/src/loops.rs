//! Bare loops, to be run under a tool that counts instructions: see `.ci/instructions`.
//!
//! A line before the loop says where the things are that it may load from, for a look at its accesses to memory. The loop is
//! between two marks, functions that do nothing.

use std::error::Error;
use std::hint::black_box;
use std::ptr::from_ref;
use std::{env, fs, io};

use clap::ValueEnum;
use vuart::scrollback::{Scrollback, Writer};
use vuart::uart::spec::offset;

use crate::devices::{self, Port};
use crate::figures::{character, expect};

/// What is done again and again.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Loop {
    /// A push of one byte into a ring
    Push,
    /// A write to a port's THR, with nobody attached
    Thr,
}

impl Loop {
    /// Does it so many times.
    pub(crate) fn run(self, count: u64) -> Result<(), Box<dyn Error>> {
        let written = match self {
            Self::Push => {
                let (mut writer, scrollback) = Scrollback::new(64 << 10)?;
                tell(&writer)?;
                begin();
                push(black_box(&mut writer), black_box(count));
                end();
                scrollback.end()
            }
            Self::Thr => {
                let mut port = devices::port()?;
                tell(&port)?;
                begin();
                thr(black_box(&mut port), black_box(count));
                end();
                port.console().scrollback().end()
            }
        };
        expect("the ring", written, count)
    }
}

#[inline(never)]
fn push(writer: &mut Writer, count: u64) {
    for n in 0..count {
        // As from a guest: nothing is known to the compiler of the push before.
        black_box(&mut *writer).push(character(n));
    }
}

#[inline(never)]
fn thr(port: &mut Port, count: u64) {
    for n in 0..count {
        black_box(&mut *port).write_register(black_box(offset::THR), character(n));
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
