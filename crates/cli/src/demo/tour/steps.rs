//! The steps of the tour.

use std::cell::RefCell;
use std::sync::mpsc::Receiver;

use vuart::audit::{Audit, AuditEntry, AuditLine};
use vuart::endpoint::{Cause, End, EventKind, Mode, Refused};
use vuart::scrollback::Position;
use vuart::wire::{AttachRequest, DetachRequest, Event, LogRequest, Request};
use vuart_vmm::{Exit, ServedMachine};

use super::killed::killed;
use super::report::{check, check_identity, excerpt, line, ok, unexpected};
use super::visitor::Visitor;
use crate::demo::error::DemoError;
use crate::demo::guest::{Demo, finish};
use crate::error::Error;
use crate::invocation::command;
use crate::signals::Signals;

/// The size of the paste, in bytes.
const PASTE: usize = 4096;

/// A tour of one console.
pub(super) struct Tour<'a> {
    demo: &'a Demo<'a>,
    signals: &'a RefCell<Signals>,
    guest: ServedMachine,
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
        demo: &'a Demo<'a>,
        signals: &'a RefCell<Signals>,
        guest: ServedMachine,
        tapped: Option<Receiver<u8>>,
    ) -> Self {
        let boot = guest.console().scrollback().boot();
        Self { demo, signals, guest, boot, tapped, written: Vec::new() }
    }

    /// Runs all steps, and ends with the guest halted and the sockets removed.
    pub(super) fn give(mut self) -> Result<(), Error> {
        line("tour", "there is no terminal here, so this shows, and checks, what a console can do")?;
        let choice = &self.demo.choice;
        ok(&format!("a guest boots, and its console is served ({}: {})", choice.engine, choice.why))?;

        let mut observer = self.visitor("observer")?;
        let mut alice = self.visitor("alice")?;
        first_owner(&mut alice)?;
        let mut bob = self.visitor("bob")?;
        refused(&mut bob)?;
        taken_over(&mut alice, &mut bob)?;
        self.audited()?;
        self.old_owner_types(&mut alice, &mut bob, &mut observer)?;
        paste(&mut bob)?;
        self.history(&mut observer)?;
        detach(&mut bob, &mut observer)?;
        killed(self.signals, choice.engine)?;
        self.halt()
    }

    fn visitor(&self, label: &str) -> Result<Visitor<'a>, Error> {
        Visitor::connect(self.signals, self.guest.control_socket(), label)
    }

    /// The take-over is in the audit trail, and not in the guest's output.
    fn audited(&mut self) -> Result<(), Error> {
        let lines = audit_lines(&self.demo.audit);
        let taken_over = lines.iter().find_map(|line| match &line.entry {
            AuditEntry::Console { event, .. } => match &event.kind {
                EventKind::Attached { who, evicted: Some(evicted), .. } => Some((line, who, evicted)),
                _ => None,
            },
            _ => None,
        });
        let Some((line, who, evicted)) = taken_over else {
            return Err(DemoError::check("the take-over in the audit trail", format!("{lines:?}")).into());
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
        alice: &mut Visitor<'_>,
        bob: &mut Visitor<'_>,
        observer: &mut Visitor<'_>,
    ) -> Result<(), Error> {
        let before = observer.status()?.counters.input_accepted;
        alice.type_in(b"echo from alice\r");
        // The server handles a connection's requests in order, so with this answer it has handled the typing.
        let after = alice.status()?.counters.input_accepted;
        check("none of alice's typing is accepted", after == before, || {
            format!("{} bytes were", after - before)
        })?;
        bob.say("echo from bob", b"from bob")?;
        self.hear();
        check("the guest has not heard of alice again", !contains(&self.written, b"alice"), || {
            excerpt(&self.written)
        })?;
        ok("alice types on, and nothing of it reaches the guest; what bob types does")
    }

    /// The history, read by offset, equals what the guest wrote. Reading it does not change it.
    fn history(&mut self, observer: &mut Visitor<'_>) -> Result<(), Error> {
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
    fn range(&mut self, observer: &mut Visitor<'_>, from: usize, length: Option<usize>) -> Result<(), Error> {
        let until = length.map_or(self.written.len(), |length| from + length);
        let begin = if from == 0 { Position::Boot } else { Position::Offset(self.boot + from as u64) };
        observer.clear();
        let request = Request::Log(LogRequest { from: begin, max: length.map(|length| length as u64) });
        match observer.ask(&request, "the end of the history")? {
            Event::LogEnd(end) => {
                let next = self.boot + until as u64;
                check("the offset to go on from", end.next == next, || {
                    format!("{} and not {next}", end.next)
                })?;
            }
            other => return unexpected("the end of the history", &other),
        }
        let read = observer.screen();
        let expected = &self.written[from..until];
        if read == expected {
            return Ok(());
        }
        let same = read.iter().zip(expected).take_while(|(a, b)| a == b).count();
        let expected = format!("{} at offset {}", excerpt(&expected[same..]), from + same);
        Err(DemoError::check(expected, excerpt(&read[same..])).into())
    }

    /// The guest halts: its last output arrives, and no socket is left.
    fn halt(self) -> Result<(), Error> {
        let mut carol = self.visitor("carol")?;
        carol.attach(Mode::Exclusive, Position::End)?;
        carol.type_in(b"halt\r");
        match carol.answer("the end of the guest")? {
            Event::Ended(End { cause: Cause::VmEnded, .. }) => {}
            other => return unexpected("the end of the guest", &other),
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

/// A client attaches, types and sees the answer.
fn first_owner(alice: &mut Visitor<'_>) -> Result<(), Error> {
    let attached = alice.attach(Mode::Exclusive, Position::Boot)?;
    check("the first client owns the console", attached.owner, || format!("{attached:?}"))?;
    alice.prompt("the guest's banner and prompt")?;
    let banner = String::from_utf8_lossy(alice.screen()).into_owned();
    let banner = banner.trim_start().lines().next().unwrap_or_default().to_owned();
    ok(&format!("alice attaches, and sees: {banner}"))?;
    alice.say("echo hello", b"hello")?;
    ok("alice types: echo hello; the guest echoes it and answers: hello")
}

/// A second client is refused, and learns who holds the console.
fn refused(bob: &mut Visitor<'_>) -> Result<(), Error> {
    match bob.ask(&Request::Attach(AttachRequest::default()), "a refusal")? {
        Event::Refused(Refused::Held { holder, since }) => {
            check_identity(&holder, "alice")?;
            let refused = Refused::Held { holder, since };
            ok(&format!("bob attaches, and is refused: {refused}"))
        }
        other => unexpected("a refusal that names alice", &other),
    }
}

/// The second client takes the console over, and the first learns by whom.
fn taken_over(alice: &mut Visitor<'_>, bob: &mut Visitor<'_>) -> Result<(), Error> {
    let attached = bob.attach(Mode::TakeOver, Position::End)?;
    let evicted = attached.evicted.as_ref();
    check("bob owns the console, taken over from alice", attached.owner && evicted.is_some(), || {
        format!("{attached:?}")
    })?;
    if let Some(evicted) = evicted {
        check_identity(evicted, "alice")?;
        ok(&format!("bob takes the console over from {evicted}"))?;
    }
    match alice.answer("the end of alice's session")? {
        Event::Ended(end) => {
            let End { cause: Cause::Evicted { by }, .. } = &end else {
                return Err(DemoError::check("to be told of the take-over", end.to_string()).into());
            };
            check_identity(by, "bob")?;
            ok(&format!("alice is told: {end}"))
        }
        other => unexpected("the end of alice's session", &other),
    }
}

/// No byte of a paste is lost.
fn paste(bob: &mut Visitor<'_>) -> Result<(), Error> {
    let pasted: String = ('!'..='~').cycle().take(PASTE).collect();
    bob.say(&format!("echo {pasted}"), pasted.as_bytes())?;
    ok(&format!("bob pastes {PASTE} bytes: every one of them arrives, and comes back"))
}

/// A client detaches, and the console is free.
fn detach(bob: &mut Visitor<'_>, observer: &mut Visitor<'_>) -> Result<(), Error> {
    match bob.ask(&Request::Detach(DetachRequest::default()), "the end of bob's session")? {
        Event::Ended(End { cause: Cause::Detached, .. }) => {}
        other => return unexpected("the end of bob's session", &other),
    }
    let sessions = observer.status()?.sessions;
    check("nobody is at the console", sessions.is_empty(), || format!("{sessions:?}"))?;
    ok("bob detaches, and the console is free")
}

/// The lines of an audit trail that are in memory.
fn audit_lines(audit: &Audit) -> Vec<AuditLine> {
    let scrollback = audit.scrollback();
    let mut bytes = vec![0; scrollback.capacity()];
    let read = scrollback.read_at(0, &mut bytes);
    let text = String::from_utf8_lossy(bytes.get(..read.len()).unwrap_or_default());
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
