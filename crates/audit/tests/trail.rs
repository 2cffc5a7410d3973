//! What the trail says of a console, and what it does not.

mod support;

use support::{attach, check_complete, console, events, parsed, trail};
use vuart_audit::{Audit, AuditEntry, AuditLine};
use vuart_endpoint::{Attach, Cause, ConsoleEvent, EventKind, Evicted, Identity, Mode, Policy, Window};
use vuart_scrollback::RingOptions;

/// Without sockets, so that the test decides the order of events.
#[test]
fn demotions_promotions_lags_and_sizes_are_in_the_trail() {
    let (mut writer, console) = console();
    let audit = Audit::new(1 << 16).unwrap();
    console.observe(audit.observer("vm0"));
    console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let identity = Identity::new("alice", 1000, None);
    let mut alice = console.attach(Attach::new(identity).with_returning(true)).unwrap();
    alice.set_window(Window { columns: 80, rows: 24 });
    drop(attach(&console, "bob", Mode::TakeOver));
    writer.extend(&vec![b'x'; 1 << 15]);
    assert!(alice.read(&mut [0; 16]).missed > 0);
    let kinds: Vec<EventKind> = events(&parsed(&trail(&audit))).into_iter().map(|event| event.kind).collect();
    let [
        EventKind::Attached { .. },
        EventKind::Resized { .. },
        EventKind::Demoted { by, .. },
        EventKind::Attached { evicted: Some(evicted), .. },
        EventKind::Ended { cause: Cause::Detached, .. },
        EventKind::Promoted { who, .. },
        EventKind::Lagged { from: 0, to, .. },
    ] = kinds.as_slice()
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        (by.identity.label(), evicted.identity.label(), who.identity.label()),
        ("bob", "alice", "alice")
    );
    assert!(*to >= 1 << 14);
}

#[test]
fn many_consoles_have_one_trail() {
    let audit = Audit::new(1 << 18).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (_writer, console) = console();
            console.observe(audit.observer(&format!("vm{number}")));
            std::thread::spawn(move || {
                for _ in 0..50 {
                    attach(&console, "alice", Mode::Exclusive);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let lines = parsed(&trail(&audit));
    assert_eq!(check_complete(&lines, 401), 0);
    for number in 0..4 {
        let name = format!("vm{number}");
        let of = |line: &AuditLine| match &line.entry {
            AuditEntry::Console { console, event } if *console == name => Some(event.number),
            _ => None,
        };
        assert_eq!(lines.iter().filter_map(of).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn e9_what_a_guest_writes_is_not_in_the_trail() {
    let (mut writer, console) = console();
    let audit = Audit::new(1 << 16).unwrap();
    console.observe(audit.observer("vm0"));
    // Each kind of line, as it would stand in the trail.
    let document = include_str!("../../../docs/audit.md");
    let forged: Vec<&str> = document.lines().filter(|line| line.starts_with('{')).collect();
    let forged = forged.join("\n") + "\n";
    assert!(forged.lines().count() > 15);
    writer.extend(format!("\n{forged}").as_bytes());
    let before = trail(&audit);
    assert_eq!(before.lines().count(), 1);
    // A client chooses its label, which can't be trusted either.
    for label in [forged.as_str(), "\"}\n{\"v\":1,", "\\", "\u{2028}{\"line\":9}\r\n\0"] {
        let mut mallory = attach(&console, label, Mode::Exclusive);
        mallory.write(forged.as_bytes()).unwrap();
        writer.extend(forged.as_bytes());
        assert!(!mallory.read(&mut [0; 4096]).is_empty());
    }
    let after = trail(&audit);
    let lines = parsed(&after);
    assert_eq!(check_complete(&lines, lines.len() as u64), 0);
    // For each session its beginning, its end and its discarded input, and not a line more.
    let discarded = |event: &ConsoleEvent| matches!(event.kind, EventKind::InputDiscarded { .. });
    let events = events(&lines);
    assert_eq!(events.iter().filter(|event| !discarded(event)).count(), 8, "{after}");
    assert!(forged.lines().all(|line| !after.contains(line)));
    // The guest's output has nothing of the trail.
    let mut output = vec![0; 1 << 14];
    let read = console.scrollback().read_at(console.scrollback().oldest(), &mut output);
    let output = String::from_utf8_lossy(&output[..read.len()]).into_owned();
    assert!(after.lines().all(|line| !output.contains(line)));
}

/// Also when its writer was killed in the midst of a line.
#[test]
fn a_torn_line_at_the_end_of_a_ring_is_skipped() {
    let (mut ring, _) = RingOptions::default().create_memfd("audit").unwrap();
    let audit = ring.scrollback().file().unwrap().try_clone().unwrap();
    ring.extend(b"{\"v\":1,\"line\":41}\n{\"v\":1,\"li");
    drop(ring);
    let audit = Audit::on(RingOptions::default().adopt(audit).unwrap().0);
    let text = trail(&audit);
    let last = text.lines().last().unwrap().parse::<AuditLine>().unwrap();
    assert_eq!(last.line, Some(42));
    assert_eq!(text.lines().count(), 3, "{text}");
}
