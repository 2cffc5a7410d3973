//! Performs operations on a target, and checks what must hold.

use vuart::endpoint::{Attach, Cause, Identity, Mode, Refused, Session};
use vuart::scrollback::Position;
use vuart::uart::FIFO_SIZE;
use vuart::uart::spec::{Lsr, offset};

use super::operation::{Operation, ReplayFrom};
use super::receiver::Receiver;
use super::registers::{Effect, Registers};
use super::target::Target;

/// A longer access is no register access (S12).
const ACCESS_MAX: usize = 8;

/// More than the queue behind the receiver may ever hold (S1).
const WAITING_MAX: u64 = 1 << 14;

/// The most sessions. The oldest ends first.
const SESSIONS_MAX: usize = 8;

/// A target, and what is known about it from the operations so far.
///
/// It asserts that
///
/// * the transmitter is always ready, IIR is one of the data sheet's and what it reports is enabled, registers that only
///   store do;
/// * the guest reads what the present owner typed and the console took: all of it, in order, once; and nothing of an old owner that the
///   receiver had not taken;
/// * the ring is what the guest transmitted, at its offsets, and a hole is declared to the byte;
/// * a driver that waits is interrupted, and a driver that serves what is pending comes to an end;
/// * one session owns the console, the others know why they do not;
/// * no input is taken beyond a bound.
#[derive(Debug)]
pub struct Harness<T> {
    pub(super) target: T,
    registers: Registers,
    receiver: Receiver,
    transmitted: Vec<u8>,
    sessions: Vec<Known>,
    /// The driver has served everything and waits for input. The value is the number of interrupts until then.
    pub(super) driver_waits: Option<u64>,
    attached: u64,
    taken_over: u64,
    refused: u64,
    discarded: u64,
}

/// A session, and what is known about it.
#[derive(Debug)]
struct Known {
    session: Session,
    owner: bool,
    evicted: bool,
    cursor: u64,
}

impl<T: Target> Harness<T> {
    /// Makes a harness for a port after reset, whose console has no other user.
    pub fn new(target: T) -> Self {
        Self {
            target,
            registers: Registers::new(),
            receiver: Receiver::default(),
            transmitted: Vec::new(),
            sessions: Vec::new(),
            driver_waits: None,
            attached: 0,
            taken_over: 0,
            refused: 0,
            discarded: 0,
        }
    }

    /// Performs one operation.
    ///
    /// # Panics
    ///
    /// When a promise is broken.
    pub fn run(&mut self, operation: &Operation) {
        match *operation {
            Operation::Read { offset, length } => {
                self.read(offset, length.into());
            }
            Operation::Write { offset, ref data } => self.write(offset, data),
            Operation::Print { count } => self.print(count),
            Operation::ServeInterrupts => self.serve_interrupts(),
            Operation::Attach(from) => self.attach(Mode::Exclusive, from),
            Operation::TakeOver(from) => self.attach(Mode::TakeOver, from),
            Operation::Spectate(from) => self.attach(Mode::Spectate, from),
            Operation::Detach { session } => {
                if let Some(index) = self.choose(session) {
                    self.sessions.remove(index);
                }
            }
            Operation::Type { session, count } => self.type_bytes(session, count.into()),
            Operation::Break { session } => self.send_break(session),
            Operation::ReadOutput { session, count } => self.read_output(session, count.into()),
            Operation::ReadHistory { from_end, absolute, count } => {
                let from = if absolute {
                    // Sign extension makes the negative ones the largest.
                    i64::from(from_end).cast_unsigned()
                } else {
                    self.end().saturating_add_signed(from_end.into())
                };
                self.read_history(from, count.into());
            }
        }
        self.check_console();
    }

    /// Reads back what the ring has of the transmitted bytes, and checks the rest once more.
    ///
    /// # Panics
    ///
    /// When a promise is broken.
    pub fn finish(mut self) {
        self.serve_interrupts();
        let capacity = self.target.console().scrollback().capacity();
        self.read_history(0, 2 * capacity);
        self.check_console();
        for (index, known) in self.sessions.iter().enumerate() {
            assert_eq!(known.session.end().is_some(), known.evicted, "session {index}");
        }
    }

    /// The guest reads. Returns the last byte.
    pub(super) fn read(&mut self, offset: u64, length: usize) -> Option<u8> {
        self.driver_waits = None;
        let mut data = vec![0xA5; length];
        self.target.read(offset, &mut data);
        let mut line_status = None;
        for (index, value) in (0..).zip(data.iter().copied()) {
            match register(offset, index).filter(|_| length <= ACCESS_MAX) {
                // RBR comes first in its access, whatever else is read.
                Some(offset::RBR) if self.registers.rbr() => {
                    self.receiver.read(value, self.target.console().input_taken(), length == 1);
                }
                Some(register) => {
                    self.registers.check_read(register, value);
                    if register == offset::LSR {
                        line_status = Some(Lsr::from_bits_retain(value));
                    }
                }
                None => assert_eq!(value, 0xFF, "{length} bytes at {offset:#x}: there is no register"),
            }
        }
        self.catch_up();
        if let Some(lsr) = line_status {
            let held_back = self.registers.loopback() || self.registers.stops_input();
            self.receiver.check_data_ready(lsr.contains(Lsr::DR), held_back);
        }
        data.last().copied()
    }

    /// The guest writes.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.driver_waits = None;
        self.target.write(offset, data);
        let mut earlier = false;
        for (index, value) in (0..).zip(data.iter().copied()) {
            let Some(register) = register(offset, index).filter(|_| data.len() <= ACCESS_MAX) else {
                continue;
            };
            if register == offset::FCR {
                self.receiver.fcr_was_written();
            }
            match self.registers.write(register, value) {
                Effect::None => {}
                Effect::Transmitted(byte) => self.transmitted.push(byte),
                Effect::LoopedBack(byte) => self.receiver.looped_back(byte, self.registers.fifos()),
                Effect::ReceiverCleared => {
                    self.receiver.clear();
                    if earlier {
                        self.receiver.be_uncertain();
                    }
                }
            }
            earlier = true;
        }
        self.catch_up();
    }

    /// Whether there is input that the guest has not read.
    pub(super) fn something_waits(&self) -> bool {
        self.receiver.certainly_waits()
    }

    fn catch_up(&mut self) {
        let taken = self.target.console().input_taken();
        self.discarded += self.receiver.has_taken(taken, self.registers.fifos());
    }

    fn print(&mut self, count: u16) {
        for n in 0..count {
            let [low, high] = n.to_le_bytes();
            self.write(offset::THR.into(), &[low ^ high]);
        }
    }

    fn end(&self) -> u64 {
        self.transmitted.len() as u64
    }

    fn choose(&self, session: u8) -> Option<usize> {
        usize::from(session).checked_rem(self.sessions.len())
    }

    fn attach(&mut self, mode: Mode, from: ReplayFrom) {
        if self.sessions.len() == SESSIONS_MAX {
            self.sessions.remove(0);
        }
        let console = self.target.console();
        let (end, oldest) = (self.end(), console.scrollback().oldest());
        let (replay, cursor) = match from {
            ReplayFrom::Now => (Position::End, end),
            ReplayFrom::Oldest => (Position::Oldest, oldest),
            ReplayFrom::Last(count) => {
                (Position::Newest(count.into()), end.saturating_sub(count.into()).max(oldest))
            }
            ReplayFrom::Offset(offset) => (Position::Offset(offset), offset.min(end)),
        };
        let identity = Identity::new(&format!("client {}", self.attached), 0, None);
        let attach = Attach::new(identity.clone()).with_mode(mode).with_replay(replay);
        let holder = self.sessions.iter_mut().find(|known| known.owner);
        let session = match (console.attach(attach), &holder) {
            (Err(Refused::Held { holder, .. }), Some(known)) if mode == Mode::Exclusive => {
                assert_eq!(holder, known.session.info().identity);
                self.refused += 1;
                return;
            }
            (Ok(session), None) => session,
            (Ok(session), Some(_)) if mode != Mode::Exclusive => session,
            (answer, holder) => panic!("{mode:?} with {holder:?}: {answer:?}"),
        };
        assert_eq!(session.output().cursor(), cursor, "{from:?}, {oldest} to {end} are there");
        let owner = mode != Mode::Spectate;
        if owner {
            self.discarded += self.receiver.discard();
            assert_eq!(session.evicted().is_some(), holder.is_some());
            if let Some(known) = holder {
                let end = known.session.end().expect("an evicted session has ended");
                assert_eq!(end.cause, Cause::Evicted { by: identity });
                (known.owner, known.evicted) = (false, true);
                self.taken_over += 1;
            }
        }
        self.attached += 1;
        self.sessions.push(Known { session, owner, evicted: false, cursor });
    }

    fn type_bytes(&mut self, session: u8, count: usize) {
        let Some(index) = self.choose(session) else { return };
        let bytes: Vec<u8> = (0..count as u64).map(|ahead| self.receiver.next_typed(ahead)).collect();
        let known = &mut self.sessions[index];
        let Ok(taken) = known.session.write(&bytes) else {
            assert!(known.evicted, "session {index} goes on");
            return;
        };
        assert!(!known.evicted, "session {index} has ended");
        if !known.owner {
            assert_eq!(taken, 0, "a spectator typed");
            return;
        }
        self.receiver.typed(taken);
        assert!(
            taken == count || self.receiver.waiting() > FIFO_SIZE.into(),
            "{taken} of {count} in no crowd"
        );
        if taken > 0 {
            self.check_driver_was_woken();
        }
    }

    fn send_break(&mut self, session: u8) {
        let Some(index) = self.choose(session) else { return };
        let known = &mut self.sessions[index];
        match known.session.send_break() {
            Ok(taken) => {
                assert!(!known.evicted, "session {index} has ended");
                assert!(known.owner || !taken, "a spectator sent a break");
                if taken {
                    self.receiver.typed_break();
                    self.check_driver_was_woken();
                }
            }
            Err(_) => assert!(known.evicted, "session {index} goes on"),
        }
    }

    fn check_driver_was_woken(&mut self) {
        if let Some(before) = self.driver_waits.take() {
            assert!(self.target.interrupts() > before, "the guest waits for ever for what was typed");
        }
    }

    fn read_output(&mut self, session: u8, count: usize) {
        let Some(index) = self.choose(session) else { return };
        let mut buf = vec![0; count];
        let known = &mut self.sessions[index];
        let (from, read) = (known.cursor, known.session.read(&mut buf));
        known.cursor = read.next;
        self.check_output(from, &buf, read.start, read.next, read.missed);
    }

    fn read_history(&mut self, from: u64, count: usize) {
        let mut buf = vec![0; count];
        let read = self.target.console().scrollback().read_at(from, &mut buf);
        self.check_output(from, &buf, read.start, read.next, read.missed);
    }

    fn check_output(&self, from: u64, buf: &[u8], start: u64, next: u64, missed: u64) {
        assert_eq!(Some(start), from.checked_add(missed), "a hole is declared to the byte");
        let retained = self.target.console().scrollback().retained() as u64;
        assert!(
            missed == 0 || from < self.end().saturating_sub(retained),
            "offset {from} of {} is gone, though the ring keeps {retained} bytes",
            self.end()
        );
        if start >= self.end() {
            assert_eq!(start, next, "nothing is there yet");
            return;
        }
        let (Ok(start), Ok(next)) = (usize::try_from(start), usize::try_from(next)) else {
            panic!("{start} to {next} were never written")
        };
        assert!(
            self.transmitted[start..next] == buf[..next - start],
            "{start} to {next} is not the guest's output"
        );
        let expected = (self.transmitted.len() - start).min(buf.len());
        assert_eq!(next - start, expected, "the reader was not given what there is");
    }

    fn check_console(&self) {
        let console = self.target.console();
        let counters = console.counters();
        assert_eq!(counters.bytes_out, self.end());
        assert_eq!(counters.input_discarded, self.discarded);
        assert_eq!(
            (counters.attached, counters.taken_over, counters.refused),
            (self.attached, self.taken_over, self.refused)
        );
        assert_eq!(console.input_waiting(), self.receiver.waiting());
        // In loopback nothing comes in anyway.
        assert!(self.registers.loopback() || console.input_stopped() == self.registers.stops_input());
        assert!(console.input_waiting() <= WAITING_MAX);
        let owner = self.sessions.iter().find(|known| known.owner).map(|known| known.session.info());
        assert_eq!(console.owner().as_ref(), owner);
    }
}

/// The register of byte `index` of an access at `offset`.
fn register(offset: u64, index: u64) -> Option<u8> {
    let register = offset.checked_add(index).filter(|register| *register < u64::from(offset::COUNT));
    register.and_then(|register| u8::try_from(register).ok())
}
