//! All is made on a thread that is filtered already.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use rustix::pipe::pipe;
use vuart::endpoint::Identity;
use vuart::local::{Local, LogFile};
use vuart::scrollback::RingOptions;
use vuart::seccomp;
use vuart::server::{Claim, RuntimeDir, Server, ServerOptions, ServerThread, Sockets};
use vuart::{IrqFd, PortBuilder, SerialPort};
use vuart_test_support::{allow, in_a_process};

use crate::vmm::LONG;

#[test]
fn a_vmm_that_makes_all_under_its_filter() {
    in_a_process("setup::a_vmm_that_makes_all_under_its_filter", || {
        // A ring in a file is in memory.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().to_owned();
        // What the VMM has already.
        let (input, _typed) = pipe().unwrap();
        let (socket, _theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            allow(&seccomp::setup()).unwrap();
            make_all(&path, &input, &socket);
        })
        .join()
        .unwrap();
    });
}

fn make_all(dir: &Path, input: &OwnedFd, socket: &UnixStream) {
    // Ports with rings of all kinds.
    let port = SerialPort::new(IrqFd::new().unwrap());
    let console = port.console().clone();
    let (writer, _) = RingOptions::new(1 << 20).create_memfd("ring").unwrap();
    let shared = PortBuilder::new().with_writer(writer).build(IrqFd::new().unwrap());
    let (writer, _) = RingOptions::new(1 << 20).open(&dir.join("ring")).unwrap();
    let kept = PortBuilder::new().with_writer(writer).build(IrqFd::new().unwrap());

    // A name, sockets of all kinds, a terminal, a server, its thread.
    let run = RuntimeDir::create(dir.join("run")).unwrap();
    let claim = Claim::new(&run, "vm0").unwrap();
    let mut sockets = Sockets::bind(claim).unwrap();
    sockets.open_pty().unwrap();
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let at_path = Sockets::default().bind_raw_at(dir.join("serial")).unwrap();
    let second = Server::new("vm1", shared.console().clone(), at_path, ServerOptions::default()).unwrap();
    let rules = seccomp::server().and(&seccomp::pty()).and(&seccomp::exact_paths());
    let thread = ServerThread::builder().on_start(move || allow(&rules)).serve(server).serve(second);
    let thread = thread.start().unwrap();

    // On what the VMM has.
    let _ = Identity::this_process();
    let file = LogFile::truncate(dir.join("log"));
    let on_file = Local::builder(&console).with_input(input).with_file(file).build().unwrap();
    let on_socket = Local::builder(&console).with_both(socket).build().unwrap();
    let null = File::open("/dev/null").unwrap();
    let on_device = Local::builder(kept.console()).with_input(null).build().unwrap();

    console.end(&vuart::endpoint::Cause::VmEnded);
    shared.console().end(&vuart::endpoint::Cause::VmEnded);
    thread.finish(LONG).unwrap();
    drop((port, shared, kept, on_file, on_socket, on_device));
}
