//! Clients of all kinds at a server whose thread is filtered.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use vuart::endpoint::{Mode, OutputPolicy, Policy};
use vuart::scrollback::Position;
use vuart::seccomp;
use vuart::server::{ServerOptions, SocketKind};
use vuart::wire::{DetachRequest, Request};
use vuart_test_support::{in_a_process, refusal, until};

use crate::vmm::{Vmm, read_until, receive_until_end};

#[test]
fn clients_of_all_sockets() {
    in_a_process("served::clients_of_all_sockets", || {
        let vmm = Vmm::new(ServerOptions::default(), seccomp::server(), |sockets, _| sockets);
        let guest = vmm.run_guest(300_000);
        // Somebody sends garbage, somebody goes at once, somebody never reads.
        let mut garbage = UnixStream::connect(vmm.path("ctl")).unwrap();
        garbage.write_all(&[0xFF; 4096]).unwrap();
        drop(UnixStream::connect(vmm.path("ro.sock")).unwrap());
        let deaf = UnixStream::connect(vmm.path("ro.sock")).unwrap();

        let mut raw = UnixStream::connect(vmm.path("sock")).unwrap();
        raw.write_all(b"raw?").unwrap();
        read_until(&mut raw, b"raw?");
        let mut watcher = vmm.client("watcher");
        watcher.attach(Mode::Spectate, Position::Oldest).unwrap();
        let watcher = thread::spawn(move || receive_until_end(watcher));
        let mut owner = vmm.client("owner");
        owner.attach(Mode::TakeOver, Position::End).unwrap();
        owner.status().unwrap();
        let mut second = vmm.client("second");
        second.attach(Mode::Exclusive, Position::End).unwrap_err();
        // A hundred come and go.
        for n in 0..100 {
            drop(vmm.client(&format!("client {n}")));
        }
        let mut client = vmm.client("quitter");
        client.attach(Mode::TakeOver, Position::End).unwrap();
        client.send(&Request::Input(b"q".to_vec())).unwrap();
        guest.join().unwrap();
        drop(deaf);
        vmm.finish();
        assert!(watcher.join().unwrap() > 0);
    });
}

/// One waits for the console, and gets it. One is kicked. One types more than the guest reads. One is idle for too long.
#[test]
fn clients_that_wait_are_kicked_and_flood() {
    in_a_process("served::clients_that_wait_are_kicked_and_flood", || {
        let vmm = Vmm::new(ServerOptions::default(), seccomp::server(), |sockets, _| sockets);
        let mut owner = vmm.client("owner");
        let attached = owner.attach(Mode::Exclusive, Position::End).unwrap();
        let mut waiter = vmm.client("waiter");
        waiter.attach(Mode::Wait, Position::End).unwrap();
        let flood = vec![b'x'; 100_000];
        owner.send(&Request::Input(flood)).unwrap();
        assert!(vmm.console.kick(attached.session, &vuart::endpoint::Identity::new("admin", 0, None)));
        until("the one that waits owns it", || {
            vmm.console.owner().is_some_and(|owner| owner.identity.label() == "waiter")
        });
        waiter.send(&Request::Detach(DetachRequest::default())).unwrap();
        until("it has gone", || vmm.console.owner().is_none());
        vmm.console.set_policy(Policy::default().with_idle(Duration::from_millis(10)));
        let idle = UnixStream::connect(vmm.path("sock")).unwrap();
        let mut told = String::new();
        (&idle).read_to_string(&mut told).unwrap();
        assert!(told.contains("[vuart: "), "{told}");
        vmm.finish();
    });
}

/// A client of the VMM's own, and output that waits for the owner.
#[test]
fn a_connection_that_is_given_to_the_server_and_output_that_is_held() {
    in_a_process("served::a_connection_that_is_given_to_the_server_and_output_that_is_held", || {
        let vmm = Vmm::new(ServerOptions::default(), seccomp::server(), |sockets, _| sockets);
        let hold = OutputPolicy::Hold { deadline: Duration::from_millis(5) };
        vmm.console.set_policy(Policy::default().with_output(hold));
        let stopped = UnixStream::connect(vmm.path("sock")).unwrap();
        until("it owns the console", || vmm.console.owner().is_some());
        let guest = vmm.run_guest(3 << 20);
        let mut client = vmm.client("quitter");
        client.attach(Mode::TakeOver, Position::End).unwrap();
        client.send(&Request::Input(b"q".to_vec())).unwrap();
        let client = thread::spawn(move || receive_until_end(client));
        guest.join().unwrap();
        drop(stopped);
        vmm.finish();
        assert!(client.join().unwrap() > 0);
    });
}

#[test]
fn a_server_that_is_dropped_tells_its_clients() {
    in_a_process("served::a_server_that_is_dropped_tells_its_clients", || {
        let vmm = Vmm::new(ServerOptions::default(), seccomp::server(), |sockets, _| sockets);
        let mut raw = UnixStream::connect(vmm.path("sock")).unwrap();
        until("it is there", || vmm.console.owner().is_some());
        vmm.dropped();
        let mut told = String::new();
        raw.read_to_string(&mut told).unwrap();
        assert!(told.contains("[vuart: "), "{told}");
    });
}

#[test]
fn a_server_with_sockets_at_exact_paths() {
    in_a_process("served::a_server_with_sockets_at_exact_paths", || {
        let rules = seccomp::server().and(&seccomp::exact_paths());
        let mut path = None;
        let vmm = Vmm::new(ServerOptions::default(), rules, |_, dir| {
            let at = path.insert(dir.join("serial"));
            vuart::server::Sockets::default().bind_raw_at(at).unwrap()
        });
        let mut raw = UnixStream::connect(path.as_ref().unwrap()).unwrap();
        until("it is there", || vmm.console.owner().is_some());
        drop(vmm.server);
        raw.read_to_string(&mut String::new()).unwrap();
        assert!(!path.unwrap().exists());
    });
}

/// Clients come while the process has no file descriptor left, and later.
#[test]
fn without_a_file_descriptor_left() {
    in_a_process("served::without_a_file_descriptor_left", || {
        let vmm = Vmm::new(ServerOptions::default(), seccomp::server(), |sockets, _| sockets);
        // Their own ends are made before there is none left.
        let own = vuart::endpoint::Attach::new(vuart::endpoint::Identity::new("vmm", 0, None));
        let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
        // SAFETY: the kernel reads the limit, which is valid for the time of the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        let mut all = vec![std::fs::File::open("/dev/null").unwrap()];
        while let Ok(one) = all[0].try_clone() {
            all.push(one);
        }
        // For one client's own end.
        all.pop();
        let mut sent_away = UnixStream::connect(vmm.path("sock")).unwrap();
        sent_away.read_to_end(&mut Vec::new()).unwrap();
        let session = vmm.console.attach(own).unwrap();
        vmm.console.set_policy(Policy::default().with_idle(Duration::from_millis(10)));
        until("its deadline", || session.end().is_some());
        drop(all);
        until("clients are let in again", || vuart::wire::Client::connect(&vmm.path("ctl"), "late").is_ok());
        vmm.finish();
    });
}

#[test]
fn a_server_that_reads_the_names_of_programs() {
    in_a_process("served::a_server_that_reads_the_names_of_programs", || {
        let rules = seccomp::server().and(&seccomp::program_names());
        let options = ServerOptions::default().with_program_names(true);
        let vmm = Vmm::new(options, rules, |sockets, _| sockets);
        let guest = vmm.run_guest(1000);
        let mut raw = UnixStream::connect(vmm.path("sock")).unwrap();
        raw.write_all(b"raw?").unwrap();
        read_until(&mut raw, b"raw?");
        raw.write_all(b"q").unwrap();
        guest.join().unwrap();
        drop(raw);
        vmm.finish();
    });
}

#[test]
fn a_connection_that_the_vmm_has() {
    in_a_process("served::a_connection_that_the_vmm_has", || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let options = ServerOptions::default();
        let vmm = Vmm::with_server(
            options,
            seccomp::server(),
            |sockets, _| sockets,
            |server| server.adopt(ours, SocketKind::Raw).unwrap(),
        );
        let guest = vmm.run_guest(1000);
        (&theirs).write_all(b"q").unwrap();
        guest.join().unwrap();
        vmm.finish();
    });
}

/// What is not in the lists is refused, and the other tests would say so.
#[test]
fn a_call_that_is_in_no_list_is_refused() {
    let name = "served::a_call_that_is_in_no_list_is_refused";
    let said = refusal(name, || {
        // It reads names, and may not.
        let options = ServerOptions::default().with_program_names(true);
        let vmm = Vmm::new(options, seccomp::server(), |sockets, _| sockets);
        let mut raw = UnixStream::connect(vmm.path("sock")).unwrap();
        raw.read_to_end(&mut Vec::new()).unwrap();
    });
    if let Some(said) = said {
        assert!(said.contains("the filter refuses system call"), "{said}");
    }
}
