//! Replays what real drivers do: all traces must hold on what a VMM embeds, and the document must show how the peer does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use vuart::trace::Mode;
use vuart_tests::conformance::{Behaviour, DRIVERS, Driver, all, document, folders};

fn behaviours(driver: Driver) -> Vec<Behaviour> {
    all(driver).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_folder_belongs_to_a_driver() {
    let known: BTreeSet<_> = DRIVERS.iter().map(|driver| driver.folder.to_owned()).collect();
    assert_eq!(folders().unwrap_or_else(|error| panic!("{error}")), known);
}

#[test]
fn every_trace_holds() {
    let mut wrong = String::new();
    for driver in DRIVERS {
        let behaviours = behaviours(driver);
        assert!(!behaviours.is_empty(), "{} has traces", driver.name);
        eprintln!("{}: {} behaviours", driver.name, behaviours.len());
        for behaviour in behaviours {
            let (device, mismatches) = behaviour.on_vuart().unwrap_or_else(|error| panic!("{error}"));
            for mismatch in mismatches {
                let _ = writeln!(wrong, "tests/traces/{}:{mismatch}, on {device}", behaviour.path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A trace without expectations would hold on any device.
#[test]
fn every_trace_expects_something() {
    use vuart::trace::Operation::{BreakOut, Interrupt, Read, Transmitted};

    for behaviour in DRIVERS.into_iter().flat_map(behaviours) {
        let expects = behaviour.operations().any(|operation| {
            matches!(operation, Read { expected: Some(_), .. } | Transmitted(_) | Interrupt(_) | BreakOut(_))
        });
        assert!(expects, "{}", behaviour.path.display());
    }
}

/// This shows that the comparison means something: the peer's adapter works, and the masks do not hide everything.
#[test]
fn the_peer_passes_some_traces_and_fails_others() {
    let common: Vec<_> = DRIVERS.into_iter().flat_map(behaviours).filter(Behaviour::is_common).collect();
    let short: Vec<_> =
        common.iter().filter_map(|behaviour| Some((behaviour, behaviour.peer().first?))).collect();
    assert!(!short.is_empty() && short.len() < common.len(), "{} of {}", short.len(), common.len());
    // The peer's FIFO holds 64 characters, as its source says, so this trace must fail on it.
    let size = short.iter().find(|(behaviour, _)| behaviour.path.ends_with("linux/size-fifo.trace"));
    let (_, mismatch) = size.expect("Linux sees another FIFO than a 16550A's");
    assert!(mismatch.to_string().ends_with("r 5: expected 60, got 61"), "{mismatch}");
}

/// The table names what each column was measured on. The names are the devices' own (`crates/vuart/tests/replay.rs` shows that they are
/// true), and each trace goes to the one that a VMM embeds, if it embeds one.
#[test]
fn f4_the_table_is_made_on_what_a_vmm_embeds_and_says_so() {
    for behaviour in DRIVERS.into_iter().flat_map(behaviours) {
        let device = behaviour.vuart().unwrap_or_else(|error| panic!("{error}")).device;
        let expected = if behaviour.mode() == Mode::Instant { "SerialPort" } else { "Uart<Timed>" };
        assert_eq!(device, expected, "{}", behaviour.path.display());
        assert_eq!(behaviour.peer().device, "vm_superio::Serial");
    }
    let document = document::generate().unwrap_or_else(|error| panic!("{error}"));
    for row in document.lines().filter(|line| line.starts_with("| behaviour |")) {
        assert_eq!(row, "| behaviour | `SerialPort` | `vm_superio::Serial` | otherwise |");
    }
    for row in document.lines().filter(|line| line.contains(", timed |")) {
        assert!(row.contains("| `Uart<Timed>` |"), "{row}");
    }
}

#[test]
fn the_document_is_current() {
    let generated = document::generate().unwrap_or_else(|error| panic!("{error}"));
    let written = fs::read_to_string(document::path()).expect("docs/compatibility.md is there");
    assert!(written == generated, "docs/compatibility.md is not current: {}", document::REGENERATE);
}
