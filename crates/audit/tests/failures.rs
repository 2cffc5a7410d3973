//! Disks and pipes that fail under a trail, or take nothing.

mod support;

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{HANG, attach, check_complete, console, count, much_happens, parsed};
use vuart_audit::{Audit, AuditError, AuditFile, AuditLog, AuditStatus};
use vuart_endpoint::Mode;

/// A disk with as much room as the test gives it, and its content.
#[derive(Clone, Default)]
struct Disk {
    room: Arc<AtomicUsize>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // In pieces, as a disk that is nearly full.
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

/// Waits until the thread has met the failure.
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
fn a_full_disk_is_reported_and_lost_lines_are_declared() {
    let (_writer, console) = console();
    let audit = Audit::new(1 << 14).unwrap();
    console.observe(audit.observer("vm0"));
    let disk = Disk::default();
    // Room for the first line and a part of the second.
    disk.room.store(120, SeqCst);
    let log = audit.save_to(disk.clone()).unwrap();
    much_happens(&console, &audit, 1000);
    let error = until_it_fails(&log);
    assert!(matches!(&*error, AuditError::Write(error) if error.kind() == io::ErrorKind::StorageFull));
    assert_eq!((disk.bytes.lock().unwrap().len(), log.status().saved), (120, 1));
    // The ring comes round.
    much_happens(&console, &audit, 1 << 16);
    // The thread tries again by itself.
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
fn a_rename_that_fails_is_tried_again_and_removes_no_other_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let at = |name: &str| dir.path().join(name);
    let (_writer, console) = console();
    let audit = Audit::new(1 << 20).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save(AuditFile::new(&path).with_limit(64 << 10)).unwrap();
    let older = "{\"v\":1,\"line\":0}\n";
    fs::write(at("audit.2"), older).unwrap();
    fs::create_dir(at("audit.3")).unwrap();
    much_happens(&console, &audit, 20 << 10);
    let error = until_it_fails(&log);
    assert!(matches!(&*error, AuditError::Rotate { .. }), "{error}");
    fs::remove_dir(at("audit.3")).unwrap();
    log.finish(HANG).unwrap();
    assert_eq!(fs::read_to_string(at("audit.3")).unwrap(), older);
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
fn a_pipe_without_a_reader_delays_no_console() {
    let (reader, mut pipe) = io::pipe().unwrap();
    // Full, so that the first line blocks.
    rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::empty()).unwrap();
    let (_writer, console) = console();
    let audit = Audit::new(1 << 14).unwrap();
    console.observe(audit.observer("vm0"));
    let log = audit.save_to(pipe).unwrap();
    // These return. The thread is in `write(2)` until the pipe is read.
    much_happens(&console, &audit, 1 << 16);
    drop(attach(&console, "alice", Mode::Exclusive));
    assert_eq!((log.status().saved, console.counters().events_lost), (0, 0));
    let error = log.finish(Duration::ZERO).unwrap_err();
    assert!(matches!(&*error, AuditError::TimedOut), "{error}");
    // The thread goes on: it saves all that there is, and then closes the pipe.
    let text = io::read_to_string(reader).unwrap();
    let lines = parsed(text.trim_start_matches('\n'));
    assert!(check_complete(&lines, count(&audit)) > 0);
}
