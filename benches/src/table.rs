//! The table's rows, and how they are printed.

use std::error::Error;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::measure::Pair;

/// The rows of a family, or an error when something did not arrive as it should.
pub(crate) type Rows = Result<Vec<Row>, Box<dyn Error>>;

/// One line of the table: a title, the two values of a [`Pair`], their ratio, and the goal if one was set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The title, which says what is compared with what, and in which unit.
    figure: String,
    ours: f64,
    peer: f64,
    /// Ours divided by the peer's.
    ratio: f64,
    /// The largest ratio that is good enough.
    goal: Option<f64>,
    met: Option<bool>,
    /// Whether this is one of the few rows in the README.
    #[serde(default)]
    headline: bool,
    /// The samples of ours and of the peer, where they were kept.
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

/// A distribution of times.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Distribution {
    /// The number of samples.
    count: u64,
    /// Pairs of a part of the samples (0 to 1), and the nanoseconds that this part does not exceed.
    quantiles: Vec<(f64, f64)>,
}

impl Distribution {
    pub(crate) fn new(count: u64, quantiles: Vec<(f64, f64)>) -> Self {
        let quantiles = quantiles.into_iter().map(|(part, time)| (part, rounded(time, 100.0))).collect();
        Self { count, quantiles }
    }
}

impl Row {
    /// Makes a row without a goal.
    ///
    /// The title must be understood without its neighbours. Its form is `SUBJECT: OURS vs PEER, UNIT`, for example
    /// "LSR read: `SerialPort` vs vm-superio, ns". A statistic other than the median stands after the subject ("…, p99.9: …").
    pub(crate) fn new(title: impl Into<String>, pair: Pair) -> Self {
        Self {
            figure: title.into(),
            ours: rounded(pair.ours, 100.0),
            peer: rounded(pair.peer, 100.0),
            ratio: rounded(pair.ratio(), 10_000_000.0),
            goal: None,
            met: None,
            headline: false,
            distributions: None,
        }
    }

    /// Sets the largest ratio that is good enough.
    pub(crate) fn with_goal(self, goal: f64) -> Self {
        Self { met: Some(self.ratio <= goal), goal: Some(goal), ..self }
    }

    /// Marks one of the few rows in the README.
    pub(crate) fn with_headline(self) -> Self {
        Self { headline: true, ..self }
    }

    /// Adds the samples from which the row was made.
    pub(crate) fn with_distributions(self, ours: Distribution, peer: Distribution) -> Self {
        Self { distributions: Some([ours, peer]), ..self }
    }

    pub(crate) fn is_headline(&self) -> bool {
        self.headline
    }

    pub(crate) fn samples(&self) -> Option<Samples<'_>> {
        let [ours, peer] = self.distributions.as_ref()?;
        Some(Samples { figure: &self.figure, ours, peer })
    }
}

/// Rounds to a multiple of `1 / parts`.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[derive(Serialize)]
struct Table<'a> {
    rows: &'a [Row],
}

pub(crate) fn json(rows: &[Row]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Table { rows })
}

/// Formats the rows as Markdown: one table of the rows with a goal, and then one of the others.
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
        let _ = writeln!(
            text,
            "| {figure:width$} | {ours:>10} | {peer:>10} | {ratio:>10} | {goal:>7} | {met:3} |"
        );
    };
    line("figure", "ours", "peer", "ratio", "goal", "met");
    line(&"-".repeat(width), "---------:", "---------:", "---------:", "------:", "---");
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

/// Formats a ratio, as a fraction when it is small.
fn ratio(ratio: f64) -> String {
    match ratio {
        0.0 => "0".to_owned(),
        ..0.05 => format!("1/{:.0}", 1.0 / ratio),
        ..0.2 => format!("{ratio:.4}"),
        _ => format!("{ratio:.2}"),
    }
}
