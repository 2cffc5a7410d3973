//! A guest that has stopped its input, as `vuart who` and `vuart send` tell of it (F1).

mod support;

use std::io::Write as _;
use std::thread;

use support::served::{Served, identity};
use support::{Process, Runtime, run};
use vuart_endpoint::Attach;

#[test]
fn f1_who_says_that_the_guest_has_stopped_input() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let json = || {
        let done = run(&mut runtime.vuart(&["who", "vm0", "--json"]));
        serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap()
    };
    assert_eq!(json()["input_stopped"], false);
    served.guest.lines.stop_input(true);
    let text = |arguments: &[&str]| run(&mut runtime.vuart(arguments)).text();
    assert_eq!(text(&["who", "vm0"]), "nobody is at vm0\nvm0: the guest has stopped input\n");
    let mut alice = served.console.attach(Attach::new(identity("alice"))).unwrap();
    for (typed, waits) in [("k", "1 byte waits"), ("eys", "4 bytes wait")] {
        alice.write(typed.as_bytes()).unwrap();
        let said = text(&["who", "vm0"]);
        assert!(said.ends_with(&format!("\nvm0: the guest has stopped input, and {waits}\n")), "{said}");
    }
    let json = json();
    assert_eq!((&json["input_stopped"], &json["input_waiting"]), (&true.into(), &4.into()));
    assert_eq!(json["counters"]["input_stops"], 1);
    served.guest.lines.stop_input(false);
    assert!(!text(&["who", "vm0"]).contains("stopped"));
}

#[test]
fn f1_a_send_that_fails_says_that_the_guest_has_stopped_input() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.guest.lines.stop_input(true);
    let done = run(&mut runtime.vuart(&["send", "vm0", "--timeout", "1", "text", "reboot"]));
    assert_eq!(done.code, 14);
    let reason = "the guest has taken nothing for 1 s: the guest has stopped input, and 6 bytes wait";
    assert!(done.stderr.contains(reason), "{}", done.stderr);
    assert_eq!(served.typed(), b"reboot");
    // Without that reason it gives none.
    served.guest.lines.stop_input(false);
    let done = run(&mut runtime.vuart(&["send", "vm0", "--timeout", "1", "text", "reboot"]));
    assert!(done.one_line().ends_with("the guest has taken nothing for 1 s"), "{}", done.stderr);
}

/// Also when more is to be sent than the console holds: then the server does not read from that connection.
#[test]
fn f1_a_send_that_waits_says_it_and_goes_on() {
    for count in [6, 100_000] {
        let runtime = Runtime::new();
        let mut served = Served::new(&runtime, 4096);
        served.guest.lines.stop_input(true);
        let text = "x".repeat(count);
        let arguments = ["send", "vm0", "--timeout", "60", "text", "-"];
        let mut process = Process::piped(&mut runtime.vuart(&arguments));
        let mut stdin = process.child.stdin.take().unwrap();
        let writer = thread::spawn({
            let text = text.clone();
            move || stdin.write_all(text.as_bytes()).unwrap()
        });
        let said = process.expect_stderr(b" wait\n");
        let expected =
            format!("vuart: vm0: the guest has stopped input, and {} bytes wait\n", count.min(4096));
        assert_eq!(String::from_utf8_lossy(&said), expected);
        served.guest.lines.stop_input(false);
        assert_eq!(served.typed_exactly(count), text.as_bytes());
        writer.join().unwrap();
        assert_eq!(process.finish().code, 0);
    }
}
