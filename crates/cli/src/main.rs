//! The command `vuart`: attach to a guest's serial console, take it over, watch it, read its history.
//!
//! Each subcommand has a module of its name. What they share:
//!
//! * `args` lists the commands, `error` and `exit` are the messages and exit statuses.
//! * `target` finds a console and connects to its server.
//! * `session` carries bytes between a console and standard input and output.
//! * `terminal` decides what passes between a person's terminal and a guest; `tty` operates the terminal.

#![forbid(unsafe_code)]

mod args;
mod attach;
mod begin;
mod completions;
#[cfg(feature = "demo")]
mod demo;
mod error;
mod exit;
mod invocation;
mod kick;
mod list;
mod log;
mod man;
mod number;
mod print;
mod send;
mod session;
mod signals;
mod target;
mod terminal;
mod time;
mod trace;
mod tty;
mod user;
mod wait;
mod who;

use std::io::{Write as _, stderr};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    completions::complete_if_asked(Arguments::command);
    tty::raw_mode::restore_on_panic();
    let result = match Arguments::parse().command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args),
        Command::Attach(args) => attach::run(&args),
        Command::Log(args) => log::run(&args),
        Command::List(args) => list::run(&args),
        Command::Who(args) => who::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Kick(args) => kick::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, Arguments::command()),
        Command::Trace(args) => trace::run(&args),
    };
    let exit = result.unwrap_or_else(|error| {
        // A failure of standard error can't be reported anywhere.
        let _ = writeln!(stderr(), "vuart: {}", error.line());
        error.exit()
    });
    exit.into()
}
