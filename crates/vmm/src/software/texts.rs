//! The texts of the monitor. `guest.S` has the same texts, and a test compares the two.

pub(super) const BANNER: &str = "\r\nvuart monitor: 16550A at 0x3F8, IRQ 4, 115200 8N1\r\n\
    Type 'help' for the commands.\r\n";
pub(super) const PROMPT: &str = "> ";
pub(super) const NEWLINE: &str = "\r\n";
pub(super) const BELL: &str = "\x07";
pub(super) const RUBOUT: &str = "\x08 \x08";
pub(super) const INTERRUPTED: &str = "^C\r\n";

pub(super) const HELP: &str = "help         this list\r\n\
    echo TEXT    say TEXT, exactly\r\n\
    print N      print N numbered lines, up to 65535; ^C stops it\r\n\
    uptime       time since the start\r\n\
    regs         registers of the UART\r\n\
    halt         stop the machine\r\n\
    reboot       start the machine again\r\n\
    Keys: backspace erases, ^U erases the line, ^C abandons it.\r\n";
pub(super) const UNKNOWN: &str = ": unknown command; try 'help'\r\n";
pub(super) const NOT_A_NUMBER: [&str; 2] = ["print: '", "' is not a number from 0 to 65535\r\n"];
pub(super) const HALTING: &str = "halting\r\n";
pub(super) const REBOOTING: &str = "rebooting\r\n";

/// The names and meanings of the registers, in the order of `Driver::registers`.
pub(super) const REGISTERS: [(&str, &str); 9] = [
    ("IER", "interrupt enable"),
    ("IIR", "interrupt identification"),
    ("LCR", "line control"),
    ("MCR", "modem control"),
    ("LSR", "line status"),
    ("MSR", "modem status"),
    ("SCR", "scratch"),
    ("DLL", "divisor, low byte"),
    ("DLM", "divisor, high byte"),
];
