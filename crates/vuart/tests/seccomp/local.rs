//! A console on what the VMM has, on a thread that is filtered.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::pipe;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use vuart::dispatch::Dispatch as _;
use vuart::endpoint::{Cause, Console, Identity};
use vuart::local::{Local, LocalBuilder, LogFile};
use vuart::seccomp::{self, Rules};
use vuart::uart::spec::offset::{LSR, RBR, THR};
use vuart::{SerialPort, SharedPort};
use vuart_test_support::{allow_also, in_a_process, until};

use crate::vmm::LONG;

/// Puts a console on something, and lets a guest answer each byte with a hundred. `outside` types a `q` as the last byte, and returns
/// when it has read what it wants. `finish` ends the `Local`.
fn drive(
    rules: Rules,
    build: impl FnOnce(LocalBuilder) -> LocalBuilder + Send,
    outside: impl FnOnce(&Console) + Send,
) {
    let port = SharedPort::new(SerialPort::new(vuart::IrqFd::new().unwrap()));
    let console = port.with(|port| port.console().clone());
    thread::scope(|scope| {
        let local = build(Local::builder(&console)).build().unwrap();
        let driver = scope.spawn({
            let console = console.clone();
            move || {
                // The wait is the loop's own.
                allow_also(&rules, [(libc::SYS_poll, &[]), (libc::SYS_ppoll, &[])]).unwrap();
                let mut local = local;
                local.dispatch().unwrap();
                while console.ended().is_none() {
                    vuart_test_wait(&local);
                    local.dispatch().unwrap();
                }
                let left = local.left();
                // A file at its bound takes no more.
                assert!(local.finish(LONG).is_ok() || left > 0);
            }
        });
        let guest = scope.spawn(move || {
            loop {
                if port.read_register(LSR) & 1 == 0 {
                    thread::yield_now();
                    continue;
                }
                let byte = port.read_register(RBR);
                for _ in 0..100 {
                    port.write_register(THR, byte);
                }
                if byte == b'q' {
                    // Its drop would be the console's end.
                    return port;
                }
            }
        });
        outside(&console);
        let _port = guest.join().unwrap();
        console.end(&Cause::VmEnded);
        driver.join().unwrap();
    });
}

/// Whether a pipe has room for output.
fn has_room(pipe: &OwnedFd) -> bool {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pipe, PollFlags::OUT)], Some(&zero)).unwrap() == 1
}

/// Waits until there is something to dispatch, for a moment.
fn vuart_test_wait(local: &Local) {
    let limit = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let _ = poll(&mut [PollFd::new(local, PollFlags::IN)], Some(&limit));
}

fn read_hundred(from: &mut impl std::io::Read, byte: u8) {
    let mut count = 0;
    let mut buf = [0; 1024];
    while count < 100 {
        let read = from.read(&mut buf).unwrap();
        assert_ne!(read, 0);
        count += buf[..read].split(|read| *read == byte).count() - 1;
    }
}

#[test]
fn on_pipes() {
    in_a_process("local::on_pipes", || {
        let ((input, typed), (printed, output)) = (pipe().unwrap(), pipe().unwrap());
        let (mut typed, mut printed) = (File::from(typed), File::from(printed));
        let room = output.try_clone().unwrap();
        drive(
            seccomp::local(),
            |local| local.with_input(input).with_output(output),
            |console| {
                typed.write_all(b"ab").unwrap();
                read_hundred(&mut printed, b'b');
                // It is kicked, and begins again.
                if let Some(owner) = console.owner() {
                    let _ = console.kick(owner.id, &Identity::new("admin", 0, None));
                }
                typed.write_all(&[b'x'; 2000]).unwrap();
                until("the pipe is full", || !has_room(&room));
                typed.write_all(b"q").unwrap();
                drop(typed);
                read_hundred(&mut printed, b'q');
            },
        );
    });
}

#[test]
fn on_a_socket() {
    in_a_process("local::on_a_socket", || {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        drive(
            seccomp::local(),
            |local| local.with_both(ours),
            |_| {
                theirs.write_all(b"aq").unwrap();
                read_hundred(&mut theirs, b'q');
            },
        );
    });
}

#[test]
fn on_the_master_of_a_pseudo_terminal() {
    in_a_process("local::on_the_master_of_a_pseudo_terminal", || {
        let (master, path) = pseudo_terminal();
        drive(
            seccomp::local().and(&seccomp::local_terminal()),
            |local| local.with_both(master),
            |_| {
                let mut terminal = File::options().read(true).write(true).open(path).unwrap();
                let settings = rustix::termios::tcgetattr(&terminal).unwrap();
                let mut raw = settings.clone();
                raw.make_raw();
                rustix::termios::tcsetattr(&terminal, rustix::termios::OptionalActions::Now, &raw).unwrap();
                terminal.write_all(b"aq").unwrap();
                read_hundred(&mut terminal, b'q');
            },
        );
    });
}

/// As with standard input and output, with raw mode and its end.
#[test]
fn on_a_terminal() {
    in_a_process("local::on_a_terminal", || {
        let (master, path) = pseudo_terminal();
        let terminal = File::options().read(true).write(true).open(path).unwrap();
        // The controlling terminal of this process, if it can be: it is a session's leader only then.
        let _ = rustix::process::setsid();
        let _ = rustix::process::ioctl_tiocsctty(&terminal);
        // It stays open, or its end would be the signal SIGHUP.
        let mut master = std::mem::ManuallyDrop::new(File::from(master));
        let before = rustix::termios::tcgetattr(&terminal).unwrap().local_modes;
        drive(
            seccomp::local().and(&seccomp::local_terminal()),
            |local| local.with_both(&terminal).with_raw_mode(),
            |_| {
                master.write_all(b"aq").unwrap();
                read_hundred(&mut *master, b'q');
            },
        );
        assert_eq!(rustix::termios::tcgetattr(&terminal).unwrap().local_modes, before);
    });
}

#[test]
fn into_a_file_and_from_a_device() {
    in_a_process("local::into_a_file_and_from_a_device", || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = LogFile::append(&path).with_most(60_000);
        let (input, typed) = pipe().unwrap();
        let mut typed = File::from(typed);
        drive(
            seccomp::local(),
            |local| local.with_input(input).with_file(file),
            |_| typed.write_all(&[&[b'x'; 1000][..], b"q"].concat()).unwrap(),
        );
        assert_eq!(std::fs::metadata(path).unwrap().len(), 60_000);
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let (input, typed) = pipe().unwrap();
        let mut typed = File::from(typed);
        drive(
            seccomp::local(),
            |local| local.with_input(input).with_output(null),
            |_| typed.write_all(b"aq").unwrap(),
        );
    });
}

fn pseudo_terminal() -> (OwnedFd, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (master, path)
}
