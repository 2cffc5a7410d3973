//! A pseudo-terminal that the VMM has made before: how its service ends, and what is none.

mod support;

use std::fs::File;

use event_manager::{EventManager, SubscriberOps as _};
use rustix::event::PollFlags;
use support::adopted::{made, readable, works};
use support::terminal::{hears_the_end, occupied, open, wait_for};
use vuart_endpoint::{Cause, Console};
use vuart_scrollback::Scrollback;
use vuart_server::{PtyError, Server, ServerOptions, ServerThread, Sockets};
use vuart_test_support::{Vm, read_to, until};

#[test]
fn the_last_words_are_told_and_the_program_is_hung_up_with_the_server() {
    let (master, path) = made();
    let (mut writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let sockets = Sockets::default().with_pty(master).unwrap();
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let server = ServerThread::start(server).unwrap();
    hears_the_end(open(&path), &mut writer, &console, server);
}

/// A VMM that keeps a duplicate keeps the device: another server, or the VMM, goes on with it.
#[test]
fn a_duplicate_of_the_master_keeps_the_device_for_another_server() {
    let (master, path) = made();
    let kept = master.try_clone().unwrap();
    let vm =
        Vm::with(ServerOptions::default(), |claim| Sockets::bind(claim).unwrap().with_pty(master).unwrap());
    let mut terminal = open(&path);
    occupied(&vm);
    vm.console.end(&Cause::VmEnded);
    read_to(&mut terminal, "]\r\n");
    drop(vm);
    assert_eq!(readable(&terminal), PollFlags::empty(), "it is not hung up");
    let mut vm =
        Vm::with(ServerOptions::default(), |claim| Sockets::bind(claim).unwrap().with_pty(kept).unwrap());
    works(&mut vm, &mut terminal, "goes on");
}

/// A program that does not close it after the console's end is told once, and wakes nobody.
#[test]
fn after_the_end_of_the_console_it_is_quiet() {
    let (master, path) = made();
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let sockets = Sockets::default().with_pty(master).unwrap();
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let mut events = EventManager::<Server>::new().unwrap();
    events.add_subscriber(server);
    let mut terminal = open(&path);
    until("the session has begun", || {
        events.run_with_timeout(0).unwrap();
        console.owner().is_some()
    });
    console.end(&Cause::VmEnded);
    until("it is told", || {
        events.run_with_timeout(0).unwrap();
        readable(&terminal).contains(PollFlags::IN)
    });
    assert!(read_to(&mut terminal, "]\r\n").contains("the guest has ended"));
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    assert_eq!(events.run_with_timeout(20).unwrap(), 0);
    assert_eq!(readable(&terminal), PollFlags::empty());
    drop(terminal);
    until("nothing is left to do", || events.run_with_timeout(0).unwrap() == 0);
    assert_eq!(events.run_with_timeout(20).unwrap(), 0, "a hang-up is reported all the time, and heard once");
}

#[test]
fn what_is_no_master_is_refused() {
    let file = File::open("/dev/null").unwrap();
    let error = Sockets::default().with_pty(file.into()).unwrap_err();
    assert!(matches!(error, PtyError::NotAMaster(_)), "{error:?}");
    let (_master, path) = made();
    let error = Sockets::default().with_pty(open(path).into()).unwrap_err();
    assert!(matches!(error, PtyError::NotAMaster(_)), "{error:?}");
    // Without a duplicate, the end of the server is a hang-up.
    let (master, path) = made();
    let terminal = open(&path);
    drop(Sockets::default().with_pty(master).unwrap());
    assert!(wait_for(&terminal, PollFlags::empty()).contains(PollFlags::HUP));
}
