//! The audit trail of a console that is served over sockets.

use vuart::audit::{Audit, AuditEntry, AuditLine};
use vuart::endpoint::{Cause, ConsoleEvent, End, EventKind, Identity, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::wire::{Client, DetachRequest, Event, Request, RuntimeDir};
use vuart_test_support::{Guest, HANG, until};

/// The lines of the trail, which are numbered from 0 without a gap.
fn lines(audit: &Audit) -> Vec<AuditLine> {
    let mut bytes = vec![0; audit.scrollback().capacity()];
    let read = audit.scrollback().read_at(0, &mut bytes);
    assert_eq!(read.missed, 0);
    let text = std::str::from_utf8(&bytes[..read.len()]).unwrap();
    let lines: Vec<AuditLine> = text.lines().map(|line| line.parse().unwrap()).collect();
    let numbers: Vec<_> = lines.iter().map(|line| line.line).collect();
    assert_eq!(numbers, (0..lines.len() as u64).map(Some).collect::<Vec<_>>());
    lines
}

fn events(lines: &[AuditLine]) -> Vec<ConsoleEvent> {
    let event = |line: &AuditLine| match &line.entry {
        AuditEntry::Console { event, .. } => Some(event.clone()),
        _ => None,
    };
    lines.iter().filter_map(event).collect()
}

#[test]
fn what_happens_at_a_served_console_is_in_its_trail_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::new(1 << 14);
    let console = guest.console.clone();
    let audit = Audit::new(1 << 16).unwrap();
    console.observe(audit.observer("vm0"));
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let control = claim.control_socket().to_owned();
    let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
    let client = |label: &str| Client::connect(&control, label).unwrap();

    guest.writes(b"login: ");
    let mut alice = client("alice");
    alice.attach(Mode::Exclusive, Position::Oldest).unwrap();
    match alice.recv().unwrap() {
        Event::Output { bytes, .. } => assert_eq!(bytes, b"login: "),
        other => panic!("{other:?}"),
    }
    alice.send(&Request::Input(b"root\r".to_vec())).unwrap();
    alice.send(&Request::Break).unwrap();
    // Requests are served in order.
    alice.status().unwrap();
    let mut bob = client("bob");
    bob.attach(Mode::Exclusive, Position::End).unwrap_err();
    bob.attach(Mode::TakeOver, Position::End).unwrap();
    assert!(matches!(alice.recv().unwrap(), Event::Ended(_)));
    let watcher = client("watcher").attach(Mode::Spectate, Position::End).unwrap();
    // The watcher's connection may be gone by now: that is a detachment.
    until("the watcher is gone", || {
        !console.sessions().iter().any(|session| session.identity.label() == "watcher")
    });
    let session = console.sessions()[0].id;
    assert!(!watcher.owner);
    client("admin").kick(session).unwrap();
    match bob.recv().unwrap() {
        Event::Ended(End { cause: Cause::Kicked { by }, .. }) => assert_eq!(by.label(), "admin"),
        other => panic!("{other:?}"),
    }
    bob.attach(Mode::Exclusive, Position::End).unwrap();
    bob.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert!(matches!(bob.recv().unwrap(), Event::Ended(_)));
    console.disable();
    bob.attach(Mode::Exclusive, Position::End).unwrap_err();
    console.enable();
    console.end(&Cause::VmEnded);
    server.finish(HANG).unwrap();

    let lines = lines(&audit);
    assert!(matches!(lines[0].entry, AuditEntry::Began { pid, .. } if pid == std::process::id()));
    let events = events(&lines);
    let us = rustix::process::geteuid().as_raw();
    let is = |identity: &Identity, label: &str| {
        (identity.label(), identity.uid(), identity.pid()) == (label, us, Some(std::process::id()))
    };
    let told: Vec<String> = events
        .iter()
        .map(|event| match &event.kind {
            EventKind::Attached { who, mode, evicted, from, .. } => {
                assert!(is(&who.identity, who.identity.label()), "{who:?}");
                let evicted = evicted.as_ref().map_or("-", |who| who.identity.label());
                format!("{} attached {mode:?} from {from}, evicted {evicted}", who.identity.label())
            }
            EventKind::Refused { identity, reason, .. } => format!("{} refused {reason:?}", identity.label())
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
            EventKind::Ended { who, cause, owner, bytes_in, bytes_out, missed, .. } => {
                let code = format!("{:?}", cause.code());
                let label = who.identity.label();
                format!("{label} ended {code} {owner} {bytes_in} in {bytes_out} out {missed} missed")
            }
            EventKind::Break { who } => format!("{} break", who.identity.label()),
            EventKind::InputDiscarded { symbols } => format!("{symbols} discarded"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "alice attached Exclusive from 0, evicted -",
            "alice break",
            "bob refused Held",
            "alice ended \"evicted\" true 6 in 7 out 0 missed",
            "6 discarded",
            "bob attached TakeOver from 7, evicted alice",
            "watcher attached Spectate from 7, evicted -",
            "watcher ended \"detached\" false 0 in 0 out 0 missed",
            "bob ended \"kicked\" true 0 in 0 out 0 missed",
            "bob attached Exclusive from 7, evicted -",
            "bob ended \"detached\" true 0 in 0 out 0 missed",
            "Disabled",
            "bob refused Disabled",
            "Enabled",
            "Over { cause: VmEnded }",
        ]
    );
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|event| event.at));
}
