//! Propolis' `Uart`, its history of a console, and its tests with guests.

use vuart::PortBuilder;
use vuart::scrollback::{Position, RingOptions, Scrollback};
use vuart::uart::spec::offset::{FCR, IER, IIR, LCR, LSR, MCR, RBR, THR};

use crate::bench::{Guest, IDLE, LOOP, OE};

/// MCR is 0 there. Here OUT2 is set, as VMs have always had it, so that a guest that never writes MCR gets its interrupts.
#[test]
fn the_registers_after_a_reset() {
    let mut guest = Guest::new();
    let registers = [IER, IIR, LCR, MCR, LSR].map(|register| guest.read(register));
    assert_eq!(registers, [0, 1, 0, 0x08, IDLE]);
}

#[test]
fn enabling_the_transmitters_interrupt_raises_it_and_iir_takes_it_back() {
    let mut guest = Guest::new();
    guest.write(IER, 0);
    assert_eq!((guest.read(LSR) & 0x20, guest.read(IIR), guest.edges()), (0x20, 0x01, 0));
    guest.write(IER, 0x02);
    assert_eq!((guest.read(LSR) & 0x20, guest.edges(), guest.read(IIR)), (0x20, 1, 0x02));
    assert_eq!((guest.read(IIR), guest.read(LSR) & 0x20, guest.edges()), (0x01, 0x20, 0));
}

#[test]
fn input_raises_the_interrupt_and_its_read_takes_it_back() {
    let mut guest = Guest::new();
    guest.write(IER, 0x01);
    assert_eq!((guest.edges(), guest.read(IIR)), (0, 0x01));
    guest.owner().write(&[0x20]).unwrap();
    assert_eq!((guest.edges(), guest.read(IIR), guest.read(RBR)), (1, 0x04, 0x20));
    assert_eq!((guest.edges(), guest.read(IIR)), (0, 0x01));
}

/// In Propolis a character stays in THR until the backend takes it. Here it is in the ring when the write returns, so that no backend
/// can hold the guest.
#[test]
fn a_character_has_left_when_the_write_returns() {
    let mut guest = Guest::new();
    guest.write(THR, 0x20);
    guest.write(IER, 0x02);
    assert_eq!(guest.output(), [0x20]);
    assert_eq!((guest.edges(), guest.read(IIR), guest.read(IIR)), (1, 0x02, 0x01));
}

#[test]
fn every_register_is_read_and_written_safely() {
    let mut guest = Guest::new();
    for _ in 0..2 {
        for register in 0..8 {
            let _ = guest.read(register);
        }
        for register in 0..8 {
            guest.write(register, 0xFF);
        }
    }
}

#[test]
fn the_most_urgent_source_is_shown_first() {
    let mut guest = Guest::new();
    guest.write(IER, 0x0F);
    assert_eq!(guest.read(IIR), 0x02);
    guest.write(MCR, LOOP);
    guest.write(THR, 0x20);
    assert_eq!(guest.read(IIR), 0x04);
    guest.write(THR, 0x20);
    assert_eq!(guest.read(IIR), 0x06);
    assert_eq!(guest.read(LSR) & OE, OE);
    assert_eq!(guest.read(IIR), 0x04);
    assert_eq!((guest.read(RBR), guest.read(IIR)), (0x20, 0x02));
}

/// There nothing is pending at the end of that test. The modem lines have moved when loopback began, and a chip says so.
#[test]
fn loopback_moves_the_modem_lines_and_says_so() {
    let mut guest = Guest::new();
    guest.write(IER, 0x08);
    guest.write(MCR, LOOP);
    assert_eq!((guest.read(IIR), guest.read(6)), (0x00, 0x0B));
    assert_eq!(guest.read(IIR), 0x01);
}

/// The history of Propolis: the first bytes and the newest ones are kept. Here that is a boot head and a ring.
#[test]
fn the_history_is_read_from_the_start_and_from_the_end() {
    let (mut writer, history) = Scrollback::new(4096).unwrap();
    let read = |from: u64, most: usize| {
        let mut buf = vec![0; most];
        let read = history.read_at(from, &mut buf);
        (String::from_utf8(buf[..read.len()].to_vec()).unwrap(), read.next)
    };
    assert_eq!(read(0, 11), (String::new(), 0));
    let line = "This is an example of text.";
    writer.extend(&line.as_bytes()[..9]);
    assert_eq!(read(8, 5), ("a".to_owned(), 9));
    writer.extend(&line.as_bytes()[9..]);
    assert_eq!(read(0, 37), (line.to_owned(), 27));
    assert_eq!(read(8, 5), ("an ex".to_owned(), 13));
    let newest = |count| history.offset(Position::Newest(count));
    assert_eq!(read(newest(10), 4), ("e of".to_owned(), 21));
    assert_eq!(read(newest(10), 400), ("e of text.".to_owned(), 27));
    assert_eq!(read(newest(100), 4), ("This".to_owned(), 4));
}

/// In Propolis a range that has gone is an error, and one beyond the end is taken for the end. Here the answer begins later and says
/// how much is gone, and a reader beyond the end waits there for the guest.
#[test]
fn what_has_gone_from_the_history_is_counted_and_no_error() {
    let ring = RingOptions::new(4096).with_boot_head(64);
    let (mut writer, history) = ring.create().unwrap();
    writer.mark();
    writer.extend(&[b'x'; 8000]);
    let mut buf = [0; 16];
    let read = history.read_at(1000, &mut buf);
    assert_eq!(read.start, 1000 + read.missed);
    assert!(read.missed > 0 && !read.is_empty());
    assert_eq!(history.read_at(8, &mut buf).missed, 0, "the boot head has the beginning");
    assert!(history.read_at(9000, &mut buf).is_empty());
}

/// `long_line_serial_test`: a line that is longer than a FIFO and than a terminal is wide, echoed by the guest.
#[test]
fn a_long_line_is_typed_and_echoed_whole() {
    let mut guest = Guest::new();
    guest.write(FCR, 0x81);
    guest.write(IER, 0x01);
    let line = "echo 'when the line is long, some of it waits behind the FIFO of sixteen'; ".repeat(8);
    guest.owner().write(line.as_bytes()).unwrap();
    while guest.edges() > 0 {
        for byte in guest.drains() {
            guest.write(THR, byte);
        }
    }
    assert_eq!(guest.output(), line.as_bytes());
}

/// `serial_history`: after a migration the history begins with what it had before.
#[test]
fn the_history_goes_along_with_the_state() {
    let (ring, scrollback) = RingOptions::new(1 << 16).create_memfd("peers").unwrap();
    let mut source = Guest::built(|edges| PortBuilder::new().with_writer(ring).build(edges));
    source.port.write_string(THR.into(), b"hello from the source VM!\n");
    let (before, state) = (source.output(), source.port.state());
    let file = scrollback.file().unwrap().try_clone().unwrap();
    drop((source, scrollback));
    let (ring, _) = RingOptions::new(1 << 16).adopt(file).unwrap();
    let mut target =
        Guest::built(|edges| PortBuilder::restore(&state).with_writer(ring).build(edges).unwrap());
    target.port.write_string(THR.into(), b"and from the target\n");
    let after = target.output();
    assert!(after.starts_with(&before) && after.len() > before.len());
}
