//! Finds the firmware. It is not in the repository, because it belongs to other projects with their own licences.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The variable with the directory that `.ci/firmware` has made. When it is set, a test without its firmware fails.
const VARIABLE: &str = "VUART_FIRMWARE";

/// OpenSBI followed by U-Boot, to be loaded at the start of memory. `None` if it is not on this machine.
pub(crate) fn opensbi_and_u_boot() -> Option<Vec<u8>> {
    let asked = env::var_os(VARIABLE).map(PathBuf::from);
    let by_default = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("firmware");
    let path = asked.as_ref().unwrap_or(&by_default).join("opensbi-u-boot.bin");
    match fs::read(&path) {
        Ok(image) => Some(image),
        Err(error) if asked.is_none() && error.kind() == ErrorKind::NotFound => {
            // Directly to standard error, because the test harness shows a test's output only when it fails.
            let _ = writeln!(
                io::stderr(),
                "NOT TESTED with a real firmware: there is no {}. `bash .ci/firmware` gets it.",
                path.display(),
            );
            None
        }
        Err(error) => panic!("{}: {error}; `bash .ci/firmware DIRECTORY` gets it", path.display()),
    }
}
