//! Row F20 of `docs/rules.md`: when all places are taken. `src/server/places.rs` has tests of its own, with several users.

use std::io::Read as _;

use vuart_endpoint::{Cause, Mode};
use vuart_scrollback::Position;
use vuart_server::{Role, ServerOptions, Sockets};
use vuart_test_support::{Vm, read_to};
use vuart_wire::{Client, ClientError, ErrorCode, Event};

/// The places that are kept for admins.
const RESERVED: usize = 8;

/// A console on whose every place somebody watches. The clients are all of one user, who has this role.
fn full(role: Role, places: usize) -> (Vm, Vec<Client>) {
    let options = ServerOptions::default().with_clients(places).with_authoriser(move |_| Some(role));
    let vm = Vm::with(options, |claim| Sockets::bind(claim).unwrap());
    let mut spectators: Vec<Client> = (0..places).map(|n| vm.client(&format!("spectator {n}"))).collect();
    for spectator in &mut spectators {
        spectator.attach(Mode::Spectate, Position::End).unwrap();
    }
    (vm, spectators)
}

fn is_too_many(result: Result<impl std::fmt::Debug, ClientError>) -> bool {
    match result {
        Err(ClientError::Server(error)) => {
            assert!(!error.message.is_empty());
            error.code == ErrorCode::TooMany
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn f20_an_admin_who_asks_kicks_or_takes_over_always_gets_in() {
    let (vm, mut spectators) = full(Role::Admin, ServerOptions::CLIENTS);
    let mut who = vm.client("who");
    let victim = who.status().unwrap().sessions[5].id;
    let mut owner = vm.client("owner");
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let mut force = vm.client("force");
    assert_eq!(force.attach(Mode::TakeOver, Position::End).unwrap().evicted.unwrap().label(), "owner");
    // Nobody watches from a place that is kept for admins, or the places were soon all taken again.
    assert!(is_too_many(vm.client("watcher").attach(Mode::Spectate, Position::End)));
    assert!(is_too_many(vm.client("waiter").attach(Mode::Wait, Position::End)));
    let line = read_to(&mut vm.connect("ro.sock"), "]\r\n");
    assert!(line.contains("too many clients: all 64 places are taken"), "{line}");
    // All this has cost no spectator the place.
    for spectator in &mut spectators {
        spectator.status().unwrap();
    }
    vm.client("kick").kick(victim).unwrap();
    assert!(
        matches!(spectators[5].recv().unwrap(), Event::Ended(end) if matches!(end.cause, Cause::Kicked { .. }))
    );
}

#[test]
fn f20_admins_who_ask_nothing_more_do_not_keep_the_next_one_out() {
    let (vm, mut spectators) = full(Role::Admin, 4);
    let mut idle: Vec<Client> = (0..3 * RESERVED).map(|n| vm.client(&format!("idle {n}"))).collect();
    assert!(is_too_many(idle[0].status()), "the one that has been silent longest has given way");
    vm.client("who").status().unwrap();
    for spectator in &mut spectators {
        spectator.status().unwrap();
    }
}

/// Also at the raw socket, where a client owns the console or is sent away.
#[test]
fn f20_an_admin_can_own_the_console_by_the_raw_socket() {
    let (mut vm, _spectators) = full(Role::Admin, 4);
    let mut raw = vm.connect("sock");
    vm.until("it owns the console", |console| console.owner().is_some());
    vm.guest.writes(b"login: ");
    let mut output = [0; 7];
    raw.read_exact(&mut output).unwrap();
    assert_eq!(&output, b"login: ");
}

#[test]
fn f20_others_are_told_what_to_do() {
    let (vm, _spectators) = full(Role::Owner, 4);
    let Err(ClientError::Server(error)) = Client::connect(&vm.file("ctl"), "one more") else { panic!() };
    assert_eq!(error.code, ErrorCode::TooMany);
    let told = "too many clients: all 4 places are taken, 4 of them by clients of your user; \
                end one of these, or have an admin end a session (vuart kick)";
    assert_eq!(error.message, told);
}

/// An owner whose connection has not been told yet that it owns the console is an owner.
#[test]
fn f20_an_owner_is_never_sent_away_for_a_place() {
    let (vm, mut spectators) = full(Role::Admin, 2);
    drop(spectators.pop());
    vm.until("a place is free", |console| console.sessions().len() == 1);
    let mut owner = vm.client("owner");
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    // So many admins that each client that may give way has done so.
    let admins: Vec<Client> = (0..3 * RESERVED).map(|n| vm.client(&format!("admin {n}"))).collect();
    owner.status().unwrap();
    assert_eq!(vm.console.owner().unwrap().identity.label(), "owner");
    drop(admins);
}
