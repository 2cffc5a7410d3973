//! Row F27 of `docs/rules.md`: clients that flood the server, by coming and going or by what they send. The budgets have tests
//! of their own, with a clock of their own, in `src/allowance.rs` and `src/server/users.rs`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use vuart_endpoint::Mode;
use vuart_scrollback::Position;
use vuart_server::{ServerOptions, Sockets};
use vuart_test_support::Vm;
use vuart_wire::{Decoder, Event, Frame as _, Hello, Request, VERSION};

/// A header that announces more than a frame may have.
const TOO_LONG: [u8; 5] = [1, 0, 1, 0, 1];

/// The connections of the flood: many times as many as may come at once.
const FLOOD: u64 = 2000;

/// How many clients of one user may come at once, and how many more in a second.
const AT_ONCE: u64 = 4 * ServerOptions::CLIENTS as u64 + 64;
const EACH_SECOND: u64 = 64;

#[test]
fn f27_clients_that_come_and_go_in_a_loop_are_held_back() {
    let admitted = Arc::new(AtomicU64::new(0));
    let options = ServerOptions::default().with_authoriser({
        let admitted = Arc::clone(&admitted);
        move |peer| {
            admitted.fetch_add(1, SeqCst);
            peer.default_role()
        }
    });
    let mut vm = Vm::with(options, |claim| Sockets::bind(claim).unwrap());
    let mut owner = vm.client("owner");
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let begin = Instant::now();
    for n in 0..FLOOD {
        let mut client = UnixStream::connect(vm.file(if n % 2 == 0 { "ctl" } else { "ro.sock" })).unwrap();
        // The server may have sent it away already.
        let _ = client.write_all(&TOO_LONG);
        if n % 500 == 0 {
            owner.send(&Request::Input(b"x".to_vec())).unwrap();
            assert_eq!(vm.guest.reads(1), b"x");
        }
    }
    // An honest client of the same user waits its turn, and gets in.
    vm.client("honest").status().unwrap();
    let most = AT_ONCE + EACH_SECOND * (1 + begin.elapsed().as_secs()) + 2;
    assert!(
        admitted.load(SeqCst) <= most,
        "{} of {FLOOD} were admitted, and not {most}",
        admitted.load(SeqCst)
    );
    assert!(vm.console.owner().is_some());
}

/// Some clients wait although they are honest, and none of them is forgotten.
#[test]
fn f27_clients_that_wait_to_be_admitted_are_admitted() {
    let vm = Vm::with(ServerOptions::default().with_clients(1), |claim| Sockets::bind(claim).unwrap());
    for _ in 0..AT_ONCE {
        drop(UnixStream::connect(vm.file("ctl")).unwrap());
    }
    std::thread::scope(|scope| {
        for n in 0..4 {
            let vm = &vm;
            scope.spawn(move || vm.client(&format!("honest {n}")));
        }
    });
}

#[test]
fn f27_input_that_a_spectator_floods_waits_in_its_socket() {
    let mut vm = Vm::new(1 << 14);
    let mut owner = vm.client("owner");
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let mut eve = UnixStream::connect(vm.file("ctl")).unwrap();
    let mut hello = Vec::new();
    Request::Hello(Hello { version: VERSION, label: "eve".to_owned() }).encode(&mut hello);
    eve.write_all(&hello).unwrap();
    eve.set_nonblocking(true).unwrap();
    let mut frame = Vec::new();
    Request::Input(vec![b'x'; 1 << 16]).encode(&mut frame);
    let (begin, mut sent) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(2) {
        match eve.write(&frame[sent % frame.len()..]) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        // Each thread gets its share of a small machine.
        std::thread::yield_now();
    }
    // What the budget allows, and what both sockets hold.
    let most = (3 + begin.elapsed().as_secs()) << 20;
    assert!(sent > 1 << 20 && (sent as u64) < most, "{sent} bytes, and not {most}");
    owner.send(&Request::Input(b"ls".to_vec())).unwrap();
    assert_eq!(vm.guest.reads(2), b"ls");
    // It is served on when it has rested: the rest of its frame, and its question.
    eve.set_nonblocking(false).unwrap();
    eve.write_all(&frame[sent % frame.len()..]).unwrap();
    let mut status = Vec::new();
    Request::Status.encode(&mut status);
    eve.write_all(&status).unwrap();
    eve.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    eve.read_to_end(&mut answers).unwrap();
    let mut decoder = Decoder::default();
    decoder.extend(&answers);
    let mut last = None;
    while let Some(Ok(event)) = decoder.next_frame::<Event>() {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Status(_))), "{last:?}");
}

/// An owner who pastes is no flood.
#[test]
fn f27_what_an_owner_types_is_not_limited() {
    let mut vm = Vm::new(1 << 14);
    let mut owner = vm.client("owner");
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let paste = vec![b'x'; 4 << 20];
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| owner.send(&Request::Input(paste.clone())).unwrap());
        assert!(vm.guest.reads(paste.len()) == paste);
    });
    println!("4 MiB in {:?}", begin.elapsed());
}
