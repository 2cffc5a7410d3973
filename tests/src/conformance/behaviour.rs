//! The traces that are committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use vuart::replay::{self, DeviceError};
use vuart::trace::{Boundary, Device, Mismatch, Mode, Operation, ParseError, Trace};
use vuart::uart::{Config, Profile};

use super::peer::Peer;
use super::seen::{Look, Seen};

/// Whose behaviours are in which folder.
#[derive(Debug, Clone, Copy)]
pub struct Driver {
    /// The folder in `tests/traces`.
    pub folder: &'static str,
    /// What the titles of its traces begin with.
    pub name: &'static str,
}

/// In the order in which they are shown.
pub const DRIVERS: [Driver; 14] = [
    Driver { folder: "linux", name: "Linux" },
    Driver { folder: "freebsd", name: "FreeBSD" },
    Driver { folder: "netbsd", name: "NetBSD" },
    Driver { folder: "openbsd", name: "OpenBSD" },
    Driver { folder: "windows", name: "Windows" },
    Driver { folder: "xen", name: "Xen" },
    Driver { folder: "seabios", name: "SeaBIOS" },
    Driver { folder: "grub", name: "GRUB" },
    Driver { folder: "edk2", name: "EDK2" },
    Driver { folder: "ipxe", name: "iPXE" },
    Driver { folder: "u-boot", name: "U-Boot" },
    Driver { folder: "opensbi", name: "OpenSBI" },
    Driver { folder: "coreboot", name: "coreboot" },
    Driver { folder: "device", name: "Data sheet" },
];

/// A trace that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error("{0}: {1}")]
    Read(PathBuf, #[source] io::Error),
    /// It is no trace.
    #[error("{0}:{1}")]
    Parse(PathBuf, #[source] ParseError),
    /// It lacks what is said of it in the document.
    #[error("{0}: there must be a comment `# {1}: ...` before the first operation")]
    Header(PathBuf, &'static str),
    /// It is in another driver's folder.
    #[error("{path}: the title must begin with `{name}: `")]
    Title {
        /// The trace.
        path: PathBuf,
        /// The driver's.
        name: &'static str,
    },
    /// It is not about what a host does at a port, as a driver's trace is.
    #[error("{0}: `at chip` is for recordings: the trace of a driver says what the host does at the port")]
    Boundary(PathBuf),
    /// There is no device to replay it on.
    #[error("{0}: {1}")]
    Device(PathBuf, #[source] DeviceError),
    /// A mask that is none.
    #[error("{0}:{1}: `# mask MM` belongs to a read that expects something")]
    Mask(PathBuf, usize),
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it was replayed on, as that says of itself.
    pub device: &'static str,
    /// Where the driver first sees something that it does not expect.
    pub first: Option<Mismatch>,
}

/// One behaviour of one driver.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Its trace, relative to `tests/traces`.
    pub path: PathBuf,
    /// What the driver does.
    pub title: String,
    /// What comes of another answer.
    pub otherwise: String,
    trace: Trace,
    looks: Vec<Look>,
}

impl Behaviour {
    fn load(root: &Path, path: PathBuf, driver: Driver) -> Result<Self, Error> {
        let text = fs::read_to_string(root.join(&path)).map_err(|error| Error::Read(path.clone(), error))?;
        let trace: Trace = text.parse().map_err(|error| Error::Parse(path.clone(), error))?;
        let comment = |name: &'static str| {
            let mut comments = trace.comments();
            let found = comments.find_map(|comment| comment.strip_prefix(name)?.strip_prefix(": "));
            found.map(str::to_owned).ok_or_else(|| Error::Header(path.clone(), name))
        };
        let title = comment("title")?;
        let title = title.strip_prefix(driver.name).and_then(|rest| rest.strip_prefix(": "));
        let title = title.ok_or_else(|| Error::Title { path: path.clone(), name: driver.name })?.to_owned();
        comment("source")?;
        comment("rules")?;
        let otherwise = comment("otherwise")?;
        if trace.settings().boundary != Boundary::Port {
            return Err(Error::Boundary(path));
        }
        let looks = Look::all(&trace, &text).map_err(|line| Error::Mask(path.clone(), line))?;
        Ok(Self { path, title, otherwise, trace, looks })
    }

    /// Whether it is one of a 16550A without time, as every virtual machine has one.
    pub fn is_common(&self) -> bool {
        self.mode() == Mode::Instant && self.trace.settings().config.profile == Profile::Uart16550a
    }

    /// The kind of time that it is about.
    pub fn mode(&self) -> Mode {
        self.trace.settings().mode
    }

    /// The board that it is about, in words.
    pub fn board(&self) -> String {
        let settings = self.trace.settings();
        let chip = match settings.config {
            Config { profile: Profile::Uart16450, .. } => "16450",
            Config { profile: Profile::Uart16750, .. } => "16750",
            _ => "16550A",
        };
        match settings.mode {
            Mode::Instant => chip.to_owned(),
            Mode::Timed => format!("{chip}, timed"),
        }
    }

    /// What a VMM that embeds this product does otherwise, all bits counted. There should be nothing.
    ///
    /// # Errors
    ///
    /// If there is no device.
    pub fn on_vuart(&self) -> Result<(&'static str, Vec<Mismatch>), Error> {
        let device = replay::device(self.trace.settings());
        let mut device = device.map_err(|error| Error::Device(self.path.clone(), error))?;
        Ok((device.name(), self.trace.replay(&mut *device)))
    }

    /// What the driver sees there.
    ///
    /// # Errors
    ///
    /// If there is no device.
    pub fn vuart(&self) -> Result<Outcome, Error> {
        let (device, mismatches) = self.on_vuart()?;
        Ok(Outcome { device, first: mismatches.into_iter().next() })
    }

    /// What the driver sees on vm-superio.
    pub fn peer(&self) -> Outcome {
        let mut seen = Seen::new(Peer::default(), self.looks.clone());
        let device = seen.name();
        Outcome { device, first: self.trace.replay(&mut seen).into_iter().next() }
    }

    /// How many operations it has.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.trace.operations().map(|(_, operation)| operation)
    }
}

/// Where the traces are.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}

/// The folders that are there.
///
/// # Errors
///
/// If they can't be listed.
pub fn folders() -> Result<BTreeSet<String>, Error> {
    let error = |error| Error::Read(root(), error);
    let mut folders = BTreeSet::new();
    for entry in fs::read_dir(root()).map_err(error)? {
        let entry = entry.map_err(error)?;
        if entry.file_type().map_err(error)?.is_dir() {
            folders.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(folders)
}

/// All behaviours of a driver, in the order of their files' names.
///
/// # Errors
///
/// If one can't be read or is not as it should be.
pub fn all(driver: Driver) -> Result<Vec<Behaviour>, Error> {
    let folder = root().join(driver.folder);
    let error = |error| Error::Read(folder.clone(), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(error)? {
        names.push(entry.map_err(error)?.file_name());
    }
    names.sort();
    names
        .into_iter()
        .map(|name| Behaviour::load(&root(), Path::new(driver.folder).join(name), driver))
        .collect()
}
