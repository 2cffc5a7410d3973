//! Consoles that come and go leave nothing behind.

mod support;

use std::os::unix::net::UnixStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Rig, fill};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::Console;
use vuart_local::Local;
use vuart_scrollback::Scrollback;
use vuart_test_support::{part, play};

fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn ten_thousand_consoles_leave_nothing_behind() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (mut writer, scrollback) = Scrollback::new(1 << 16).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let once = |n: u32, writer: &mut vuart_scrollback::Writer, theirs: &mut UnixStream| {
        let mut local = Local::builder(&console).with_both(&ours).build().unwrap();
        if n.is_multiple_of(2) {
            local.dispatch().unwrap();
            fill(theirs, b"x");
            writer.extend(b"y");
        }
        if n.is_multiple_of(3) {
            local.dispatch().unwrap();
        }
    };
    once(0, &mut writer, &mut theirs);
    let before = open();
    for n in 0..10_000 {
        once(n, &mut writer, &mut theirs);
        let mut buf = vec![0; 1 << 16];
        while support::readable(&theirs, &rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }) {
            std::io::Read::read(&mut theirs, &mut buf).unwrap();
        }
    }
    // The other test of this process has some open for a moment.
    assert!(open() < before + 100);
    assert!(console.sessions().is_empty());
    drop(Rig::new(4096, |local| local));
}

/// At each limit it is made, or says why not and leaves nothing behind.
#[test]
fn without_file_descriptors_it_is_refused_and_leaves_nothing_behind() {
    const NAME: &str = "without_file_descriptors_it_is_refused_and_leaves_nothing_behind";
    if part().is_none() {
        // In a process of its own, because the limit is for all.
        let output = play(NAME, "short", |command| command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let (_writer, scrollback) = Scrollback::new(1 << 16).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let before = open();
    // Reading the directory takes one for itself, which is closed again.
    let limit = |soft: u64| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum }).unwrap();
    };
    let used = u64::try_from(before).unwrap() - 1;
    let mut made = 0;
    for more in 0..8 {
        limit(used + more);
        let local = Local::builder(&console).with_both(&ours).build();
        limit(used + 100);
        made += usize::from(local.is_ok());
        assert_eq!(console.sessions().len(), usize::from(local.is_ok()), "{local:?}");
        drop(local);
        // The doorbell keeps the one that a sleeper has had.
        assert!(open() <= before + 1, "{more}");
    }
    assert!((1..8).contains(&made), "{made}");
}
