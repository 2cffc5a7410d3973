//! The device: the register machine, the ring and the input queue, wired together.

mod access;
mod hold;
mod reset;
mod snapshot;

use std::sync::Arc;

use vm_superio::Trigger;
use vuart_16550::Uart;
use vuart_16550::spec::{Mcr, Msr};
use vuart_endpoint::{Console, ConsoleParts, OutputHold, Symbol};
use vuart_scrollback::{Doorbell, Writer};
#[cfg(feature = "trace")]
use vuart_trace::{RecordError, Recording};

use crate::cache::Cache;
use crate::chip::{self, Chip};
use crate::edge::{Edge, InterruptLine};
use crate::flow::Flow;
use crate::level::InterruptLevel;
use crate::metrics::{Counts, Meter, PortCounters};
use crate::modem::Modem;
use crate::pause::Pause;
use crate::receive::Receive;

/// Who rings the doorbell for the output of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// The port, within the access.
    Port,
    /// The caller, after it has unlocked the port.
    Caller,
}

/// A 16550A at COM1, or wherever the VMM puts it.
///
/// [`new`](Self::new) makes one with a ring of 1 MiB, and [`PortBuilder`](crate::PortBuilder) any other, also from a snapshot.
///
/// # Threads
///
/// One vCPU thread accesses the port at a time. A VMM with several vCPUs makes it a [`SharedPort`](crate::SharedPort), whose lock only
/// vCPU threads take. Take a snapshot or drive a modem line on a vCPU's thread, or while the vCPUs are paused.
///
/// The port takes no lock itself and never blocks. An access makes a system call only to
///
/// * raise an interrupt;
/// * wake the console's server for output, or for room that it waits for: once for each time that it went to sleep;
/// * tell the server that the guest hangs up or sends a break;
/// * tell the server that the guest's output [waits for the owner](vuart_endpoint::OutputPolicy::Hold), if the console's policy wants that.
///   The clock, which an access reads during such a wait, is no system call where the vDSO has it.
///
/// # The end
///
/// [End](Console::end) the console before you drop the port, so that clients are told why. A port that is dropped without that ends its
/// console with [`Cause::PortDropped`](vuart_endpoint::Cause::PortDropped). The drop takes no lock and calls no observer.
///
/// # Interrupts
///
/// The interrupt is an edge, as rust-vmm's [`Trigger`] is: the port calls the trigger at each rise of the UART's interrupt line. A closure
/// or an eventfd is a trigger, too: [`interrupt`](crate::interrupt) says which of them is for which VMM, and what a failure does. For an
/// input that is triggered by the level, see [`level`](crate::level).
///
/// A character that is written to THR leaves at once, so the line falls and rises again within one access. That counts as a rise if the
/// guest has read IIR or LSR since the last edge, which every driver that we know of does in its interrupt handler. A driver that
/// answers the THRE interrupt by a THR write without such a read gets no second edge.
#[derive(Debug)]
pub struct SerialPort<T> {
    chip: Chip,
    output: Writer,
    receive: Receive,
    flow: Flow,
    hold: OutputHold,
    modem: Modem,
    line: Arc<InterruptLine<T>>,
    edge: Edge,
    level: InterruptLevel,
    cache: Cache,
    doorbell: Doorbell,
    console: Console,
    counts: Arc<Counts>,
}

/// What a port begins with, besides its chip and its ring.
#[derive(Debug)]
pub(crate) struct Beginning<'a> {
    /// The input that the receiver has taken and the guest has not read.
    pub(crate) taken: &'a [Symbol],
    /// The input that waits behind the receiver.
    pub(crate) waiting: &'a [Symbol],
    /// A pause, the characters since the last one, and those in the receiver that came by loopback: see [`Receive`].
    pub(crate) pause: Pause,
    pub(crate) run: u16,
    pub(crate) looped: u8,
    /// What the VMM drives.
    pub(crate) modem_inputs: Msr,
    /// A hang-up waits for the guest's next look.
    pub(crate) drop_due: bool,
    /// DCD is low for a hang-up.
    pub(crate) dropped: bool,
    pub(crate) flow: Flow,
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// A port whose chip is as `uart` is, which drives nothing and asks for nothing yet.
    pub(crate) fn wired(trigger: T, uart: Uart, output: Writer, beginning: &Beginning<'_>) -> Self {
        let counts = Arc::new(Counts::new(output.end()));
        let line = Arc::new(InterruptLine::new(trigger, Arc::clone(&counts)));
        let announce = Arc::clone(&line);
        let scrollback = output.scrollback().clone();
        let announce = move || announce.raise();
        let Beginning { modem_inputs, dropped, flow, .. } = *beginning;
        let parts = Console::builder(scrollback)
            .with_taken(beginning.taken)
            .with_waiting(beginning.waiting)
            .with_hang_up_due(beginning.drop_due)
            .build(announce);
        let ConsoleParts { console, input, guest_lines: lines, output_hold: hold, .. } = parts;
        let level = InterruptLevel::new(input.watch(), lines.watch(), hold.watch());
        Self {
            chip: chip::of(uart),
            output,
            receive: Receive::new(input, beginning.pause, beginning.run, beginning.looped),
            flow,
            hold,
            modem: Modem::new(lines, modem_inputs, dropped),
            line,
            edge: Edge::default(),
            level,
            cache: Cache::default(),
            doorbell: console.doorbell().clone(),
            console,
            counts,
        }
    }
}

impl<T: Trigger> SerialPort<T> {
    /// The console: sessions attach to it.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The trigger that the port was made with: the guest's interrupt.
    pub fn trigger(&self) -> &T {
        self.line.trigger()
    }

    /// The level of the interrupt line, as a level-triggered input of an interrupt controller needs it. It includes what another thread
    /// has announced and the port has not taken: see [`InterruptLevel::is_high`].
    ///
    /// The trigger is called at each rise all the same. [`interrupt_level`](Self::interrupt_level) is for other threads.
    pub fn interrupt(&self) -> bool {
        self.level.is_high()
    }

    /// A handle to ask for the [level](Self::interrupt) on any thread, beside the guest's accesses.
    pub fn interrupt_level(&self) -> InterruptLevel {
        self.level.clone()
    }

    /// The counters at this moment. [`meter`](Self::meter) reads them on other threads, together with the console's.
    pub fn counters(&self) -> PortCounters {
        self.counts.read(self.output.end())
    }

    /// A handle for the VMM's metrics, which reads the [`Metrics`](crate::Metrics) of this port and its console on any thread.
    pub fn meter(&self) -> Meter {
        Meter::new(Arc::clone(&self.counts), self.console.clone())
    }

    /// Marks the beginning of a boot: what the guest writes from now on is a new boot's output. Returns the offset at which it begins.
    ///
    /// Call it when the guest first boots. [`reset`](Self::reset) does it for each later boot. Readers can begin there
    /// (`Position::Boot`), and the ring's boot head, if it has one, keeps this boot's beginning from now on: see [`Writer::mark`]. The
    /// registers stay as they are.
    pub fn mark_boot(&mut self) -> u64 {
        self.output.mark()
    }

    /// Drives the modem inputs: CTS, DSR, RI, DCD. Other bits are ignored. At first, all but RI are active.
    ///
    /// The guest is interrupted if it has asked for that (IER.EDSSI). While DCD is low for a
    /// [hang-up](vuart_endpoint::Console::hang_up), it stays low until the guest has seen that. A hang-up while you hold DCD low
    /// changes nothing.
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.cache.clear();
        self.modem.set_inputs(inputs, &mut self.chip, &mut self.edge);
        self.settle();
    }

    /// Whether the guest holds the line at space (LCR.BREAK).
    pub fn break_out(&self) -> bool {
        self.chip.break_out()
    }

    /// The modem outputs: DTR, RTS, OUT1 and OUT2.
    pub fn modem_outputs(&self) -> Mcr {
        self.chip.modem_outputs()
    }

    /// Records what guest and host do from now on, as a [trace](crate::trace) that [replays](crate::trace::Trace).
    ///
    /// The trace goes into a ring of `capacity` bytes (a power of two). [Take](Recording::take) it from there or [save](Recording::save)
    /// it while the guest runs. A megabyte outlasts a slow disk for some 100,000 accesses. The guest's thread never waits for the disk.
    /// The recording ends when the port or the recording is dropped, or when the [saving](crate::trace::Saving::finish) is finished. A
    /// second recording replaces the first. While it goes on, no output is [held](vuart_endpoint::OutputPolicy::Hold).
    ///
    /// ```
    /// # use vuart::SerialPort;
    /// let mut port = SerialPort::new(|| ());
    /// let mut recording = port.record(1 << 20)?;
    /// port.write(0, b"A");
    /// port.read(5, &mut [0]);
    /// assert_eq!(recording.take(), "# vuart trace v1\nat chip\nw 0 41\ntx 41\nr 5 60\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFresh`](RecordError::NotFresh) when the guest has changed a register already, or the host a modem line: a trace begins with
    /// a reset. [`Capacity`](RecordError::Capacity) when the ring can't have that size.
    #[cfg(feature = "trace")]
    pub fn record(&mut self, capacity: usize) -> Result<Recording, RecordError> {
        let recording = self.chip.record(capacity)?;
        self.cache.clear();
        Ok(recording)
    }

    /// The level of the interrupt line, as if the guest had looked at the input that waits and interrupts it.
    #[cfg(feature = "trace")]
    pub(crate) fn line(&self) -> bool {
        if self.chip.interrupt() || !self.chip.awaits_character() {
            return self.chip.interrupt();
        }
        let mut looked_at = chip::of(Uart::clone(&self.chip));
        self.receive.show(&mut looked_at);
        looked_at.interrupt()
    }

    /// Whether it makes no difference to the guest *when* its THR writes come here, as long as they come in order and before any other
    /// access. It polls, so no interrupt answers them, and the port does not look for XON in them.
    ///
    /// While this is so, a VMM may let the kernel collect the writes: see [`coalescing`](crate::coalescing). Only an access other than a
    /// THR write changes it. A port that records never defers, because a trace has its input where it came. A policy that
    /// [holds output](vuart_endpoint::OutputPolicy::Hold) changes nothing here: the guest sees THRE by a read, before which its writes are
    /// drained.
    pub fn defers_output(&self) -> bool {
        !chip::is_recording(&self.chip) && self.chip.transmits_unseen() && !self.flow.hears_output()
    }

    /// After the guest may have stopped input or let it come: holds the queue back, or no more, and tells the console.
    /// [Settle](Receive::settle) the receiver after this.
    fn obey_flow(&mut self) {
        let stopped = self.flow.stops_input();
        self.receive.stop(stopped);
        self.modem.tell_input_stopped(stopped);
    }

    /// Ends an access or an action of the host: interrupts the guest if the line has risen.
    #[inline]
    fn settle(&mut self) {
        let awaits_transmitter = self.settle_hold();
        let high = self.chip.interrupt();
        // In any case: it may have to ask for an announcement.
        let calls = self.receive.calls(&self.chip);
        let rises = self.edge.settle(high || calls);
        chip::settle(&mut self.chip);
        self.level.set(high, self.receive.awaits_input(&self.chip), awaits_transmitter);
        if rises {
            self.line.raise();
        }
    }
}
