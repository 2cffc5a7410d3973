//! The audit trail: over real sockets, on disks that fail, and after a kill.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vuart_audit::{Audit, AuditEntry, AuditError, AuditFile, AuditLine, AuditLog, AuditStatus, LostBecause};
use vuart_endpoint::{
    Attach, Cause, Console, ConsoleEvent, End, EventKind, Evicted, Identity, Mode, Policy, Session, Window,
};
use vuart_scrollback::{Position, RingOptions, Scrollback, Writer};
use vuart_server::{Claim, Server, ServerThread};
use vuart_wire::{Client, DetachRequest, Event, Request, RuntimeDir};

/// A hang becomes a failure; nothing is ever measured with it.
const HANG: Duration = Duration::from_secs(60);

fn console() -> (Writer, Console) {
    let (writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    (writer, Console::new(scrollback, || ()).0)
}

fn attach(console: &Console, label: &str, mode: Mode) -> Session {
    console.attach(Attach::new(Identity::new(label, 1000, None)).with_mode(mode)).unwrap()
}

/// The whole trail, from its ring.
fn trail(audit: &Audit) -> String {
    let mut bytes = vec![0; audit.scrollback().capacity()];
    let read = audit.scrollback().read_at(0, &mut bytes);
    assert_eq!(read.missed, 0);
    String::from_utf8(bytes[..read.len()].to_vec()).unwrap()
}

fn parsed(trail: &str) -> Vec<AuditLine> {
    trail.lines().map(|line| line.parse().unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn events(lines: &[AuditLine]) -> Vec<ConsoleEvent> {
    let event = |line: &AuditLine| match &line.entry {
        AuditEntry::Console { event, .. } => Some(event.clone()),
        _ => None,
    };
    lines.iter().filter_map(event).collect()
}

/// The lines that are there or declared, from the first to `end`: each once, in order. How many are missing.
fn check_complete(lines: &[AuditLine], end: u64) -> u64 {
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

/// How many lines the trail has had.
fn count(audit: &Audit) -> u64 {
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

/// What the test's file has, the oldest first.
fn saved(path: &Path) -> String {
    let files = files(path);
    files.iter().rev().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// Those that there are, the newest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let older = (1..10).map(|number| PathBuf::from(format!("{}.{number}", path.display())));
    std::iter::once(path.to_owned()).chain(older).filter(|file| file.exists()).collect()
}

#[test]
fn what_happens_at_a_console_is_in_its_trail_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, console) = console();
    let audit = Audit::new(1 << 16).unwrap();
    console.observe(audit.observer("vm0"));
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let control = claim.control_socket().to_owned();
    let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
    let client = |label: &str| Client::connect(&control, label).unwrap();

    writer.extend(b"login: ");
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
    while console.sessions().iter().any(|session| session.identity.label() == "watcher") {
        std::thread::yield_now();
    }
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
    assert!(server.finish(HANG));

    let lines = parsed(&trail(&audit));
    assert!(matches!(lines[0].entry, AuditEntry::Began { pid, .. } if pid == std::process::id()));
    assert_eq!(check_complete(&lines, lines.len() as u64), 0);
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
                let code = serde_json::to_value(cause).unwrap()["code"].clone();
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

/// Without sockets, so that what comes when is the test's to say.
#[test]
fn demoted_promoted_lagged_and_resized() {
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
    // Each line that there is, as it would stand in the trail.
    let document = include_str!("../../../docs/audit.md");
    let forged: Vec<&str> = document.lines().filter(|line| line.starts_with('{')).collect();
    let forged = forged.join("\n") + "\n";
    assert!(forged.lines().count() > 15);
    writer.extend(format!("\n{forged}").as_bytes());
    let before = trail(&audit);
    assert_eq!(before.lines().count(), 1);
    // A person's name is not the guest's, and can't be trusted either.
    for label in [forged.as_str(), "\"}\n{\"v\":1,", "\\", "\u{2028}{\"line\":9}\r\n\0"] {
        let mut mallory = attach(&console, label, Mode::Exclusive);
        mallory.write(forged.as_bytes()).unwrap();
        writer.extend(forged.as_bytes());
        assert!(!mallory.read(&mut [0; 4096]).is_empty());
    }
    let after = trail(&audit);
    let lines = parsed(&after);
    assert_eq!(check_complete(&lines, lines.len() as u64), 0);
    // A session that begins and one that ends, and what is discarded of its input; not a line more.
    let discarded = |event: &ConsoleEvent| matches!(event.kind, EventKind::InputDiscarded { .. });
    let events = events(&lines);
    assert_eq!(events.iter().filter(|event| !discarded(event)).count(), 8, "{after}");
    assert!(forged.lines().all(|line| !after.contains(line)));
    // And the guest's output has none of the trail.
    let mut output = vec![0; 1 << 14];
    let read = console.scrollback().read_at(console.scrollback().oldest(), &mut output);
    let output = String::from_utf8_lossy(&output[..read.len()]).into_owned();
    assert!(after.lines().all(|line| !output.contains(line)));
}

/// Sessions that begin and end, until the trail is as long.
fn much_happens(console: &Console, audit: &Audit, bytes: u64) {
    let end = audit.scrollback().end() + bytes;
    while audit.scrollback().end() < end {
        attach(console, "alice", Mode::Exclusive);
    }
}

#[test]
fn e8_the_files_of_a_trail_keep_to_one_limit() {
    const LIMIT: u64 = 64 << 10;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let (_writer, console) = console();
    let audit = Audit::new(1 << 20).unwrap();
    console.observe(audit.observer("vm0"));
    let size = || files(&path).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    // What an earlier process with a larger limit has left. (While a trail is saved, the test can't look at all files at once.)
    for file in ["audit", "audit.1", "audit.2", "audit.3"] {
        File::create(dir.path().join(file)).unwrap().write_all(&vec![b'\n'; 40 << 10]).unwrap();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for round in 0..30 {
        let log = audit.save(AuditFile::new(&path).with_limit(LIMIT)).unwrap();
        assert!(round > 0 || size() <= LIMIT, "{} of {LIMIT}", size());
        much_happens(&console, &audit, 1000 * round);
        let end = count(&audit);
        log.finish(HANG).unwrap();
        assert!(size() <= LIMIT, "{round}: {} of {LIMIT}", size());
        // As many as there is room for, the newest, and none twice.
        let text = saved(&path);
        let lines: Vec<u64> = text.lines().filter_map(|line| line.parse::<AuditLine>().ok()?.line).collect();
        assert_eq!(lines.last(), Some(&(end - 1)));
        assert!(lines.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{lines:?}");
    }
    assert_eq!(files(&path).len(), 4);
    assert!(size() > LIMIT / 2);
    for file in files(&path) {
        assert!(fs::metadata(&file).unwrap().len() <= LIMIT / 4);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn e8_what_is_over_the_limit_goes_when_a_trail_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    for file in ["audit.1", "audit.2", "audit.3"] {
        fs::write(dir.path().join(file), vec![b'\n'; 20 << 10]).unwrap();
    }
    // There is room for 48 KiB beside the file itself.
    let log = Audit::new(1 << 16).unwrap().save(AuditFile::new(&path).with_limit(64 << 10)).unwrap();
    log.finish(HANG).unwrap();
    assert_eq!(files(&path), ["audit", "audit.1", "audit.2"].map(|file| dir.path().join(file)));
}

#[test]
fn a_limit_that_can_not_hold_a_line_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::new(1 << 16).unwrap();
    let file = AuditFile::new(dir.path().join("audit")).with_limit(AuditFile::LIMIT_MIN - 1);
    let error = audit.save(file).unwrap_err();
    assert!(matches!(error, AuditError::Limit { .. }), "{error}");
    assert!(!dir.path().join("audit").exists());
}

#[test]
fn only_a_file_that_is_ours_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let audit = Audit::new(1 << 16).unwrap();
    let save = |name: &str| audit.save(AuditFile::new(path(name)));

    symlink(path("elsewhere"), path("link")).unwrap();
    let error = save("link").unwrap_err();
    assert!(matches!(error, AuditError::Open { .. }), "{error}");
    assert!(!path("elsewhere").exists());

    File::options().write(true).create_new(true).mode(0o666).open(path("open")).unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o666)).unwrap();
    let error = save("open").unwrap_err();
    assert!(matches!(error, AuditError::NotOurs { .. }), "{error}");

    fs::create_dir(path("directory")).unwrap();
    let error = save("directory").unwrap_err();
    assert!(matches!(error, AuditError::Open { .. }), "{error}");

    let made = Command::new("mkfifo").arg(path("pipe")).status();
    if made.is_ok_and(|status| status.success()) {
        let error = save("pipe").unwrap_err();
        assert!(matches!(error, AuditError::NotOurs { .. }), "{error}");
    }

    let log = save("file").unwrap();
    let error = save("file").unwrap_err();
    assert!(matches!(error, AuditError::InUse { .. }), "{error}");
    log.finish(HANG).unwrap();
    assert_eq!(fs::metadata(path("file")).unwrap().permissions().mode() & 0o777, 0o600);
    drop(save("file").unwrap());
}

/// A disk with as much room as the test gives it, and what is on it.
#[derive(Clone, Default)]
struct Disk {
    room: Arc<AtomicUsize>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // In pieces, as a disk does that is nearly full.
        let some = bytes.len().min(50).min(self.room.load(SeqCst));
        if some == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.fetch_sub(some, SeqCst);
        self.bytes.lock().unwrap().extend(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until the log is as it should be.
fn until<T>(log: &AuditLog, reached: impl Fn(&AuditStatus) -> Option<T>) -> T {
    let deadline = Instant::now() + HANG;
    loop {
        let status = log.status();
        if let Some(reached) = reached(&status) {
            return reached;
        }
        assert!(Instant::now() < deadline, "{status:?}");
        std::thread::yield_now();
    }
}

/// Until the thread has met with the failure.
fn until_it_fails(log: &AuditLog) -> Arc<AuditError> {
    until(log, |status| status.error.clone())
}

#[test]
fn a_line_is_saved_when_it_comes() {
    let (_writer, console) = console();
    let audit = Audit::new(1 << 16).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save_to(io::sink()).unwrap();
    for number in 1..200 {
        until(&log, |status| (status.saved == 2 * number - 1).then_some(()));
        drop(attach(&console, "alice", Mode::Exclusive));
    }
}

#[test]
fn a_disk_that_is_full_is_told_and_what_was_lost_by_it_is_declared() {
    let (_writer, console) = console();
    let audit = Audit::new(1 << 14).unwrap();
    console.observe(audit.observer("vm0"));
    let disk = Disk::default();
    // That is the first line, and a part of the second.
    disk.room.store(120, SeqCst);
    let log = audit.save_to(disk.clone()).unwrap();
    much_happens(&console, &audit, 1000);
    let error = until_it_fails(&log);
    assert!(matches!(&*error, AuditError::Write(error) if error.kind() == io::ErrorKind::StorageFull));
    assert_eq!((disk.bytes.lock().unwrap().len(), log.status().saved), (120, 1));
    // The ring comes round.
    much_happens(&console, &audit, 1 << 16);
    // It is tried again by itself.
    disk.room.store(usize::MAX, SeqCst);
    let end = count(&audit);
    let status = until(&log, |status| {
        (status.saved + status.lost == end && status.error.is_none()).then(|| status.clone())
    });
    log.finish(HANG).unwrap();
    let bytes = disk.bytes.lock().unwrap().clone();
    let lines = parsed(std::str::from_utf8(&bytes).unwrap());
    let missing = check_complete(&lines, end);
    assert!(missing > 0);
    assert_eq!((status.lost, status.saved), (missing, end - missing));
}

#[test]
fn a_file_that_can_not_be_renamed_is_tried_again_and_pushes_none_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let at = |name: &str| dir.path().join(name);
    let (_writer, console) = console();
    let audit = Audit::new(1 << 20).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save(AuditFile::new(&path).with_limit(64 << 10)).unwrap();
    fs::write(at("audit.2"), "older\n").unwrap();
    fs::create_dir(at("audit.3")).unwrap();
    much_happens(&console, &audit, 20 << 10);
    let error = until_it_fails(&log);
    assert!(matches!(&*error, AuditError::Rotate { .. }), "{error}");
    fs::remove_dir(at("audit.3")).unwrap();
    log.finish(HANG).unwrap();
    assert_eq!(fs::read_to_string(at("audit.3")).unwrap(), "older\n");
    let text = [at("audit.1"), path].map(|file| fs::read_to_string(file).unwrap()).concat();
    assert_eq!(check_complete(&parsed(&text), count(&audit)), 0);
}

#[test]
fn a_disk_that_stays_full_is_an_error_and_costs_the_console_nothing() {
    let full = match File::options().write(true).open("/dev/full") {
        Ok(full) => full,
        Err(error) => return println!("not shown: /dev/full: {error}"),
    };
    let (_writer, console) = console();
    let audit = Audit::new(1 << 14).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save_to(full).unwrap();
    let error = until_it_fails(&log);
    assert!(
        matches!(&*error, AuditError::Write(error) if error.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
    much_happens(&console, &audit, 1 << 16);
    assert_eq!(console.counters().events_lost, 0);
    let error = log.finish(HANG).unwrap_err();
    assert!(matches!(&*error, AuditError::Write(_)), "{error}");
}

#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up() {
    let (reader, mut pipe) = io::pipe().unwrap();
    // Full, so that the first line blocks.
    rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::empty()).unwrap();
    let (_writer, console) = console();
    let audit = Audit::new(1 << 14).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save_to(pipe).unwrap();
    // These come back. The thread is in `write(2)` for as long as nobody reads.
    much_happens(&console, &audit, 1 << 16);
    drop(attach(&console, "alice", Mode::Exclusive));
    assert_eq!((log.status().saved, console.counters().events_lost), (0, 0));
    let error = log.finish(Duration::ZERO).unwrap_err();
    assert!(matches!(&*error, AuditError::TimedOut), "{error}");
    // The thread was not given up: it saves all that there is, and then closes the pipe.
    let text = io::read_to_string(reader).unwrap();
    let lines = parsed(text.trim_start_matches('\n'));
    assert!(check_complete(&lines, count(&audit)) > 0);
}

/// Not a test by itself: the process that is killed.
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
    // The test takes the rest from it again.
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

/// Also when its writer was killed in the midst of a line.
#[test]
fn a_torn_end_of_a_ring_is_passed_over() {
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

#[test]
fn two_processes_one_after_the_other_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    for _ in 0..2 {
        let audit = Audit::new(1 << 16).unwrap();
        let (_writer, console) = console();
        console.observe(audit.observer("vm0"));
        let log = audit.save(AuditFile::new(&path)).unwrap();
        drop(attach(&console, "alice", Mode::Exclusive));
        log.finish(HANG).unwrap();
    }
    let numbers: Vec<_> =
        parsed(&fs::read_to_string(&path).unwrap()).into_iter().map(|line| line.line).collect();
    assert_eq!(numbers, [0, 1, 2, 0, 1, 2].map(Some), "each has a trail of its own");
}
