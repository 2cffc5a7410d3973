//! Terminals that the VMM has made, and programs that do with them what they like.

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Mode as Permissions, OFlags};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{Action, ioctl_tiocexcl, ioctl_tiocnxcl, tcflow};
use vuart_endpoint::{Attach, Cause, Console, Evicted, Identity, Input, Mode, Policy};
use vuart_scrollback::{Scrollback, Writer};
use vuart_server::{Dispatch as _, RawPolicy, Server, ServerOptions, Sockets};
use vuart_test_support::{open_files, take, turn};

fn made() -> (OwnedFd, PathBuf) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (master, path.into())
}

fn open(path: &PathBuf) -> File {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open(path, flags, Permissions::empty()).unwrap().into()
}

struct Rig {
    writer: Writer,
    console: Console,
    input: Input,
    server: Server,
    path: PathBuf,
}

impl Rig {
    fn new(raw: RawPolicy) -> Self {
        let (writer, scrollback) = Scrollback::new(1 << 16).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        let (master, path) = made();
        let sockets = Sockets::default().with_pty(master).unwrap();
        let options = ServerOptions::default().with_raw(raw);
        let mut server = Server::new("vm0", console.clone(), sockets, options).unwrap();
        server.dispatch().unwrap();
        Self { writer, console, input, server, path }
    }

    /// Drives it until nothing is left to do, and fails if there is always something.
    fn comes_to_rest(&mut self, state: &str) {
        for _ in 0..300 {
            if !turn(&mut self.server, Duration::from_millis(20)) {
                return;
            }
        }
        panic!("it does not come to rest: {state}");
    }

    /// A program opens the terminal and is served; its rate may have to allow it first.
    fn works(&mut self, state: &str) {
        let mut program = open(&self.path);
        for _ in 0..300 {
            turn(&mut self.server, Duration::from_millis(20));
            if self.console.owner().is_some_and(|owner| owner.identity.label() == "pty") {
                break;
            }
        }
        program.write_all(b"ls\r").unwrap();
        self.comes_to_rest(state);
        assert_eq!(take(&mut self.input), b"ls\r", "{state}");
        self.writer.extend(b"login: ");
        self.console.doorbell().ring_if_armed();
        self.comes_to_rest(state);
        let mut some = [0; 7];
        program.read_exact(&mut some).unwrap();
        assert_eq!(&some, b"login: ", "{state}");
        drop(program);
        self.comes_to_rest(state);
        assert!(self.console.sessions().is_empty(), "{state}");
    }
}

#[test]
fn a_thousand_programs_that_come_and_go_leave_it_as_it_was() {
    let mut rig = Rig::new(RawPolicy::Refuse);
    let before = open_files();
    for round in 0..1000 {
        let mut program = open(&rig.path);
        match round % 5 {
            0 => rig.server.dispatch().unwrap(),
            1 => tcflow(&program, Action::OOff).unwrap(),
            2 => drop(program.write(b"typed and gone\r")),
            3 => {
                ioctl_tiocexcl(&program).unwrap();
                rig.server.dispatch().unwrap();
                ioctl_tiocnxcl(&program).unwrap();
            }
            _ => drop(program.read(&mut [0; 10])),
        }
    }
    rig.comes_to_rest("all have gone");
    assert!(rig.console.sessions().is_empty());
    take(&mut rig.input);
    rig.works("after a thousand");
    assert!(open_files() <= before + 60, "{} and {before}", open_files());
}

/// A program stays while its session is taken over, kicked, given back, and while the console is switched off.
#[test]
fn a_program_that_stays_makes_nothing_spin_and_types_for_itself_only() {
    for policy in [RawPolicy::Refuse, RawPolicy::TakeOver] {
        for evicted in [Evicted::Disconnected, Evicted::Spectates] {
            let mut rig = Rig::new(policy);
            rig.console.set_policy(Policy::default().with_evicted(evicted));
            let mut program = open(&rig.path);
            rig.comes_to_rest("it is there");
            for round in 0..5 {
                let request = Attach::new(Identity::new("alice", 1000, None)).with_mode(Mode::TakeOver);
                let mut alice = rig.console.attach(request).unwrap();
                rig.comes_to_rest("taken over");
                program.write_all(b"in vain\r").unwrap();
                rig.comes_to_rest("typed in vain");
                alice.write(b"alice").unwrap();
                assert_eq!(take(&mut rig.input), b"alice", "{policy:?} {evicted:?} {round}");
                program.write_all(b"in the last moment\r").unwrap();
                drop(alice);
                rig.comes_to_rest("given back");
                assert_eq!(take(&mut rig.input), b"", "{policy:?} {evicted:?} {round}");
                // What it is told must not fill the terminal.
                while program.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
            }
            if let Some(owner) = rig.console.owner() {
                rig.console.kick(owner.id, &Identity::new("root", 0, None));
            }
            rig.comes_to_rest("kicked");
            rig.console.disable();
            rig.comes_to_rest("switched off");
            rig.console.enable();
            rig.comes_to_rest("switched on");
            drop(program);
            rig.comes_to_rest("it has left");
            rig.works("the next one");
        }
    }
}

/// The same terminal at two consoles is a mistake, which costs no time and ends with one of them.
#[test]
fn a_master_that_is_given_twice_does_not_spin() {
    let (master, path) = made();
    let mut rigs: Vec<_> = (0..2)
        .map(|n| {
            let (writer, scrollback) = Scrollback::new(4096).unwrap();
            let (console, input) = Console::new(scrollback, || ());
            let sockets = Sockets::default().with_pty(master.try_clone().unwrap()).unwrap();
            let mut server =
                Server::new(&format!("vm{n}"), console.clone(), sockets, ServerOptions::default()).unwrap();
            server.dispatch().unwrap();
            Rig { writer, console, input, server, path: path.clone() }
        })
        .collect();
    for _ in 0..3 {
        let mut program = open(&path);
        program.write_all(b"ls\r").unwrap();
        for rig in &mut rigs {
            rig.comes_to_rest("a program");
        }
        let taken: Vec<u8> = rigs.iter_mut().flat_map(|rig| take(&mut rig.input)).collect();
        assert_eq!(taken, b"ls\r", "each byte once");
        drop(program);
        for rig in &mut rigs {
            rig.comes_to_rest("it has left");
            assert!(rig.console.sessions().is_empty());
        }
    }
    drop(rigs.remove(0));
    rigs[0].works("the other one has gone");
}

/// What fits into the terminal is all that a program is owed. It may leave it there.
#[test]
fn a_program_that_never_reads_does_not_keep_the_end() {
    let mut rig = Rig::new(RawPolicy::Refuse);
    let program = open(&rig.path);
    rig.comes_to_rest("it is there");
    rig.writer.extend(b"bye");
    rig.console.end(&Cause::VmEnded);
    rig.server.finish(Duration::from_secs(60)).unwrap();
    rig.comes_to_rest("it has been told, and stays");
    drop(program);
    rig.comes_to_rest("it has left");
    assert!(rig.server.is_settled());

    // More than fits is owed until it is read.
    let mut rig = Rig::new(RawPolicy::Refuse);
    let program = open(&rig.path);
    rig.comes_to_rest("it is there");
    rig.writer.extend(&vec![b'x'; 1 << 16]);
    rig.console.end(&Cause::VmEnded);
    rig.comes_to_rest("its terminal is full");
    rig.server.finish(Duration::ZERO).unwrap_err();
    drop(program);
    rig.comes_to_rest("it has left");
    assert!(rig.server.is_settled());
}
