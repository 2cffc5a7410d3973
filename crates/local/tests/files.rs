//! A console in a file, and at a writer.

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Rig, pattern};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::Cause;
use vuart_local::{FinishError, Local, LocalError, LogFile};

#[test]
fn a_file_is_appended_to_or_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console.log");
    for (file, expected) in [
        (LogFile::append(&path), "boot\n"),
        (LogFile::append(&path), "boot\nboot\n"),
        (LogFile::truncate(&path), "boot\n"),
    ] {
        let mut rig = Rig::new(4096, |local| local.with_file(file));
        rig.writes(b"boot\n");
        rig.settle();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected, "at once, and not when it ends");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_is_written_already_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = LogFile::append(dir.path().join("console.log"));
    let rig = Rig::new(4096, |local| local.with_file(file.clone()));
    let second = Local::builder(&rig.console).with_file(file).build();
    assert!(matches!(second, Err(LocalError::File(vuart_file::OpenError::InUse { .. }))), "{second:?}");
}

#[test]
fn at_its_bound_a_file_says_so_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console.log");
    for _ in 0..2 {
        let mut rig = Rig::new(1 << 16, |local| local.with_file(LogFile::append(&path).with_most(1000)));
        rig.writes(&pattern(2000));
        rig.settle();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() <= 1000, "{}", text.len());
        assert!(text.starts_with(std::str::from_utf8(&pattern(900)).unwrap()));
        assert!(text.ends_with("[vuart: the file is full: 1000 bytes; later output is not in it]\r\n"));
        assert_eq!(text.matches("vuart").count(), 1, "also when it is opened again");
        assert!(rig.local.is_settled() && rig.console.sessions().is_empty());
        assert_eq!(rig.console.warnings().len(), 1);
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing_that_the_ring_keeps() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_output(&full));
    rig.writes(b"important");
    rig.turn();
    assert_eq!(rig.local.left(), 9);
    let warning = &rig.console.warnings()[0];
    assert!(warning.text.contains("No space left on device"), "{}", warning.text);
    assert!(!rig.is_readable(), "it tries again later, by the clock");
    assert!(matches!(rig.local.finish(Duration::ZERO), Err(FinishError::TimedOut(9))));
}

/// Takes a few bytes at a time, and refuses each second call.
#[derive(Clone, Default)]
struct Moody(Arc<Mutex<(Vec<u8>, bool)>>);

impl io::Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, refuses) = &mut *self.0.lock().unwrap();
        if std::mem::replace(refuses, !*refuses) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let some = &bytes[..bytes.len().min(7)];
        taken.extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_gets_everything_though_it_refuses_at_times() {
    let writer = Moody::default();
    let mut rig = Rig::new(4096, |local| local.with_writer(writer.clone()));
    rig.writes(&pattern(100));
    rig.until(|rig| rig.local.is_settled());
    rig.writes(&pattern(50));
    rig.console.end(&Cause::VmEnded);
    rig.local.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(writer.0.lock().unwrap().0, [pattern(100), pattern(50)].concat());
}

#[test]
fn input_from_a_file_is_typed_at_the_pace_of_the_guest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    let script = pattern(20_000);
    fs::write(&path, &script).unwrap();
    let file = fs::File::open(&path).unwrap();
    let mut rig = Rig::new(4096, |local| local.with_input(&file));
    let mut taken = rig.takes();
    rig.until(|rig| {
        while let Some(more) = Some(rig.takes()).filter(|more| !more.is_empty()) {
            taken.extend(more);
        }
        taken.len() == script.len()
    });
    assert!(taken == script);
}

#[test]
fn finish_says_what_was_not_taken() {
    let (reader, writer) = support::a_pipe();
    let mut rig = Rig::new(1 << 20, |local| local.with_output(&writer));
    rig.writes(&pattern(1 << 17));
    rig.console.end(&Cause::VmEnded);
    rig.settle();
    let (left, local) = (rig.local.left(), rig.local);
    assert!(left > 0);
    assert!(matches!(local.finish(Duration::from_millis(1)), Err(FinishError::TimedOut(n)) if n == left));
    drop(reader);

    let (reader, writer) = support::a_pipe();
    let mut rig = Rig::new(1 << 20, |local| local.with_output(&writer));
    drop(reader);
    rig.writer.extend(b"nobody");
    assert!(matches!(rig.local.finish(Duration::from_secs(60)), Err(FinishError::Ended(6))));
}

/// A console is on the VMM's output and in a file, say: each of them has its own trouble.
#[test]
fn each_output_that_is_in_trouble_is_told_until_it_goes() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_output(&full));
    let mut log = Local::builder(&rig.console).with_output(&full).with_label("log").build().unwrap();
    rig.writes(b"important");
    rig.turn();
    log.dispatch().unwrap();
    let topics =
        |rig: &Rig| rig.console.warnings().into_iter().map(|warning| warning.topic).collect::<Vec<_>>();
    assert_eq!(topics(&rig), ["local", "local log"]);
    drop(log);
    assert_eq!(topics(&rig), ["local"]);
    let Rig { console, local, .. } = rig;
    drop(local);
    assert!(console.warnings().is_empty());
}
