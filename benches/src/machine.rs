//! The machine on which the figures are measured.

use std::collections::BTreeMap;
use std::process::Command;
use std::{fs, thread};

use serde::Serialize;

/// Describes the machine in one line: processor, cores, kernel, compiler.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cpu = cpu("model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = first_line("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cpu}, {cores} cores; Linux {kernel}; {}", env!("BENCHES_RUSTC"))
}

/// The description that is saved with results: what the figures depend on. What this machine does not tell is left out.
#[derive(Debug, Serialize)]
pub(crate) struct Description {
    summary: String,
    architecture: &'static str,
    /// The processor's name, family, model and stepping. The name alone is not always unique.
    processor: BTreeMap<&'static str, String>,
    caches: Vec<String>,
    cores: usize,
    /// Whether this is a virtual machine, whose host runs other guests, too.
    virtual_machine: bool,
    memory: Option<String>,
    kernel: Option<String>,
    /// The kernel's mitigations of the processor's vulnerabilities, which are a large part of a system call's cost.
    mitigations: BTreeMap<String, String>,
    /// The kernel's clock source.
    clock: Option<String>,
    /// The governor of the processor's frequency. Most virtual machines have none.
    governor: Option<String>,
    /// The kernel's setting of transparent huge pages.
    huge_pages: Option<String>,
    compiler: &'static str,
}

impl Description {
    pub(crate) fn new() -> Self {
        let processor = ["model name", "cpu family", "model", "stepping", "microcode", "cpu MHz"];
        Self {
            summary: describe(),
            architecture: std::env::consts::ARCH,
            processor: processor.into_iter().filter_map(|key| Some((key, cpu(key)?))).collect(),
            caches: caches(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            virtual_machine: cpu("flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            mitigations: mitigations(),
            clock: first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            governor: first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            huge_pages: first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
            compiler: env!("BENCHES_RUSTC"),
        }
    }
}

/// Returns the mean number of runnable threads in the last 1, 5 and 15 minutes. Much more than one before a run means that other
/// programs were at work.
pub(crate) fn load() -> Option<String> {
    let load = first_line("/proc/loadavg")?;
    Some(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// Returns the commit, with `-changed` if the files differ from it.
pub(crate) fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-changed") })
}

/// Returns a field of the first core. On Arm most fields are missing.
fn cpu(key: &str) -> Option<String> {
    field("/proc/cpuinfo", key)
}

fn caches() -> Vec<String> {
    (0..)
        .map(|index| format!("/sys/devices/system/cpu/cpu0/cache/index{index}"))
        .map_while(|cache| {
            let of = |file: &str| first_line(&format!("{cache}/{file}"));
            Some(format!("L{} {} {}", of("level")?, of("type")?, of("size")?))
        })
        .collect()
}

fn mitigations() -> BTreeMap<String, String> {
    let Ok(files) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else { return BTreeMap::new() };
    let mitigations = files.flatten().filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        Some((name, first_line(&file.path().display().to_string())?))
    });
    mitigations.filter(|(_, what)| what != "Not affected").collect()
}

fn field(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(found, _)| found.trim() == key)?;
    Some(value.trim().to_owned())
}

fn first_line(file: &str) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.lines().next()?.trim().to_owned())
}
