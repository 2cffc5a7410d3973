//! `docs/audit.md` has an example of every line there is, and each is what this code writes and reads.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use vuart_audit::{Audit, AuditEntry, AuditLine, AuditLineError, LostBecause};
use vuart_endpoint::{
    Cause, ConsoleEvent, End, Epoch, EventKind, HangUpReason, Identity, Mode, Refused, SessionId, Timestamp,
    Who, Window,
};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md"));

fn at(millis: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(1_767_225_600_000 + millis)).into()
}

fn alice() -> Identity {
    Identity::new("alice", 1000, Some(4711)).with_gid(100)
}

fn bob() -> Identity {
    Identity::new("bob", 1001, Some(4712)).with_gid(100)
}

fn by_alice() -> Who {
    Who { session: SessionId::new(0), identity: alice() }
}

fn by_bob() -> Who {
    Who { session: SessionId::new(1), identity: bob() }
}

fn ended(who: Who, cause: Cause) -> EventKind {
    let (since, owner, bytes_in, bytes_out, missed, lost_before, unread) =
        (at(20), true, 120, 48_117, 0, 0, 16);
    EventKind::Ended { who, cause, owner, since, bytes_in, bytes_out, missed, lost_before, unread }
}

fn refused(reason: Refused) -> EventKind {
    EventKind::Refused { identity: bob(), mode: Mode::Exclusive, reason }
}

/// One event of each kind, in the order of [`EventKind::CODES`].
fn kinds() -> Vec<EventKind> {
    vec![
        EventKind::Attached {
            who: by_bob(),
            mode: Mode::TakeOver,
            epoch: Some(Epoch::new(2)),
            evicted: Some(by_alice()),
            from: 44_032,
        },
        refused(Refused::Held { holder: alice(), since: at(20) }),
        EventKind::Demoted { who: by_alice(), by: by_bob() },
        EventKind::Promoted { who: by_alice(), epoch: Epoch::new(3) },
        ended(by_alice(), Cause::Evicted { by: bob() }),
        EventKind::Break { who: by_bob() },
        EventKind::Lagged { who: by_bob(), from: 50_000, to: 70_656 },
        EventKind::InputDiscarded { symbols: 11 },
        EventKind::InputAbandoned { bytes: 5 },
        EventKind::Resized { who: by_bob(), window: Window { columns: 132, rows: 43 } },
        EventKind::HangUp { because: HangUpReason::OtherPerson, person: Some(alice()), heard: true },
        EventKind::GuestHungUp,
        EventKind::GuestBreak { count: 1 },
        EventKind::GuestReset { count: 1 },
        EventKind::Disabled,
        EventKind::Enabled,
        EventKind::Over { cause: Cause::VmEnded },
        EventKind::Yielded { who: by_alice(), by: by_bob() },
    ]
}

fn causes() -> Vec<Cause> {
    vec![
        Cause::Evicted { by: bob() },
        Cause::Lagged { from: 50_000, to: 70_656 },
        Cause::Detached,
        Cause::Kicked { by: bob() },
        Cause::Idle,
        Cause::GuestHungUp,
        Cause::Disabled,
        Cause::Migrating,
        Cause::VmEnded,
        Cause::ShutDown,
        Cause::PortDropped,
        Cause::Unknown,
    ]
}

fn reasons() -> Vec<Refused> {
    vec![
        Refused::Held { holder: alice(), since: at(20) },
        Refused::Forbidden,
        Refused::Ended { end: End { cause: Cause::VmEnded, at: at(30) } },
        Refused::Disabled { since: at(20) },
        Refused::Unknown,
    ]
}

fn line(line: u64, kind: EventKind) -> AuditLine {
    let event = ConsoleEvent::new(line - 1, at(1000 * line + 7), 48_128 + line, kind);
    AuditLine { line: Some(line), entry: AuditEntry::Console { console: "vm0".to_owned(), event } }
}

/// All that the document has.
fn examples() -> Vec<AuditLine> {
    let mut examples = vec![AuditLine { line: Some(0), entry: AuditEntry::Began { at: at(0), pid: 4242 } }];
    examples.extend(kinds().into_iter().zip(1..).map(|(kind, number)| line(number, kind)));
    let lost = |number, console: Option<&str>, from, to, because| {
        let console = console.map(str::to_owned);
        AuditLine { line: number, entry: AuditEntry::Lost { at: at(60_000), console, from, to, because } }
    };
    examples.push(lost(Some(19), Some("vm0"), 18, 1040, LostBecause::Flood));
    examples.push(lost(None, None, 19, 3115, LostBecause::Lapped));
    examples
}

#[test]
fn the_document_has_an_example_of_every_line() {
    assert_eq!(kinds().iter().map(EventKind::code).collect::<Vec<_>>(), EventKind::CODES);
    let mut documented: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with('{')).collect();
    let mut written: Vec<String> = examples().iter().map(ToString::to_string).collect();
    // The document has them by subjects.
    documented.sort_unstable();
    written.sort_unstable();
    assert!(documented == written, "docs/audit.md is to have these lines:\n{}", written.join("\n"));
}

#[test]
fn a_line_is_read_as_what_was_written() {
    let more = causes()
        .into_iter()
        .map(|cause| ended(by_bob(), cause))
        .chain(causes().into_iter().map(|cause| EventKind::Over { cause }))
        .chain(reasons().into_iter().map(refused))
        .chain([
            EventKind::Attached {
                who: by_bob(),
                mode: Mode::Wait,
                epoch: None,
                evicted: None,
                from: u64::MAX,
            },
            EventKind::HangUp { because: HangUpReason::Left, person: Some(bob()), heard: false },
            EventKind::HangUp { because: HangUpReason::Vmm, person: None, heard: true },
        ]);
    for line in examples().into_iter().chain(more.map(|kind| line(1, kind))) {
        assert_eq!(line.to_string().parse::<AuditLine>().unwrap(), line);
    }
}

/// The names of the members, and the codes.
fn words(value: &Value, words: &mut BTreeSet<String>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        words.insert(name.clone());
        if let ("event" | "code" | "because" | "mode", Value::String(code)) = (name.as_str(), value) {
            words.insert(code.clone());
        }
        self::words(value, words);
    }
}

#[test]
fn the_document_explains_every_word() {
    assert_eq!(causes().iter().map(Cause::code).collect::<Vec<_>>(), Cause::CODES);
    assert_eq!(reasons().iter().map(Refused::code).collect::<Vec<_>>(), Refused::CODES);
    let modes = [Mode::Exclusive, Mode::TakeOver, Mode::Spectate, Mode::Wait];
    let because = [LostBecause::Slow, LostBecause::Flood, LostBecause::Lapped, LostBecause::Unknown];
    let kinds = kinds()
        .into_iter()
        .chain(causes().into_iter().map(|cause| ended(by_bob(), cause)))
        .chain(reasons().into_iter().map(refused))
        .chain(modes.map(|mode| EventKind::Refused { identity: bob(), mode, reason: Refused::Forbidden }))
        .chain([HangUpReason::Left, HangUpReason::Vmm].map(|because| EventKind::HangUp {
            because,
            person: Some(bob()),
            heard: false,
        }));
    let lost = because.map(|because| AuditLine {
        line: None,
        entry: AuditEntry::Lost { at: at(0), console: None, from: 0, to: 1, because },
    });
    let mut used = BTreeSet::new();
    for line in examples().into_iter().chain(kinds.map(|kind| line(1, kind))).chain(lost) {
        words(&serde_json::from_str(&line.to_string()).unwrap(), &mut used);
    }
    assert!(used.len() > 40, "{used:?}");
    // In the text, not in an example.
    let text: String = DOCUMENT.lines().filter(|line| !line.starts_with('{')).collect();
    for word in used {
        assert!(text.contains(&format!("`{word}`")), "docs/audit.md says nothing of `{word}`");
    }
}

/// So that a line is in the ring as a whole or not at all, and fits into the smallest file.
#[test]
fn no_line_is_longer_than_the_longest() {
    let widest = Identity::new(&"\u{1e922}".repeat(100), u32::MAX, Some(u32::MAX)).with_gid(u32::MAX);
    let quoted = Identity::new(&"\"".repeat(100), u32::MAX, Some(u32::MAX)).with_gid(u32::MAX);
    let last: Timestamp = (UNIX_EPOCH + Duration::from_secs(1 << 40)).into();
    for identity in [widest, quoted] {
        assert_eq!(identity.label().chars().count(), Identity::LABEL_MAX);
        let who = Who { session: SessionId::new(u64::MAX), identity: identity.clone() };
        let longest = [
            EventKind::Attached {
                who: who.clone(),
                mode: Mode::Exclusive,
                epoch: Some(Epoch::new(u64::MAX)),
                evicted: Some(who.clone()),
                from: u64::MAX,
            },
            EventKind::Ended {
                who: who.clone(),
                cause: Cause::Evicted { by: identity.clone() },
                owner: false,
                since: last,
                bytes_in: u64::MAX,
                bytes_out: u64::MAX,
                missed: u64::MAX,
                lost_before: u64::MAX,
                unread: u64::MAX,
            },
            EventKind::Demoted { who: who.clone(), by: who.clone() },
            EventKind::Refused {
                identity: identity.clone(),
                mode: Mode::Exclusive,
                reason: Refused::Ended { end: End { cause: Cause::Evicted { by: identity }, at: last } },
            },
        ];
        for kind in longest {
            // A control character takes the most room as JSON.
            let audit = Audit::new(1 << 16).unwrap();
            let event = ConsoleEvent::new(u64::MAX, last, u64::MAX, kind);
            audit.observer(&"\u{1}".repeat(1000))(&event);
            let entries = support::parsed(&support::trail(&audit));
            assert_eq!(entries.len(), 2);
            for AuditLine { entry, .. } in entries {
                let line = AuditLine { line: Some(u64::MAX), entry };
                let text = line.to_string();
                assert!(text.len() < AuditLine::MAX / 2, "{} bytes: {text}", text.len());
                assert!(!text.contains('\n'));
                assert!(text.parse::<AuditLine>().is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn what_is_no_line_is_an_error() {
    let whole = line(1, EventKind::Enabled).to_string();
    for end in 0..whole.len() {
        assert!(whole[..end].parse::<AuditLine>().is_err(), "{}", &whole[..end]);
    }
    for begin in 1..whole.len() {
        assert!(whole[begin..].parse::<AuditLine>().is_err(), "{}", &whole[begin..]);
    }
    let other = whole.replace("\"v\":1", "\"v\":2");
    assert!(matches!(other.parse::<AuditLine>(), Err(AuditLineError::Version(2))));
    let other = whole.replace("\"at\":\"", "\"at\":\"on ");
    assert!(matches!(other.parse::<AuditLine>(), Err(AuditLineError::Moment(_))));
    for (member, value) in [("console", "\"vm0\""), ("number", "0"), ("offset", "48129")] {
        let less = whole.replace(&format!("\"{member}\":{value},"), "");
        assert_ne!(less, whole);
        assert!(less.parse::<AuditLine>().is_err(), "{less}");
    }
    // Later versions of this one may have more.
    let more = whole.replace('}', ",\"colour\":\"red\"}");
    assert_eq!(more.parse::<AuditLine>().unwrap(), line(1, EventKind::Enabled));
}
