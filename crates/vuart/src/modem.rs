//! The modem lines between the VMM, the console and the guest: DCD and its drop for a hang-up, DTR, breaks, and whether the guest has
//! stopped input.
//!
//! The console hangs up: DCD goes low when the guest next looks, and high again when the guest has seen it low, because a tty without
//! CLOCAL can't be opened while DCD is low. The guest hangs up by dropping DTR, and sends breaks: the console is told of both.

use vuart_16550::spec::{Mcr, Msr};
use vuart_endpoint::{DropDue, GuestLines};

use crate::chip::{self, Chip};
use crate::edge::Edge;

/// The guest's end of the modem lines.
#[derive(Debug)]
pub(crate) struct Modem {
    lines: GuestLines,
    /// What the VMM drives. DCD goes low for a hang-up all the same.
    inputs: Msr,
    /// DCD is low for a hang-up, until the guest has seen that.
    dropped: bool,
}

impl Modem {
    /// The lines of a chip whose inputs are at `inputs`, with DCD low for a hang-up if it is `dropped`.
    pub(crate) fn new(lines: GuestLines, inputs: Msr, dropped: bool) -> Self {
        Self { lines, inputs, dropped }
    }

    /// Whether DCD is low for a hang-up that the guest has not seen.
    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped
    }

    /// Whether a hang-up waits for the guest's next look.
    #[inline]
    pub(crate) fn drop_is_due(&self) -> bool {
        self.lines.is_due()
    }

    /// Whether a read of MSR shows the guest that DCD is low for a hang-up, and so ends the drop.
    #[inline]
    pub(crate) fn is_seen_in_msr(&self, chip: &Chip) -> bool {
        self.dropped && !chip.is_in_loopback()
    }

    /// The VMM drives the inputs. DCD stays low while it is low for a hang-up.
    pub(crate) fn set_inputs(&mut self, inputs: Msr, chip: &mut Chip, edge: &mut Edge) {
        if !self.inputs.contains(Msr::DCD) {
            // A hang-up that came while the VMM held DCD low changes nothing, so it must not come now that DCD rises.
            let _ = self.lines.take();
        }
        self.inputs = inputs & Msr::INPUTS;
        // DCD stays low for as long as the VMM wants it.
        self.dropped &= inputs.contains(Msr::DCD);
        self.drive(chip);
        self.listen(chip, edge);
    }

    fn drive(&self, chip: &mut Chip) {
        let mut inputs = self.inputs;
        inputs.set(Msr::DCD, inputs.contains(Msr::DCD) && !self.dropped);
        chip.set_modem_inputs(inputs);
    }

    /// Before a read of IIR or MSR: drops DCD if the console has hung up.
    #[inline]
    pub(crate) fn before_read(&mut self, chip: &mut Chip, edge: &mut Edge) {
        if let Some(due) = self.lines.take() {
            self.drop_carrier(due, chip, edge);
        }
    }

    /// After a read of MSR: raises DCD if the guest has seen it low.
    #[inline]
    pub(crate) fn after_msr_read(&mut self, chip: &mut Chip, edge: &mut Edge) {
        if self.is_seen_in_msr(chip) {
            // The line has fallen by the guest's read and rises by this, within one access.
            edge.saw(chip.interrupt());
            self.dropped = false;
            self.drive(chip);
            self.lines.saw_drop();
        }
    }

    /// The port goes on from a snapshot: the console has been told of what the guest drives.
    pub(crate) fn resume(&mut self, chip: &Chip) {
        self.lines.resume(chip.modem_outputs().contains(Mcr::DTR), chip.break_out());
    }

    /// After a write of LCR or MCR: tells the console what the guest drives.
    pub(crate) fn tell_outputs(&mut self, chip: &Chip) {
        // In loopback the DTR pin is inactive, but the guest has not hung up.
        if !chip.is_in_loopback() {
            self.lines.dtr(chip.modem_outputs().contains(Mcr::DTR));
        }
        self.lines.break_out(chip.break_out());
    }

    /// Tells the console whether the guest has stopped input.
    pub(crate) fn tell_input_stopped(&mut self, stopped: bool) {
        self.lines.stop_input(stopped);
    }

    /// After a write of IER or MCR, and when the VMM has driven DCD: tells the console whether a drop of DCD interrupts the guest from
    /// now on. While the VMM holds DCD low, it can't drop.
    pub(crate) fn listen(&mut self, chip: &mut Chip, edge: &mut Edge) {
        let listens = chip.awaits_modem_status() && self.inputs.contains(Msr::DCD);
        if let Some(due) = self.lines.listen(listens) {
            self.drop_carrier(due, chip, edge);
        }
    }

    /// The guest was reset: DCD is as the VMM drives it, and the chip is as at power-on with these inputs. The console is told.
    pub(crate) fn reset(&mut self, chip: &mut Chip) {
        self.dropped = false;
        chip::reset(chip, self.inputs);
        self.lines.reset();
    }

    fn drop_carrier(&mut self, due: DropDue, chip: &mut Chip, edge: &mut Edge) {
        if !self.inputs.contains(Msr::DCD) {
            return;
        }
        let before = chip.interrupt();
        self.dropped = true;
        self.drive(chip);
        if due.announced {
            edge.announced_elsewhere(before, chip.interrupt());
        }
    }
}
