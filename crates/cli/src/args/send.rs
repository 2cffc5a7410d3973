//! The arguments of `vuart send`.

use std::ffi::OsString;
use std::num::NonZeroU64;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use crate::target::candidates;

/// Send a break, a key of Linux' `SysRq`, or text to a guest, and wait until it has taken that.
///
/// It owns the console for that time, so it is refused while somebody else does, and says who it is. The guest has taken what it
/// has read from its UART; what it makes of it is in `vuart log`.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct SendArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    pub(crate) target: OsString,

    #[command(subcommand)]
    pub(crate) what: What,

    /// Take the console over from whoever holds it; they are told by whom
    #[arg(long, global = true)]
    pub(crate) force: bool,

    /// What to call yourself to others; your login name unless given
    #[arg(long, global = true)]
    pub(crate) label: Option<String>,

    /// Give up when the guest has taken nothing for so long (exit status 14). What the console has by then reaches the guest all the same
    /// when it reads again, unless another owner comes first
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10")]
    pub(crate) timeout: NonZeroU64,
}

/// What to send.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// A break, and nothing else
    Break,
    /// A break and then KEY, which Linux takes for a `SysRq`: `t` shows tasks, `b` reboots, `h` lists them all
    Sysrq {
        /// One character of ASCII
        #[arg(value_name = "KEY", value_parser = key)]
        key: u8,
    },
    /// TEXT as it is: several are joined by spaces, and nothing in them is an escape (a shell's $'...' makes control characters);
    /// `-` alone is standard input. Options stand before it
    Text {
        /// Then the Enter key: a carriage return
        #[arg(long, short)]
        enter: bool,

        #[arg(value_name = "TEXT", required = true, allow_hyphen_values = true)]
        text: Vec<OsString>,
    },
}

fn key(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        [key] if key.is_ascii() => Ok(*key),
        _ => Err("not one character of ASCII"),
    }
}
