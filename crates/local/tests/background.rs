//! A VMM that is a job in the background of a shell is not stopped by its console. The shell and the VMM are this test again, in
//! processes of their own.

mod support;

use std::io::{BufRead as _, BufReader, stdin};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, ioctl_tiocsctty, kill_process, setsid, waitid};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr, tcsetpgrp};
use support::terminal::terminal;
use support::{Rig, fill};
use vuart_test_support::{PART, part, play};

const NAME: &str = "a_job_in_the_background_is_not_stopped";

/// What the VMM says when it has looked at the terminal from the background.
const LOOKED: &str = "looked";

#[test]
fn a_job_in_the_background_is_not_stopped() {
    match part().as_deref() {
        Some("shell") => shell(),
        Some("vmm") => vmm(),
        _ => {
            let output = play(NAME, "shell", |command| command);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            );
        }
    }
}

/// A session of its own on a terminal. It starts the VMM in the background, and brings it to the foreground.
fn shell() {
    setsid().unwrap();
    let (mut screen, device) = terminal();
    ioctl_tiocsctty(&device).unwrap();
    let mut settings = tcgetattr(&device).unwrap();
    settings.make_raw();
    settings.local_modes |= LocalModes::TOSTOP;
    tcsetattr(&device, OptionalActions::Now, &settings).unwrap();
    fill(&mut screen, b"for the shell");

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture", "--test-threads=1"]).env(PART, "vmm").process_group(0);
    let mut job = command.stdin(device.try_clone().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&job);
    let watch = thread::spawn(move || {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let stopped = waitid(WaitId::Pid(pid), options).unwrap().is_some_and(|status| status.stopped());
        if stopped {
            kill_process(pid, Signal::KILL).unwrap();
        }
        stopped
    });
    let mut said = String::new();
    for line in BufReader::new(job.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.ends_with(LOOKED) {
            tcsetpgrp(&device, pid).unwrap();
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert!(!watch.join().unwrap(), "the VMM was stopped");
    assert!(job.wait().unwrap().success() && said.contains(LOOKED), "{said}");
    // Closed, it would hang up on this process, before it has said that all is well.
    std::mem::forget(screen);
}

/// A console on the terminal, which is the shell's at first.
fn vmm() {
    let mut rig = Rig::new(1 << 16, |local| local.with_both(stdin()).with_raw_mode());
    rig.writes(b"kept");
    rig.turn();
    assert_eq!(rig.console.input_waiting(), 0, "it is not for the guest");
    assert_eq!(rig.local.left(), 4);
    assert!(rig.console.warnings()[0].text.contains("background"), "{:?}", rig.console.warnings());
    println!("{LOOKED}");
    rig.until(|rig| rig.console.input_waiting() > 0 && rig.local.left() == 0);
    assert!(rig.console.warnings().is_empty());
}
