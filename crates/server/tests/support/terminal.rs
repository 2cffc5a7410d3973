//! Programs that open the pseudo-terminal's device.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use vuart_endpoint::{Cause, Console};
use vuart_scrollback::Writer;
use vuart_server::{ServerOptions, ServerThread, Sockets};
use vuart_test_support::{HANG, Vm, until};

use super::with_pty;

/// A console on all sockets and a pseudo-terminal.
pub(crate) fn served() -> Vm {
    with(ServerOptions::default())
}

/// The same with these options.
pub(crate) fn with(options: ServerOptions) -> Vm {
    Vm::with(options, |claim| with_pty(Sockets::bind(claim).unwrap()))
}

/// A program that opens the device and sets nothing. If the device is replaced in this moment, it opens the next one.
pub(crate) fn open(path: impl AsRef<Path>) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
    let deadline = Instant::now() + HANG;
    loop {
        match options.open(&path) {
            Ok(terminal) => return terminal,
            Err(error) => {
                let gone = [Errno::NOENT, Errno::IO].contains(&Errno::from_io_error(&error).unwrap());
                assert!(gone && Instant::now() < deadline, "{error}");
            }
        }
    }
}

pub(crate) fn occupied(vm: &Vm) {
    vm.until("the session has begun", |console| console.owner().is_some());
}

pub(crate) fn vacant(vm: &Vm) {
    vm.until("the session is over", |console| console.owner().is_none());
    // The terminal is replaced a moment after the end of the session. A server that answers has done that.
    vm.client("probe").status().unwrap();
}

/// Waits for events at a terminal. A hang-up is always one.
pub(crate) fn wait_for(terminal: &File, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(terminal.as_fd(), events)];
    let patience = Timespec::try_from(HANG).unwrap();
    assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "waited in vain");
    fds[0].revents()
}

/// Reads everything up to the hang-up.
pub(crate) fn last_words(terminal: &mut File) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match terminal.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => all.extend_from_slice(&buffer[..read]),
            // The end or EIO: which one depends on the moment.
            Err(error) => break assert_eq!(error.raw_os_error(), Some(5), "{error}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads up to this text.
pub(crate) fn read_until(terminal: &mut File, text: &str) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while !all.ends_with(text.as_bytes()) {
        assert!(
            wait_for(terminal, PollFlags::IN).contains(PollFlags::IN),
            "hung up: {:?}",
            String::from_utf8_lossy(&all)
        );
        let read = terminal.read(&mut buffer).unwrap();
        all.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The guest halts, and the server ends when the program has read that: the guest's last words, and what has become of it.
pub(crate) fn hears_the_end(
    mut terminal: File,
    writer: &mut Writer,
    console: &Console,
    server: ServerThread,
) {
    until("the session has begun", || console.owner().is_some());
    writer.extend(b"halted.");
    console.end(&Cause::VmEnded);
    let reader = std::thread::spawn(move || last_words(&mut terminal));
    server.finish(HANG).unwrap();
    let told = reader.join().unwrap();
    assert!(told.starts_with("halted.\r\n[vuart: the guest has ended at "), "{told:?}");
}
