//! What people stumbled over (F19): messages, options, completions and manual pages say what a person needs to go on.

mod support;

use std::os::unix::net::UnixListener;

use support::pty::{Pty, attached};
use support::served::{Served, identity};
use support::{Process, Runtime, run};
use vuart_endpoint::{Attach, Cause, Mode};
use vuart_wire::RuntimeDir;

/// Standard error of wrong usage.
fn wrong(arguments: &[&str]) -> String {
    let done = run(&mut Runtime::new().vuart(arguments));
    assert_eq!((done.code, done.text().as_str()), (2, ""), "{arguments:?}: {}", done.stderr);
    done.stderr
}

#[test]
fn f19_a_number_that_is_none_is_refused_in_words() {
    const HUGE: &str = "99999999999999999999";
    for number in ["-1", HUGE, "x", ""] {
        for (arguments, least) in [
            (&["log", "vm0", "--max"][..], 0),
            (&["log", "vm0", "--from"], 0),
            (&["log", "vm0", "--last"], 0),
            (&["log", "vm0", "--lines"], 0),
            (&["attach", "vm0", "--from"], 0),
            (&["attach", "vm0", "-n"], 0),
            (&["send", "vm0", "break", "--timeout"], 1),
        ] {
            let said = wrong(&[arguments, &[number]].concat());
            assert!(
                said.contains(&format!("it takes a number from {least} to ")),
                "{arguments:?} {number}: {said}"
            );
            assert!(!said.contains("'-- "), "{said}");
        }
        assert!(
            wrong(&["kick", "vm0", number])
                .contains("it takes the number of a session, as `vuart who` shows it")
        );
        assert!(wrong(&["attach", "vm0", "--replay", number]).contains("nor a number of bytes"));
    }
    for command in [&["attach", "vm0", "--pace"][..], &["send", "vm0", "break", "--pace"]] {
        for pace in ["-1", "0", "0.5", HUGE, "x"] {
            let said = wrong(&[command, &[pace]].concat());
            assert!(
                said.contains("it takes a number of characters from 1 to 4294967295, or 'echo'"),
                "{said}"
            );
        }
    }
    assert!(wrong(&["send", "vm0", "break", "--timeout", "0"]).contains("it takes a number from 1 to "));
}

#[test]
fn f19_options_of_send_are_options_wherever_they_stand() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    for (arguments, typed) in [
        (&["text", "foo", "--enter"][..], "foo\r"),
        (&["text", "--enter", "foo", "--timeout", "60", "bar"], "foo bar\r"),
        (&["text", "--", "foo", "--enter"], "foo --enter"),
        (&["text", "-e", "--", "-l"], "-l\r"),
    ] {
        let mut client = Process::piped(&mut runtime.vuart(&[&["send", "vm0"], arguments].concat()));
        assert_eq!(String::from_utf8(served.typed_exactly(typed.len())).unwrap(), typed, "{arguments:?}");
        assert_eq!(client.code(), 0);
    }
    // What may be meant as text says how.
    assert!(wrong(&["send", "vm0", "text", "ls", "-l"]).contains("-- -l"));
}

#[test]
fn f19_a_refusal_suggests_what_the_command_has() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let _owner = served.console.attach(Attach::new(identity("alice"))).unwrap();
    let send = run(&mut runtime.vuart(&["send", "vm0", "break"]));
    assert!(send.code == 4 && send.one_line().ends_with("; take it over with --force"), "{}", send.stderr);
    let attach = run(&mut runtime.vuart(&["attach", "vm0"]));
    let line = attach.one_line();
    for option in ["--force", "--wait", "--spy"] {
        assert!(
            line.contains(option) && run(&mut runtime.vuart(&["attach", "--help"])).text().contains(option)
        );
    }
    // And how long it has been held.
    assert!(attach.code == 4 && line.contains(" s ago); take it over"), "{line}");
    for table in [&["who", "vm0"][..], &["list"]] {
        assert!(run(&mut runtime.vuart(table)).text().contains(" ago)  "), "{table:?}");
    }
}

#[test]
fn f19_an_escape_says_what_it_has_done() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    pty.type_in(b"~B");
    pty.expect("[vuart: a break: sent]\r\n");
    pty.type_in(b"~St");
    pty.expect("[vuart: a break and t: sent]\r\n");
    let (mut spectator, other) = attached(&runtime, &["--spy"]);
    for key in [&b"~B"[..], b"~St"] {
        spectator.type_in(key);
        spectator.expect(": not sent, because you are watching]\r\n");
    }
    // The table begins on a line of its own, and one's own row is marked.
    spectator.type_in(b"~W");
    let table = spectator.expect("]\r\n");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with("[vuart: at vm0:") && lines[1].starts_with("SESSION  WHO "), "{table}");
    assert!(lines[2].contains(")        owner ") && lines[3].contains(") (you)  spectator "), "{table}");
    for (mut pty, client) in [(pty, client), (spectator, other)] {
        pty.type_in(b"~.");
        assert_eq!(pty.finish(client).0, 0);
    }
    assert_eq!(served.typed(), b"^^t");
}

#[test]
fn f19_what_is_no_ring_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (path, what) in [
        (fifo.to_str().unwrap(), "a pipe"),
        (dir.path().to_str().unwrap(), "a directory"),
        ("/dev/null", "a device"),
    ] {
        let done = run(&mut Runtime::new().vuart(&["log", path]));
        assert_eq!(
            (done.code, done.one_line()),
            (2, &*format!("vuart: {path} is {what}, and no console's ring"))
        );
    }
}

#[test]
fn f19_a_log_from_beyond_the_end_says_where_the_end_is() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"x");
    let log = |more: &[&str]| run(&mut runtime.vuart(&[&["log", "vm0"], more].concat()));
    let said = "[vuart: the guest has written only 1 byte: there is nothing at offset 99 yet]\n";
    let done = log(&["--from", "99"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, said));
    let done = log(&["--from", "99", "-v"]);
    assert_eq!(done.stderr, format!("{said}[vuart: 0 bytes; the next offset is 1]\n"));
    assert_eq!(log(&["--from", "99", "--json"]).text(), "{\"end\":{\"next\":1}}\n");
    // At the end is not beyond it.
    for quiet in [&["--from", "1"][..], &["--from", "99", "--max", "0"]] {
        assert_eq!(
            (log(quiet).stderr.as_str(), log(quiet).code),
            (if quiet.len() == 2 { "" } else { said }, 0)
        );
    }
    assert_eq!(log(&["-v"]).stderr, "[vuart: 1 byte; the next offset is 1]\n");
    let mut follower = Process::piped(&mut runtime.vuart(&["log", "vm0", "--follow", "--from", "3"]));
    follower.expect_stderr(said.replace("99", "3").as_bytes());
    served.write(b"yzabc");
    follower.expect_stdout(b"abc");
    served.end(&Cause::VmEnded);
    assert_eq!(follower.code(), 0);
}

#[test]
fn f19_attach_and_log_begin_with_the_same_options() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"one\ntwo\nthree\n");
    served.console.end(&Cause::VmEnded);
    let log = |begin: &[&str]| run(&mut runtime.vuart(&[&["log", "vm0"], begin].concat())).text();
    let options = [
        (&["--lines", "1"][..], "three\n"),
        (&["-n", "2"], "two\nthree\n"),
        (&["--replay", "1l"], "three\n"),
        (&["--last", "3"], "ee\n"),
        (&["--replay", "3"], "ee\n"),
        (&["--from", "4"], "two\nthree\n"),
        (&["--boot"], "one\ntwo\nthree\n"),
        (&["--replay", "boot"], "one\ntwo\nthree\n"),
        (&["--replay", "all"], "one\ntwo\nthree\n"),
        (&["--replay", "none"], ""),
    ];
    for (begin, text) in options {
        assert_eq!(log(begin), text, "{begin:?}");
    }
    for (begin, text) in options {
        let runtime = Runtime::new();
        let mut served = Served::new(&runtime, 4096);
        served.write(b"one\ntwo\nthree\n");
        let mut client =
            Process::without_input(&mut runtime.vuart(&[&["attach", "vm0", "--spy"], begin].concat()));
        client.expect_stderr(b"]\n");
        served.end(&Cause::VmEnded);
        assert_eq!(client.finish().text(), text, "{begin:?}");
    }
    let twice = wrong(&["attach", "vm0", "--lines", "1", "--replay", "all"]);
    assert!(twice.contains("cannot be used with"), "{twice}");
}

#[test]
fn f19_completions_offer_what_is_there() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let dir = RuntimeDir::open(runtime.path()).unwrap();
    drop(UnixListener::bind(dir.control_socket("vm-dead").unwrap()).unwrap());
    let owner = served.console.attach(Attach::new(identity("alice"))).unwrap();
    let watcher = served.console.attach(Attach::new(identity("bob")).with_mode(Mode::Spectate)).unwrap();
    let complete = |words: &[&str]| {
        let mut command = runtime.vuart(&[&["--", "vuart"], words].concat());
        run(command.env("VUART_COMPLETE", "fish")).text()
    };
    assert_eq!(complete(&["attach", "vm"]), "vm0\n");
    let sessions = complete(&["kick", "vm0", ""]);
    for (session, label) in [(&owner, "alice"), (&watcher, "bob")] {
        assert!(
            sessions.contains(&format!("{}\t{label} (uid 1000, pid 42)\n", session.info().id)),
            "{sessions:?}"
        );
    }
    assert_eq!(
        complete(&["kick", "vm-dead", ""]).matches('\t').count(),
        complete(&["kick", "nowhere", ""]).matches('\t').count()
    );
    for command in ["attach", "log"] {
        let words = complete(&[command, "vm0", "--replay", ""]);
        for word in ["all\t", "boot\t", "none\t"] {
            assert!(words.contains(word), "{words:?}");
        }
    }
}

#[test]
fn f19_each_manual_page_has_the_exit_statuses_and_refers_only_to_pages_that_exist() {
    let runtime = Runtime::new();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&mut runtime.vuart(&["man", dir.path().to_str().unwrap()])).code, 0);
    let pages: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() > 10);
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        assert!(
            text.contains(".SH \"EXIT STATUS\"") && text.contains("no such console"),
            "{}",
            page.display()
        );
        assert!(!text.contains(".SH EXTRA") || text.contains("trace"), "{}", page.display());
        for word in text.replace('\\', "").split_whitespace() {
            if let Some(name) = word.trim_end_matches(['.', ',']).strip_suffix("(1)") {
                let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
                assert!(dir.path().join(format!("{name}.1")).exists(), "{}: {word}", page.display());
            }
        }
    }
    let page = run(&mut runtime.vuart(&["man"])).text();
    assert!(page.contains(".SH \"EXIT STATUS\"") && !page.contains("help(1)"), "{page}");
}

#[test]
fn f19_a_reconnecting_client_waits_for_a_console_that_is_not_there_yet() {
    let runtime = Runtime::new();
    let mut pty = Pty::new();
    let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0", "--reconnect"]));
    pty.expect("[vuart: there is no console \"vm0\" yet: waiting for it; ^C ends that]\r\n");
    // It is typed for nobody.
    pty.type_in(b"reboot\n~.\n");
    pty.expect("~.\r\n");
    let mut served = Served::new(&runtime, 4096);
    pty.expect("~? helps]\r\n");
    pty.type_in(b"ls\r~.");
    assert_eq!(served.typed_exactly(3), b"ls\r");
    assert_eq!(pty.finish(client).0, 0);
    // A name that can't be one is not waited for.
    assert_eq!(run(&mut runtime.vuart(&["attach", ".x", "--reconnect"])).code, 2);
}

#[test]
fn f19_a_spectator_is_told_how_to_see_more() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"x");
    let (mut pty, client) = attached(&runtime, &["--spy"]);
    pty.expect(
        "1 byte of history is not shown, so a full-screen program appears in parts until it draws anew: ",
    );
    pty.expect("--replay all]\r\n");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn f19_somebody_elses_directory_is_refused_with_what_a_group_member_does() {
    let dir = tempfile::tempdir().unwrap();
    // Root gives the directory away; anybody else has one that is root's.
    let path = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(12_345), None).unwrap();
        dir.path().to_str().unwrap()
    } else {
        "/usr"
    };
    let done = run(Runtime::new().vuart(&["list"]).env("VUART_RUNTIME_DIR", path));
    assert!(
        done.code != 0 && done.one_line().contains(&format!("name the path of its socket, {path}/NAME.ctl")),
        "{}",
        done.stderr
    );
}
