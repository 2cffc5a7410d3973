//! The demo without a terminal: what a console can do, step by step. It checks what it shows.

mod killed;

use std::env;
use std::fs::Permissions;
use std::io::{Write as _, stderr, stdout};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tempfile::TempDir;
use vuart::audit::{Audit, AuditEntry};
use vuart::endpoint::{Cause, End, EventKind, Identity, Mode, Refused, Replay};
use vuart::wire::{AttachRequest, Attached, DetachRequest, Event, LogRequest, Request, RuntimeDir, Status};
use vuart_vmm::{Exit as GuestExit, ServedMachine};

use super::finish;
use super::recording::Recording;
use super::stage::{Fault, Stage, excerpt, line, ok};
use super::trail;
use super::visitor::Visitor;
use super::wanted::Wanted;
use super::witness::Witness;
use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::command;
use crate::signals::{Pending, Signals};

/// What the guest shows when it waits for a command.
const PROMPT: &[u8] = b"> ";

/// How much is pasted, in bytes.
const PASTE: usize = 4096;

/// Gives the tour.
pub(super) fn run(
    wanted: &Wanted<'_>,
    mut signals: Signals,
    recording: &mut Recording,
) -> Result<Exit, Error> {
    // A directory of its own, so that any number of tours can take place at once. It goes when the tour is over.
    let (dir, _private) = if env::var_os("VUART_RUNTIME_DIR").is_some_and(|dir| !dir.is_empty()) {
        (RuntimeDir::create(RuntimeDir::default_path())?, None)
    } else {
        let private = private_directory().map_err(Error::TemporaryDirectory)?;
        (RuntimeDir::open(private.path())?, Some(private))
    };
    let claim = wanted.claim(&dir)?;
    let mut heard = None;
    let guest = recording.boot(wanted, claim, |port| {
        let (witness, written) = Witness::new(port);
        heard = Some(written);
        Arc::new(witness)
    })?;
    let boot = guest.console().scrollback().boot();
    let audit = recording.trail.audit();
    let tour = Tour { stage: Stage::new(&mut signals), guest, audit, boot, heard, written: Vec::new() };
    let given = tour.give(wanted);
    // `^C` ends a whole pipeline. That the others in it have gone is then not what is to be told.
    let signal = match signals.pending() {
        Pending::Leave(signal) if given.is_err() => Some(signal),
        _ => None,
    };
    match signal.map_or(given, |signal| Err(Fault::Signal(signal))) {
        Ok(()) => Ok(Exit::Done),
        Err(Fault::Check { expected, got }) => {
            let _ = writeln!(stdout(), "FAILED  expected {expected}, got {got}");
            Err(Error::CheckFailed)
        }
        Err(Fault::Signal(signal)) => {
            let _ = writeln!(stderr(), "[vuart: {signal}: the tour is over, the guest is stopped]");
            Ok(Exit::Signal(signal))
        }
        Err(Fault::Error(error)) => Err(error),
    }
}

fn private_directory() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("vuart-").permissions(Permissions::from_mode(0o700)).tempdir()
}

struct Tour<'a> {
    stage: Stage<'a>,
    guest: ServedMachine,
    audit: Audit,
    /// The offset of the first byte that this guest has written: a ring may hold what another has.
    boot: u64,
    /// What the witness hears.
    heard: Option<Receiver<u8>>,
    /// What it has heard so far: all that the guest has written.
    written: Vec<u8>,
}

impl Tour<'_> {
    fn give(mut self, wanted: &Wanted<'_>) -> Result<(), Fault> {
        line("tour", "there is no terminal here, so this shows, and checks, what a console can do")?;
        let choice = &wanted.choice;
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
        self.killed(choice.engine)?;
        self.halt()
    }

    fn visitor(&self, label: &str) -> Result<Visitor, Fault> {
        Ok(Visitor::connect(self.guest.control_socket(), label)?)
    }

    /// Attaches, types, sees the answer.
    fn first_owner(&mut self, alice: &mut Visitor) -> Result<(), Fault> {
        let attached = self.attach(alice, Mode::Exclusive, Replay::Boot)?;
        check("the first client owns the console", attached.owner, || format!("{attached:?}"))?;
        self.stage.until(alice, "the guest's banner and prompt", |alice| {
            alice.screen().ends_with(PROMPT).then_some(())
        })?;
        let banner = String::from_utf8_lossy(alice.screen()).into_owned();
        let banner = banner.trim_start().lines().next().unwrap_or_default().to_owned();
        ok(&format!("alice attaches, and sees: {banner}"))?;
        self.say(alice, "echo hello", b"hello")?;
        ok("alice types: echo hello; the guest echoes it and answers: hello")
    }

    /// A second client learns who is there.
    fn refused(&mut self, bob: &mut Visitor) -> Result<(), Fault> {
        bob.ask(&Request::Attach(AttachRequest::default()));
        match self.answer(bob, "a refusal")? {
            Event::Refused(refused @ Refused::Held { .. }) => {
                let Refused::Held { holder, .. } = &refused else { return Ok(()) };
                check_identity(holder, "alice")?;
                ok(&format!("bob attaches, and is refused: {refused}"))
            }
            other => Err(Fault::check("a refusal that names alice".to_owned(), format!("{other:?}"))),
        }
    }

    /// The second client takes over, and the first learns by whom.
    fn taken_over(&mut self, alice: &mut Visitor, bob: &mut Visitor) -> Result<(), Fault> {
        let attached = self.attach(bob, Mode::TakeOver, Replay::None)?;
        let evicted = attached.evicted.as_ref();
        check("bob owns the console, taken over from alice", attached.owner && evicted.is_some(), || {
            format!("{attached:?}")
        })?;
        if let Some(evicted) = evicted {
            check_identity(evicted, "alice")?;
            ok(&format!("bob takes the console over from {evicted}"))?;
        }
        match self.answer(alice, "the end of alice's session")? {
            Event::Ended(end) => {
                let End { cause: Cause::Evicted { by }, .. } = &end else {
                    return Err(Fault::check("to be told of the take-over".to_owned(), end.to_string()));
                };
                check_identity(by, "bob")?;
                ok(&format!("alice is told: {end}"))
            }
            other => Err(Fault::check("the end of alice's session".to_owned(), format!("{other:?}"))),
        }
    }

    /// The take-over can be found out about later, and it is not in the guest's own output that it can.
    fn audited(&mut self) -> Result<(), Fault> {
        let lines = trail::lines(&self.audit);
        let taken_over = lines.iter().find_map(|line| match &line.entry {
            AuditEntry::Console { event, .. } => match &event.kind {
                EventKind::Attached { who, evicted: Some(evicted), .. } => Some((line, who, evicted)),
                _ => None,
            },
            _ => None,
        });
        let Some((line, who, evicted)) = taken_over else {
            return Err(Fault::check("the take-over in the audit trail".to_owned(), format!("{lines:?}")));
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

    /// What the old owner types goes nowhere; what the new one types reaches the guest.
    fn old_owner_types(
        &mut self,
        alice: &mut Visitor,
        bob: &mut Visitor,
        observer: &mut Visitor,
    ) -> Result<(), Fault> {
        let before = self.status(observer)?.counters.input_accepted;
        alice.type_in(b"echo from alice\r");
        // The server serves a connection's requests in order: the answer means that the typing has been dealt with.
        let after = self.status(alice)?.counters.input_accepted;
        check("none of alice's typing is accepted", after == before, || {
            format!("{} bytes were", after - before)
        })?;
        self.say(bob, "echo from bob", b"from bob")?;
        self.hear();
        check("the guest has not heard of alice again", !contains(&self.written, b"alice"), || {
            excerpt(&self.written)
        })?;
        ok("alice types on, and nothing of it reaches the guest; what bob types does")
    }

    /// A paste comes through whole.
    fn paste(&mut self, bob: &mut Visitor) -> Result<(), Fault> {
        let pasted: String = ('!'..='~').cycle().take(PASTE).collect();
        self.say(bob, &format!("echo {pasted}"), pasted.as_bytes())?;
        ok(&format!("bob pastes {PASTE} bytes: every one of them arrives, and comes back"))
    }

    /// Reading by offset gives what was written, and takes nothing away.
    fn history(&mut self, observer: &mut Visitor) -> Result<(), Fault> {
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

    /// Reads a range of the history and compares it to what the guest wrote.
    fn range(&mut self, observer: &mut Visitor, from: usize, length: Option<usize>) -> Result<(), Fault> {
        let until = length.map_or(self.written.len(), |length| from + length);
        let begin = if from == 0 { Replay::Boot } else { Replay::From(self.boot + from as u64) };
        observer.take_screen();
        observer.ask(&Request::Log(LogRequest { from: begin, max: length.map(|length| length as u64) }));
        match self.answer(observer, "the end of the history")? {
            Event::LogEnd(end) => {
                let next = self.boot + until as u64;
                check("the offset to go on from", end.next == next, || {
                    format!("{} and not {next}", end.next)
                })?;
            }
            other => return Err(Fault::check("the end of the history".to_owned(), format!("{other:?}"))),
        }
        let read = observer.take_screen();
        let expected = &self.written[from..until];
        if read == expected {
            return Ok(());
        }
        let same = read.iter().zip(expected).take_while(|(a, b)| a == b).count();
        Err(Fault::check(
            format!("{} at offset {}", excerpt(&expected[same..]), from + same),
            excerpt(&read[same..]),
        ))
    }

    /// Whoever leaves, leaves the console to the next.
    fn detach(&mut self, bob: &mut Visitor, observer: &mut Visitor) -> Result<(), Fault> {
        bob.ask(&Request::Detach(DetachRequest::default()));
        match self.answer(bob, "the end of bob's session")? {
            Event::Ended(End { cause: Cause::Detached, .. }) => {}
            other => return Err(Fault::check("the end of bob's session".to_owned(), format!("{other:?}"))),
        }
        let sessions = self.status(observer)?.sessions;
        check("nobody is at the console", sessions.is_empty(), || format!("{sessions:?}"))?;
        ok("bob detaches, and the console is free")
    }

    /// The guest's last words arrive, and nothing stays behind.
    fn halt(mut self) -> Result<(), Fault> {
        let mut carol = self.visitor("carol")?;
        self.attach(&mut carol, Mode::Exclusive, Replay::None)?;
        carol.type_in(b"halt\r");
        match self.answer(&mut carol, "the end of the guest")? {
            Event::Ended(End { cause: Cause::VmEnded, .. }) => {}
            other => return Err(Fault::check("the end of the guest".to_owned(), format!("{other:?}"))),
        }
        check("the guest's last words", carol.screen() == b"halt\r\nhalting\r\n", || {
            excerpt(carol.screen())
        })?;
        let sockets = [self.guest.control_socket().to_owned(), self.guest.raw_socket().to_owned()];
        let exit = finish(self.guest).map_err(Fault::Error)?;
        check("the guest has halted by itself", exit == GuestExit::Halted, || format!("{exit:?}"))?;
        ok("carol attaches and types: halt; she sees the guest's last words, and that it has ended")?;
        let left = sockets.iter().find(|socket| socket.exists());
        check("no socket stays behind", left.is_none(), || format!("{left:?}"))?;
        ok("the sockets are gone")?;
        let vuart = command();
        line("try it", &format!("in a terminal:      {vuart} demo"))?;
        line("", &format!("and in another one: {vuart} attach demo --force"))
    }

    /// Types a command and checks, byte by byte, what comes of it: its echo, the answer, the prompt.
    fn say(&mut self, visitor: &mut Visitor, command: &str, answer: &[u8]) -> Result<(), Fault> {
        let expected = [command.as_bytes(), b"\r\n", answer, b"\r\n", PROMPT].concat();
        visitor.type_in(format!("{command}\r").as_bytes());
        let wanted = excerpt(&expected);
        self.stage
            .until(visitor, &wanted, |visitor| (visitor.screen().len() >= expected.len()).then_some(()))?;
        check(&wanted, visitor.screen() == expected, || excerpt(visitor.screen()))
    }

    fn attach(&mut self, visitor: &mut Visitor, mode: Mode, replay: Replay) -> Result<Attached, Fault> {
        visitor.ask(&Request::Attach(AttachRequest { mode, replay, ..AttachRequest::default() }));
        match self.answer(visitor, "a session")? {
            Event::Attached(attached) => Ok(attached),
            other => Err(Fault::check("a session".to_owned(), format!("{other:?}"))),
        }
    }

    fn status(&mut self, visitor: &mut Visitor) -> Result<Status, Fault> {
        visitor.ask(&Request::Status);
        match self.answer(visitor, "the console's status")? {
            Event::Status(status) => Ok(status),
            other => Err(Fault::check("the console's status".to_owned(), format!("{other:?}"))),
        }
    }

    fn answer(&mut self, visitor: &mut Visitor, expected: &str) -> Result<Event, Fault> {
        self.stage.until(visitor, expected, Visitor::take_answer)
    }

    /// Takes what the witness has heard.
    fn hear(&mut self) {
        self.written.extend(self.heard.iter().flat_map(Receiver::try_iter));
    }
}

fn check(expected: &str, right: bool, got: impl FnOnce() -> String) -> Result<(), Fault> {
    if right { Ok(()) } else { Err(Fault::check(expected.to_owned(), got())) }
}

/// The client is a thread of this process, whatever it calls itself.
fn check_identity(identity: &Identity, label: &str) -> Result<(), Fault> {
    let us = Identity::new(label, rustix::process::geteuid().as_raw(), Some(std::process::id()))
        .with_gid(rustix::process::getegid().as_raw());
    check(&us.to_string(), *identity == us, || identity.to_string())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
