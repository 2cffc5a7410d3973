//! `vuart completions` and `vuart man`.

mod support;

use std::process::Command;

use support::served::Served;
use support::{Runtime, run};

#[test]
fn completions_offer_commands_flags_and_names() {
    let runtime = Runtime::new();
    let _served = Served::new(&runtime, 4096);
    let complete = |words: &[&str]| {
        let mut command = runtime.vuart(&[&["--", "vuart"], words].concat());
        command.env("VUART_COMPLETE", "fish");
        let done = run(&mut command);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{words:?}");
        done.text()
    };
    assert!(complete(&["att"]).starts_with("attach"), "{}", complete(&["att"]));
    assert_eq!(complete(&["attach", "v"]), "vm0\n");
    assert_eq!(complete(&["who", ""]).lines().next(), Some("vm0"));
    assert_eq!(complete(&["log", "x"]), "");
    assert!(complete(&["attach", "--reco"]).starts_with("--reconnect"));
}

#[test]
fn there_is_a_script_for_each_shell() {
    let runtime = Runtime::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = run(&mut runtime.vuart(&["completions", shell]));
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{shell}");
        assert!(done.text().contains("VUART_COMPLETE"), "{shell}");
    }
    assert_eq!(run(&mut runtime.vuart(&["completions", "csh"])).code, 2);
    // bash runs the script, and completes.
    let _served = Served::new(&runtime, 4096);
    let script = r#"
        source <("$VUART" completions bash)
        COMP_WORDS=("$VUART" attach v) COMP_CWORD=2 COMP_TYPE=9
        "$(complete -p vuart | sed 's/.*-F \([^ ]*\).*/\1/')" "$VUART" v attach
        echo "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script]);
    bash.env("VUART", env!("CARGO_BIN_EXE_vuart")).env("VUART_RUNTIME_DIR", runtime.path());
    let done = run(&mut bash);
    assert_eq!(done.text().trim(), "vm0", "{}", done.stderr);
}

#[test]
fn there_is_a_page_for_each_command() {
    let runtime = Runtime::new();
    let page = run(&mut runtime.vuart(&["man"]));
    assert_eq!(page.code, 0);
    assert!(page.text().contains(".TH vuart 1") && page.text().contains("no such console"));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&mut runtime.vuart(&["man", dir.path().to_str().unwrap()])).code, 0);
    for command in ["vuart", "vuart-attach", "vuart-log", "vuart-who", "vuart-send-sysrq", "vuart-kick"] {
        let page = std::fs::read_to_string(dir.path().join(format!("{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    let done = run(&mut runtime.vuart(&["man", "/nowhere"]));
    assert_eq!(done.code, 1);
    assert!(done.one_line().contains("can't write manual pages to /nowhere"), "{}", done.stderr);
}
