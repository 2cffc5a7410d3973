//! `docs/compatibility.md`.

use std::fmt::Write as _;
use std::path::PathBuf;

use vuart::trace::{Got, Mismatch};

use super::behaviour::{Behaviour, DRIVERS, Driver, Error, all};
use super::peer::peer_version;

/// Where it is.
pub fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md"))
}

/// How it is made.
pub const REGENERATE: &str = "cargo run -p vuart-tests --bin compatibility";

/// A behaviour, and how the two devices do.
struct Row {
    behaviour: Behaviour,
    vuart: Option<Mismatch>,
    peer: Option<Mismatch>,
}

impl Row {
    fn new(behaviour: Behaviour) -> Self {
        let vuart = behaviour.on_vuart().into_iter().next();
        let peer = behaviour.on_peer();
        Self { behaviour, vuart, peer }
    }

    fn is_common(&self) -> bool {
        self.behaviour.is_common()
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
        drivers.push((driver, all(driver)?.into_iter().map(Row::new).collect::<Vec<_>>()));
    }
    let mut text = head(&drivers);
    for (driver, rows) in &drivers {
        common_table(&mut text, *driver, rows);
    }
    special_table(&mut text, &drivers);
    Ok(text)
}

fn head(drivers: &[(Driver, Vec<Row>)]) -> String {
    let rows = || drivers.iter().flat_map(|(_, rows)| rows);
    let common = || rows().filter(|row| row.is_common());
    let right =
        |count: usize, of: usize| if count == of { "all of them".to_owned() } else { format!("{count}") };
    let (total, of_common) = (rows().count(), common().count());
    let vuart = right(rows().filter(|row| row.vuart.is_none()).count(), total);
    let vuart_common = right(common().filter(|row| row.vuart.is_none()).count(), of_common);
    let peer = right(common().filter(|row| row.peer.is_none()).count(), of_common);
    let version = peer_version();
    let special = total - of_common;
    format!(
        "# What drivers do, here and on vm-superio

{total} behaviours of operating systems, of firmware, and of the chip that they expect, as
[register traces](../tests/traces/README.md) that were written from their sources and from the data sheets, replayed on two
devices:

| | behaviours | vuart | vm-superio {version} |
|---|---|---|---|
| a 16550A in instant time | {of_common} | {vuart_common} | {peer} |
| a 16450, a 16750, or virtual time | {special} | {} | has none of these |
| together | {total} | {vuart} | |

*yes*: the driver sees what it wants. **no**: the line of the trace at which it first sees something else, or what the device
has no means for; the last column says what comes of it. vuart is held to all bits of an answer, vm-superio only to those that
the driver looks at. vm-superio has no interrupt line but a trigger; an interrupt counts as there from the trigger until the
guest has dealt with its source.

This file is generated: `{REGENERATE}` writes it, and with `-- --check` says whether it is
current.
",
        right(rows().filter(|row| !row.is_common() && row.vuart.is_none()).count(), special),
    )
}

fn common_table(text: &mut String, driver: Driver, rows: &[Row]) {
    let rows: Vec<_> = rows.iter().filter(|row| row.is_common()).collect();
    if rows.is_empty() {
        return;
    }
    let version = peer_version();
    let _ = write!(
        text,
        "\n## {}\n\n| behaviour | vuart | vm-superio {version} | otherwise |\n|---|---|---|---|\n",
        driver.name
    );
    for row in rows {
        let (vuart, peer) = (cell(row.vuart.as_ref()), cell(row.peer.as_ref()));
        let _ = writeln!(text, "| {} | {vuart} | {peer} | {} |", row.link(), row.behaviour.otherwise);
    }
}

fn special_table(text: &mut String, drivers: &[(Driver, Vec<Row>)]) {
    text.push_str(
        "\n## Other chips, and virtual time\n\n| driver | behaviour | chip | vuart | otherwise |\n|---|---|---|---|---|\n",
    );
    for (driver, rows) in drivers {
        for row in rows.iter().filter(|row| !row.is_common()) {
            let (board, vuart) = (row.behaviour.board(), cell(row.vuart.as_ref()));
            let otherwise = &row.behaviour.otherwise;
            let _ = writeln!(text, "| {} | {} | {board} | {vuart} | {otherwise} |", driver.name, row.link());
        }
    }
}

fn cell(mismatch: Option<&Mismatch>) -> String {
    match mismatch {
        None => "yes".to_owned(),
        Some(Mismatch { got: Got::Unsupported(what), .. }) => format!("**no**: no {}", what.0),
        Some(mismatch) => format!("**no**: `{mismatch}`"),
    }
}
