//! Row F2: however much is typed, an interrupt handler comes to its end, and is interrupted for the rest.

mod support;

use support::{Edges, owner, port};
use vuart::endpoint::Session;
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, SerialPort};

/// The most characters that a driver gets without a pause.
const RUN_MAX: usize = 256;

/// Linux' limit for one call of its handler (`PASS_LIMIT`).
const PASS_LIMIT: usize = 512;

/// The paste that Linux took in one interrupt.
const PASTE: usize = 131_328;

/// A guest whose owner types on at each of its accesses: the queue is as full as it can be whenever the guest looks.
struct Pasted {
    port: SerialPort<Edges>,
    edges: Edges,
    owner: Session,
    paste: Vec<u8>,
    sent: usize,
    read: Vec<u8>,
    /// An interrupt is latched.
    latched: bool,
    /// The port is restored from a snapshot before every access.
    restores: bool,
}

impl Pasted {
    fn new(len: usize) -> Self {
        let (port, edges) = port();
        let owner = owner(&port);
        let paste = (0..len).map(|n| n.to_le_bytes()[0]).collect();
        Self { port, edges, owner, paste, sent: 0, read: Vec::new(), latched: false, restores: false }
    }

    fn before(&mut self) {
        if self.restores {
            let edges = Edges::default();
            // A state from which input has gone to a new owner would be another test.
            let state = self.port.state();
            self.port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
            self.edges = edges;
        } else {
            self.sent += self.owner.write(&self.paste[self.sent..]).unwrap();
        }
        self.latch();
    }

    fn latch(&mut self) {
        self.latched |= self.edges.take() > 0;
    }

    fn get(&mut self, register: u8) -> u8 {
        self.before();
        let value = self.port.read_register(register);
        self.latch();
        value
    }

    fn set(&mut self, register: u8, value: u8) {
        self.before();
        self.port.write_register(register, value);
        self.latch();
    }

    fn open(&mut self, fcr: u8, ier: u8) {
        for (register, value) in [(FCR, fcr), (LCR, 0x03), (MCR, 0x0B), (IER, ier)] {
            self.set(register, value);
        }
    }

    /// Calls the handler for as long as there are interrupts. Returns the most characters in one interrupt, and the interrupts.
    fn interrupts(&mut self, mut handler: impl FnMut(&mut Self)) -> (usize, usize) {
        let (mut most, mut count) = (0, 0);
        while std::mem::take(&mut self.latched) {
            let before = self.read.len();
            handler(self);
            most = most.max(self.read.len() - before);
            count += 1;
            assert!(
                count <= 2 * self.paste.len() + 10,
                "an interrupt comes again and again, and reads nothing"
            );
        }
        (most, count)
    }

    fn take(&mut self) {
        let byte = self.get(RBR);
        self.read.push(byte);
    }

    fn assert_complete(&self) {
        assert!(self.read == self.paste, "{} of {} characters", self.read.len(), self.paste.len());
    }
}

/// Linux: `serial8250_interrupt`, `serial8250_handle_irq`, `serial8250_rx_chars`.
fn linux(guest: &mut Pasted) {
    let mut passes = 0;
    while guest.get(IIR) & 0x01 == 0 {
        let mut lsr = guest.get(LSR);
        let mut left = 256;
        while lsr & 0x11 != 0 {
            guest.take();
            lsr = guest.get(LSR);
            left -= 1;
            if left == 0 {
                break;
            }
        }
        guest.get(MSR);
        passes += 1;
        assert!(passes < PASS_LIMIT, "too much work for irq4");
    }
}

/// A handler that looks at LSR alone.
fn lsr_alone(guest: &mut Pasted) {
    while guest.get(LSR) & 0x01 != 0 {
        guest.take();
    }
}

/// A handler that looks at IIR alone.
fn iir_alone(guest: &mut Pasted) {
    while guest.get(IIR) & 0x0F == 0x04 || guest.get(IIR) & 0x0F == 0x0C {
        guest.take();
    }
}

/// A handler that takes the characters that IIR has promised in one string (`rep insb`), and the rest by LSR.
fn strings(guest: &mut Pasted) {
    loop {
        match guest.get(IIR) & 0x0F {
            0x04 => {
                let mut eight = [0; 8];
                guest.before();
                guest.port.read_string(RBR.into(), &mut eight);
                guest.latch();
                guest.read.extend(eight);
            }
            0x0C => lsr_alone(guest),
            _ => return,
        }
    }
}

#[test]
fn f2_linux_takes_a_paste_in_many_interrupts() {
    for ier in [0x01, 0x05, 0x07, 0x0D, 0x0F] {
        let mut guest = Pasted::new(PASTE);
        guest.open(0x87, ier);
        let (most, interrupts) = guest.interrupts(linux);
        guest.assert_complete();
        // Where the transmitter's interrupt is pending too, IIR has that one in the pause.
        let runs = if ier & 0x02 == 0 { 1 } else { 2 };
        assert!(most <= runs * RUN_MAX, "{most} characters in one interrupt with IER {ier:#x}");
        assert!(interrupts <= 2 * PASTE / RUN_MAX + 10, "{interrupts} interrupts");
    }
}

#[test]
fn f2_whatever_a_handler_looks_at_it_ends_and_is_interrupted_again() {
    type Handler = fn(&mut Pasted);
    let handlers: [(&str, Handler); 3] = [("LSR", lsr_alone), ("IIR", iir_alone), ("strings", strings)];
    for (name, handler) in handlers {
        for fcr in [0x87, 0x01, 0x00] {
            let mut guest = Pasted::new(PASTE / 16);
            guest.open(fcr, 0x01);
            let (most, _) = guest.interrupts(handler);
            guest.assert_complete();
            assert!(most <= RUN_MAX, "{most} characters by {name} with FCR {fcr:#x}");
        }
    }
}

/// A driver for a chip without FIFOs may read one character for each interrupt, and look at nothing after that.
#[test]
fn f2_a_handler_that_reads_one_character_is_interrupted_for_each() {
    let mut guest = Pasted::new(PASTE / 16);
    guest.open(0x00, 0x01);
    let (most, interrupts) = guest.interrupts(|guest| {
        if guest.get(IIR) & 0x01 == 0 {
            guest.take();
        }
    });
    guest.assert_complete();
    assert_eq!(most, 1);
    assert!(interrupts <= guest.paste.len() + 2 * guest.paste.len() / RUN_MAX, "{interrupts} interrupts");
}

/// A handler for a chip without FIFOs may begin with RBR, because it was interrupted for the character. To echo it, it looks at LSR. It
/// reads nothing that was not typed, however the pauses fall.
#[test]
fn f2_a_handler_that_begins_with_rbr_reads_nothing_that_was_not_typed() {
    let mut guest = Pasted::new(PASTE / 16);
    guest.open(0x00, 0x01);
    let (most, _) = guest.interrupts(|guest| {
        guest.take();
        while guest.get(LSR) & 0x20 == 0 {}
        guest.set(THR, b'e');
    });
    guest.assert_complete();
    assert_eq!(most, 1);
}

/// FreeBSD's buffer holds 384 characters, and is emptied after the interrupt.
#[test]
fn f2_freebsd_never_overruns_its_buffer() {
    let mut guest = Pasted::new(PASTE / 16);
    guest.open(0x81, 0x05);
    let (most, _) = guest.interrupts(|guest| {
        // ns8250_bus_ipend(), then ns8250_bus_receive().
        while guest.get(IIR) & 0x01 == 0 {
            guest.get(LSR);
            lsr_alone(guest);
        }
    });
    guest.assert_complete();
    assert!(most < 384, "{most} characters before the buffer is emptied");
}

/// S19: a snapshot between any two accesses loses no interrupt and no character.
#[test]
fn f2_s19_the_port_is_restored_before_each_access() {
    for handler in [linux, lsr_alone, iir_alone, strings] {
        let mut guest = Pasted::new(1000);
        guest.sent = guest.owner.write(&guest.paste).unwrap();
        guest.restores = true;
        guest.open(0x87, 0x01);
        let (most, _) = guest.interrupts(handler);
        guest.assert_complete();
        assert!(most <= RUN_MAX, "{most} characters");
    }
}

/// U-Boot, GRUB: a guest that polls loses a look in each 257.
#[test]
fn f2_a_guest_that_polls_is_not_slowed_down() {
    let mut guest = Pasted::new(PASTE / 16);
    let mut in_vain = 0;
    while guest.read.len() < guest.paste.len() {
        if guest.get(LSR) & 0x01 != 0 {
            guest.take();
        } else {
            in_vain += 1;
            assert!(in_vain <= guest.paste.len() / RUN_MAX, "{in_vain} looks in vain");
        }
    }
    guest.assert_complete();
}

/// The pause shows once in each register, and then the input is there.
#[test]
fn f2_a_pause_shows_once() {
    for look in [LSR, IIR] {
        let mut guest = Pasted::new(1000);
        guest.open(0x01, 0x01);
        guest.get(IIR);
        for _ in 0..RUN_MAX {
            guest.take();
        }
        guest.latched = false;
        assert_eq!(guest.get(look) & 0x01, u8::from(look == IIR), "DR is 0, or nothing is pending");
        assert!(guest.latched, "the guest may sleep now");
        assert_eq!(guest.get(LSR) & 0x01, 1);
        assert_eq!(guest.get(IIR), 0xC4);
    }
    // Linux looks at both.
    let mut guest = Pasted::new(1000);
    guest.open(0x01, 0x01);
    guest.get(IIR);
    for _ in 0..RUN_MAX {
        guest.take();
    }
    assert_eq!([LSR, MSR, IIR, IIR, LSR].map(|register| guest.get(register)), [0x60, 0xB0, 0xC1, 0xC4, 0x61]);
    // A driver that reads RBR without a look counts on its characters.
    let mut guest = Pasted::new(1000);
    guest.open(0x01, 0x01);
    for _ in 0..1000 {
        guest.take();
    }
    guest.assert_complete();
}

/// A take-over during a pause leaves nothing to show, and the new owner's input is announced.
#[test]
fn f2_e4_a_take_over_in_a_pause_leaves_the_guest_listening() {
    for looks in [&[][..], &[LSR], &[LSR, IIR], &[IIR]] {
        let mut guest = Pasted::new(1000);
        guest.open(0x01, 0x01);
        guest.get(IIR);
        for _ in 0..RUN_MAX {
            guest.take();
        }
        for look in looks {
            guest.get(*look);
        }
        guest.owner = owner(&guest.port);
        guest.paste = b"new".to_vec();
        guest.sent = 3;
        guest.read.clear();
        guest.interrupts(linux);
        // What had moved up already is the guest's.
        assert!(guest.read.len() <= 16, "{looks:?}: {} characters", guest.read.len());
        guest.read.clear();
        guest.sent = 0;
        guest.before();
        assert!(guest.latched, "{looks:?}");
        guest.interrupts(linux);
        assert_eq!(guest.read, b"new", "{looks:?}");
    }
}

/// THRE keeps the line high all the while, because the handler does not look at IIR.
#[test]
fn f2_a_handler_that_looks_at_lsr_alone_is_interrupted_again_while_thre_is_pending() {
    let mut guest = Pasted::new(3000);
    guest.open(0x07, 0x03);
    guest.interrupts(lsr_alone);
    guest.assert_complete();
}
