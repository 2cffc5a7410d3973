//! The device: the register machine, the ring and the input queue, wired together.

mod access;
mod snapshot;

use std::sync::Arc;

use vm_superio::Trigger;
use vuart_16550::Uart;
use vuart_16550::spec::{Mcr, Msr};
use vuart_endpoint::{Console, ConsoleParts, Input, Symbol};
use vuart_scrollback::{Doorbell, Writer};
#[cfg(feature = "trace")]
use vuart_trace::{RecordError, Recording};

use crate::cache::Cache;
use crate::chip::{self, Chip};
use crate::edge::{Edge, InterruptLine};
use crate::modem::Modem;
use crate::receive::Receive;

/// What has happened at a port since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PortCounters {
    /// The number of interrupts raised.
    pub interrupts: u64,
    /// The number of interrupts whose trigger failed. The guest did not get them.
    pub interrupts_failed: u64,
    /// The number of accesses longer than eight bytes, and of single bytes of other accesses that are at no register.
    pub bad_accesses: u64,
}

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
/// * tell the server that the guest hangs up or sends a break.
///
/// # Interrupts
///
/// The interrupt is an edge, as rust-vmm's [`Trigger`] is: the port calls the trigger at each rise of the UART's interrupt line.
///
/// A character that is written to THR leaves at once, so the line falls and rises again within one access. That counts as a rise if the
/// guest has read IIR or LSR since the last edge, which every driver that we know of does in its interrupt handler. A driver that
/// answers the THRE interrupt by a THR write without such a read gets no second edge.
#[derive(Debug)]
pub struct SerialPort<T> {
    chip: Chip,
    output: Writer,
    receive: Receive,
    modem: Modem,
    line: Arc<InterruptLine<T>>,
    edge: Edge,
    cache: Cache,
    doorbell: Doorbell,
    console: Console,
    bad_accesses: u64,
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// A port whose chip is as `uart` is, which drives nothing and asks for nothing yet. Of the host's input there is what the receiver has
    /// taken and what waits. `dropped` says that DCD is low for a hang-up.
    pub(crate) fn wired(
        trigger: T,
        uart: Uart,
        output: Writer,
        (taken, waiting): (&[Symbol], &[Symbol]),
        receive: impl FnOnce(Input) -> Receive,
        modem_inputs: Msr,
        dropped: bool,
    ) -> Self {
        let line = Arc::new(InterruptLine::new(trigger));
        let announce = Arc::clone(&line);
        let scrollback = output.scrollback().clone();
        let announce = move || announce.raise();
        let parts = Console::builder(scrollback).with_taken(taken).with_waiting(waiting).build(announce);
        let ConsoleParts { console, input, guest_lines: lines, .. } = parts;
        Self {
            chip: chip::of(uart),
            output,
            receive: receive(input),
            modem: Modem::new(lines, modem_inputs, dropped),
            line,
            edge: Edge::default(),
            cache: Cache::default(),
            doorbell: console.doorbell().clone(),
            console,
            bad_accesses: 0,
        }
    }
}

impl<T: Trigger> SerialPort<T> {
    /// The console: sessions attach to it.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The counters at this moment.
    pub fn counters(&self) -> PortCounters {
        PortCounters {
            interrupts: self.line.raised(),
            interrupts_failed: self.line.failed(),
            bad_accesses: self.bad_accesses,
        }
    }

    /// Marks the beginning of a boot: what the guest writes from now on is a new boot's output. Returns the offset at which it begins.
    ///
    /// Call it when you reset the guest, while the vCPUs are stopped. Readers can begin there (`Position::Boot`), and the ring's boot head,
    /// if it has one, keeps this boot's beginning from now on: see [`Writer::mark`]. The registers stay as they are.
    pub fn mark_boot(&mut self) -> u64 {
        self.output.mark()
    }

    /// Drives the modem inputs: CTS, DSR, RI, DCD. Other bits are ignored. At first, all but RI are active.
    ///
    /// The guest is interrupted if it has asked for that (IER.EDSSI). While DCD is low for a
    /// [hang-up](vuart_endpoint::Carrier::hang_up), it stays low until the guest has seen that. A hang-up while you hold DCD low
    /// changes nothing.
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.cache.clear();
        self.modem.set_inputs(inputs, &mut self.chip);
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
    /// second recording replaces the first.
    ///
    /// ```
    /// # use vuart::SerialPort;
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let mut port = SerialPort::new(Irq)?;
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
    /// access. It polls, so no interrupt answers them.
    ///
    /// While this is so, a VMM may let the kernel collect the writes: see [`coalescing`](crate::coalescing). Only an access other than a
    /// THR write changes it. A port that records never defers, because a trace has its input where it came.
    pub fn defers_output(&self) -> bool {
        !chip::is_recording(&self.chip) && self.chip.transmits_unseen()
    }

    /// Ends an access or an action of the host: interrupts the guest if the line has risen.
    #[inline]
    fn settle(&mut self) {
        let level = self.chip.interrupt() || self.receive.calls(&self.chip);
        let rises = self.edge.settle(level);
        chip::settle(&mut self.chip);
        if rises {
            self.line.raise();
        }
    }
}
