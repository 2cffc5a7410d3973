//! What the maintainers of other VMMs have to write to put this console into them: an adapter for each, which works beside small stand-ins
//! for that VMM's bus, event loop and snapshots. The guide has a page for each. None of their code is here.

mod bus;
mod cloud_hypervisor;
mod firecracker;

use std::io::Read;

use vuart::uart::spec::offset::{IER, LSR, RBR, THR};
use vuart::wire::{Client, Event};

/// The most lines of an adapter.
const MOST_LINES: usize = 40;

/// The lines that a maintainer has to write: without blank ones, comments, and what names the stand-ins.
fn lines_of_code(source: &str) -> usize {
    let mut lines = source.lines().map(str::trim);
    let mut count = 0;
    while let Some(line) = lines.next() {
        if line.starts_with("use super::") {
            let _rest = line.ends_with(';') || lines.by_ref().any(|line| line.ends_with(';'));
        } else if !line.is_empty() && !line.starts_with("//") {
            count += 1;
        }
    }
    count
}

/// What a guest can do on a bus.
trait Guest {
    fn out(&self, register: u8, value: u8);
    fn inb(&self, register: u8) -> u8;

    fn print(&self, text: &str) {
        for byte in text.bytes() {
            self.out(THR, byte);
        }
    }

    /// Reads what there is.
    fn input(&self) -> String {
        let mut input = Vec::new();
        while self.inb(LSR) & 1 != 0 {
            input.push(self.inb(RBR));
        }
        String::from_utf8(input).unwrap()
    }

    fn enable_interrupts(&self) {
        self.out(IER, 0x01);
    }
}

/// Reads as many bytes as this text has, and compares.
fn expect(stream: &mut impl Read, text: &str) {
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// The next output, of which this is the offset and the text.
fn expect_output(client: &mut Client, at: u64, text: &str) {
    let mut read = Vec::new();
    while read.len() < text.len() {
        match client.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, at + read.len() as u64);
                read.extend(bytes);
            }
            Event::Standing(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// Why a client's session ends, and what it is sent before.
fn last_words(client: &mut Client) -> (String, vuart::endpoint::Cause) {
    let mut read = Vec::new();
    loop {
        match client.recv().unwrap() {
            Event::Output { bytes, .. } => read.extend(bytes),
            Event::Ended(end) => return (String::from_utf8(read).unwrap(), end.cause),
            Event::Standing(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn comments_blank_lines_and_stand_ins_are_not_counted() {
    let source = "//! A page.\n\nuse std::io; // one\nuse super::stand_ins::{\n    A,\n};\n/// Two.\nfn f() {\n    g();\n}\n";
    assert_eq!(lines_of_code(source), 4);
}
