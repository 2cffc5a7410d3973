//! The device: the register machine, the ring and the way in, wired together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vm_superio::Trigger;
use vuart_16550::spec::{InterruptId, Mcr, Msr, offset};
use vuart_16550::{Config, FIFO_SIZE_MAX, RestoreError, Uart};
use vuart_endpoint::{Console, ConsoleParts, DropDue, GuestLines, Input, Symbol};
use vuart_scrollback::{CapacityError, Doorbell, OptionsError, Scrollback, Writer};

use crate::foreseen::{Foreseen, Host};
use crate::state::{PortState, PortStateV2};
use vuart_trace::{RecordError, Recorder, Recording};

/// Why a port can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewPortError {
    /// The ring can't have that size.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
}

/// Why a port can't be made as a state says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestorePortError {
    /// No UART can be in that state.
    #[error(transparent)]
    Uart(#[from] RestoreError),
    /// More input waits than there is room for.
    #[error("{waiting} symbols of input wait, and there is room for {}", Input::CAPACITY)]
    TooMuchInput {
        /// How many symbols.
        waiting: usize,
    },
    /// The carrier is low for a hang-up that the guest has not seen, and it is high.
    #[error("the carrier is dropped, and DCD is high")]
    Carrier,
    /// The ring can't have that size, or begin at that offset.
    #[error(transparent)]
    Ring(#[from] OptionsError),
    /// The ring is not the one that the port had when the state was taken, or the guest has written since.
    #[error("the state's next byte of output has the offset {state}, and the ring's has {ring}")]
    OtherOffset {
        /// The offset by the state.
        state: u64,
        /// That of the ring's [`Writer`].
        ring: u64,
    },
}

/// What a VMM decides about a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The ring's size in bytes: a power of two. A port that is given a [`Writer`] has that one's ring.
    pub scrollback: usize,
    /// The UART's.
    pub uart: Config,
}

impl Default for Options {
    fn default() -> Self {
        Self { scrollback: 1 << 20, uart: Config::default() }
    }
}

impl Options {
    /// The same, keeping `bytes` of output.
    #[must_use]
    pub fn with_scrollback(self, bytes: usize) -> Self {
        Self { scrollback: bytes, ..self }
    }

    /// The same, with another UART.
    #[must_use]
    pub fn with_uart(self, uart: Config) -> Self {
        Self { uart, ..self }
    }
}

/// Who rings the doorbell for the output of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// The port, within the access.
    Port,
    /// The caller, after it has unlocked the port.
    Caller,
}

/// What has happened at a port since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PortCounters {
    /// Interrupts raised.
    pub interrupts: u64,
    /// Of these, the ones whose trigger failed: the guest did not get them.
    pub interrupts_failed: u64,
    /// Accesses longer than eight bytes, and single bytes of other accesses that are at no register.
    pub bad_accesses: u64,
}

/// The interrupt, shared by the vCPU's thread (a condition arises in the UART) and the owner's (input comes).
#[derive(Debug)]
struct Line<T> {
    trigger: T,
    raised: AtomicU64,
    failed: AtomicU64,
}

impl<T: Trigger> Line<T> {
    fn raise(&self) {
        // Relaxed: counters order nothing.
        self.raised.fetch_add(1, Relaxed);
        // The guest's access must succeed all the same (S6); the VMM can see the count.
        if self.trigger.trigger().is_err() {
            self.failed.fetch_add(1, Relaxed);
        }
    }
}

/// A 16550A at COM1, or wherever the VMM puts it.
///
/// One vCPU thread accesses it at a time: a VMM with several makes it a [`SharedPort`](crate::SharedPort), whose lock only vCPU
/// threads take. (So what is not an access of the guest's, such as a snapshot or a modem line, is for a moment at which the
/// vCPUs are paused, or for a vCPU's thread.) It takes no lock itself, never blocks, and makes no system call on an access except
/// to raise an interrupt; once for each time that it went to sleep, to wake the console's server for output or for room that it
/// waits for; and to tell it that the guest hangs up or sends a break.
///
/// The interrupt is an edge, as rust-vmm's [`Trigger`] is: it fires at each rise of the UART's interrupt line. A character
/// that is written to THR leaves at once, so that there the line falls and rises again within one access; that counts as
/// a rise when the guest has read IIR or LSR since the last edge, as every driver that we know of does in its handler. One
/// that answered the THRE interrupt by writing THR blindly would get no second edge.
#[derive(Debug)]
pub struct SerialPort<T> {
    uart: Uart,
    output: Writer,
    input: Input,
    lines: GuestLines,
    /// What the VMM drives; DCD goes low for a hang-up all the same.
    modem_inputs: Msr,
    /// DCD is low for a hang-up, until the guest has seen that.
    dropped: bool,
    line: Arc<Line<T>>,
    /// The level that the last edge has announced.
    level: bool,
    /// The guest has read IIR or LSR since the last edge.
    looked: bool,
    /// As of the last access that changed anything. While a recording goes on nothing is: it has to hear of each access.
    foreseen: Foreseen,
    /// What the host had [done](Input::changes) before that.
    seen: u64,
    doorbell: Doorbell,
    console: Console,
    bad_accesses: u64,
    recorder: Option<Box<Recorder>>,
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// A port with 1 MiB of scrollback.
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options).
    pub fn new(trigger: T) -> Result<Self, NewPortError> {
        Self::with_options(trigger, Options::default())
    }

    /// A port as the VMM wants it.
    ///
    /// # Errors
    ///
    /// When the ring can't have the size asked for.
    pub fn with_options(trigger: T, options: Options) -> Result<Self, NewPortError> {
        let (output, _) = Scrollback::new(options.scrollback)?;
        Ok(Self::with_writer(trigger, options, output))
    }

    /// A port whose output goes into a ring that the VMM has made: one with a boot head, or one in a `memfd` or a file, which
    /// outlives the VMM ([`scrollback::RingOptions`](vuart_scrollback::RingOptions)). Of `options` the ring's size does not count.
    ///
    /// ```
    /// # use vuart::{Options, SerialPort, scrollback};
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let ring = scrollback::RingOptions::new(1 << 20).with_boot_head(64 << 10);
    /// let (output, scrollback) = ring.create_memfd("com1")?;
    /// let mut port = SerialPort::with_writer(Irq, Options::default(), output);
    /// port.write(0, b"O");
    /// port.write(0, b"K");
    ///
    /// // Whoever has the file descriptor reads the guest's last words, whatever has become of the VMM.
    /// let supervisors = scrollback.file().expect("a ring in a memfd").try_clone()?;
    /// drop((port, scrollback));
    /// let left = scrollback::Scrollback::load(&supervisors)?;
    /// let mut buf = [0; 16];
    /// assert_eq!((left.read_at(0, &mut buf).len(), &buf[..2]), (2, &b"OK"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_writer(trigger: T, options: Options, output: Writer) -> Self {
        Self::wired(trigger, Uart::new(options.uart), Msr::CONNECTED, output, &[])
    }

    /// A port that goes on where another was when its [state](Self::state) was taken: same answers, same interrupts, same
    /// offsets. If its interrupt line is high, the guest is interrupted, whether or not it had been already (R4, S19).
    ///
    /// Of `options` the UART does not count: chip and board are the state's. The history before it is declared lost.
    /// Who owns the console is decided anew; input that waits is nobody's, and is discarded when somebody comes to own the
    /// console before the guest has read it.
    ///
    /// ```
    /// # use vuart::{Options, PortState, SerialPort};
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let mut port = SerialPort::new(Irq)?;
    /// port.write(0, b"A");
    /// port.write(1, &[0x02]); // THRE interrupt
    /// let state: PortState = port.state();
    /// drop(port); // ... and on another machine:
    ///
    /// let mut port = SerialPort::restore(Irq, Options::default(), &state)?;
    /// assert_eq!(port.counters().interrupts, 1);
    /// port.write(0, b"B");
    /// assert_eq!(port.console().scrollback().oldest(), 1);
    /// assert_eq!(port.console().scrollback().end(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the state is one that no port can be in, or a port can't be [made](Self::with_options).
    pub fn restore(trigger: T, options: Options, state: &PortState) -> Result<Self, RestorePortError> {
        // Whatever is wrong with the state is told first, and costs no memory.
        let state = state.as_latest();
        let uart = Self::uart(&state)?;
        let (output, _) = Scrollback::starting_at(options.scrollback, state.offset)?;
        Ok(Self::restored(trigger, uart, output, &state))
    }

    /// Like [`restore`](Self::restore), with the ring that the port had when its state was taken: nothing of the history is
    /// lost, and who reads it from the `memfd` or the file ([`Scrollback::map`]) reads on as if nothing had happened.
    ///
    /// So a VMM is replaced under its guest. The old one pauses its vCPUs, takes the state, drops the port and hands state and
    /// file descriptor to the new one, which [adopts](vuart_scrollback::RingOptions::adopt) the ring:
    ///
    /// ```
    /// # use vuart::{Options, SerialPort, scrollback};
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let (output, scrollback) = scrollback::RingOptions::default().create_memfd("com1")?;
    /// let mut port = SerialPort::with_writer(Irq, Options::default(), output);
    /// port.write(0, b"A");
    /// let (state, file) = (port.state(), scrollback.file().expect("a ring in a memfd").try_clone()?);
    /// drop(port); // ... and in another process, by inheritance or over a Unix socket:
    ///
    /// let (output, _) = scrollback::RingOptions::default().adopt(file)?;
    /// let mut port = SerialPort::restore_with_writer(Irq, output, &state)?;
    /// port.write(0, b"B");
    /// assert_eq!(port.console().scrollback().oldest(), 0);
    /// assert_eq!(port.console().scrollback().end(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A snapshot that is older than what the ring holds needs another ring, whose first byte has its
    /// [offset](PortState::offset): [`with_start`](vuart_scrollback::RingOptions::with_start).
    ///
    /// # Errors
    ///
    /// [`OtherOffset`](RestorePortError::OtherOffset) when the ring's next offset is not the state's; otherwise as
    /// [`restore`](Self::restore).
    pub fn restore_with_writer(
        trigger: T,
        output: Writer,
        state: &PortState,
    ) -> Result<Self, RestorePortError> {
        let state = state.as_latest();
        let uart = Self::uart(&state)?;
        if output.end() != state.offset {
            return Err(RestorePortError::OtherOffset { state: state.offset, ring: output.end() });
        }
        Ok(Self::restored(trigger, uart, output, &state))
    }

    /// The UART in that state, if all of the state is one that a port can be in.
    fn uart(state: &PortStateV2) -> Result<Uart, RestorePortError> {
        let waiting = &state.waiting;
        if waiting.len() > Input::CAPACITY {
            return Err(RestorePortError::TooMuchInput { waiting: waiting.len() });
        }
        if state.dropped && state.modem_inputs().contains(Msr::DCD) {
            return Err(RestorePortError::Carrier);
        }
        Ok(Uart::restore(&state.uart)?)
    }

    fn restored(trigger: T, uart: Uart, output: Writer, state: &PortStateV2) -> Self {
        let mut inputs = state.modem_inputs();
        inputs.set(Msr::DCD, inputs.contains(Msr::DCD) || state.dropped);
        let mut port = Self::wired(trigger, uart, inputs, output, &state.waiting);
        port.dropped = state.dropped;
        if state.drop_due {
            // Nobody listens yet, so this announces nothing; if the guest does, `settle` will.
            port.console.carrier().hang_up();
        }
        port.drive_lines();
        // If there is a break, it was told of where it began.
        let _ = port.console.carrier().guest_breaks();
        if port.uart.awaits_modem_status() {
            port.listen();
        }
        port.settle_input(FIFO_SIZE_MAX);
        port.settle();
        port
    }

    fn wired(trigger: T, uart: Uart, modem_inputs: Msr, output: Writer, waiting: &[Symbol]) -> Self {
        let line = Arc::new(Line { trigger, raised: AtomicU64::new(0), failed: AtomicU64::new(0) });
        let announce = Arc::clone(&line);
        let scrollback = output.scrollback().clone();
        let announce = move || announce.raise();
        let parts = Console::builder(scrollback).with_waiting(waiting).build(announce);
        let ConsoleParts { console, input, guest_lines: lines, .. } = parts;
        Self {
            uart,
            output,
            input,
            lines,
            modem_inputs,
            dropped: false,
            line,
            level: false,
            looked: false,
            foreseen: Foreseen::default(),
            seen: 0,
            doorbell: console.doorbell().clone(),
            console,
            bad_accesses: 0,
            recorder: None,
        }
    }
}

impl<T: Trigger> SerialPort<T> {
    /// What people attach to.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The counters at this moment.
    pub fn counters(&self) -> PortCounters {
        PortCounters {
            interrupts: self.line.raised.load(Relaxed),
            interrupts_failed: self.line.failed.load(Relaxed),
            bad_accesses: self.bad_accesses,
        }
    }

    /// The state at this moment, between two accesses of the guest. It does not change, so the guest may go on.
    ///
    /// A port that is to go on elsewhere ends its sessions first (`console().end(...)`): what is typed after this is not in
    /// the state.
    pub fn state(&self) -> PortState {
        PortState::V2(PortStateV2 {
            uart: self.uart.state(),
            offset: self.output.end(),
            waiting: self.input.waiting(),
            drop_due: self.lines.is_due(),
            dropped: self.dropped,
        })
    }

    /// The guest boots: what it writes from now on is a new boot's output. For a VMM that resets its guest, while the vCPUs are
    /// stopped. Returns the offset at which the boot begins.
    ///
    /// Whoever reads the console can begin there (`vuart log --boot`), and the ring's boot head, if it has one, keeps this boot's
    /// beginning from now on: see [`Writer::mark`]. The registers are left as they are.
    pub fn mark_boot(&mut self) -> u64 {
        self.output.mark()
    }

    /// The host drives the modem inputs: CTS, DSR, RI, DCD. Other bits are ignored. At first, all but RI are active.
    ///
    /// The guest is interrupted if it has asked for that (IER.EDSSI). While DCD is low for a
    /// [hang-up](vuart_endpoint::Carrier::hang_up), it stays low until the guest has seen that; a hang-up while the VMM holds
    /// DCD low changes nothing.
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.modem_inputs = inputs & Msr::INPUTS;
        // It stays low for as long as the VMM wants it.
        self.dropped &= inputs.contains(Msr::DCD);
        self.drive_modem_inputs();
        self.settle();
    }

    fn drive_modem_inputs(&mut self) {
        let mut inputs = self.modem_inputs;
        inputs.set(Msr::DCD, inputs.contains(Msr::DCD) && !self.dropped);
        self.uart.set_modem_inputs(inputs);
        if let Some(recorder) = &mut self.recorder {
            recorder.modem(inputs);
        }
    }

    /// The guest holds the line at space: LCR.BREAK.
    pub fn break_out(&self) -> bool {
        self.uart.break_out()
    }

    /// The modem outputs: DTR, RTS, OUT1 and OUT2.
    pub fn modem_outputs(&self) -> Mcr {
        self.uart.modem_outputs()
    }

    /// Records what the guest and the host do from now on, as a [trace](crate::trace) that [replays](crate::trace::Trace).
    ///
    /// The trace goes into a ring of `capacity` bytes (a power of two), from which the [`Recording`] is to be taken or
    /// [saved](Recording::save) while the guest runs; a megabyte outlasts a slow disk for some 100,000 accesses. The guest's
    /// thread waits for nobody here either. It goes on until the port or the recording is dropped, or the
    /// [saving](crate::trace::Saving::finish) is over; a second one takes the place of the first.
    ///
    /// ```
    /// # use vuart::SerialPort;
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let mut port = SerialPort::new(Irq)?;
    /// let mut recording = port.record(1 << 20)?;
    /// port.write(0, b"A");
    /// port.read(5, &mut [0]);
    /// assert_eq!(recording.take(), "# vuart trace v1\nw 0 41\ntx 41\nr 5 60\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the guest has touched the port already, or the host a modem line, for a trace begins with a reset; when the ring
    /// can't have that size; or when there is no file descriptor left.
    pub fn record(&mut self, capacity: usize) -> Result<Recording, RecordError> {
        let (recorder, recording) = Recorder::new(&self.uart, capacity)?;
        self.recorder = Some(Box::new(recorder));
        self.foreseen = Foreseen::default();
        Ok(recording)
    }

    /// The guest reads from `offset` bytes into the port's range.
    ///
    /// An access of several bytes reads as many neighbouring registers, as the bus of a PC splits it; what is beyond the
    /// last register reads 0xFF (R15). An access longer than eight bytes is no register access: it reads 0xFF and has no
    /// effect (S12).
    #[inline]
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        match (register(offset), data) {
            (Some(register), [byte]) => *byte = self.read_register(register),
            (_, data) => self.read_wide(offset, data),
        }
    }

    #[cold]
    #[inline(never)]
    fn read_wide(&mut self, offset: u64, data: &mut [u8]) {
        if data.len() > usize::from(offset::COUNT) {
            self.bad_accesses += 1;
            data.fill(0xFF);
            return;
        }
        for (index, byte) in (0..).zip(data) {
            *byte = match self.neighbour(offset, index) {
                Some(register) => self.read_register(register),
                None => 0xFF,
            };
        }
    }

    /// The guest reads the same register several times: `rep insb`, one byte each.
    ///
    /// Where there is no register they read 0xFF, and count as one access.
    pub fn read_string(&mut self, offset: u64, data: &mut [u8]) {
        let Some(register) = register(offset) else {
            self.bad_accesses += 1;
            data.fill(0xFF);
            return;
        };
        for byte in data {
            *byte = self.read_register(register);
        }
    }

    /// The guest writes from `offset` bytes into the port's range.
    ///
    /// An access of several bytes writes as many neighbouring registers; what is beyond the last one, and an access longer
    /// than eight bytes, goes nowhere (S12).
    #[inline]
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        self.write_and_ring(offset, data, Ring::Port);
    }

    /// [`write`](Self::write). Returns whether there was output.
    #[inline]
    pub(crate) fn write_and_ring(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        match (register(offset), data) {
            (Some(register), [byte]) => self.write_register_and_ring(register, *byte, ring),
            _ => self.write_wide(offset, data, ring),
        }
    }

    #[cold]
    #[inline(never)]
    fn write_wide(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        if data.len() > usize::from(offset::COUNT) {
            self.bad_accesses += 1;
            return false;
        }
        let mut output = false;
        for (index, byte) in (0..).zip(data) {
            if let Some(register) = self.neighbour(offset, index) {
                output |= self.write_register_and_ring(register, *byte, ring);
            }
        }
        output
    }

    /// The guest writes the same register several times: `rep outsb`, one byte each, or what has been
    /// [coalesced](crate::coalescing).
    ///
    /// It is as if each were written by itself, but a string to THR goes into the ring as a whole. Where there is no register
    /// it goes nowhere, and counts as one access.
    ///
    /// ```
    /// # use vuart::SerialPort;
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let mut port = SerialPort::new(Irq)?;
    /// port.write_string(0, b"Linux version 6.1");
    /// assert_eq!(port.console().scrollback().end(), 17);
    /// # Ok::<(), vuart::NewPortError>(())
    /// ```
    pub fn write_string(&mut self, offset: u64, data: &[u8]) {
        self.write_string_and_ring(offset, data, Ring::Port);
    }

    /// [`write_string`](Self::write_string). Returns whether there was output.
    pub(crate) fn write_string_and_ring(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        let Some(register) = register(offset) else {
            self.bad_accesses += 1;
            return false;
        };
        let mut output = false;
        let mut rest = data;
        while let Some((first, others)) = rest.split_first() {
            if register == offset::THR && self.foreseen.sends() {
                self.output.extend(rest);
                self.ring(ring);
                return true;
            }
            // The first of them may be what makes the others plain.
            output |= self.write_register_and_ring(register, *first, ring);
            rest = others;
        }
        output
    }

    /// Whether it makes no difference to the guest when its writes to THR come here, as long as they come in order and before
    /// any other access: it polls, so no interrupt answers them.
    ///
    /// While it is so, a VMM may let the kernel collect them: see [`coalescing`](crate::coalescing). It changes only with an
    /// access other than a write to THR, and not while the port [records](Self::record), when it is never so: a trace has
    /// its input where it came.
    pub fn defers_output(&self) -> bool {
        self.recorder.is_none() && self.uart.transmits_unseen()
    }

    fn neighbour(&mut self, offset: u64, index: u64) -> Option<u8> {
        let register = offset.checked_add(index).and_then(register);
        if register.is_none() {
            self.bad_accesses += 1;
        }
        register
    }

    /// The guest reads one register. Only the low three bits of `register` count.
    #[inline]
    pub fn read_register(&mut self, register: u8) -> u8 {
        match self.foreseen.read(register) {
            Some(value) if self.input.changes() == self.seen => value,
            _ => self.read_the_long_way(register & 7),
        }
    }

    #[inline(never)]
    fn read_the_long_way(&mut self, register: u8) -> u8 {
        if matches!(register, offset::IIR | offset::MSR)
            && let Some(due) = self.lines.take()
        {
            self.drop_carrier(due);
        }
        let looks = matches!(register, offset::IIR | offset::LSR);
        self.looked |= looks;
        if looks || register == offset::RBR {
            // Not for other registers: only these look at the input, and ask for an announcement anew.
            self.seen = self.input.changes();
        }
        // A guest that polls LSR must see what has come; one that was interrupted for it must find it, in whatever register
        // it looks first. What is there is served first, so that a paste moves up by FIFOs and not by characters.
        let asked = register == offset::LSR || self.uart.awaits_character();
        if asked && (looks || register == offset::RBR) && self.uart.received() == 0 && !self.input.is_empty()
        {
            // A guest that polls reads LSR before each character, and gets one at a time: a driver that starts reads LSR
            // and then empties the receiver with FCR, and what a person typed too early is better off behind it.
            let rises = !self.uart.interrupt();
            let announced = self.refill(if self.uart.awaits_character() { FIFO_SIZE_MAX } else { 1 });
            // A rise that comes from this input, and that the guest is about to see, has been announced by its sender, or is
            // ours to announce.
            if looks && announced && rises && self.uart.interrupt() {
                self.level = true;
                self.looked = false;
            }
        }
        let value = self.uart.read(register);
        if let Some(recorder) = &mut self.recorder {
            recorder.read(register, value);
        }
        if looks || register == offset::RBR {
            // After a take-over the guest may have been interrupted for input that is not there any more: it must be told
            // of the next as well.
            self.settle_input(FIFO_SIZE_MAX);
        } else if register == offset::MSR && self.dropped && !self.uart.is_in_loopback() {
            // It has seen DCD low.
            self.raise_carrier();
        }
        self.settle();
        value
    }

    /// The guest writes one register. Only the low three bits of `register` count.
    #[inline]
    pub fn write_register(&mut self, register: u8, value: u8) {
        self.write_register_and_ring(register, value, Ring::Port);
    }

    /// [`write_register`](Self::write_register). Returns whether there was output.
    #[inline]
    pub(crate) fn write_register_and_ring(&mut self, register: u8, value: u8, ring: Ring) -> bool {
        // Each of the other ways is a call at the end, so that this one has no registers to save.
        if register & 7 != offset::THR || !self.foreseen.sends() {
            self.write_the_long_way(register & 7, value, ring)
        } else if self.output.push_announced(value) {
            self.ring(ring);
            true
        } else {
            self.send(value, ring)
        }
    }

    #[inline(never)]
    fn send(&mut self, byte: u8, ring: Ring) -> bool {
        self.output.push(byte);
        self.ring(ring);
        true
    }

    #[inline]
    fn ring(&self, ring: Ring) {
        if ring == Ring::Port {
            self.doorbell.ring_if_armed();
        }
    }

    #[inline(never)]
    fn write_the_long_way(&mut self, register: u8, value: u8, ring: Ring) -> bool {
        let transmitted = self.uart.write(register, value);
        if let Some(recorder) = &mut self.recorder {
            recorder.write(register, value, transmitted);
        }
        if let Some(byte) = transmitted {
            self.send(byte, ring);
        }
        if register == offset::THR {
            // In one access the line fell (THR was filled) and rose (it has emptied again). A driver that has looked at
            // the UART since the last edge may be waiting for this one; one that is still filling the FIFO is not, and
            // sixteen edges for sixteen characters would only cost it time.
            if self.level && self.looked && self.uart.interrupt_id() == InterruptId::Thre {
                self.level = false;
            }
        } else {
            self.seen = self.input.changes();
            // One character is enough to raise the line; the rest waits until the guest reads, for a driver that sets the
            // port up enables the interrupt before it resets the FIFOs.
            self.settle_input(1);
            match register {
                offset::IER => self.listen(),
                offset::MCR => {
                    self.drive_lines();
                    self.listen();
                }
                offset::LCR => self.drive_lines(),
                _ => {}
            }
        }
        self.settle();
        transmitted.is_some()
    }

    /// What the guest drives, as the console is told of it.
    fn drive_lines(&mut self) {
        // In loopback the pin is inactive, which is not the guest's hanging up.
        if !self.uart.is_in_loopback() {
            self.lines.dtr(self.uart.modem_outputs().contains(Mcr::DTR));
        }
        self.lines.break_out(self.uart.break_out());
    }

    /// After an access that may have changed whether the guest is interrupted for the carrier.
    fn listen(&mut self) {
        if let Some(due) = self.lines.listen(self.uart.awaits_modem_status()) {
            self.drop_carrier(due);
        }
    }

    /// The console hangs up: DCD goes low until the guest has seen it.
    fn drop_carrier(&mut self, due: DropDue) {
        if !self.modem_inputs.contains(Msr::DCD) {
            return;
        }
        let rises = !self.uart.interrupt();
        self.dropped = true;
        self.drive_modem_inputs();
        // As with input: a rise that comes from this has been announced by the console, or is ours to announce.
        if due.announced && rises && self.uart.interrupt() {
            self.level = true;
            self.looked = false;
        }
    }

    /// DCD goes up again, for a tty without CLOCAL can't be opened while it is low.
    fn raise_carrier(&mut self) {
        // The line has fallen by the guest's read and rises by this, within one access.
        self.level &= self.uart.interrupt();
        self.dropped = false;
        self.drive_modem_inputs();
    }

    /// Moves waiting input into the receiver, `most` characters at the most. Whether an announcement that was asked for has been
    /// made, or is about to be.
    fn refill(&mut self, most: u8) -> bool {
        let room = self.uart.room().min(most);
        let announced = self.input.announced();
        let mut symbols = [Symbol::Break; FIFO_SIZE_MAX as usize];
        let taken = self.input.take(&mut symbols[..usize::from(room)]);
        for symbol in &symbols[..taken] {
            match symbol {
                Symbol::Byte(byte) => self.uart.receive(*byte),
                Symbol::Break => self.uart.receive_break(),
            }
            if let Some(recorder) = &mut self.recorder {
                match symbol {
                    Symbol::Byte(byte) => recorder.received(*byte),
                    Symbol::Break => recorder.received_break(),
                }
            }
        }
        announced
    }

    /// After an access that may have emptied the receiver, or changed whether the guest is told of input: takes what
    /// waits, and asks for an announcement when the guest has to wait for more.
    fn settle_input(&mut self, most: u8) {
        while self.uart.awaits_character() {
            if self.input.is_empty() && self.input.want() {
                return;
            }
            // The line falls between the last character and the next: an edge for a driver that reads only so many. It
            // may only fall here: a rise that another source made in this access is still to be announced.
            //
            // Whatever was announced, this rise is announced here: the guest may have been interrupted by that already, for
            // something that had gone, and what it reads in this access does not say of this.
            self.level &= self.uart.interrupt();
            self.refill(most);
        }
        // The guest can't be told of input now: an announcement would come to nothing, and must not be taken for one that
        // counts when it can be told again. Input stays behind the FIFO; a guest that polls LSR gets it from there.
        self.input.announced();
    }

    /// Announces a rise of the interrupt line, and foresees the next accesses.
    fn settle(&mut self) {
        let level = self.uart.interrupt();
        if level && !self.level {
            self.looked = false;
            self.line.raise();
        }
        self.level = level;
        if let Some(recorder) = &mut self.recorder {
            recorder.outputs(&self.uart);
            if recorder.is_over() {
                self.recorder = None;
            }
        }
        self.foreseen = match self.recorder {
            None => {
                let rises = !self.uart.is_in_loopback() && self.dropped;
                let host = Host { input: !self.input.is_empty(), carrier: self.lines.is_due() || rises };
                Foreseen::of(&self.uart, host, level, self.looked)
            }
            Some(_) => Foreseen::default(),
        };
    }
}

/// The register that many bytes into the port's range, if there is one.
#[inline]
fn register(offset: u64) -> Option<u8> {
    u8::try_from(offset).ok().filter(|register| *register < offset::COUNT)
}
