//! Helpers that the tests of traces share.

#![allow(dead_code, reason = "each test program uses its part of it")]

use vuart_trace::{Board, Trace};

pub(crate) fn parse(text: &str) -> Trace {
    text.parse().unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// Replays a trace on our UART, and returns the mismatches as text.
pub(crate) fn replay(text: &str) -> Vec<String> {
    let trace = parse(text);
    trace.replay(&mut Board::new(trace.settings())).iter().map(ToString::to_string).collect()
}

/// Fills in the answers of our UART.
pub(crate) fn fill(text: &str) -> String {
    let trace = parse(text);
    trace.fill(&mut Board::new(trace.settings())).unwrap()
}
