//! The results of a run, saved in a file together with a description of the machine.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::machine::{self, Description};
use crate::table::{Row, Samples};

/// What has to be noted before anything is measured.
#[derive(Debug)]
pub(crate) struct Begun {
    at: SystemTime,
    commit: Option<String>,
    load: Option<String>,
}

#[derive(Serialize)]
struct Results<'a> {
    date: String,
    command: String,
    commit: Option<&'a str>,
    machine: Description,
    load_before: Option<String>,
    load_after: Option<String>,
    rows: &'a [Row],
    /// The samples of the rows that keep them.
    distributions: Vec<Samples<'a>>,
}

/// The part of a file that is read back.
#[derive(Deserialize)]
struct Saved {
    machine: Summary,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Summary {
    summary: String,
}

/// Reads a file. Returns the description of the machine in one line, and the rows.
pub(crate) fn load(path: &Path) -> Result<(String, Vec<Row>), Box<dyn Error>> {
    let Saved { machine, rows } = serde_json::from_str(&fs::read_to_string(path)?)?;
    Ok((machine.summary, rows))
}

impl Begun {
    pub(crate) fn now() -> Self {
        Self { at: SystemTime::now(), commit: machine::commit(), load: machine::load() }
    }

    /// Writes a file, whose name has the date and the commit, and returns its path.
    pub(crate) fn save(self, dir: &Path, rows: &[Row]) -> Result<PathBuf, Box<dyn Error>> {
        const SHORT: usize = 12;

        let date = humantime::format_rfc3339_seconds(self.at).to_string();
        let commit = self.commit.as_deref();
        let short = commit.and_then(|commit| commit.get(..SHORT)).unwrap_or("unknown");
        let path = dir.join(format!("{}-{short}.json", date.replace(':', "")));
        let results = Results {
            date,
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            commit,
            machine: Description::new(),
            load_before: self.load,
            load_after: machine::load(),
            rows,
            distributions: rows.iter().filter_map(Row::samples).collect(),
        };
        fs::create_dir_all(dir)?;
        fs::write(&path, serde_json::to_string_pretty(&results)? + "\n")?;
        Ok(path)
    }
}
