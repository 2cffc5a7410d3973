//! The options of a demo, and what follows from them: the console's name, its ring, and the directions for users.

use std::iter::once;
use std::path::Path;

use vuart::scrollback::{RingOptions, Writer};
use vuart::server::{Claim, ClaimError};
use vuart::wire::RuntimeDir;
use vuart_vmm::{BootError, Choice, ServedMachine, open_ring};

use super::error::DemoError;
use crate::invocation::{command, quoted};

/// The console's default name.
const NAME: &str = "demo";

/// How many names are tried when the user has given none.
const NAMES: usize = 1000;

/// The options of a demo.
#[derive(Debug)]
pub(super) struct Options<'a> {
    /// The console's name, if the user has given one.
    pub(super) name: Option<&'a str>,
    /// The engine that runs the guest.
    pub(super) choice: Choice,
    /// The file that the console's ring is kept in.
    pub(super) ring: Option<&'a Path>,
}

impl Options<'_> {
    /// Claims the name that the user has given, or else the first free default name.
    pub(super) fn claim(&self, dir: &RuntimeDir) -> Result<Claim, DemoError> {
        if let Some(name) = self.name {
            return Ok(Claim::new(dir, name)?);
        }
        let numbered = (2..=NAMES).map(|number| format!("{NAME}-{number}"));
        for name in once(NAME.to_owned()).chain(numbered) {
            match Claim::new(dir, &name) {
                Err(ClaimError::Taken { .. }) => {}
                claim => return Ok(claim?),
            }
        }
        Err(DemoError::NoFreeName { first: NAME.to_owned(), last: format!("{NAME}-{NAMES}") })
    }

    /// The ring that the guest's output is written to.
    pub(super) fn output(&self) -> Result<Writer, DemoError> {
        match self.ring {
            Some(path) => Ok(open_ring(path)?),
            None => Ok(RingOptions::default().create().map_err(BootError::Ring)?.0),
        }
    }

    /// The text that tells users how to reach the console.
    pub(super) fn directions(&self, guest: &ServedMachine) -> String {
        let ring = self.ring.map_or(String::new(), |path| {
            let path = path.to_string_lossy();
            // `vuart log` takes an argument without a slash for a console's name.
            let argument = if path.contains('/') { path.into_owned() } else { format!("./{path}") };
            let boot = guest.console().scrollback().boot();
            let from = if boot == 0 { "new".to_owned() } else { format!("goes on at offset {boot}") };
            format!("ring     {} log {}: {from}\n", command(), quoted(&argument))
        });
        format!(
            "guest    {}: {}\n\
             console  {}\n\
             attach   {} attach {}\n\
             {ring}\
             or       socat -,raw,echo=0,escape=0x1d UNIX:{}\n",
            self.choice.engine,
            self.choice.why,
            guest.control_socket().display(),
            command(),
            guest.name(),
            guest.raw_socket().display(),
        )
    }
}
