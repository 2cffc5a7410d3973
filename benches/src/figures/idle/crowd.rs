//! Many of one kind in this process.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use vuart::server::{Claim, Server};
use vuart::uart::spec::offset;
use vuart::wire::RuntimeDir;

use crate::devices::{self, Port};
use crate::verify::expect;

/// What one of many takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Each {
    /// The number that was made.
    pub(super) count: usize,
    /// The time to make one.
    pub(super) nanoseconds: f64,
    /// The resident memory of one.
    pub(super) bytes: f64,
    /// The open file descriptors of one.
    pub(super) descriptors: f64,
}

/// What to make many of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// A port that is not served
    Port,
    /// vm-superio's device behind a mutex, as VMMs have it
    Peer,
    /// A port and its server
    Served,
    /// Two listening Unix sockets
    Sockets,
}

impl Kind {
    /// Returns the name that the command line takes.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Makes `count` of a kind, or as many as the limit of open files allows.
pub(super) fn make(kind: Kind, count: usize) -> Result<Each, Box<dyn Error>> {
    raise_file_limit()?;
    // In memory, as the directories of running programs' sockets are.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let mut names = (0..).map(|n| format!("vm{n}"));
    let mut name = || names.next().unwrap_or_default();
    match kind {
        Kind::Port => {
            let (mut ports, each) = crowd(count, || Ok(devices::port()?))?;
            check(&mut ports)?;
            Ok(each)
        }
        Kind::Peer => {
            let (peers, each) = crowd(count, || Ok(Arc::new(Mutex::new(devices::peer(io::sink())))))?;
            black_box(peers);
            Ok(each)
        }
        Kind::Served => {
            let runtime = RuntimeDir::create(dir.path().join("vuart"))?;
            let mut servers = Vec::new();
            let (mut ports, each) = crowd(count, || {
                let port = devices::port()?;
                let claim = Claim::new(&runtime, &name())?;
                servers.push(Server::bind(claim, port.console().clone())?);
                Ok(port)
            })?;
            check(&mut ports)?;
            Ok(each)
        }
        Kind::Sockets => {
            let mut bind = || UnixListener::bind(dir.path().join(name()));
            let (listeners, each) = crowd(count, || Ok((bind()?, bind()?)))?;
            black_box(listeners);
            Ok(each)
        }
    }
}

/// Calls `make` up to `count` times, or until no more files can be opened. Returns what was made, and what each took.
fn crowd<T>(
    count: usize,
    mut make: impl FnMut() -> Result<T, Box<dyn Error>>,
) -> Result<(Vec<T>, Each), Box<dyn Error>> {
    /// File descriptors kept free, for the functions that inspect this process when no more can be opened.
    const RESERVE: usize = 8;

    // The first also creates what exists once in the process.
    let mut crowd = vec![make()?];
    crowd.reserve_exact(count);
    let reserve = (0..RESERVE).map(|_| File::open("/dev/null")).collect::<Result<Vec<_>, _>>()?;
    let (bytes, descriptors) = (resident()?, descriptors()? - RESERVE);
    let mut elapsed = Duration::ZERO;
    while crowd.len() <= count {
        let begin = Instant::now();
        match make() {
            Ok(another) => {
                elapsed += begin.elapsed();
                crowd.push(another);
            }
            Err(error) if crowd.len() > 1 && is_out_of_files(&*error) => break,
            Err(error) => return Err(error),
        }
    }
    drop(reserve);
    let more = crowd.len() - 1;
    let each = Each {
        count: more,
        nanoseconds: elapsed.as_secs_f64() * 1e9 / float(more),
        bytes: (float(resident()?) - float(bytes)) / float(more),
        descriptors: (float(self::descriptors()?) - float(descriptors)) / float(more),
    };
    Ok((crowd, each))
}

/// Returns whether the cause is the limit of open files.
fn is_out_of_files(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let limit = Some(rustix::io::Errno::MFILE.raw_os_error());
    causes.any(|cause| cause.downcast_ref().and_then(io::Error::raw_os_error) == limit)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn float(number: usize) -> f64 {
    number as f64
}

/// Checks that each port works.
fn check(ports: &mut [Port]) -> Result<(), Box<dyn Error>> {
    for port in ports {
        port.write_register(offset::THR, b'x');
        expect("an idle port's ring", port.console().scrollback().end(), 1)?;
    }
    Ok(())
}

fn raise_file_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Returns the resident memory in bytes. `/proc/self/status` may be off by some dozens of pages, so this reads `smaps_rollup`.
fn resident() -> io::Result<usize> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("/proc/self/smaps_rollup does not say how much memory is resident"))
}

fn descriptors() -> io::Result<usize> {
    // Reading the directory opens one. It is counted before and after, so it makes no difference.
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
