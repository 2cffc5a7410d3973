//! The arguments of `vuart trace`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// Replay register traces: what a guest and its host did to a UART, as text.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct TraceArgs {
    #[command(subcommand)]
    pub(crate) command: TraceCommand,
}

/// What to do with traces.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    Replay(TraceReplayArgs),
}

/// Do what traces say to a UART, and compare its answers with those expected.
///
/// Each answer that differs is a line on standard output, `FILE:LINE: r 5: expected 61, got 60`. The exit status is 0 when
/// there is none, 1 when there are some, and 2 when a file can't be read or is not a trace, which standard error explains.
#[derive(Debug, Args)]
#[command(max_term_width = 100, after_help = vuart_trace::FORMAT)]
pub(crate) struct TraceReplayArgs {
    /// Write the trace, with the UART's answers in the place of those expected, instead of comparing; takes one FILE
    #[arg(long)]
    pub(crate) fill: bool,

    /// The traces; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,
}
