//! The step of the tour that kills a VMM: what its guest has written is still there.

use std::cell::RefCell;
use std::fs::Permissions;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use vuart::endpoint::Mode;
use vuart::scrollback::Position;
use vuart_vmm::Engine;

use super::report::{check, excerpt, line, ok};
use super::visitor::{PROMPT, Visitor};
use crate::error::Error;
use crate::signals::Signals;

/// This program, even if its file has been replaced meanwhile.
const SELF: &str = "/proc/self/exe";

/// A directory whose files are in memory, so that no disk can delay the guest.
const MEMORY: &str = "/dev/shm";

/// The console's name.
const NAME: &str = "killed";

/// Another VMM, in a child process. Dropping it kills the process.
struct Vmm(Child);

impl Vmm {
    /// Starts a VMM with its sockets in `dir`, and waits until it serves its console.
    fn start(dir: &Path, ring: &Path, engine: Engine) -> io::Result<Self> {
        let engine = if engine == Engine::Kvm { "kvm" } else { "software" };
        let vmm = Command::new(SELF)
            .args(["demo", "--no-attach", "--name", NAME, "--engine", engine, "--ring"])
            .arg(ring)
            .env("VUART_RUNTIME_DIR", dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut vmm = Self(vmm);
        // It prints the directions once the sockets exist.
        let mut directions = BufReader::new(vmm.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        directions.read_line(&mut String::new())?;
        Ok(vmm)
    }

    /// Sends SIGKILL, so that the process does nothing of what it does at a normal end.
    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        // An error usually means that the process has ended already.
        let _ = self.kill();
    }
}

/// Shows that a guest's last output survives the kill of its VMM, in the file that holds the console's ring.
pub(super) fn killed(signals: &RefCell<Signals>, engine: Engine) -> Result<(), Error> {
    let private = Permissions::from_mode(0o700);
    let private = tempfile::Builder::new().prefix("vuart-").permissions(private).tempdir_in(MEMORY);
    let private = match private {
        Ok(private) => private,
        Err(error) => {
            return line("skip", &format!("a VMM is killed: no file can be made in {MEMORY} ({error})"));
        }
    };
    let (dir, ring) = (private.path().join("run"), private.path().join("ring"));
    let mut vmm = Vmm::start(&dir, &ring, engine).map_err(host("start another VMM"))?;
    let mut dave = Visitor::connect(signals, &dir.join(format!("{NAME}.ctl")), "dave")?;
    dave.attach(Mode::Exclusive, Position::Oldest)?;
    dave.prompt("the guest's prompt")?;
    dave.say("echo last words", b"last words")?;
    vmm.kill().map_err(host("kill the other VMM"))?;

    let mut log = Command::new(SELF);
    let log = log.arg("log").arg(&ring).args(["--lines", "3"]).stdin(Stdio::null()).output();
    let log = log.map_err(host("read the ring of the killed VMM"))?;
    let expected = [PROMPT, b"echo last words\r\nlast words\r\n", PROMPT].concat();
    check(&excerpt(&expected), log.status.success() && log.stdout == expected, || {
        format!("{} ({}) {}", excerpt(&log.stdout), log.status, String::from_utf8_lossy(&log.stderr))
    })?;
    ok("another VMM, its ring in a file, is killed (SIGKILL): vuart log FILE has its guest's last words")
}

fn host(operation: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Host { operation, source }
}
