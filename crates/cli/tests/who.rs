//! `vuart who`.

mod support;

use support::pty::Pty;
use support::served::{Served, identity};
use support::{Runtime, run};
use vuart_endpoint::{Attach, Mode, Window};
use vuart_scrollback::Position;
use vuart_server::ServerOptions;
use vuart_wire::{Client, RuntimeDir};

#[test]
fn who_lists_each_session_with_its_standing_and_terminal() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let done = run(&mut runtime.vuart(&["who", "vm0"]));
    assert_eq!((done.code, done.text().as_str()), (0, "nobody is at vm0\n"));

    let console = &served.console;
    let attach = |label, mode| console.attach(Attach::new(identity(label)).with_mode(mode)).unwrap();
    let mut owner = attach("alice", Mode::Exclusive);
    owner.set_window(Window { columns: 132, rows: 43 });
    let _watches = attach("bob", Mode::Spectate);
    let _waits = attach("carol", Mode::Wait);
    let _waits_too = attach("dave", Mode::Wait);
    let done = run(&mut runtime.vuart(&["who", "vm0"]));
    let text = done.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("SESSION  WHO "), "{text}");
    let id = owner.info().id;
    assert!(lines[1].starts_with(&format!("{id}        alice (uid 1000, pid 42)  owner")), "{text}");
    assert!(lines[1].ends_with(" s ago)  132x43"), "{text}");
    assert!(lines[2].contains("bob (uid 1000, pid 42)    spectator "), "{text}");
    assert!(lines[3].contains("carol (uid 1000, pid 42)  waiting, number 1  20"), "{text}");
    assert!(lines[4].contains("dave (uid 1000, pid 42)   waiting, number 2  20"), "{text}");
    let counters = run(&mut runtime.vuart(&["who", "vm0", "-v"]));
    let attached = |line: &str| line.split_whitespace().eq(["attached", "4"]);
    assert!(counters.text().lines().any(attached), "{}", counters.text());

    let done = run(&mut runtime.vuart(&["who", "vm0", "--json"]));
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(json["console"], "vm0");
    assert_eq!(json["counters"]["attached"], 4);
    let sessions = &json["sessions"];
    let first = serde_json::json!({
        "id": id, "label": "alice", "uid": 1000, "pid": 42, "standing": "owner",
        "since": sessions[0]["since"], "columns": 132, "rows": 43,
    });
    assert_eq!(sessions[0], first);
    assert_eq!((&sessions[3]["standing"], &sessions[3]["ahead"]), (&"waiting".into(), &1.into()));

    let list = run(&mut runtime.vuart(&["list", "--json"]));
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&list[0]["waiting"], &list[0]["spectators"]), (&2.into(), &1.into()));
}

#[test]
fn a_console_that_is_switched_off_says_so() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    served.console.disable();
    let done = run(&mut runtime.vuart(&["who", "vm0"]));
    assert!(done.text().contains("\nvm0 is switched off since 20"), "{}", done.text());
    assert!(run(&mut runtime.vuart(&["list"])).text().contains("switched off"));
    let done = run(&mut runtime.vuart(&["attach", "vm0"]));
    assert_eq!(done.code, 11);
    assert!(done.one_line().contains("vm0 is switched off since 20"), "{}", done.stderr);
    served.console.enable();
    let mut pty = Pty::new();
    let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0"]));
    pty.expect("~? helps]\r\n");
    served.console.disable();
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 11);
    assert!(shown.contains("[vuart: the console was switched off at 20"), "{shown}");
}

#[test]
fn f20_too_many_clients_has_an_exit_status_of_its_own() {
    let runtime = Runtime::new();
    let _served = Served::new(&runtime, 4096);
    let socket = RuntimeDir::open(runtime.path()).unwrap().control_socket("vm0").unwrap();
    let _spectators: Vec<Client> = (0..ServerOptions::CLIENTS)
        .map(|n| {
            let mut client = Client::connect(&socket, &n.to_string()).unwrap();
            client.attach(Mode::Spectate, Position::End).unwrap();
            client
        })
        .collect();
    let done = run(&mut runtime.vuart(&["attach", "--spy", "vm0"]));
    assert_eq!(done.code, 15, "{}", done.stderr);
    assert!(done.one_line().contains("all places are taken"), "{}", done.stderr);
    // These always get in.
    let who = run(&mut runtime.vuart(&["who", "vm0"]));
    let session = who.text().lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!(run(&mut runtime.vuart(&["kick", "vm0", &session])).code, 0);
}

#[test]
fn f25_a_warning_is_shown_by_who_and_list_until_it_is_withdrawn() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    served.console.warn("audit", "can't write the audit trail: No space left on device");
    let line = "\nwarning: vm0: audit: can't write the audit trail: No space left on device (since 20";
    for command in [&["who", "vm0"][..], &["list"]] {
        let text = run(&mut runtime.vuart(command)).text();
        assert!(text.contains(line), "{text}");
    }
    for (command, pointer) in
        [(&["who", "vm0", "--json"][..], "/warnings/0"), (&["list", "--json"], "/0/warnings/0")]
    {
        let json = run(&mut runtime.vuart(command)).stdout;
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let warning = json.pointer(pointer).unwrap();
        assert_eq!(warning["topic"], "audit");
        assert_eq!(warning["text"], "can't write the audit trail: No space left on device");
        assert!(warning["since"].as_str().unwrap().starts_with("20"), "{warning}");
    }
    served.console.withdraw_warning("audit");
    for command in [&["who", "vm0"][..], &["list"], &["who", "vm0", "--json"], &["list", "--json"]] {
        let text = run(&mut runtime.vuart(command)).text();
        assert!(!text.contains("warning"), "{text}");
    }
}

#[test]
fn a_session_that_yields_is_shown_as_one() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let _local = served.console.attach(Attach::new(identity("stdio")).with_mode(Mode::Yield)).unwrap();
    let who = |arguments: &[&str]| run(&mut runtime.vuart(arguments));
    assert!(who(&["who", "vm0"]).text().contains("stdio (uid 1000, pid 42)  owner, yields  20"));
    let _alice = served.console.attach(Attach::new(identity("alice"))).unwrap();
    let text = who(&["who", "vm0"]).text();
    assert!(
        text.contains("alice (uid 1000, pid 42)  owner  ") && text.contains("  spectator, yields  20"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_slice(&who(&["who", "vm0", "--json"]).stdout).unwrap();
    assert_eq!(json["sessions"][0]["yields"], serde_json::Value::Null);
    assert_eq!(
        (&json["sessions"][1]["yields"], &json["sessions"][1]["standing"]),
        (&true.into(), &"spectator".into())
    );
    assert_eq!(json["counters"]["yielded"], 1);
}
