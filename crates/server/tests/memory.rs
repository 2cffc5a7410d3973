//! The memory that clients cost which do not read. A test program of its own, because it measures its own memory.

use vuart_endpoint::{Attach, Console, Evicted, Identity, Mode, Policy};
use vuart_scrollback::Scrollback;
use vuart_server::{Claim, Server, ServerThread};
use vuart_test_support::resident_kib;
use vuart_wire::{AttachRequest, Client, RuntimeDir};

/// The number of clients that wait in the queue and do not read.
const DEAF: usize = 40;

/// The number of take-overs. Each moves every place in the queue twice.
const TAKE_OVERS: usize = 4000;

/// The owner is evicted, goes to the head of the queue, and gets the console back. All others move down and up again, and would
/// be told so if they read. Keeping it all for them would take 15 MiB.
#[test]
fn waiting_clients_that_do_not_read_cost_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, scrollback) = Scrollback::new(4096).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let claim = Claim::new(&RuntimeDir::create(dir.path().join("run")).unwrap(), "vm0").unwrap();
    let control = claim.control_socket().to_owned();
    let _server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();

    let who = |label: &str| Attach::new(Identity::new(label, 0, None));
    let mut alice = console.attach(who("alice").with_returning(true)).unwrap();
    let _deaf: Vec<Client> = (0..DEAF)
        .map(|_| {
            let mut client = Client::connect(&control, "deaf").unwrap();
            client.attach_with(AttachRequest { mode: Mode::Wait, ..AttachRequest::default() }).unwrap();
            client
        })
        .collect();
    let mut other = Client::connect(&control, "other").unwrap();
    let mut take_over = |times| {
        for _ in 0..times {
            let bob = console.attach(who("bob").with_mode(Mode::TakeOver)).unwrap();
            // The server has looked when it answers.
            other.status().unwrap();
            drop(bob);
            other.status().unwrap();
            while alice.changed().is_some() {}
        }
    };
    take_over(TAKE_OVERS / 10);
    let before = resident_kib();
    take_over(TAKE_OVERS);
    let grown = resident_kib().saturating_sub(before);
    assert!(alice.is_owner());
    assert!(grown < 4 << 10, "{grown} KiB");
}
