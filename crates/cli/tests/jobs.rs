//! `vuart attach` as a job of a shell. The shell is this test program again, in a session of its own on the terminal.

mod support;

use std::env;
use std::fs::File;
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, ioctl_tiocsctty, kill_process, setsid, waitid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use support::pty::Pty;
use support::served::Served;
use support::{Process, Runtime};
use vuart_test_support::until;

/// The variables that name the terminal and the command to the shell.
const TERMINAL: &str = "VUART_TEST_TERMINAL";
const COMMAND: &str = "VUART_TEST_COMMAND";

/// Runs a command in the background, and does what it is told on standard input: `stopped` waits until the job is stopped, `fg`
/// brings it to the foreground, `ended` waits for its end.
#[test]
#[ignore = "the other tests start it"]
fn shell() {
    let Ok(path) = env::var(TERMINAL) else { return };
    setsid().unwrap();
    let tty = File::options().read(true).write(true).open(path).unwrap();
    // Opening it may have done this already.
    let _ = ioctl_tiocsctty(&tty);
    let stream = || Stdio::from(tty.try_clone().unwrap());
    let mut words = env::var(COMMAND).unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).process_group(0).stdin(stream()).stdout(stream()).stderr(stream());
    let mut job = command.spawn().unwrap();
    let pid = Pid::from_child(&job);
    for order in stdin().lock().lines() {
        match order.unwrap().as_str() {
            "stopped" => {
                let status = waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).unwrap();
                assert!(status.is_some_and(|status| status.stopped()));
            }
            "fg" => {
                // A job that has suspended itself has it, as nobody has taken it back.
                if tcgetpgrp(&tty).unwrap() != pid {
                    tcsetpgrp(&tty, pid).unwrap();
                }
                kill_process(pid, Signal::CONT).unwrap();
            }
            "bg" => kill_process(pid, Signal::CONT).unwrap(),
            _ => assert_eq!(job.wait().unwrap().code(), Some(0)),
        }
        println!("done");
        stdout().flush().unwrap();
    }
}

/// The shell.
struct Shell(Process);

impl Shell {
    fn start(pty: &Pty, runtime: &Runtime, arguments: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "shell", "--ignored", "--nocapture", "--test-threads=1"])
            .env(TERMINAL, pty.path())
            .env(COMMAND, format!("{} {arguments}", env!("CARGO_BIN_EXE_vuart")))
            .env("VUART_RUNTIME_DIR", runtime.path());
        Self(Process::piped(&mut command))
    }

    /// Gives an order, and waits until it is carried out.
    fn order(&mut self, order: &str) {
        writeln!(self.0.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.0.expect_stdout(b"done\n");
    }
}

#[test]
fn f15_a_job_in_the_background_does_not_attach_until_it_has_the_terminal() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    for arguments in ["attach vm0", "attach vm0 --wait", "attach vm0 --force", "attach vm0 --spy"] {
        let mut pty = Pty::new();
        let before = pty.settings();
        let mut shell = Shell::start(&pty, &runtime, arguments);
        // However often it goes on in the background.
        for _ in 0..2 {
            shell.order("stopped");
            assert!(served.console.sessions().is_empty());
            assert_eq!(pty.settings(), before);
            shell.order("bg");
        }
        shell.order("stopped");
        assert_eq!(served.console.counters().refused, 0);
        shell.order("fg");
        pty.expect("~? helps]\r\n");
        assert!(pty.is_raw());
        if arguments != "attach vm0 --spy" {
            pty.type_in(b"ls\r");
            assert_eq!(served.typed_exactly(3), b"ls\r");
        }
        pty.type_in(b"\r~.");
        shell.order("ended");
        assert_eq!(pty.settings(), before);
        served.typed();
    }
}

#[test]
fn f15_a_suspended_session_keeps_the_console_and_others_see_it() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut pty = Pty::new();
    let before = pty.settings();
    let mut shell = Shell::start(&pty, &runtime, "attach vm0");
    shell.order("stopped");
    shell.order("fg");
    pty.expect("~? helps]\r\n");
    pty.type_in(b"~\x1a");
    shell.order("stopped");
    assert_eq!(pty.settings(), before);
    assert!(served.console.owner().is_some());
    shell.order("fg");
    until("the terminal is raw again", || pty.is_raw());
    pty.type_in(b"ls\r");
    assert_eq!(served.typed_exactly(3), b"ls\r");
    pty.type_in(b"~.");
    shell.order("ended");
    assert_eq!(pty.settings(), before);
}

#[cfg(feature = "demo")]
#[test]
fn f15_a_demo_in_the_background_boots_nothing_until_it_has_the_terminal() {
    let runtime = Runtime::new();
    let mut pty = Pty::new();
    let mut shell = Shell::start(&pty, &runtime, "demo --engine software");
    shell.order("stopped");
    assert!(runtime.files().is_empty());
    shell.order("fg");
    pty.expect("~? helps]\r\n");
    pty.expect("> ");
    pty.type_in(b"~.");
    shell.order("ended");
}
