//! The server's thread under a filter that kills: its system calls are these and no others, to the end.

mod support;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use support::port;
use vuart::endpoint::{Cause, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerOptions, ServerThread, Sockets};
use vuart::uart::spec::offset::THR;
use vuart::wire::{Client, Event, RuntimeDir};

/// A guard against hanging: longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

/// What the server calls while it serves sockets, and when it is dropped: no call with a path, and none that asks who this process is.
const SERVER: [i64; 16] = [
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_accept4,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_futex,
    libc::SYS_madvise,
    // The end of a claim: whether its lock file is there still, and the removal of its files.
    libc::SYS_fstat,
    libc::SYS_unlinkat,
    libc::SYS_munmap,
];

/// What Rust's and C's libraries call for any thread: memory, and the thread's end.
const LIBRARIES: [i64; 9] = [
    libc::SYS_mmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_brk,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_exit,
    // A build with debug assertions checks each file descriptor before it is closed.
    libc::SYS_fcntl,
];

/// The environment variable that names the part to play.
const PART: &str = "VUART_TEST_PART";

fn filter(allowed: &[i64]) -> BpfProgram {
    let rules: BTreeMap<_, _> = allowed.iter().map(|call| (*call, vec![])).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch).unwrap();
    filter.try_into().unwrap()
}

/// Serves clients under the filter, and ends in this way.
fn serve(allowed: &[i64], end: &str) {
    let (mut port, _) = port();
    let dir = tempfile::tempdir().unwrap();
    let run = RuntimeDir::create(dir.path().join("run")).unwrap();
    let sockets = Sockets::bind(Claim::new(&run, "vm0").unwrap()).unwrap();
    let options = ServerOptions::default();
    let server = Server::new("vm0", port.console().clone(), sockets, options).unwrap();
    let program = filter(allowed);
    let server =
        ServerThread::builder().on_start(move || apply_filter(&program)).serve(server).start().unwrap();

    let mut client = Client::connect(&run.control_socket("vm0").unwrap(), "alice").unwrap();
    client.attach(Mode::Exclusive, Position::Oldest).unwrap();
    client.status().unwrap();
    let mut raw = UnixStream::connect(run.path().join("vm0.ro.sock")).unwrap();
    for byte in [b"a", b"b"] {
        port.write(THR.into(), byte);
        assert!(matches!(client.recv().unwrap(), Event::Output { bytes, .. } if bytes == byte));
    }
    drop(UnixStream::connect(run.path().join("vm0.sock")).unwrap());
    while port.console().sessions().len() < 2 {
        std::thread::yield_now();
    }
    match end {
        "finished" => {
            port.console().end(&Cause::VmEnded);
            server.finish(LONG).unwrap();
        }
        _ => drop(server),
    }
    assert!(matches!(client.recv().unwrap(), Event::Ended(_)));
    let mut told = String::new();
    raw.read_to_string(&mut told).unwrap();
    assert!(told.contains("[vuart: "), "{told}");
    assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0);
}

fn played(part: &str) -> std::process::ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_server_under_a_filter_of_its_calls_is_not_killed", "--nocapture"]);
    command.env(PART, part).stdin(Stdio::null()).status().unwrap()
}

#[test]
fn a_server_under_a_filter_of_its_calls_is_not_killed() {
    let all = [&SERVER[..], &LIBRARIES[..]].concat();
    match std::env::var(PART).as_deref() {
        Ok("strict") => {
            let without: Vec<_> = all.into_iter().filter(|call| *call != libc::SYS_unlinkat).collect();
            return serve(&without, "dropped");
        }
        Ok(end) => return serve(&all, end),
        Err(_) => {}
    }
    for end in ["finished", "dropped"] {
        let status = played(end);
        assert!(status.success(), "{end}: {status:?}");
    }
    // The filter does kill.
    assert_eq!(played("strict").signal(), Some(libc::SIGSYS));
}
