//! A loop between two marks, for tools that look at a program from outside.
//!
//! The marks are two functions that do nothing. A line that is printed before the loop says where they are, and which memory the loop may
//! load from.

use std::hint::black_box;
use std::ptr::from_ref;
use std::{env, fs, io};

/// Runs `iteration` `count` times between the marks.
pub(super) fn run<T>(subject: &mut T, count: u64, iteration: impl FnMut(&mut T, u64)) -> io::Result<()> {
    print_addresses(subject)?;
    begin();
    repeat(black_box(subject), black_box(count), iteration);
    end();
    Ok(())
}

#[inline(never)]
fn repeat<T>(subject: &mut T, count: u64, mut iteration: impl FnMut(&mut T, u64)) {
    for n in 0..count {
        // The compiler knows nothing about the iteration before, as with accesses from a guest.
        iteration(black_box(&mut *subject), n);
    }
}

/// Prints eight hexadecimal addresses: the two marks, and then begin and end of the program's image, of the loop's subject, and of the
/// stack near here.
fn print_addresses<T>(subject: &T) -> io::Result<()> {
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

/// Returns the begin and the end of the program's code and constants.
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
        .ok_or_else(|| io::Error::other(format!("/proc/self/maps does not name {program}")))
}

#[inline(never)]
fn begin() {
    black_box("begin");
}

#[inline(never)]
fn end() {
    black_box("end");
}
