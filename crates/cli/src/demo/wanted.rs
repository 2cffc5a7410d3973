//! What a demo is to be like.

use std::path::Path;

use vuart::scrollback::{RingOptions, Writer};
use vuart::server::{Claim, ClaimError};
use vuart::wire::RuntimeDir;
use vuart_vmm::{BootError, Choice, ServedMachine, open_ring};

use crate::error::Error;
use crate::invocation::{command, quoted};

/// The console's name unless another is given.
const NAME: &str = "demo";

/// How many names are tried when none is given.
const NAMES: usize = 1000;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// The console's name.
    pub(super) name: Option<&'a str>,
    /// What runs the guest.
    pub(super) choice: Choice,
    /// The file that the console's ring is to live in.
    pub(super) ring: Option<&'a Path>,
}

impl Wanted<'_> {
    /// Claims the name that was asked for, or else the first free one.
    pub(super) fn claim(&self, dir: &RuntimeDir) -> Result<Claim, Error> {
        if let Some(name) = self.name {
            return Ok(Claim::new(dir, name)?);
        }
        let numbered = (2..=NAMES).map(|number| format!("{NAME}-{number}"));
        for name in std::iter::once(NAME.to_owned()).chain(numbered) {
            match Claim::new(dir, &name) {
                Err(ClaimError::Taken { .. }) => {}
                claim => return Ok(claim?),
            }
        }
        Err(Error::NoFreeName { first: NAME.to_owned(), last: format!("{NAME}-{NAMES}") })
    }

    /// Where the guest's output goes.
    pub(super) fn output(&self) -> Result<Writer, Error> {
        match self.ring {
            Some(path) => Ok(open_ring(path)?),
            None => Ok(RingOptions::default().create().map_err(BootError::Ring)?.0),
        }
    }

    /// How to get to the console, in lines for people.
    pub(super) fn directions(&self, guest: &ServedMachine) -> String {
        let ring = self.ring.map_or(String::new(), |path| {
            let path = path.to_string_lossy();
            // Without a slash in it, it would be a console's name.
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
