//! The trail of a VMM that is killed.

mod support;

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use support::{HANG, attach, check_complete, console};
use vuart_audit::{Audit, AuditEntry, AuditFile, AuditLine};
use vuart_endpoint::{EventKind, Mode};
use vuart_scrollback::RingOptions;

/// The process that is killed, not a test by itself.
#[test]
#[ignore = "it waits until it is killed; the other test starts it"]
fn victim() {
    let Some(ring) = env::var_os("VUART_AUDIT_RING") else { return };
    let file = File::options().read(true).write(true).open(ring).unwrap();
    let audit = Audit::on(RingOptions::new(1 << 16).with_disk(true).create_in(file).unwrap().0);
    let (_writer, console) = console();
    console.observe(audit.observer("vm0"));
    let log = audit.save(AuditFile::new(env::var_os("VUART_AUDIT_FILE").unwrap())).unwrap();
    let _alice = attach(&console, "alice", Mode::Exclusive);
    // The test removes the rest from the file again.
    while log.status().saved < 2 {
        std::thread::yield_now();
    }
    let _bob = attach(&console, "bob", Mode::TakeOver);
    println!("\nattached");
    io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn the_trail_of_a_vmm_that_was_killed_goes_on_in_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let (ring, path) = (dir.path().join("ring"), dir.path().join("audit"));
    File::create_new(&ring).unwrap();
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env("VUART_AUDIT_RING", &ring)
        .env("VUART_AUDIT_FILE", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "attached"));
    victim.kill().unwrap();
    victim.wait().unwrap();

    // As if its disk had been slow: two lines are there, and a part of the third.
    let text = fs::read_to_string(&path).unwrap();
    let kept = text.split_inclusive('\n').take(2).collect::<String>();
    fs::write(&path, format!("{kept}{{\"v\":1,\"li")).unwrap();
    let open = || File::options().read(true).write(true).open(&ring).unwrap();
    let audit = Audit::on(RingOptions::default().with_disk(true).adopt(open()).unwrap().0);
    let (_writer, console) = console();
    console.observe(audit.observer("vm0"));
    let log = audit.save(AuditFile::new(&path)).unwrap();
    drop(attach(&console, "carol", Mode::Exclusive));
    log.finish(HANG).unwrap();

    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<AuditLine> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(text.lines().count(), lines.len() + 1, "one was torn:\n{text}");
    assert_eq!(check_complete(&lines, lines.len() as u64), 0);
    let told: Vec<String> = lines
        .iter()
        .map(|line| match &line.entry {
            AuditEntry::Began { pid, .. } => format!("began {}", *pid == std::process::id()),
            AuditEntry::Console { event, .. } => match &event.kind {
                EventKind::Attached { who, .. } => format!("{} attached", who.identity.label()),
                EventKind::Ended { who, .. } => format!("{} ended", who.identity.label()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "began false",
            "alice attached",
            "alice ended",
            "bob attached",
            "began true",
            "carol attached",
            "carol ended"
        ]
    );
}
