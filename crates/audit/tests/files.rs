//! The files of a trail: their limit, whose they are, who shares them.

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use support::{HANG, attach, console, count, files, much_happens, parsed, saved};
use vuart_audit::{Audit, AuditError, AuditFile, AuditLine};
use vuart_endpoint::Mode;
use vuart_file::OpenError;

#[test]
fn e8_the_files_of_a_trail_keep_to_one_limit() {
    const LIMIT: u64 = 64 << 10;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let (_writer, console) = console();
    let audit = Audit::new(1 << 20).unwrap();
    console.observe(audit.observer("vm0"));
    let size = || files(&path).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    // Files that an earlier process with a larger limit has left. (While a trail is saved, the test can't look at all files at once.)
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
        // The newest lines, as many as there is room for, and none twice.
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
fn e8_files_beyond_the_limit_are_removed_when_a_trail_is_saved() {
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
fn a_file_of_another_kind_owner_or_mode_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let audit = Audit::new(1 << 16).unwrap();
    let save = |name: &str| audit.save(AuditFile::new(path(name)));

    symlink(path("elsewhere"), path("link")).unwrap();
    let error = save("link").unwrap_err();
    assert!(matches!(error, AuditError::File(OpenError::NotAFile { found: "a link", .. })), "{error}");
    assert!(!path("elsewhere").exists());

    File::options().write(true).create_new(true).mode(0o666).open(path("open")).unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o666)).unwrap();
    let error = save("open").unwrap_err();
    assert!(matches!(error, AuditError::File(OpenError::Writable { mode: 0o666, .. })), "{error}");

    fs::create_dir(path("directory")).unwrap();
    let error = save("directory").unwrap_err();
    assert!(matches!(error, AuditError::File(OpenError::NotAFile { found: "a directory", .. })), "{error}");

    let made = Command::new("mkfifo").arg(path("pipe")).status();
    if made.is_ok_and(|status| status.success()) {
        let error = save("pipe").unwrap_err();
        assert!(matches!(error, AuditError::File(OpenError::NotAFile { found: "a pipe", .. })), "{error}");
    }

    let log = save("file").unwrap();
    let error = save("file").unwrap_err();
    assert!(matches!(error, AuditError::InUse { .. }), "{error}");
    log.finish(HANG).unwrap();
    assert_eq!(fs::metadata(path("file")).unwrap().permissions().mode() & 0o777, 0o600);
    drop(save("file").unwrap());
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

#[test]
fn f21_what_is_no_trail_is_not_appended_to_renamed_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let audit = Audit::new(1 << 16).unwrap();
    for (name, other) in [("notes", "notes"), ("json", "{\"version\":1}\n"), ("ring", "vuartrng\0\0")] {
        fs::write(path(name), other).unwrap();
        let error = audit.save(AuditFile::new(path(name))).unwrap_err();
        assert!(matches!(error, AuditError::File(OpenError::OtherKind { .. })), "{error}");
        assert!(error.to_string().contains("is not an audit trail"), "{error}");
        // As one of the older files, it would go some day.
        for number in 1..=3 {
            let older = path(&format!("fresh.{number}"));
            fs::rename(path(name), &older).unwrap();
            let error = audit.save(AuditFile::new(path("fresh"))).unwrap_err();
            assert!(matches!(error, AuditError::File(OpenError::OtherKind { .. })), "{error}");
            assert_eq!(fs::read(&older).unwrap(), other.as_bytes());
            fs::rename(&older, path(name)).unwrap();
        }
        assert_eq!(fs::read(path(name)).unwrap(), other.as_bytes());
    }
    assert!(!path("fresh").exists());
    // What is left of a line whose writer was killed, also of the first one.
    for torn in ["{", "{\"v\":1,\"line\":0", "\n{\"v\":"] {
        fs::write(path("torn"), torn).unwrap();
        audit.save(AuditFile::new(path("torn"))).unwrap().finish(HANG).unwrap();
        fs::remove_file(path("torn")).unwrap();
    }
}

#[test]
fn f21_a_trail_that_others_could_read_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    audit_once(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    audit_once(&path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

fn audit_once(path: &std::path::Path) {
    let log = Audit::new(1 << 16).unwrap().save(AuditFile::new(path)).unwrap();
    log.finish(HANG).unwrap();
}
