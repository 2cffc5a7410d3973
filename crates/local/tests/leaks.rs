//! Consoles that come and go leave nothing behind.

mod support;

use std::os::unix::net::UnixStream;

use support::{Rig, fill};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::Console;
use vuart_local::Local;
use vuart_scrollback::Scrollback;

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
        let mut buf = [0; 1 << 16];
        while support::readable(&theirs, &rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }) {
            std::io::Read::read(&mut theirs, &mut buf).unwrap();
        }
    }
    assert_eq!(open(), before);
    assert!(console.sessions().is_empty());
    drop(Rig::new(4096, |local| local));
}
