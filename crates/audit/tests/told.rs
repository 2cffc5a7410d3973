//! Row F25 of `docs/rules.md`: a trail that is not saved is told at once, and so is its recovery.

mod support;

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{HANG, attach, check_complete, console, count, much_happens, parsed};
use vuart_audit::{Audit, AuditError, AuditFile, AuditLog, AuditStatus};
use vuart_endpoint::Mode;

/// The name of the variable that says that this process plays a part of a test.
const PART: &str = "VUART_TEST_PART";

/// A disk that is full or has room, as the test says.
#[derive(Clone, Default)]
struct Disk(Arc<AtomicBool>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.load(SeqCst) { Ok(bytes.len()) } else { Err(ErrorKind::StorageFull.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an observer of the log is told.
fn observe(log: &AuditLog) -> mpsc::Receiver<AuditStatus> {
    let (told, news) = mpsc::channel();
    log.observe(move |status| drop(told.send(status.clone())));
    news
}

#[test]
fn f25_a_full_disk_is_told_at_once_and_so_is_its_recovery() {
    let (_writer, console) = console();
    let audit = Audit::new(1 << 14).unwrap();
    console.observe(audit.observer("vm0"));
    let disk = Disk::default();
    let log = audit.save_to(disk.clone()).unwrap();
    let news = observe(&log);
    // The first line is that the trail has begun. Nothing else has happened, and nobody has asked.
    let failed = news.recv_timeout(HANG).unwrap();
    let error = failed.error.unwrap();
    assert!(matches!(&*error, AuditError::Write(error) if error.kind() == ErrorKind::StorageFull), "{error}");
    let since = failed.since.unwrap();
    // The console can show it, and does so from the beginning of the failure.
    console.warn("audit", &error.to_string());
    assert_eq!(console.warnings()[0].text, "can't write the audit trail: no storage space");
    much_happens(&console, &audit, 1 << 16);
    // One who comes later is told at once, too.
    let late = observe(&log).try_recv().unwrap();
    assert_eq!((late.since, late.saved), (Some(since), 0));
    disk.0.store(true, SeqCst);
    let works = news.recv_timeout(HANG).unwrap();
    assert!(works.error.is_none() && works.since.is_none() && works.lost > 0, "{works:?}");
    assert_eq!(works.saved + works.lost, count(&audit));
    console.withdraw_warning("audit");
    assert!(console.warnings().is_empty());
    log.finish(HANG).unwrap();
    assert!(news.try_recv().is_err(), "it is told once");
}

/// A sink that panics.
struct Panics;

impl Write for Panics {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        panic!("this panic belongs to the test");
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn f25_a_sink_that_panics_is_an_error_of_the_status_and_is_told() {
    let audit = Audit::new(1 << 14).unwrap();
    let log = audit.save_to(Panics).unwrap();
    let told = observe(&log).recv_timeout(HANG).unwrap();
    assert!(matches!(told.error.as_deref(), Some(AuditError::Panicked)), "{told:?}");
    assert!(matches!(log.status().error.as_deref(), Some(AuditError::Panicked)));
    let error = log.finish(HANG).unwrap_err();
    assert!(matches!(&*error, AuditError::Panicked), "{error}");
}

#[test]
fn f25_a_device_that_is_full_is_told() {
    let full = match File::options().write(true).open("/dev/full") {
        Ok(full) => full,
        Err(error) => return println!("not shown: /dev/full: {error}"),
    };
    let log = Audit::new(1 << 14).unwrap().save_to(full).unwrap();
    let told = observe(&log).recv_timeout(HANG).unwrap();
    assert_eq!(
        told.error.unwrap().to_string(),
        "can't write the audit trail: No space left on device (os error 28)"
    );
}

/// A file that may not grow, until its limit is raised: the lines go on where they had stopped.
#[test]
fn f25_a_file_that_can_not_grow_is_told_and_goes_on_when_it_can() {
    const TEST: &str = "f25_a_file_that_can_not_grow_is_told_and_goes_on_when_it_can";
    if std::env::var_os(PART).is_none() {
        // Without the signal that would end the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", TEST, "--nocapture"]).env(PART, "limited");
        let output = command.output().unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(2000), maximum }).unwrap();
    let (_writer, console) = console();
    let audit = Audit::new(1 << 16).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save(AuditFile::new(&path)).unwrap();
    let news = observe(&log);
    for _ in 0..20 {
        drop(attach(&console, "alice", Mode::Exclusive));
    }
    let told = news.recv_timeout(HANG).unwrap();
    let error = told.error.unwrap();
    assert!(
        matches!(&*error, AuditError::Write(error) if error.kind() == ErrorKind::FileTooLarge),
        "{error}"
    );
    setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
    let works = news.recv_timeout(HANG).unwrap();
    assert!(works.error.is_none() && works.lost == 0, "{works:?}");
    log.finish(HANG).unwrap();
    let lines = parsed(&std::fs::read_to_string(path).unwrap());
    assert_eq!(check_complete(&lines, count(&audit)), 0);
}
