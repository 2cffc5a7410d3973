//! The UART as the data sheets describe it.
//!
//! Section numbers and quotations are from the PC16550D data sheet (National, June 1995), and from the TL16C750 data sheet
//! where it has more. A comment marks each choice that the data sheets leave open, and each departure that drivers need.

mod auto_flow;
mod interrupts;
mod line;
mod modem;
mod receiver;
mod time;
mod transmitter;

use std::collections::VecDeque;

use crate::register::{
    FCR_64_BYTES, FCR_DMA, FCR_ENABLE, FCR_RESET_RECEIVER, FCR_RESET_TRANSMITTER, FCR_TRIGGER, IER_DLM,
    IER_THR_EMPTY, IIR_64_BYTES, IIR_FCR, IIR_FIFOS, IIR_THR_EMPTY, LCR, LCR_BREAK, LCR_DLAB, LSR,
    LSR_ERROR_IN_FIFO, LSR_THR_EMPTY, LSR_TRANSMITTER_EMPTY, MCR, MCR_LOOP, MCR_OUT2, MSR, MSR_CTS, MSR_DCD,
    MSR_DSR, RBR_THR_DLL, SCR,
};
use crate::{Mode, Profile, Setup};
use receiver::Character;
use transmitter::Shift;

/// A UART.
#[derive(Debug, Clone)]
pub struct Model {
    setup: Setup,
    now: u64,

    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor_low: u8,
    divisor_high: u8,

    /// The characters that wait for the guest, the oldest first.
    received: VecDeque<Character>,
    /// Every error that was revealed since LSR was last read.
    line_errors: Vec<u8>,
    /// The time at which the character time-out comes, if one is expected.
    time_out_at: Option<u64>,
    timed_out: bool,

    /// The characters that wait to be sent, in THR or in the transmitter FIFO.
    waiting: VecDeque<u8>,
    /// The transmitter's shift register.
    shift: Option<Shift>,
    /// The number of waiting characters after each write of THR since THRE was last 1. It is empty while THRE is 1.
    waited: Vec<usize>,
    /// The time at which a delayed THRE comes.
    thre_at: Option<u64>,
    thre_condition: bool,
    /// The number of times that THRE came since FCR bit 0 last changed.
    thre_since_mode: u64,

    /// CTS, DSR, RI and DCD, as the host drives them.
    pins: u8,
    /// MSR bits 7:4 at the last read of MSR, and after each change since.
    inputs: Vec<u8>,
    /// Whether auto-RTS holds the sender.
    held: bool,
}

impl Model {
    /// Makes a UART after a reset.
    ///
    /// It follows table I of the data sheet, with three choices:
    ///
    /// * OUT2 is set, because some firmware uses interrupts and does not set it.
    /// * The divisor, which the data sheet leaves undefined, is 12 (9600 baud on a PC), because a driver divides by it.
    /// * The cable is connected to a modem that is ready.
    pub fn new(setup: Setup) -> Self {
        let pins = MSR_CTS | MSR_DSR | MSR_DCD;
        Self {
            setup,
            now: 0,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: MCR_OUT2,
            scr: 0,
            divisor_low: 12,
            divisor_high: 0,
            received: VecDeque::new(),
            line_errors: Vec::new(),
            time_out_at: None,
            timed_out: false,
            waiting: VecDeque::new(),
            shift: None,
            waited: Vec::new(),
            thre_at: None,
            thre_condition: false,
            thre_since_mode: 0,
            pins,
            inputs: vec![pins],
            held: false,
        }
    }

    /// Reads a register for the guest. The chip has three address lines.
    pub fn read(&mut self, register: u8) -> u8 {
        match (register & 7, self.dlab()) {
            (RBR_THR_DLL, true) => self.divisor_low,
            (IER_DLM, true) => self.divisor_high,
            (RBR_THR_DLL, false) => self.read_rbr(),
            (IER_DLM, false) => self.ier,
            (IIR_FCR, _) => self.read_iir(),
            (LCR, _) => self.lcr,
            (MCR, _) => self.mcr,
            (LSR, _) => self.read_lsr(),
            (MSR, _) => self.read_msr(),
            _ => self.scr,
        }
    }

    /// Writes a register for the guest. In instant time, returns the character that leaves.
    pub fn write(&mut self, register: u8, value: u8) -> Option<u8> {
        match (register & 7, self.dlab()) {
            (RBR_THR_DLL, true) => self.divisor_low = value,
            (IER_DLM, true) => self.divisor_high = value,
            (RBR_THR_DLL, false) => return self.write_thr(value),
            (IER_DLM, false) => self.write_ier(value),
            (IIR_FCR, _) => self.write_fcr(value),
            (LCR, _) => self.write_lcr(value),
            (MCR, _) => self.write_mcr(value),
            (SCR, _) => self.scr = value,
            // LSR is "intended for read operations only" (8.4), and a write of MSR does nothing either (R15).
            _ => {}
        }
        None
    }

    fn dlab(&self) -> bool {
        self.lcr & LCR_DLAB != 0
    }

    /// 8.7: IER has four enables, and four bits that "are always logic 0". The TL16C750 has sleep mode and low-power mode, which
    /// do nothing here.
    fn write_ier(&mut self, value: u8) {
        let before = self.ier;
        self.ier = value & if self.setup.profile == Profile::Uart16750 { 0x3F } else { 0x0F };
        // The data sheet does not say so, but the chip does it: enabling the THRE interrupt while THR is empty raises it.
        // Drivers that fill the FIFO before they enable the interrupt wait for that (R3).
        if before & IER_THR_EMPTY == 0 && self.ier & IER_THR_EMPTY != 0 && self.thre() {
            self.thre_condition = true;
        }
    }

    /// 8.6 and table IV. A read of IIR, "if source of interrupt", resets the THRE interrupt.
    fn read_iir(&mut self) -> u8 {
        let id = self.interrupt_id();
        if id == IIR_THR_EMPTY {
            self.thre_condition = false;
        }
        let fifos = if self.fifos() { IIR_FIFOS } else { 0 };
        let size = if self.capacity() == 64 { IIR_64_BYTES } else { 0 };
        id | size | fifos
    }

    /// 8.5. A write without bit 0 stores nothing: "this bit must be a 1 when other FCR bits are written to or they will not be
    /// programmed".
    fn write_fcr(&mut self, value: u8) {
        if self.setup.profile == Profile::Uart16450 {
            return;
        }
        let before = self.fcr;
        let enabled = value & FCR_ENABLE != 0;
        self.fcr = 0;
        if enabled {
            self.fcr = value & (FCR_ENABLE | FCR_DMA | FCR_TRIGGER);
            // TL16C750: bit 5 changes only while LCR bit 7 is set.
            if self.setup.profile == Profile::Uart16750 {
                self.fcr |= FCR_64_BYTES & if self.dlab() { value } else { before };
            }
        }
        // "When changing from the FIFO Mode to the 16450 Mode and vice versa, data is automatically cleared from the FIFOs".
        // A choice: a change of their size clears them too.
        let changed = before ^ self.fcr;
        let clear = changed & (FCR_ENABLE | FCR_64_BYTES) != 0;
        if clear || (enabled && value & FCR_RESET_RECEIVER != 0) {
            self.reset_receiver();
        }
        if clear || (enabled && value & FCR_RESET_TRANSMITTER != 0) {
            self.reset_transmitter();
        }
        if changed & FCR_ENABLE != 0 {
            self.thre_since_mode = 0;
        }
        self.settle();
    }

    /// 8.1. A choice: in loopback, a break that is turned on is received. The data sheet says that the bit "acts only on SOUT",
    /// which is cut off then. But it also says that loopback tests "the transmit-and received-data paths", and a break is
    /// part of these.
    fn write_lcr(&mut self, value: u8) {
        let turned_on = value & !self.lcr & LCR_BREAK != 0;
        self.lcr = value;
        if turned_on && self.loopback() {
            self.arrive(Character::BREAK);
        }
    }

    /// 8.8: bits 5 through 7 "are permanently set to logic 0". In the TL16C750, bit 5 is auto flow control.
    fn write_mcr(&mut self, value: u8) {
        self.mcr = value & if self.setup.profile == Profile::Uart16750 { 0x3F } else { 0x1F };
        self.settle();
    }

    /// 8.4: the errors are reset "whenever the CPU reads the contents of the line status register".
    fn read_lsr(&mut self) -> u8 {
        let mut lsr = self.line_errors() | self.data_ready();
        if self.thre() {
            lsr |= LSR_THR_EMPTY;
        }
        if self.transmitter_empty() {
            lsr |= LSR_TRANSMITTER_EMPTY;
        }
        if self.error_in_fifo() {
            lsr |= LSR_ERROR_IN_FIFO;
        }
        self.line_errors.clear();
        lsr
    }

    fn fifos(&self) -> bool {
        self.fcr & FCR_ENABLE != 0
    }

    /// Returns how many characters the receiver holds, and the transmitter beside its shift register.
    fn capacity(&self) -> usize {
        match (self.fifos(), self.fcr & FCR_64_BYTES != 0) {
            (false, _) => 1,
            (true, false) => 16,
            (true, true) => 64,
        }
    }

    fn loopback(&self) -> bool {
        self.mcr & MCR_LOOP != 0
    }

    fn timed(&self) -> bool {
        self.setup.mode == Mode::Timed
    }

    /// Updates everything that depends on MCR, FCR, the pins or the receiver, in this order: the RTS pin, then MSR, then the
    /// transmitter. One write is one change, so MSR sees only its result.
    fn settle(&mut self) {
        self.hold_or_release_the_sender();
        self.watch_the_modem();
        self.start();
    }
}
