//! The machine that the figures are of.

use std::{fs, thread};

/// One line: processor, cores, kernel, compiler.
pub(crate) fn describe() -> String {
    let cpu = cpu_model().unwrap_or_else(|| "unknown processor".to_owned());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cpu}, {cores} cores; Linux {}; {}", kernel.trim(), env!("BENCHES_RUSTC"))
}

fn cpu_model() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
    // Arm's cpuinfo has no such line.
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
