//! A guest that the test plays: it writes output and takes input.

use vuart_endpoint::{Console, ConsoleParts, GuestLines, Input, Symbol};
use vuart_scrollback::{Scrollback, Writer};

use crate::wait::until;

/// A console, and the guest's side of it.
#[derive(Debug)]
pub struct Guest {
    /// The console.
    pub console: Console,
    /// The guest's output.
    pub writer: Writer,
    /// The guest's input.
    pub input: Input,
    /// The guest's modem lines.
    pub lines: GuestLines,
}

impl Guest {
    /// A guest whose console has a ring of `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self::on(Scrollback::new(capacity).unwrap())
    }

    /// A guest whose console has this ring.
    pub fn on((writer, scrollback): (Writer, Scrollback)) -> Self {
        let ConsoleParts { console, input, guest_lines: lines, .. } =
            Console::builder(scrollback).build(|| ());
        Self { console, writer, input, lines }
    }

    /// Writes output, and rings the doorbell if a reader sleeps.
    pub fn writes(&mut self, bytes: &[u8]) {
        self.writer.extend(bytes);
        self.console.doorbell().ring_if_armed();
    }

    /// Waits until `count` symbols of input have come, and takes them, with `^` for a break.
    pub fn reads(&mut self, count: usize) -> Vec<u8> {
        let mut read = Vec::new();
        until(&format!("{count} bytes of input"), || {
            take_most(&mut self.input, (count - read.len()).min(64), &mut read);
            read.len() == count
        });
        read
    }
}

/// Takes the input that waits, at most 64 symbols, with `^` for a break.
pub fn take(input: &mut Input) -> Vec<u8> {
    let mut taken = Vec::new();
    take_most(input, 64, &mut taken);
    taken
}

fn take_most(input: &mut Input, most: usize, taken: &mut Vec<u8>) {
    let mut symbols = [Symbol::Break; 64];
    let count = input.take(&mut symbols[..most]);
    taken.extend(symbols[..count].iter().map(|symbol| match symbol {
        Symbol::Byte(byte) | Symbol::Damaged(byte, _) => *byte,
        Symbol::Break => b'^',
    }));
}
