//! Helpers that the tests of the trail share.

#![allow(dead_code, reason = "each test program uses its part of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, iter};

use vuart_audit::{Audit, AuditEntry, AuditLine, LostBecause};
use vuart_endpoint::{Attach, Console, ConsoleEvent, Identity, Mode, Session};
use vuart_scrollback::{Scrollback, Writer};

/// A time after which a hang is a failure. Nothing is measured with it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) fn console() -> (Writer, Console) {
    let (writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, input) = Console::new(scrollback, || ());
    // The guest's port stays.
    std::mem::forget(input);
    (writer, console)
}

pub(crate) fn attach(console: &Console, label: &str, mode: Mode) -> Session {
    console.attach(Attach::new(Identity::new(label, 1000, None)).with_mode(mode)).unwrap()
}

/// The whole trail, from its ring.
pub(crate) fn trail(audit: &Audit) -> String {
    let mut bytes = vec![0; audit.scrollback().capacity()];
    let read = audit.scrollback().read_at(0, &mut bytes);
    assert_eq!(read.missed, 0);
    String::from_utf8(bytes[..read.len()].to_vec()).unwrap()
}

pub(crate) fn parsed(trail: &str) -> Vec<AuditLine> {
    trail.lines().map(|line| line.parse().unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

pub(crate) fn events(lines: &[AuditLine]) -> Vec<ConsoleEvent> {
    let event = |line: &AuditLine| match &line.entry {
        AuditEntry::Console { event, .. } => Some(event.clone()),
        _ => None,
    };
    lines.iter().filter_map(event).collect()
}

/// Checks that each line up to `end` is there or declared lost, once and in order. Returns how many are missing.
pub(crate) fn check_complete(lines: &[AuditLine], end: u64) -> u64 {
    let (mut next, mut missing) = (0, 0);
    for line in lines {
        match (line.line, &line.entry) {
            (Some(number), _) => {
                assert_eq!(number, next);
                next += 1;
            }
            (None, AuditEntry::Lost { console: None, from, to, because: LostBecause::Lapped, .. }) => {
                assert_eq!(*from, next);
                missing += to - from;
                next = *to;
            }
            (None, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(next, end);
    missing
}

/// The number of lines that the trail has had.
pub(crate) fn count(audit: &Audit) -> u64 {
    let mut end = Vec::new();
    let mut reader = audit.scrollback().reader_at(audit.scrollback().end().saturating_sub(4096));
    let mut buffer = [0; 4096];
    while reader.is_behind() {
        let read = reader.read(&mut buffer);
        end.extend(&buffer[..read.len()]);
    }
    let end = String::from_utf8(end).unwrap();
    end.lines().last().unwrap().parse::<AuditLine>().unwrap().line.unwrap() + 1
}

/// The text of all files of a saved trail, the oldest first.
pub(crate) fn saved(path: &Path) -> String {
    let files = files(path);
    files.iter().rev().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// The files that there are, the newest first.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let older = (1..10).map(|number| PathBuf::from(format!("{}.{number}", path.display())));
    iter::once(path.to_owned()).chain(older).filter(|file| file.exists()).collect()
}

/// Begins and ends sessions until the trail is that much longer.
pub(crate) fn much_happens(console: &Console, audit: &Audit, bytes: u64) {
    let end = audit.scrollback().end() + bytes;
    while audit.scrollback().end() < end {
        attach(console, "alice", Mode::Exclusive);
    }
}
