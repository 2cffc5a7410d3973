//! The label that other clients see for this user, unless another is given.

use std::{env, fs};

/// The login name, from the environment or else from the password file.
pub(crate) fn name() -> String {
    let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("LOGNAME").or_else(|| set("USER")).or_else(from_password_file).unwrap_or_default()
}

fn from_password_file() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let file = fs::read_to_string("/etc/passwd").ok()?;
    let login = file.lines().find_map(|line| {
        let mut fields = line.split(':');
        let login = fields.next()?;
        (fields.nth(1)? == uid).then_some(login)
    })?;
    Some(login.to_owned())
}
