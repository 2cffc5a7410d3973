//! Many of a kind in this process.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use event_manager::{EventManager, SubscriberOps as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vuart::server::{Claim, Server};
use vuart::uart::spec::offset;
use vuart::wire::RuntimeDir;

use super::super::expect;
use super::Each;
use crate::devices::{self, Port};

/// What there are many of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// A port that nobody serves
    Port,
    /// vm-superio's as VMMs have it, behind a lock
    Peer,
    /// A port and its server, all in one event loop
    Served,
    /// Two Unix sockets on which somebody listens
    Sockets,
}

impl Kind {
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Makes as many, or as many as the limit of open files allows.
    pub(super) fn make(self, count: usize) -> Result<Each, Box<dyn Error>> {
        raise_file_limit()?;
        // In memory, as the directories of running programs' sockets are.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        match self {
            Self::Port => {
                let (mut ports, each) = crowd(count, || Ok(devices::port()?))?;
                work(&mut ports)?;
                Ok(each)
            }
            Self::Peer => {
                let (peers, each) = crowd(count, || Ok(Arc::new(Mutex::new(devices::peer(io::sink())))))?;
                black_box(peers);
                Ok(each)
            }
            Self::Served => {
                let runtime = RuntimeDir::create(dir.path().join("vuart"))?;
                let mut events = EventManager::<Server>::new().map_err(|error| error.to_string())?;
                let mut names = 0..;
                let (mut ports, each) = crowd(count, || {
                    let port = devices::port()?;
                    let name = format!("vm{}", names.next().unwrap_or_default());
                    events
                        .add_subscriber(Server::bind(Claim::new(&runtime, &name)?, port.console().clone())?);
                    Ok(port)
                })?;
                work(&mut ports)?;
                Ok(each)
            }
            Self::Sockets => {
                let mut names = 0..;
                let mut bind = || UnixListener::bind(dir.path().join(names.next().unwrap_or(0).to_string()));
                let (listeners, each) = crowd(count, || Ok((bind()?, bind()?)))?;
                black_box(listeners);
                Ok(each)
            }
        }
    }
}

/// As many as there can be of what `make` makes, and what each took.
fn crowd<T>(
    count: usize,
    mut make: impl FnMut() -> Result<T, Box<dyn Error>>,
) -> Result<(Vec<T>, Each), Box<dyn Error>> {
    /// For what looks at this process when no more can be opened.
    const RESERVE: usize = 8;

    // The first brings along what is there once.
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
        nanoseconds: part(elapsed.as_secs_f64() * 1e9, more),
        bytes: part(float(resident()?) - float(bytes), more),
        descriptors: part(float(self::descriptors()?) - float(descriptors), more),
    };
    Ok((crowd, each))
}

/// The limit of open files has been met.
fn is_out_of_files(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let limit = Some(rustix::io::Errno::MFILE.raw_os_error());
    causes.any(|cause| cause.downcast_ref().and_then(io::Error::raw_os_error) == limit)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn float(number: usize) -> f64 {
    number as f64
}

fn part(sum: f64, count: usize) -> f64 {
    sum / float(count)
}

/// Each of them works.
fn work(ports: &mut [Port]) -> Result<(), Box<dyn Error>> {
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

/// Bytes. Not from `status`, whose figure may be some dozens of pages off.
fn resident() -> io::Result<usize> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the memory of this process is not known"))
}

fn descriptors() -> io::Result<usize> {
    // One of them is for the look itself, each time.
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
