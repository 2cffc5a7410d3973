//! The command `vuart`: attach to a guest's serial console, take it over, watch it, read it back.

#![forbid(unsafe_code)]

mod args;
mod attach;
mod completions;
mod demo;
mod error;
mod escape;
mod exit;
mod filter;
mod invocation;
mod kick;
mod list;
mod log;
mod man;
mod modes;
mod outlet;
mod printer;
mod screen;
mod send;
mod sequence;
mod session;
mod signals;
mod table;
mod target;
mod terminal;
mod trace;
mod user;
mod wait;
mod who;

use std::io::{Write as _, stderr};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    completions::complete_if_asked();
    terminal::restore_on_panic();
    let result = match Arguments::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Attach(args) => attach::run(&args),
        Command::Log(args) => log::run(&args),
        Command::List(args) => list::run(&args),
        Command::Who(args) => who::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Kick(args) => kick::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Trace(args) => trace::run(&args.command),
    };
    let exit = result.unwrap_or_else(|error| {
        // Nobody can be told that standard error fails.
        let _ = writeln!(stderr(), "vuart: {}", error.line());
        error.exit()
    });
    exit.code().into()
}
