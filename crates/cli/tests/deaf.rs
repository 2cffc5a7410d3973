//! `vuart attach` at a guest or a server that reads nothing: keys are read all the same.

mod support;

use std::io::Write as _;
use std::os::unix::net::UnixListener;

#[cfg(feature = "demo")]
use rustix::process::Signal;
#[cfg(feature = "demo")]
use support::Demo;
use support::Runtime;
use support::pty::{Pty, attached};
use support::served::Served;
use vuart_server::Claim;
use vuart_test_support::until;
use vuart_wire::{Event, Frame as _, RuntimeDir, VERSION, Welcome};

/// More than is held, and than the sockets and the console hold.
const TOO_MUCH: usize = 3 << 20;

#[test]
fn f14_what_a_deaf_guest_can_not_be_sent_is_refused_and_escapes_work() {
    for leave in [&b"\x1d"[..], b"\r~."] {
        let runtime = Runtime::new();
        let mut served = Served::new(&runtime, 4096);
        let (mut pty, client) = attached(&runtime, &[]);
        pty.type_in(&vec![b'x'; TOO_MUCH]);
        let mut refused = 0;
        // Everything is either held or refused, and the user is told how much was refused.
        while refused < TOO_MUCH - (2 << 20) {
            pty.expect("[vuart: the guest has not read what was typed before: ");
            let line = pty.expect(" bytes were not sent]\r\n");
            refused += line.split(' ').next().unwrap().parse::<usize>().unwrap();
        }
        assert!(refused < TOO_MUCH - (1 << 20), "{refused} bytes were refused, and less than 1 MiB was held");
        // Other escapes work too.
        pty.type_in(b"\r~?");
        pty.expect("suspend vuart");
        pty.type_in(leave);
        let (code, shown) = pty.finish(client);
        assert_eq!(code, 0);
        assert!(shown.contains("detached; the guest has not taken all that was typed"), "{shown}");
        assert!(served.typed().iter().all(|byte| *byte == b'x'));
    }
}

#[test]
fn f14_what_is_held_reaches_a_guest_that_reads_again() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    let paste: Vec<u8> = (b'!'..=b'}').cycle().take(1 << 20).collect();
    pty.type_in(&paste);
    // Everything was read from the terminal, though the guest has read nothing.
    pty.type_in(b"\r~?");
    pty.expect("suspend vuart");
    let expected = [&paste[..], b"\r"].concat();
    assert!(served.typed_exactly(expected.len()) == expected, "it is not what was pasted");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[cfg(feature = "demo")]
#[test]
fn f14_a_frozen_server_can_be_left() {
    for leave in [&b"\x1d"[..], b"\r~."] {
        let runtime = Runtime::new();
        let demo = Demo::start_with(&runtime, &["--name", "vm0"]);
        let (mut pty, client) = attached(&runtime, &[]);
        demo.process.signal(Signal::STOP);
        pty.type_in(&vec![b'x'; 1 << 20]);
        pty.type_in(leave);
        let (code, shown) = pty.finish(client);
        assert_eq!(code, 0);
        assert!(shown.contains("detached; the guest has not taken all that was typed"), "{shown}");
        assert!(!pty.is_raw());
        demo.process.signal(Signal::CONT);
    }
}

#[test]
fn f14_a_server_that_freezes_before_a_session_has_begun_can_be_left() {
    let runtime = Runtime::new();
    let claim = Claim::new(&RuntimeDir::create(runtime.path()).unwrap(), "vm0").unwrap();
    let listener = UnixListener::bind(claim.control_socket()).unwrap();
    for leave in [&b"\x1d"[..], b"ls\r~."] {
        let mut pty = Pty::new();
        let before = pty.settings();
        let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0"]));
        // It says hello, and then nothing more.
        let (mut server, _) = listener.accept().unwrap();
        let mut hello = Vec::new();
        let welcome = Welcome { version: VERSION, console: "vm0".to_owned().into(), pid: 1 };
        Event::Welcome(welcome).encode(&mut hello);
        server.write_all(&hello).unwrap();
        until("the terminal is raw", || pty.is_raw());
        pty.type_in(leave);
        let (code, shown) = pty.finish(client);
        assert_eq!((code, shown.as_str()), (0, "[vuart: detached]\r\n"));
        assert_eq!(pty.settings(), before);
    }
}
