//! Another project's driver on the port: `uart_16550` of rust-osdev, with a client at the console.
//!
//! The driver accesses registers through a trait of its own. So it drives the port as a guest would, without a guest.

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

/// A counter of the edges of the interrupt line.
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
    /// The number of edges since the last call.
    fn take(&self) -> usize {
        self.0.swap(0, SeqCst)
    }
}

/// The bus between the driver and the port.
#[derive(Debug)]
enum Bus {
    /// Port I/O.
    Pio(SerialPort<Edges>),
    /// Memory. The registers are `1 << shift` bytes apart, and each access has `width` bytes.
    Mmio { port: MmioPort<Edges>, shift: u8, width: usize },
}

// The driver's trait has unsafe methods, for buses on which an access to a missing register is unsound. These buses are safe.
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
        // The port must ignore the other bytes of a wide access.
        let data = [value, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5];
        match self {
            Self::Pio(port) => port.write(register.into(), &data[..1]),
            Self::Mmio { port, shift, width } => port.write(u64::from(register) << *shift, &data[..*width]),
        }
    }
}

/// A driver that has not accessed the port yet, and the port's console and interrupt.
struct Board {
    uart: Uart16550<Bus>,
    console: Console,
    edges: Edges,
}

impl Board {
    fn new(bus: impl FnOnce(SerialPort<Edges>) -> Bus) -> Self {
        let edges = Edges::default();
        let port = SerialPort::new(edges.clone());
        let console = port.console().clone();
        // SAFETY: the constructor requires a bus on which all eight registers can be accessed safely. This bus consists of
        // safe code.
        let uart = unsafe { Uart16550::new_with_backend(bus(port)) };
        Self { uart, console, edges }
    }

    /// A board with each kind of bus, and the bus' name.
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

    /// Everything that the driver receives by polling.
    fn received(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 14];
        let length = self.uart.receive_bytes(&mut bytes);
        bytes.truncate(length);
        bytes
    }
}

/// All output of a console.
fn shown(console: &Console) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 16];
    let read = console.scrollback().read_at(0, &mut bytes);
    assert_eq!(read.missed, 0);
    bytes.truncate(read.len());
    bytes
}

#[test]
fn the_driver_finds_the_port_and_its_self_test_passes() {
    Board::on_each(|mut board, config| {
        assert!(board.uart.check_present());
        board.uart.init(config.clone()).unwrap();
        assert_eq!(board.uart.fifo_enabled(), config.fifo_trigger_level.is_some());
        board.uart.test_loopback().unwrap();
        board.uart.check_connected().unwrap();
        assert_eq!(shown(&board.console), b"", "characters in loopback do not leave the port");
        assert_eq!(board.edges.take(), 0, "no interrupt is enabled");
    });
}

#[test]
fn the_drivers_settings_are_in_the_registers() {
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
fn the_console_shows_what_the_driver_sends() {
    Board::on_each(|mut board, config| {
        board.uart.init(Config { check_cts_before_sending: true, ..config }).unwrap();
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
        board.uart.send_bytes_exact(&sent);
        assert!(shown(&board.console) == sent);
    });
}

#[test]
fn the_driver_receives_what_a_person_types() {
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
        while received.len() < paste.len() {
            typed += owner.write(&paste[typed..]).unwrap();
            // The driver stops at each pause of the line.
            let some = board.received();
            assert!(!some.is_empty(), "there is something to receive");
            received.extend(some);
        }
        assert!(received == paste);
    });
}

/// `init` empties the receiver: it reads at most seventeen characters. They were typed for whoever reads the port, so they stay.
#[test]
fn f3_init_discards_nothing_that_was_typed() {
    Board::on_each(|mut board, config| {
        let mut owner = board.owner();
        let typed: Vec<u8> = (0..40).collect();
        owner.write(&typed).unwrap();
        board.uart.init(config).unwrap();
        assert_eq!(board.received(), typed);
    });
}

/// The self-test resets the receiver's FIFO, and what it takes comes back. Without FIFOs the driver reads the character in RBR.
#[test]
fn f3_the_self_test_loses_nothing_to_the_reset() {
    Board::on_each(|mut board, config| {
        let read_by_the_test = usize::from(config.fifo_trigger_level.is_none());
        board.uart.init(config).unwrap();
        let mut owner = board.owner();
        owner.write(b"0123456789").unwrap();
        board.uart.test_loopback().unwrap();
        assert_eq!(board.received(), b"0123456789"[read_by_the_test..]);
    });
}

#[test]
fn the_interrupt_shows_whether_the_trigger_level_was_reached() {
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

/// A transmitter that only uses interrupts: each interrupt sends a FIFO of characters and causes the next interrupt.
#[test]
fn each_filled_transmitter_causes_another_interrupt() {
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
fn a_break_is_received_as_a_break() {
    Board::on_each(|mut board, config| {
        board.uart.init(Config { interrupts: IER::RECEIVER_LINE_STATUS, ..config }).unwrap();
        assert_eq!(board.owner().send_break(), Ok(true));
        assert_eq!(board.edges.take(), 1);
        assert_eq!(board.uart.isr().interrupt_type(), Some(InterruptType::ReceiverLineStatus));
        assert!(board.uart.lsr().contains(LSR::BREAK_INTERRUPT | LSR::DATA_READY));
        assert_eq!(board.received(), [0]);
        assert!(!board.uart.lsr().has_error(), "the break is reported once");
    });
}

#[test]
fn the_drivers_terminal_writes_lines() {
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
fn the_driver_implements_embedded_io() {
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
