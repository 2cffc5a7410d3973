//! A driver that others wrote, on the port: rust-osdev's `uart_16550`, with people at the console.
//!
//! It accesses registers through a trait of its own, so it drives the very port that a guest would, and needs no guest.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use embedded_io::{Read as _, ReadReady as _, Write as _, WriteReady as _};
use uart_16550::backend::Backend;
use uart_16550::spec::registers::{FifoTriggerLevel, IER, InterruptType, LCR, LSR, MCR, Parity, WordLength};
use uart_16550::{BaudRate, Config, Uart16550, Uart16550Tty};
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Console, Identity, Session};
use vuart::{MmioPort, SerialPort};

/// The interrupt line, counted.
#[derive(Debug, Clone, Default)]
struct Edges(Arc<AtomicUsize>);

impl Trigger for Edges {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        self.0.fetch_add(1, SeqCst);
        Ok(())
    }
}

impl Edges {
    /// How many there were since the last time.
    fn take(&self) -> usize {
        self.0.swap(0, SeqCst)
    }
}

/// The bus between the driver and the port.
#[derive(Debug)]
enum Bus {
    /// Port I/O.
    Pio(SerialPort<Edges>),
    /// Memory: the registers at a distance of `1 << shift` bytes, accessed `width` bytes at a time.
    Mmio { port: MmioPort<Edges>, shift: u8, width: usize },
}

// The driver's trait has unsafe methods, for buses that go astray when there is no such register. These do not.
impl Backend for Bus {
    unsafe fn read(&mut self, register: u8) -> u8 {
        let mut data = [0; 8];
        match self {
            Self::Pio(port) => port.read(register.into(), &mut data[..1]),
            Self::Mmio { port, shift, width } => {
                port.read(u64::from(register) << *shift, &mut data[..*width]);
            }
        }
        data[0]
    }

    unsafe fn write(&mut self, register: u8, value: u8) {
        // What a driver leaves in the other bytes of a wide access is not the port's business.
        let data = [value, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5];
        match self {
            Self::Pio(port) => port.write(register.into(), &data[..1]),
            Self::Mmio { port, shift, width } => port.write(u64::from(register) << *shift, &data[..*width]),
        }
    }
}

/// The driver before it has touched anything, and what is at the port's other sides.
struct Board {
    uart: Uart16550<Bus>,
    console: Console,
    edges: Edges,
}

impl Board {
    fn new(bus: impl FnOnce(SerialPort<Edges>) -> Bus) -> Self {
        let edges = Edges::default();
        let port = SerialPort::new(edges.clone()).unwrap();
        let console = port.console().clone();
        // SAFETY: the constructor asks for a bus on which all eight registers can be accessed safely. This one is made
        // of safe code.
        let uart = unsafe { Uart16550::new_with_backend(bus(port)) };
        Self { uart, console, edges }
    }

    /// One of each kind of bus, with a name.
    fn each() -> Vec<(String, Self)> {
        let mut boards = vec![("port I/O".to_owned(), Self::new(Bus::Pio))];
        for (shift, width) in [(0, 1), (1, 1), (2, 1), (2, 4), (3, 8)] {
            let board = Self::new(|port| Bus::Mmio { port: MmioPort::new(port, shift), shift, width });
            boards.push((format!("MMIO, stride {}, {width} bytes an access", 1 << shift), board));
        }
        boards
    }

    /// Runs a test on each kind of bus, with each setting of the FIFOs.
    fn on_each(test: impl Fn(Self, Config)) {
        use FifoTriggerLevel::{Eight, Four, Fourteen, One};
        for fifo_trigger_level in [None, Some(One), Some(Four), Some(Eight), Some(Fourteen)] {
            for (name, board) in Self::each() {
                eprintln!("{name}, {fifo_trigger_level:?}");
                test(board, Config { fifo_trigger_level, ..Config::DEFAULT });
            }
        }
    }

    fn owner(&self) -> Session {
        self.console.attach(Attach::new(Identity::new("test", 0, None))).unwrap()
    }

    /// What the driver has by polling, until it finds nothing.
    fn received(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 14];
        let length = self.uart.receive_bytes(&mut bytes);
        bytes.truncate(length);
        bytes
    }
}

/// All that a console has ever shown.
fn shown(console: &Console) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 16];
    let read = console.scrollback().read_at(0, &mut bytes);
    assert_eq!(read.missed, 0);
    bytes.truncate(read.len());
    bytes
}

#[test]
fn it_finds_the_port_and_its_self_test_passes() {
    Board::on_each(|mut board, config| {
        assert!(board.uart.check_present());
        board.uart.init(config.clone()).unwrap();
        assert_eq!(board.uart.fifo_enabled(), config.fifo_trigger_level.is_some());
        board.uart.test_loopback().unwrap();
        board.uart.check_connected().unwrap();
        assert_eq!(shown(&board.console), b"", "what is looped back stays inside");
        assert_eq!(board.edges.take(), 0, "nobody has asked for interrupts");
    });
}

#[test]
fn its_settings_are_in_the_registers() {
    let rates = [BaudRate::Baud115200, BaudRate::Baud9600, BaudRate::Baud300, BaudRate::Baud150];
    let lines = [
        (WordLength::EightBits, false, Parity::Disabled),
        (WordLength::SevenBits, true, Parity::Even),
        (WordLength::FiveBits, true, Parity::Odd),
    ];
    for (_, mut board) in Board::each() {
        for (baud_rate, (data_bits, extra_stop_bits, parity)) in
            rates.into_iter().flat_map(|rate| lines.map(|line| (rate, line)))
        {
            let config = Config { baud_rate, data_bits, extra_stop_bits, parity, ..Config::DEFAULT };
            board.uart.init(config.clone()).unwrap();
            let dump = board.uart.config_register_dump();
            assert_eq!(dump.baud_rate(&config), baud_rate);
            let lcr = LCR::empty().set_word_length(data_bits).set_parity(parity);
            assert_eq!(dump.lcr, if extra_stop_bits { lcr | LCR::MORE_STOP_BITS } else { lcr });
            assert_eq!(dump.mcr, MCR::DTR | MCR::RTS | MCR::OUT_2_INT_ENABLE);
            assert_eq!(dump.ier, IER::empty());
        }
        assert_eq!(shown(&board.console), b"", "a divisor is not a character");
    }
}

#[test]
fn what_it_sends_is_what_the_console_shows() {
    Board::on_each(|mut board, config| {
        board.uart.init(Config { check_cts_before_sending: true, ..config }).unwrap();
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
        board.uart.send_bytes_exact(&sent);
        assert!(shown(&board.console) == sent);
    });
}

#[test]
fn what_a_person_types_is_what_it_receives() {
    Board::on_each(|mut board, config| {
        board.uart.init(config).unwrap();
        let mut owner = board.owner();
        assert_eq!(board.received(), b"");
        for key in b"ls\r" {
            assert_eq!(owner.write(&[*key]), Ok(1));
            assert_eq!(board.uart.try_receive_byte(), Ok(*key));
        }
        let paste: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
        let (mut typed, mut received) = (0, Vec::new());
        while typed < paste.len() {
            typed += owner.write(&paste[typed..]).unwrap();
            let some = board.received();
            assert!(!some.is_empty(), "there is something to receive");
            received.extend(some);
        }
        assert!(received == paste);
    });
}

/// `init` empties the receiver: it reads seventeen characters at the most. Of what a person typed before there was a
/// driver, these are lost, and no others.
#[test]
fn what_was_typed_too_early_waits_behind_what_it_discards() {
    Board::on_each(|mut board, config| {
        let mut owner = board.owner();
        owner.write(&(0..40).collect::<Vec<u8>>()).unwrap();
        board.uart.init(config).unwrap();
        assert_eq!(board.received(), (17..40).collect::<Vec<u8>>());
    });
}

/// The self-test resets the receiver's FIFO, so what has reached it is lost; that is one character for a driver that polls.
#[test]
fn its_self_test_costs_the_one_who_types_one_character_at_most() {
    Board::on_each(|mut board, config| {
        board.uart.init(config).unwrap();
        let mut owner = board.owner();
        owner.write(b"0123456789").unwrap();
        board.uart.test_loopback().unwrap();
        assert_eq!(board.received(), b"123456789");
    });
}

#[test]
fn an_interrupt_says_whether_the_trigger_level_was_reached() {
    Board::on_each(|mut board, config| {
        let level = match config.fifo_trigger_level {
            None | Some(FifoTriggerLevel::One) => 1,
            Some(FifoTriggerLevel::Four) => 4,
            Some(FifoTriggerLevel::Eight) => 8,
            Some(FifoTriggerLevel::Fourteen) => 14,
        };
        board.uart.init(Config { interrupts: IER::DATA_READY, ..config }).unwrap();
        let mut owner = board.owner();
        for count in 1..=16 {
            let keys: Vec<u8> = (0..count).collect();
            owner.write(&keys).unwrap();
            assert_eq!(board.edges.take(), 1, "{count} characters");
            let expected = if count < level {
                InterruptType::ReceptionTimeout
            } else {
                InterruptType::ReceivedDataReady
            };
            assert_eq!(board.uart.isr().interrupt_type(), Some(expected), "{count} characters");
            assert_eq!(board.received(), keys);
            assert_eq!(board.uart.isr().interrupt_type(), None);
            board.edges.take();
        }
    });
}

/// The transmitter on interrupts alone: each brings a FIFO's worth to the console, and the next.
#[test]
fn each_time_that_it_fills_the_transmitter_it_is_interrupted_again() {
    Board::on_each(|mut board, config| {
        board.uart.init(Config { interrupts: IER::THR_EMPTY, ..config }).unwrap();
        let text: Vec<u8> = (b' '..=b'~').cycle().take(1000).collect();
        let each = if board.uart.fifo_enabled() { 16 } else { 1 };
        for part in text.chunks(each) {
            assert_eq!(board.edges.take(), 1);
            let interrupt = board.uart.isr().interrupt_type();
            assert_eq!(interrupt, Some(InterruptType::TransmitterHoldingRegisterEmpty));
            assert_eq!(board.uart.send_bytes(part), part.len());
        }
        assert!(shown(&board.console) == text);
        board.uart.disable_interrupts(IER::THR_EMPTY);
        assert_eq!(board.uart.isr().interrupt_type(), None);
    });
}

#[test]
fn a_break_comes_as_a_break() {
    Board::on_each(|mut board, config| {
        board.uart.init(Config { interrupts: IER::RECEIVER_LINE_STATUS, ..config }).unwrap();
        assert_eq!(board.owner().send_break(), Ok(true));
        assert_eq!(board.edges.take(), 1);
        assert_eq!(board.uart.isr().interrupt_type(), Some(InterruptType::ReceiverLineStatus));
        assert!(board.uart.lsr().contains(LSR::BREAK_INTERRUPT | LSR::DATA_READY));
        assert_eq!(board.received(), [0]);
        assert!(!board.uart.lsr().has_error(), "it is told once");
    });
}

#[test]
fn its_terminal_writes_lines() {
    Board::on_each(|board, config| {
        let Board { mut uart, console, .. } = board;
        uart.init(config).unwrap();
        let mut tty = Uart16550Tty::from_inner(uart);
        writeln!(tty, "{} + {} = {}", 1, 2, 1 + 2).unwrap();
        tty.write_str("typo\x08!").unwrap();
        assert_eq!(shown(&console), b"1 + 2 = 3\r\ntypo\x08 \x08!");
    });
}

#[test]
fn it_speaks_embedded_io() {
    Board::on_each(|mut board, config| {
        board.uart.init(config).unwrap();
        let mut owner = board.owner();
        assert_eq!(board.uart.write_ready(), Ok(true));
        board.uart.write_all(b"login: ").unwrap();
        board.uart.flush().unwrap();
        assert_eq!(shown(&board.console), b"login: ");
        assert_eq!(board.uart.read_ready(), Ok(false));
        owner.write(b"root\r").unwrap();
        assert_eq!(board.uart.read_ready(), Ok(true));
        let mut line = [0; 5];
        board.uart.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"root\r");
        assert_eq!(board.uart.read_ready(), Ok(false));
    });
}
