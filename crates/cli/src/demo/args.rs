//! The arguments of `vuart demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vuart_vmm::Engine;

use crate::attach::EscapeArgs;

/// Boot a guest and attach to its console; without a terminal, show what a console can do.
///
/// The guest is a small monitor; type `help` at its prompt. `~.` detaches and stops it. Without a terminal, a tour shows,
/// and checks, in a few steps what a console can do, and exits with 0 when all of it was as it should be.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct DemoArgs {
    /// Serve the console until the guest halts or a signal comes, for others to attach
    #[arg(long)]
    pub(super) no_attach: bool,

    /// The console's name; the first free one of demo, demo-2, demo-3 ... unless given
    #[arg(long)]
    pub(super) name: Option<String>,

    /// What runs the guest
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub(super) engine: EngineArg,

    /// Keep the console's output in this file, which must be in memory (such as in /dev/shm): it is made if it isn't there,
    /// and outlives this process in whatever way that ends. `vuart log FILE` reads it, another demo goes on with it. Let nothing make it
    /// shorter meanwhile, such as logrotate's copytruncate: that kills the demo (SIGBUS)
    #[arg(long, value_name = "FILE")]
    pub(super) ring: Option<PathBuf>,

    /// Record what the guest does to its UART, for `vuart trace replay`, in place of an earlier trace in this file. It holds what is typed,
    /// and grows as long as the guest runs
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,

    /// Append to this file who did what at the console, in JSON lines. It takes at most 16 MiB, with the older FILE.1 to FILE.3
    #[arg(long, value_name = "FILE")]
    pub(super) audit: Option<PathBuf>,

    #[command(flatten)]
    pub(super) escape: EscapeArgs,
}

/// What runs the guest of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// KVM where it can be used, and software elsewhere
    Auto,
    /// A virtual machine, with KVM
    Kvm,
    /// A thread that does what the guest does
    Software,
}

impl EngineArg {
    /// The engine that the user requested, or `None` for an automatic choice.
    pub(crate) fn requested(self) -> Option<Engine> {
        match self {
            Self::Auto => None,
            Self::Kvm => Some(Engine::Kvm),
            Self::Software => Some(Engine::Software),
        }
    }
}
