//! The steps of the tour.

use std::sync::mpsc::Receiver;

use vuart::audit::{Audit, AuditEntry};
use vuart::endpoint::{Cause, End, EventKind, Mode, Refused};
use vuart::scrollback::Position;
use vuart::wire::{AttachRequest, DetachRequest, Event, LogRequest, Request};
use vuart_vmm::{Exit, ServedMachine};

use super::dialogue::Dialogue;
use super::failure::Failure;
use super::killed::killed;
use super::report::{check, check_identity, excerpt, line, ok};
use super::visitor::Visitor;
use crate::demo::guest::finish;
use crate::demo::options::Options;
use crate::demo::trail;
use crate::invocation::command;

/// The size of the paste, in bytes.
const PASTE: usize = 4096;

/// A tour of one console.
pub(super) struct Tour<'a> {
    dialogue: Dialogue<'a>,
    guest: ServedMachine,
    audit: Audit,
    /// The offset of this guest's first byte. The ring may also hold the output of an earlier guest.
    boot: u64,
    /// The bytes that the bus tap records.
    tapped: Option<Receiver<u8>>,
    /// All that the guest has written, as recorded so far.
    written: Vec<u8>,
}

impl<'a> Tour<'a> {
    /// A tour of the guest's console. `tapped` yields the bytes that the guest writes to the bus.
    pub(super) fn new(
        dialogue: Dialogue<'a>,
        guest: ServedMachine,
        audit: Audit,
        tapped: Option<Receiver<u8>>,
    ) -> Self {
        let boot = guest.console().scrollback().boot();
        Self { dialogue, guest, audit, boot, tapped, written: Vec::new() }
    }

    /// Runs all steps, and ends with the guest halted and the sockets removed.
    pub(super) fn give(mut self, options: &Options<'_>) -> Result<(), Failure> {
        line("tour", "there is no terminal here, so this shows, and checks, what a console can do")?;
        let choice = &options.choice;
        ok(&format!("a guest boots, and its console is served ({}: {})", choice.engine, choice.why))?;

        let mut observer = self.visitor("observer")?;
        let mut alice = self.visitor("alice")?;
        self.first_owner(&mut alice)?;
        let mut bob = self.visitor("bob")?;
        self.refused(&mut bob)?;
        self.taken_over(&mut alice, &mut bob)?;
        self.audited()?;
        self.old_owner_types(&mut alice, &mut bob, &mut observer)?;
        self.paste(&mut bob)?;
        self.history(&mut observer)?;
        self.detach(&mut bob, &mut observer)?;
        killed(&mut self.dialogue, choice.engine)?;
        self.halt()
    }

    fn visitor(&self, label: &str) -> Result<Visitor, Failure> {
        Ok(Visitor::connect(self.guest.control_socket(), label)?)
    }

    /// A client attaches, types and sees the answer.
    fn first_owner(&mut self, alice: &mut Visitor) -> Result<(), Failure> {
        let attached = self.dialogue.attach(alice, Mode::Exclusive, Position::Boot)?;
        check("the first client owns the console", attached.owner, || format!("{attached:?}"))?;
        self.dialogue.prompt(alice, "the guest's banner and prompt")?;
        let banner = String::from_utf8_lossy(alice.screen()).into_owned();
        let banner = banner.trim_start().lines().next().unwrap_or_default().to_owned();
        ok(&format!("alice attaches, and sees: {banner}"))?;
        self.dialogue.say(alice, "echo hello", b"hello")?;
        ok("alice types: echo hello; the guest echoes it and answers: hello")
    }

    /// A second client is refused, and learns who holds the console.
    fn refused(&mut self, bob: &mut Visitor) -> Result<(), Failure> {
        bob.ask(&Request::Attach(AttachRequest::default()));
        match self.dialogue.answer(bob, "a refusal")? {
            Event::Refused(refused @ Refused::Held { .. }) => {
                let Refused::Held { holder, .. } = &refused else { return Ok(()) };
                check_identity(holder, "alice")?;
                ok(&format!("bob attaches, and is refused: {refused}"))
            }
            other => Err(Failure::check("a refusal that names alice", format!("{other:?}"))),
        }
    }

    /// The second client takes the console over, and the first learns by whom.
    fn taken_over(&mut self, alice: &mut Visitor, bob: &mut Visitor) -> Result<(), Failure> {
        let attached = self.dialogue.attach(bob, Mode::TakeOver, Position::End)?;
        let evicted = attached.evicted.as_ref();
        check("bob owns the console, taken over from alice", attached.owner && evicted.is_some(), || {
            format!("{attached:?}")
        })?;
        if let Some(evicted) = evicted {
            check_identity(evicted, "alice")?;
            ok(&format!("bob takes the console over from {evicted}"))?;
        }
        match self.dialogue.answer(alice, "the end of alice's session")? {
            Event::Ended(end) => {
                let End { cause: Cause::Evicted { by }, .. } = &end else {
                    return Err(Failure::check("to be told of the take-over", end.to_string()));
                };
                check_identity(by, "bob")?;
                ok(&format!("alice is told: {end}"))
            }
            other => Err(Failure::check("the end of alice's session", format!("{other:?}"))),
        }
    }

    /// The take-over is in the audit trail, and not in the guest's output.
    fn audited(&mut self) -> Result<(), Failure> {
        let lines = trail::lines(&self.audit);
        let taken_over = lines.iter().find_map(|line| match &line.entry {
            AuditEntry::Console { event, .. } => match &event.kind {
                EventKind::Attached { who, evicted: Some(evicted), .. } => Some((line, who, evicted)),
                _ => None,
            },
            _ => None,
        });
        let Some((line, who, evicted)) = taken_over else {
            return Err(Failure::check("the take-over in the audit trail", format!("{lines:?}")));
        };
        check_identity(&who.identity, "bob")?;
        check_identity(&evicted.identity, "alice")?;
        let line = line.to_string();
        self.hear();
        check("nothing of it in the guest's output", !contains(&self.written, line.as_bytes()), || {
            excerpt(&self.written)
        })?;
        ok(&format!("the audit trail has it, apart from the guest's output: {line}"))
    }

    /// The old owner's typing is discarded; the new owner's typing reaches the guest.
    fn old_owner_types(
        &mut self,
        alice: &mut Visitor,
        bob: &mut Visitor,
        observer: &mut Visitor,
    ) -> Result<(), Failure> {
        let before = self.dialogue.status(observer)?.counters.input_accepted;
        alice.type_in(b"echo from alice\r");
        // The server handles a connection's requests in order, so with this answer it has handled the typing.
        let after = self.dialogue.status(alice)?.counters.input_accepted;
        check("none of alice's typing is accepted", after == before, || {
            format!("{} bytes were", after - before)
        })?;
        self.dialogue.say(bob, "echo from bob", b"from bob")?;
        self.hear();
        check("the guest has not heard of alice again", !contains(&self.written, b"alice"), || {
            excerpt(&self.written)
        })?;
        ok("alice types on, and nothing of it reaches the guest; what bob types does")
    }

    /// No byte of a paste is lost.
    fn paste(&mut self, bob: &mut Visitor) -> Result<(), Failure> {
        let pasted: String = ('!'..='~').cycle().take(PASTE).collect();
        self.dialogue.say(bob, &format!("echo {pasted}"), pasted.as_bytes())?;
        ok(&format!("bob pastes {PASTE} bytes: every one of them arrives, and comes back"))
    }

    /// The history, read by offset, equals what the guest wrote. Reading it does not change it.
    fn history(&mut self, observer: &mut Visitor) -> Result<(), Failure> {
        self.hear();
        let end = self.written.len();
        for _ in 0..2 {
            self.range(observer, 0, None)?;
        }
        ok(&format!(
            "the history, read by offset: {end} bytes, the same as were recorded on the guest's bus"
        ))?;
        let (from, length) = (end / 2, end / 4);
        self.range(observer, from, Some(length))?;
        let at = self.boot + from as u64;
        ok(&format!("a part of it, {length} bytes at offset {at}: the same"))
    }

    /// Reads a range of the history and compares it with what the guest wrote.
    fn range(&mut self, observer: &mut Visitor, from: usize, length: Option<usize>) -> Result<(), Failure> {
        let until = length.map_or(self.written.len(), |length| from + length);
        let begin = if from == 0 { Position::Boot } else { Position::Offset(self.boot + from as u64) };
        observer.take_screen();
        observer.ask(&Request::Log(LogRequest { from: begin, max: length.map(|length| length as u64) }));
        match self.dialogue.answer(observer, "the end of the history")? {
            Event::LogEnd(end) => {
                let next = self.boot + until as u64;
                check("the offset to go on from", end.next == next, || {
                    format!("{} and not {next}", end.next)
                })?;
            }
            other => return Err(Failure::check("the end of the history", format!("{other:?}"))),
        }
        let read = observer.take_screen();
        let expected = &self.written[from..until];
        if read == expected {
            return Ok(());
        }
        let same = read.iter().zip(expected).take_while(|(a, b)| a == b).count();
        Err(Failure::check(
            format!("{} at offset {}", excerpt(&expected[same..]), from + same),
            excerpt(&read[same..]),
        ))
    }

    /// A client detaches, and the console is free.
    fn detach(&mut self, bob: &mut Visitor, observer: &mut Visitor) -> Result<(), Failure> {
        bob.ask(&Request::Detach(DetachRequest::default()));
        match self.dialogue.answer(bob, "the end of bob's session")? {
            Event::Ended(End { cause: Cause::Detached, .. }) => {}
            other => return Err(Failure::check("the end of bob's session", format!("{other:?}"))),
        }
        let sessions = self.dialogue.status(observer)?.sessions;
        check("nobody is at the console", sessions.is_empty(), || format!("{sessions:?}"))?;
        ok("bob detaches, and the console is free")
    }

    /// The guest halts: its last output arrives, and no socket is left.
    fn halt(mut self) -> Result<(), Failure> {
        let mut carol = self.visitor("carol")?;
        self.dialogue.attach(&mut carol, Mode::Exclusive, Position::End)?;
        carol.type_in(b"halt\r");
        match self.dialogue.answer(&mut carol, "the end of the guest")? {
            Event::Ended(End { cause: Cause::VmEnded, .. }) => {}
            other => return Err(Failure::check("the end of the guest", format!("{other:?}"))),
        }
        check("the guest's last words", carol.screen() == b"halt\r\nhalting\r\n", || {
            excerpt(carol.screen())
        })?;
        let sockets = [self.guest.control_socket().to_owned(), self.guest.raw_socket().to_owned()];
        let exit = finish(self.guest)?;
        check("the guest has halted by itself", exit == Exit::Halted, || format!("{exit:?}"))?;
        ok("carol attaches and types: halt; she sees the guest's last words, and that it has ended")?;
        let left = sockets.iter().find(|socket| socket.exists());
        check("no socket stays behind", left.is_none(), || format!("{left:?}"))?;
        ok("the sockets are gone")?;
        let vuart = command();
        line("try it", &format!("in a terminal:      {vuart} demo"))?;
        line("", &format!("and in another one: {vuart} attach demo --force"))
    }

    /// Takes what the bus tap has recorded.
    fn hear(&mut self) {
        self.written.extend(self.tapped.iter().flat_map(Receiver::try_iter));
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
