//! `docs/compatibility.md`.

use std::fmt::Write as _;
use std::path::PathBuf;

use vuart::trace::{Got, Mismatch, Mode};

use super::behaviour::{Behaviour, DRIVERS, Driver, Error, Outcome, all};
use super::peer::peer_version;

/// Where it is.
pub fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md"))
}

/// How it is made.
pub const REGENERATE: &str = "cargo run -p vuart-tests --bin compatibility";

/// A behaviour, and how it came out.
struct Row {
    behaviour: Behaviour,
    vuart: Outcome,
    /// For what vm-superio is: a 16550A without time.
    peer: Option<Outcome>,
}

impl Row {
    fn new(behaviour: Behaviour) -> Result<Self, Error> {
        let vuart = behaviour.vuart()?;
        let peer = behaviour.is_common().then(|| behaviour.peer());
        Ok(Self { behaviour, vuart, peer })
    }

    fn link(&self) -> String {
        let Self { behaviour, .. } = self;
        format!("[{}](../tests/traces/{})", behaviour.title, behaviour.path.display())
    }
}

/// The document as it should be, from a replay of all traces.
///
/// # Errors
///
/// If a trace can't be used.
pub fn generate() -> Result<String, Error> {
    let mut drivers = Vec::new();
    for driver in DRIVERS {
        let rows: Result<Vec<_>, _> = all(driver)?.into_iter().map(Row::new).collect();
        drivers.push((driver, rows?));
    }
    let mut text = head(&drivers);
    for (driver, rows) in &drivers {
        common_table(&mut text, *driver, rows);
    }
    special_table(&mut text, &drivers);
    Ok(text)
}

/// How many of the behaviours are as expected.
fn right<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let outcomes: Vec<_> = outcomes.collect();
    let right = outcomes.iter().filter(|outcome| outcome.first.is_none()).count();
    if right == outcomes.len() { "all of them".to_owned() } else { right.to_string() }
}

/// What the outcomes were measured on, as the devices say of themselves.
fn devices<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let mut names: Vec<_> = outcomes.map(|outcome| outcome.device).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// What is counted together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Common,
    OtherChip,
    VirtualTime,
}

impl Group {
    fn of(behaviour: &Behaviour) -> Self {
        match behaviour.mode() {
            Mode::Timed => Self::VirtualTime,
            Mode::Instant if behaviour.is_common() => Self::Common,
            Mode::Instant => Self::OtherChip,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Common => "a 16550A in instant time",
            Self::OtherChip => "a 16450 or a 16750 in instant time",
            Self::VirtualTime => "any of them in virtual time",
        }
    }
}

fn head(drivers: &[(Driver, Vec<Row>)]) -> String {
    let rows: Vec<_> = drivers.iter().flat_map(|(_, rows)| rows).collect();
    let version = peer_version();
    let mut counts = String::new();
    for group in [Group::Common, Group::OtherChip, Group::VirtualTime] {
        let of_group = || rows.iter().filter(|row| Group::of(&row.behaviour) == group);
        let vuart = || of_group().map(|row| &row.vuart);
        let peer: Vec<_> = of_group().filter_map(|row| row.peer.as_ref()).collect();
        let peer = match peer.as_slice() {
            [] => "has none of these".to_owned(),
            peer => format!("{}, on {}", right(peer.iter().copied()), devices(peer.iter().copied())),
        };
        let (count, right, devices) = (of_group().count(), right(vuart()), devices(vuart()));
        let name = group.name();
        let _ = writeln!(counts, "| {name} | {count} | {right}, on {devices} | {peer} |");
    }
    let total = rows.len();
    format!(
        "# What drivers do, here and on vm-superio

{total} behaviours of operating systems, of firmware, and of the chip that they expect, as
[register traces](../tests/traces/README.md) that were written from their sources and from the data sheets, replayed on what a
virtual machine monitor (VMM) embeds:

| | behaviours | vuart | vm-superio {version} |
|---|---|---|---|
{counts}
* `SerialPort` is vuart's device as a VMM embeds it. A client of its console types what the host sends, so input waits in the port's
  queue. The interrupt is the VMM's trigger: it counts as there while the port's line is high, and only if the trigger was called
  since the line was last low.
* `Uart<Timed>` is vuart's register machine in virtual time. No port has virtual time: it is for tests of drivers. The host is at the
  other end of a serial line, which does not wait.
* `vm_superio::Serial` is vm-superio's device as a VMM embeds it. The host offers as much as the device says it has room for. Its
  trigger counts as the interrupt from the call until the guest has dealt with the source.

*yes*: the driver sees what it wants. **no**: the line of the trace at which it first sees something else, or what the device
has no means for; the last column says what comes of it. vuart is held to all bits of an answer, vm-superio only to those that
the driver looks at.

This file is generated: `{REGENERATE}` writes it, and with `-- --check` says whether it is
current. `vuart trace replay FILE...` replays traces on the same devices. What the tests of other devices assert is in
[another table](../tests/peers/README.md).
"
    )
}

fn common_table(text: &mut String, driver: Driver, rows: &[Row]) {
    let rows: Vec<_> = rows.iter().filter_map(|row| Some((row, row.peer.as_ref()?))).collect();
    if rows.is_empty() {
        return;
    }
    let vuart = devices(rows.iter().map(|(row, _)| &row.vuart));
    let peer = devices(rows.iter().map(|(_, peer)| *peer));
    let _ = write!(
        text,
        "\n## {}\n\n| behaviour | {vuart} | {peer} | otherwise |\n|---|---|---|---|\n",
        driver.name
    );
    for (row, peer) in rows {
        let (vuart, peer) = (cell(&row.vuart), cell(peer));
        let _ = writeln!(text, "| {} | {vuart} | {peer} | {} |", row.link(), row.behaviour.otherwise);
    }
}

fn special_table(text: &mut String, drivers: &[(Driver, Vec<Row>)]) {
    text.push_str(
        "\n## Other chips, and virtual time\n\n| driver | behaviour | chip | vuart | on | otherwise |\n|---|---|---|---|---|---|\n",
    );
    for (driver, rows) in drivers {
        for row in rows.iter().filter(|row| row.peer.is_none()) {
            let (board, vuart, device) = (row.behaviour.board(), cell(&row.vuart), row.vuart.device);
            let otherwise = &row.behaviour.otherwise;
            let _ = writeln!(
                text,
                "| {} | {} | {board} | {vuart} | `{device}` | {otherwise} |",
                driver.name,
                row.link()
            );
        }
    }
}

fn cell(outcome: &Outcome) -> String {
    match &outcome.first {
        None => "yes".to_owned(),
        Some(Mismatch { got: Got::Unsupported(what), .. }) => format!("**no**: no {}", what.0),
        Some(mismatch) => format!("**no**: `{mismatch}`"),
    }
}
