//! Roles: who may connect, and what each role may do.

mod support;

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use support::with_pty;
use vuart_endpoint::{Cause, Console, Mode, Refused, Standing};
use vuart_scrollback::{Position, Scrollback};
use vuart_server::{Role, Server, ServerOptions, ServerThread, SocketKind, Sockets};
use vuart_test_support::{HANG, PART, Vm, part, read_to, until};
use vuart_wire::{Client, ClientError, DetachRequest, ErrorCode, Event, Request, RuntimeDir};

/// Numbers of users and groups that no account has.
const STRANGER: u32 = 64_123;
const GROUP: u32 = 64_200;
const OTHER_GROUP: u32 = 64_201;

fn as_role(role: Option<Role>) -> Vm {
    let options = ServerOptions::default().with_authoriser(move |_| role);
    Vm::with(options, |claim| with_pty(Sockets::bind(claim).unwrap()))
}

fn connect(path: impl AsRef<Path>) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

#[test]
fn a_spectator_may_watch_and_read_and_nothing_else() {
    let mut vm = as_role(Some(Role::Spectator));
    vm.guest.writes(b"history");
    let mut eve = Client::connect(&vm.file("ctl"), "eve").unwrap();
    for mode in [Mode::Exclusive, Mode::TakeOver] {
        let refused = eve.attach(mode, Position::End).unwrap_err();
        assert!(matches!(refused, ClientError::Refused(Refused::Forbidden)), "{mode:?}: {refused:?}");
    }
    assert!(!eve.attach(Mode::Spectate, Position::Oldest).unwrap().owner);
    assert!(matches!(eve.recv().unwrap(), Event::Output { bytes, .. } if bytes == b"history"));
    eve.status().unwrap();
    eve.send(&Request::Detach(DetachRequest::default())).unwrap();
    assert!(matches!(eve.recv().unwrap(), Event::Ended(end) if end.cause == Cause::Detached));
    eve.log(Position::Newest(3), None).unwrap();
    assert!(matches!(eve.recv().unwrap(), Event::Output { bytes, .. } if bytes == b"ory"));
    // The raw socket has no way to ask to watch, so the client is told that it may not own.
    let line = read_to(&mut connect(vm.file("sock")), "]\r\n");
    assert_eq!(line, "\r\n[vuart: you may watch this console, and not own it]\r\n");
    assert!(vm.console.owner().is_none());
    let mut watcher = connect(vm.file("ro.sock"));
    vm.until("the watcher is there", |console| console.sessions().len() == 1);
    vm.guest.writes(b"live");
    assert_eq!(read_to(&mut watcher, "e"), "live");
}

#[test]
fn the_role_of_an_owner_allows_owning_and_taking_over() {
    let vm = as_role(Some(Role::Owner));
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    assert!(alice.attach(Mode::Exclusive, Position::End).unwrap().owner);
    let mut bob = Client::connect(&vm.file("ctl"), "bob").unwrap();
    assert!(bob.attach(Mode::TakeOver, Position::End).unwrap().owner);
}

#[test]
fn a_peer_without_a_role_is_refused_on_every_socket() {
    let vm = as_role(None);
    match Client::connect(&vm.file("ctl"), "eve") {
        Err(ClientError::Server(error)) => assert_eq!(error.code, ErrorCode::Forbidden),
        other => panic!("{other:?}"),
    }
    for ending in ["sock", "ro.sock", "pty"] {
        let path = vm.file(ending);
        let line = if ending == "pty" {
            let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            read_to(&mut terminal, "]\r\n")
        } else {
            read_to(&mut connect(path), "]\r\n")
        };
        assert_eq!(line, "\r\n[vuart: this console belongs to another user]\r\n", "{ending}");
    }
    assert_eq!(vm.console.counters().attached, 0);
}

#[test]
fn the_authoriser_gets_what_the_kernel_knows() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let options = ServerOptions::default().with_program_names(true).with_authoriser({
        let seen = Arc::clone(&seen);
        move |peer| {
            seen.lock().unwrap().push(peer.clone());
            peer.default_role()
        }
    });
    let vm = Vm::with(options, |claim| Sockets::bind(claim).unwrap());
    let _client = Client::connect(&vm.file("ctl"), "a label").unwrap();
    let mut raw = connect(vm.file("sock"));
    let mut read_only = connect(vm.file("ro.sock"));
    vm.until("both are there", |console| console.sessions().len() == 2);
    vm.console.end(&Cause::ShutDown);
    for stream in [&mut raw, &mut read_only] {
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    let seen = seen.lock().unwrap();
    let mut kinds: Vec<_> = seen.iter().map(|peer| peer.socket).collect();
    kinds.sort_by_key(|kind| format!("{kind:?}"));
    assert_eq!(kinds, [SocketKind::Control, SocketKind::Raw, SocketKind::ReadOnly]);
    let us = std::fs::metadata("/proc/self").unwrap();
    let program = std::fs::read_to_string("/proc/self/comm").unwrap();
    for peer in seen.iter() {
        assert_eq!((peer.uid, peer.gid, peer.pid), (us.uid(), us.gid(), Some(std::process::id())));
        assert_eq!((&*peer.program, peer.group_role), (program.trim(), None));
        assert_eq!(peer.default_role(), Some(Role::Admin));
    }
}

#[test]
fn roles_are_in_order() {
    assert!(Role::Spectator < Role::Owner && Role::Owner < Role::Admin);
}

#[test]
fn only_the_socket_of_a_group_has_its_mode() {
    let gid = rustix::process::getegid().as_raw();
    let vm = Vm::with(ServerOptions::default(), |claim| {
        let sockets = Sockets::of(claim).bind_raw().unwrap().with_group(gid, Role::Spectator);
        sockets.bind_control().unwrap()
    });
    let mode = |ending| std::fs::metadata(vm.file(ending)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("sock"), mode("ctl")), (0o600, 0o660));
    assert_eq!(std::fs::metadata(vm.file("ctl")).unwrap().gid(), gid);
    // The server's own user keeps its role.
    assert!(Client::connect(&vm.file("ctl"), "us").unwrap().attach(Mode::Exclusive, Position::End).is_ok());
}

/// What another user's client meets at a socket, as text for the test that has sent it.
fn visit(path: &Path) -> String {
    let mut client = match Client::connect(path, "visitor") {
        Ok(client) => client,
        Err(ClientError::Server(error)) => return format!("{:?}", error.code),
        Err(ClientError::Forbidden { .. }) => return "no permission".to_owned(),
        Err(other) => return format!("{other:?}"),
    };
    match client.attach(Mode::Exclusive, Position::End) {
        Ok(_) => "owns".to_owned(),
        Err(ClientError::Refused(Refused::Forbidden)) => match client.attach(Mode::Spectate, Position::End) {
            Ok(_) => "watches".to_owned(),
            Err(other) => format!("{other:?}"),
        },
        Err(other) => format!("{other:?}"),
    }
}

/// The client's process.
#[test]
fn visitor() {
    if let Some(path) = part() {
        println!("<{}>", visit(Path::new(&path)));
    }
}

/// A copy of this program that every user may run, in a directory that every user may enter.
fn grounds() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("visitor");
    // By another process: a child that another thread starts meanwhile could inherit our descriptor for writing, and the kernel runs no
    // program that is open for writing.
    assert!(
        Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap().success()
    );
    (dir, program)
}

/// Sends another user's client to a socket. `groups` are its supplementary groups.
fn send(program: &Path, path: &Path, uid: u32, gid: u32, groups: &[u32]) -> String {
    let arguments = ["--exact", "visitor", "--nocapture"];
    let mut command = if groups.is_empty() {
        let mut command = Command::new(program);
        // As root, this drops the supplementary groups too.
        command.uid(uid).gid(gid);
        command
    } else {
        let groups: Vec<_> = groups.iter().map(u32::to_string).collect();
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}"));
        command.arg(format!("--groups={}", groups.join(","))).arg(program);
        command
    };
    let output = command.args(arguments).current_dir("/").env(PART, path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (Some(start), Some(end)) = (text.find('<'), text.rfind('>')) else { panic!("{output:?}") };
    text[start + 1..end].to_owned()
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("not shown here: only root can be somebody else");
    }
    root
}

#[test]
fn members_of_a_group_have_its_role_and_others_have_none() {
    if !is_root() {
        return;
    }
    let (dir, program) = grounds();
    RuntimeDir::create_shared(dir.path().join("run"), GROUP).unwrap();
    let vm = Vm::within(dir, 1 << 14, ServerOptions::default(), |claim| {
        let sockets = Sockets::of(claim).with_group(GROUP, Role::Owner).bind_control().unwrap();
        sockets.with_group(GROUP, Role::Spectator).bind_read_only().unwrap().bind_raw().unwrap()
    });
    let ctl = vm.file("ctl");
    assert_eq!(send(&program, &ctl, STRANGER, GROUP, &[]), "owns");
    assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &[]), "no permission");
    if Command::new("setpriv").arg("--version").output().is_ok() {
        assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &[OTHER_GROUP, GROUP]), "owns", "supplementary");
        assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &[OTHER_GROUP]), "no permission");
    } else {
        println!("not shown here: setpriv, for supplementary groups, is not installed");
    }
}

/// The server asks the kernel for the peer's groups. The modes of the socket and of its directory prove nothing.
#[test]
fn f24_a_role_by_group_needs_membership_whatever_the_modes_are() {
    if !is_root() {
        return;
    }
    let (dir, program) = grounds();
    let run = dir.path().join("run");
    RuntimeDir::create_shared(&run, GROUP).unwrap();
    let vm = Vm::within(dir, 1 << 14, ServerOptions::default(), |claim| {
        Sockets::of(claim).with_group(GROUP, Role::Owner).bind_control().unwrap()
    });
    let ctl = vm.file("ctl");
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&ctl, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &[]), "Forbidden");
    assert_eq!(send(&program, &ctl, STRANGER, GROUP, &[]), "owns");
    if Command::new("setpriv").arg("--version").output().is_ok() {
        assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &[OTHER_GROUP, GROUP]), "owns", "supplementary");
        assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &[OTHER_GROUP]), "Forbidden");
        // More groups than are asked for at first.
        let many: Vec<u32> = (1..=200).map(|number| OTHER_GROUP + number).chain([GROUP]).collect();
        assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &many), "owns");
        assert_eq!(send(&program, &ctl, STRANGER, STRANGER, &many[..200]), "Forbidden");
    } else {
        println!("not shown here: setpriv, for supplementary groups, is not installed");
    }
    // So that the server can remove its files.
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o750)).unwrap();
}

#[test]
fn members_of_a_group_that_may_watch_may_not_own() {
    if !is_root() {
        return;
    }
    let (dir, program) = grounds();
    RuntimeDir::create_shared(dir.path().join("run"), GROUP).unwrap();
    let vm = Vm::within(dir, 1 << 14, ServerOptions::default(), |claim| {
        Sockets::of(claim).with_group(GROUP, Role::Spectator).bind_control().unwrap()
    });
    assert_eq!(send(&program, &vm.file("ctl"), STRANGER, GROUP, &[]), "watches");
}

/// The server asks the kernel who the peer is, even if the file's mode lets every user in.
#[test]
fn another_user_at_a_socket_open_to_all_is_refused() {
    if !is_root() {
        return;
    }
    let (dir, program) = grounds();
    let path = dir.path().join("ctl");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let sockets = Sockets::default().with_group(GROUP, Role::Owner).with_control(listener);
    let server = Server::new("vm0", console, sockets, ServerOptions::default()).unwrap();
    let _server = ServerThread::start(server).unwrap();
    assert_eq!(send(&program, &path, STRANGER, STRANGER, &[]), "Forbidden");
    // The server can't know the group of a socket that was handed in, so it gives no role.
    assert_eq!(send(&program, &path, STRANGER, GROUP, &[]), "Forbidden");
    assert_eq!(send(&program, &path, 0, 0, &[]), "owns");
}

/// The kernel reports process 0 for such a peer.
#[test]
fn a_peer_of_another_process_namespace_has_no_pid() {
    if !is_root() {
        return;
    }
    let (dir, program) = grounds();
    let path = dir.path().join("socket");
    // The server is inside, and can't see processes outside.
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork"]).arg(&program).args(["--exact", "inside", "--nocapture"]);
    let inside = match command.env(PART, &path).stdout(std::process::Stdio::piped()).spawn() {
        Ok(inside) => inside,
        Err(error) => return println!("not shown here: unshare: {error}"),
    };
    until("it serves, or can't", || path.with_extension("ctl").exists());
    let mut client = Client::connect(&path.with_extension("ctl"), "outside").unwrap();
    client.attach(Mode::Exclusive, Position::End).unwrap();
    let status = client.status().unwrap();
    assert_eq!((status.sessions[0].identity.pid(), status.sessions[0].identity.uid()), (None, 0));
    drop(client);
    assert!(inside.wait_with_output().unwrap().status.success());
}

/// The server's process in a namespace.
#[test]
fn inside() {
    let Some(path) = part() else { return };
    let (_writer, scrollback) = Scrollback::new(1 << 14).unwrap();
    let (console, _input) = Console::new(scrollback, || ());
    let temporary = Path::new(&path).with_extension("new");
    let listener = std::os::unix::net::UnixListener::bind(&temporary).unwrap();
    let sockets = Sockets::default().with_control(listener);
    let server = Server::new("vm0", console.clone(), sockets, ServerOptions::default()).unwrap();
    let _server = ServerThread::start(server).unwrap();
    std::fs::rename(&temporary, Path::new(&path).with_extension("ctl")).unwrap();
    until("somebody has come and gone", || console.counters().attached == 1 && console.owner().is_none());
}

#[test]
fn spectators_give_way_to_a_higher_role() {
    let options = ServerOptions::default().with_clients(4).with_authoriser(|peer| {
        Some(if peer.socket == SocketKind::ReadOnly { Role::Spectator } else { Role::Admin })
    });
    let vm = Vm::with(options, |claim| Sockets::bind(claim).unwrap());
    let mut owner = Client::connect(&vm.file("ctl"), "owner").unwrap();
    owner.attach(Mode::Exclusive, Position::End).unwrap();
    let watchers: Vec<_> = (0..3).map(|_| connect(vm.file("ro.sock"))).collect();
    vm.until("all places are taken", |console| console.sessions().len() == 4);
    // One more spectator is refused. The admin is not.
    let line = read_to(&mut connect(vm.file("ro.sock")), "]\r\n");
    assert!(line.contains("too many clients"), "{line}");
    let mut admin = Client::connect(&vm.file("ctl"), "admin").unwrap();
    let status = admin.status().unwrap();
    assert_eq!(status.sessions.len(), 3, "the one who has watched longest has gone");
    let line = read_to(&mut &watchers[0], "]\r\n");
    assert!(line.contains("somebody else needs the place"), "{line}");
    assert!(status.sessions[0].owner);
    for watcher in &status.sessions[1..] {
        admin.kick(watcher.id).unwrap();
    }
}

#[test]
fn a_client_that_yields_gives_way_to_others_and_is_told() {
    let vm = as_role(Some(Role::Owner));
    let mut local = Client::connect(&vm.file("ctl"), "local").unwrap();
    assert!(local.attach(Mode::Yield, Position::End).unwrap().owner);
    let mut alice = Client::connect(&vm.file("ctl"), "alice").unwrap();
    let attached = alice.attach(Mode::Exclusive, Position::End).unwrap();
    assert!(attached.owner && attached.evicted.is_none());
    let standing = |client: &mut Client| match client.recv().unwrap() {
        Event::Standing(change) => change,
        other => panic!("{other:?}"),
    };
    let change = standing(&mut local);
    assert_eq!((change.standing, change.evicted), (Standing::Spectator, None));
    let sessions = local.status().unwrap().sessions;
    assert_eq!(
        sessions.iter().map(|session| (session.owner, session.yields)).collect::<Vec<_>>(),
        [(true, false), (false, true)]
    );
    drop(alice);
    assert!(matches!(standing(&mut local).standing, Standing::Owner { .. }));

    let spectators = as_role(Some(Role::Spectator));
    let mut eve = Client::connect(&spectators.file("ctl"), "eve").unwrap();
    let refused = eve.attach(Mode::Yield, Position::End).unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refused::Forbidden)), "{refused:?}");
}
