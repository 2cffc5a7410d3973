//! Whether the programs are there. They are not the project's, and nobody has to have them.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, io};

/// When it is set, a program that is not there is a failure.
const VARIABLE: &str = "VUART_INTEROP";

/// The directories of system daemons, which not every search path contains.
const DAEMONS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Whether all of these programs are installed. If not, it reports what is not tested.
pub(crate) fn are_there(names: &[&str]) -> bool {
    let absent: Vec<&str> = names.iter().copied().filter(|name| find(name).is_none()).collect();
    if absent.is_empty() {
        return true;
    }
    let absent = absent.join(", ");
    assert!(env::var_os(VARIABLE).is_none(), "not on this machine: {absent}; `.ci/interop` installs them");
    not_tested(&format!("{}: not on this machine: {absent}; `.ci/interop` gets them", names.join(" and ")));
    false
}

/// Reports that something is not tested, directly to standard error: the test harness shows a test's output only when it
/// fails.
pub(crate) fn not_tested(what: &str) {
    // A failure of standard error can't be reported anywhere.
    let _ = io::stderr().write_all(format!("NOT TESTED with {what}\n").as_bytes());
}

/// The full path of a program.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    places().map(|place| place.join(name)).find(|path| path.is_file())
}

/// A search path on which `vuart` is the command under test.
pub(crate) fn search_path() -> OsString {
    let own = Path::new(env!("CARGO_BIN_EXE_vuart")).parent().unwrap().to_owned();
    env::join_paths(std::iter::once(own).chain(places())).unwrap()
}

fn places() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = env::split_paths(&path).chain(DAEMONS.map(PathBuf::from)).collect();
    places.into_iter()
}
