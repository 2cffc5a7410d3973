//! The rows, and how they are printed.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::measure::Pair;

/// One figure beside its peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What is compared with what, and in which unit.
    figure: String,
    ours: f64,
    peer: f64,
    /// Ours in terms of the peer's.
    ratio: f64,
    /// The largest ratio that is good enough, where one was set.
    goal: Option<f64>,
    met: Option<bool>,
    /// One of the few rows that the README shows.
    #[serde(default)]
    headline: bool,
    /// What it was made of, ours and the peer's, where that was kept.
    #[serde(skip)]
    distributions: Option<[Distribution; 2]>,
}

/// A row's samples.
#[derive(Serialize)]
pub(crate) struct Samples<'a> {
    figure: &'a str,
    ours: &'a Distribution,
    peer: &'a Distribution,
}

/// How long things took, in nanoseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Distribution {
    count: u64,
    /// Which part of them, and what it is not above.
    quantiles: Vec<(f64, f64)>,
}

impl Distribution {
    pub(crate) fn new(count: u64, quantiles: Vec<(f64, f64)>) -> Self {
        let quantiles = quantiles.into_iter().map(|(part, time)| (part, rounded(time, 100.0))).collect();
        Self { count, quantiles }
    }
}

impl Row {
    /// A row without a goal.
    pub(crate) fn new(figure: impl Into<String>, pair: Pair) -> Self {
        let ratio = pair.ratio();
        Self {
            figure: figure.into(),
            ours: rounded(pair.ours, 100.0),
            peer: rounded(pair.peer, 100.0),
            ratio: rounded(ratio, 10_000_000.0),
            goal: None,
            met: None,
            headline: false,
            distributions: None,
        }
    }

    /// The same, with all samples that it is made of.
    pub(crate) fn with_distributions(self, ours: Distribution, peer: Distribution) -> Self {
        Self { distributions: Some([ours, peer]), ..self }
    }

    pub(crate) fn samples(&self) -> Option<Samples<'_>> {
        let [ours, peer] = self.distributions.as_ref()?;
        Some(Samples { figure: &self.figure, ours, peer })
    }

    /// Marks one of the few rows that the README shows.
    pub(crate) fn headline(self) -> Self {
        Self { headline: true, ..self }
    }

    pub(crate) fn is_headline(&self) -> bool {
        self.headline
    }

    /// The same, with the largest ratio that is good enough.
    pub(crate) fn goal(self, goal: f64) -> Self {
        Self { met: Some(self.ratio <= goal), goal: Some(goal), ..self }
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[derive(Serialize)]
struct Rows<'a> {
    rows: &'a [Row],
}

pub(crate) fn json(rows: &[Row]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Rows { rows })
}

/// Those with a goal, and then the others.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let (with_goal, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.goal.is_some());
    let tables: Vec<String> =
        [with_goal, others].iter().filter(|rows| !rows.is_empty()).map(|rows| one(rows)).collect();
    tables.join("\n")
}

fn one(rows: &[&Row]) -> String {
    let width = rows.iter().map(|row| row.figure.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut line = |figure: &str, ours: &str, peer: &str, ratio: &str, goal: &str, met: &str| {
        // Writing to a String can't fail.
        let _ =
            writeln!(text, "| {figure:width$} | {ours:>9} | {peer:>9} | {ratio:>7} | {goal:>7} | {met:3} |");
    };
    line("figure", "ours", "peer", "ratio", "goal", "met");
    line(&"-".repeat(width), "--------:", "--------:", "------:", "------:", "---");
    for row in rows {
        line(
            &row.figure,
            &format!("{:.2}", row.ours),
            &format!("{:.2}", row.peer),
            &ratio(row.ratio),
            &row.goal.map_or_else(|| "-".to_owned(), ratio),
            row.met.map_or("-", |met| if met { "yes" } else { "no" }),
        );
    }
    text
}

/// As a fraction where it is a small one.
fn ratio(ratio: f64) -> String {
    match ratio {
        0.0 => "0".to_owned(),
        ..0.05 => format!("1/{:.0}", 1.0 / ratio),
        ..0.2 => format!("{ratio:.4}"),
        _ => format!("{ratio:.2}"),
    }
}
