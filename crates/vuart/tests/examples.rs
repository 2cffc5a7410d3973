//! The examples do what they say. Each ends by itself, and checks its result.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;

use vuart::SerialPort;
use vuart::endpoint::{Cause, Mode};
use vuart::local::Local;
use vuart::server::{Claim, Server, ServerThread};
use vuart::uart::spec::offset;
use vuart::wire::RuntimeDir;

#[allow(dead_code, reason = "its `main` takes the console's name from the command line")]
#[path = "../examples/client.rs"]
mod client;
#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/live_update.rs"]
mod live_update;
#[path = "../examples/observe.rs"]
mod observe;
#[path = "../examples/other_devices.rs"]
mod other_devices;
#[allow(dead_code, reason = "its `main` takes standard input and output")]
#[path = "../examples/stdio.rs"]
mod stdio;
mod support;

#[test]
fn embed_prints_to_a_client_and_ends() {
    embed::main().unwrap();
}

#[test]
fn live_update_keeps_registers_and_history() {
    live_update::main().unwrap();
}

#[test]
fn observe_has_each_session_in_its_trail() {
    observe::main().unwrap();
}

#[test]
fn other_devices_print_and_read() {
    other_devices::main().unwrap();
}

#[test]
fn stdio_echoes_and_delivers_the_last_words() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"hello\rq").unwrap();
    stdio::run(|console| Ok(Local::builder(console).with_both(ours).build()?)).unwrap();
    let mut text = String::new();
    theirs.read_to_string(&mut text).unwrap();
    assert_eq!(text, "type something; q ends\r\nhello\r\r\ngoodbye\r\n");
}

#[test]
fn client_takes_over_watches_and_is_told_how_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(dir.path().join("run")).unwrap();
    let mut port = SerialPort::new(support::Edges::default());
    let claim = Claim::new(&dir, "vm0").unwrap();
    let _server = ServerThread::start(Server::bind(claim, port.console().clone()).unwrap()).unwrap();
    port.write_string(offset::THR.into(), b"login: ");

    let first = support::owner(&port);
    let clients: Vec<_> = [Mode::TakeOver, Mode::Spectate]
        .into_iter()
        .map(|mode| {
            let dir = dir.clone();
            thread::spawn(move || {
                let mut output = Vec::new();
                let end = client::follow(&dir, "vm0", mode, &mut output).unwrap();
                (output, end.cause)
            })
        })
        .collect();
    while first.end().is_none() || port.console().sessions().len() < 2 {
        thread::yield_now();
    }
    port.console().end(&Cause::VmEnded);
    for client in clients {
        assert_eq!(client.join().unwrap(), (b"login: ".to_vec(), Cause::VmEnded));
    }
    assert!(matches!(first.end().unwrap().cause, Cause::Evicted { .. }));
    assert!(client::follow(&dir, "vm1", Mode::Spectate, &mut Vec::new()).is_err(), "no such console");
}
