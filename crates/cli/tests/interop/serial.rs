//! Programs for a serial line, at the console's terminal.

use std::process::Stdio;

use super::person::Person;
use super::programs::{are_there, not_tested};
use super::scene::{CONSOLE, Scene};
use super::support::Process;

/// The command that makes a terminal of a raw socket, for a VMM without a pseudo-terminal.
const BRIDGE: &str = "socat -d -d PTY,link=bridge.pty,raw,echo=0 UNIX-CONNECT:vm0.sock";

/// The terminal that a program uses.
enum Terminal {
    /// A terminal that socat makes. socat keeps the console when the program ends.
    Bridge(Process),
    /// The console's own terminal. The console is free when no program has it open.
    Own,
}

impl Terminal {
    fn bridge(scene: &Scene) -> Self {
        scene.transcript().title("A terminal is made of the raw socket");
        scene.transcript().add("bob", "runs", BRIDGE);
        let mut socat = Process::spawn(scene.command(BRIDGE).stdin(Stdio::null()).stderr(Stdio::piped()));
        socat.expect_stderr(b"starting data transfer loop");
        Self::Bridge(socat)
    }

    fn own(scene: &Scene, program: &str) -> Option<Self> {
        let path = scene.directory().join(CONSOLE).with_extension("pty");
        if path.symlink_metadata().is_err() {
            not_tested(&format!("{program} at the console's own terminal: there is no {CONSOLE}.pty"));
            return None;
        }
        scene.transcript().title("The console's own terminal");
        Some(Self::Own)
    }

    /// Its name in the runtime directory.
    fn name(&self) -> String {
        match self {
            Self::Bridge(_) => "bridge.pty".to_owned(),
            Self::Own => format!("{CONSOLE}.pty"),
        }
    }

    /// Checks who is at the console after the program has ended.
    fn afterwards(self, scene: &Scene) {
        match self {
            Self::Bridge(socat) => {
                scene.transcript().title("The program has gone, the bridge is still there");
                let carol = scene.person("carol");
                let refusal = carol.has_run("vuart attach vm0", 4);
                assert!(refusal.contains("held by socat (uid "), "{refusal}");
                drop(socat);
                scene.until_free();
            }
            Self::Own => scene.until_free(),
        }
    }
}

/// Tests a program at each terminal. `used` operates it, and `transcripts` are the names of the two transcripts.
fn at_each(program: &str, transcripts: [&'static str; 2], used: impl Fn(&mut Person<'_>, &str)) {
    if !are_there(&[program, "socat"]) {
        return;
    }
    let scene = Scene::new(transcripts[0]);
    let terminal = Terminal::bridge(&scene);
    used(&mut scene.person("alice"), &terminal.name());
    terminal.afterwards(&scene);
    scene.finish();

    let scene = Scene::new(transcripts[1]);
    let Some(terminal) = Terminal::own(&scene, program) else { return };
    used(&mut scene.person("alice"), &terminal.name());
    terminal.afterwards(&scene);
    scene.finish();
}

#[test]
fn picocom() {
    at_each("picocom", ["picocom", "picocom-pty"], |alice, terminal| {
        let picocom = alice.runs(&format!("picocom -b 115200 {terminal}"));
        alice.sees_at_last("Terminal ready\r\n");
        alice.types("\r");
        alice.sees("\r\n> ");
        alice.types("echo hi\r");
        alice.sees("echo hi\r\nhi\r\n> ");
        alice.types("\x01\x18");
        alice.ends(picocom, 0);
    });
}

#[test]
fn screen() {
    // screen refuses to work for this user.
    if rustix::process::geteuid().as_raw() == 65534 {
        return not_tested("screen: it lets the user nobody do nothing");
    }
    at_each("screen", ["screen", "screen-pty"], |alice, terminal| {
        let screen = alice.runs(&format!("screen -c /dev/null -S console {terminal} 115200"));
        // It clears the terminal first, or shows a start page.
        alice.waits_for("\x1b[J");
        alice.types("\r");
        alice.sees_screen("> ");
        alice.types("echo hi\r");
        alice.sees_screen("> echo hi\nhi\n> ");
        alice.types("\x01k");
        alice.sees_row("Really kill this window [y/n]");
        alice.types("y");
        alice.ends(screen, 0);
    });
}

#[test]
fn minicom() {
    at_each("minicom", ["minicom", "minicom-pty"], |alice, terminal| {
        let minicom = alice.runs(&format!("minicom -o -D {terminal} -b 115200"));
        alice.waits_for("Press CTRL-A Z for help on special keys\r\n\n");
        alice.types("\r");
        alice.sees("\n> ");
        alice.types("echo hi\r");
        alice.sees("echo hi\r\nhi\r\n> ");
        alice.types("\x01x");
        alice.sees_row("Leave Minicom?");
        alice.waits_for("Yes");
        alice.types("\r");
        alice.ends(minicom, 0);
    });
}
