//! Programs at the pseudo-terminal of a server whose thread is filtered.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use vuart::endpoint::Mode;
use vuart::scrollback::Position;
use vuart::seccomp;
use vuart::server::ServerOptions;
use vuart::wire::Request;
use vuart_test_support::{in_a_process, until};

use crate::vmm::{Vmm, read_until};

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOCTTY.bits().cast_signed();
    std::fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// Programs open it, type, and go. In the end somebody takes the console over from one.
fn programs_at(vmm: Vmm, path: &Path) {
    // In between two sessions there is none.
    let terminal = || {
        let mut opened = None;
        until("there is a terminal", || {
            opened = open(path).ok();
            opened.is_some()
        });
        opened.unwrap()
    };
    let guest = vmm.run_guest(100_000);
    for _ in 0..3 {
        let mut terminal = terminal();
        terminal.write_all(b"tty?\n").unwrap();
        read_until(&mut terminal, b"tty?");
        drop(terminal);
        until("it has gone", || vmm.console.owner().is_none());
    }
    let mut terminal = terminal();
    terminal.write_all(b"more\n").unwrap();
    read_until(&mut terminal, b"more");
    let mut client = vmm.client("owner");
    client.attach(Mode::TakeOver, Position::End).unwrap();
    client.send(&Request::Input(b"q".to_vec())).unwrap();
    guest.join().unwrap();
    drop((terminal, client));
    vmm.finish();
}

#[test]
fn programs_at_a_terminal_of_the_servers_own() {
    in_a_process("terminal::programs_at_a_terminal_of_the_servers_own", || {
        let rules = seccomp::server().and(&seccomp::pty());
        let vmm = Vmm::new(ServerOptions::default(), rules, |mut sockets, _| {
            sockets.open_pty().unwrap();
            sockets
        });
        let path = vmm.path("pty");
        programs_at(vmm, &path);
    });
}

#[test]
fn programs_at_a_terminal_that_the_vmm_has_made() {
    in_a_process("terminal::programs_at_a_terminal_that_the_vmm_has_made", || {
        let rules = seccomp::server().and(&seccomp::adopted_pty());
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let vmm = Vmm::new(ServerOptions::default(), rules, |sockets, _| sockets.with_pty(master).unwrap());
        programs_at(vmm, path.as_ref());
    });
}
