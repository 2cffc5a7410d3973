//! socat and nc at the raw socket.

use std::process::Command;

use super::programs::{are_there, not_tested};
use super::scene::Scene;
use super::support::run;

/// The command that a person uses.
const SOCAT: &str = "socat -,raw,echo=0,escape=0x1d UNIX-CONNECT:vm0.sock";

#[test]
fn socat_on_a_terminal() {
    if !are_there(&["socat"]) {
        return;
    }
    let scene = Scene::new("socat");
    scene.transcript().title("On a terminal; Enter brings the prompt, ^C is the guest's, ^] leaves");
    let mut alice = scene.person("alice");
    let socat = alice.runs_raw(SOCAT);
    alice.types("\r");
    alice.sees("\r\n> ");
    alice.types("help\r");
    alice.sees("erases the line, ^C abandons it.\r\n> ");
    alice.types("abc\x03");
    alice.sees("abc^C\r\n> ");
    alice.types("\x1d");
    alice.ends(socat, 0);
    scene.until_free();

    scene.transcript().title("In a script; -t says how long to listen when the input has ended");
    let said = alice.has_run("printf 'echo hi\\rhalt\\r' | socat -t 60 - UNIX-CONNECT:vm0.sock", 0);
    assert!(said.starts_with("echo hi\r\nhi\r\n> halt\r\nhalting\r\n"), "{said}");
    scene.finish();
}

#[test]
fn e1_e2_socat_is_refused_and_evicted_with_a_line_that_says_by_whom() {
    if !are_there(&["socat"]) {
        return;
    }
    let scene = Scene::new("socat-held");
    let mut alice = scene.person("alice");
    let mut bob = scene.person("bob");
    scene.transcript().title("The console is held");
    let first = alice.runs_raw(SOCAT);
    alice.types("\r");
    alice.sees("\r\n> ");
    let second = bob.runs(SOCAT);
    let refusal = bob.ends(second, 0);
    assert!(refusal.contains("[vuart: the console is held by socat (uid "), "{refusal}");

    scene.transcript().title("It is taken over");
    let third = bob.runs("vuart attach vm0 --label bob --force");
    bob.sees("~? helps]\r\n");
    let eviction = alice.ends(first, 0);
    assert!(eviction.contains("[vuart: the console was taken over by bob (uid "), "{eviction}");
    bob.types("~.");
    bob.ends(third, 0);
    scene.finish();
}

#[test]
fn nc_in_pipes() {
    if !are_there(&["nc", "socat"]) {
        return;
    }
    // Other programs of this name have other options.
    if !run(Command::new("nc").arg("-h")).stderr.contains("OpenBSD") {
        not_tested("OpenBSD's nc: there is another one");
        return;
    }
    let scene = Scene::new("nc");
    let mut alice = scene.person("alice");
    let bob = scene.person("bob");
    scene.transcript().title("The console is held");
    let socat = alice.runs_raw(SOCAT);
    alice.types("\r");
    alice.sees("\r\n> ");
    let refusal = bob.has_run("nc -U vm0.sock", 0);
    assert!(refusal.starts_with("\r\n[vuart: the console is held by socat (uid "), "{refusal}");
    assert!(refusal.ends_with("]\r\n") && refusal.lines().count() == 2, "one line: {refusal}");
    alice.types("\x1d");
    alice.ends(socat, 0);
    scene.until_free();

    scene.transcript().title("It is free; nc listens until the server closes, whatever becomes of its input");
    let said = bob.has_run("printf 'echo hi\\rhalt\\r' | nc -U vm0.sock", 0);
    assert!(said.starts_with("echo hi\r\nhi\r\n> halt\r\nhalting\r\n"), "{said}");
    scene.finish();
}
