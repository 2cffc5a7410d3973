//! The step of the tour in which a VMM is killed: what its guest has written outlives it.

use std::fs::Permissions;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use vuart::endpoint::{Mode, Replay};
use vuart_vmm::Engine;

use super::{PROMPT, Tour, check};
use crate::demo::stage::{Fault, excerpt, line, ok};
use crate::demo::visitor::Visitor;
use crate::error::Error;

/// This program, whatever has become of its file.
const SELF: &str = "/proc/self/exe";

/// Where files are memory, and nothing holds the guest up.
const MEMORY: &str = "/dev/shm";

/// The console's name.
const NAME: &str = "killed";

/// Another VMM. It is killed at the latest when this is dropped.
struct Vmm(Child);

impl Vmm {
    /// Starts one that has its sockets in `dir`, and waits until it serves its console.
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
        // It says where its sockets are when they are there.
        let mut directions = BufReader::new(vmm.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        directions.read_line(&mut String::new())?;
        Ok(vmm)
    }

    /// SIGKILL: nothing that it would do at its end is done.
    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        // The usual case is that it has ended.
        let _ = self.kill();
    }
}

impl Tour<'_> {
    /// A guest's last words are in the file that its console's ring lived in.
    pub(super) fn killed(&mut self, engine: Engine) -> Result<(), Fault> {
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
        let mut dave = Visitor::connect(&dir.join(format!("{NAME}.ctl")), "dave")?;
        self.attach(&mut dave, Mode::Exclusive, Replay::All)?;
        self.stage
            .until(&mut dave, "the guest's prompt", |dave| dave.screen().ends_with(PROMPT).then_some(()))?;
        self.say(&mut dave, "echo last words", b"last words")?;
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
}

fn host(operation: &'static str) -> impl FnOnce(io::Error) -> Fault {
    move |source| Fault::Error(Error::Host { operation, source })
}
