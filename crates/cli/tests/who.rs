//! `vuart who`.

mod support;

use support::pty::Pty;
use support::served::{Served, identity};
use support::{Runtime, run};
use vuart_endpoint::{Attach, Mode, Window};

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
    assert!(run(&mut runtime.vuart(&["who", "vm0", "-v"])).text().contains("\nattached           4\n"));

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
