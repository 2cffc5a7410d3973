//! A line of the trail: one JSON object. `docs/audit.md` is its specification, and has an example of each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use vuart_endpoint::{ConsoleEvent, Timestamp};

/// The version of the lines. Members and events are added without another one.
const VERSION: u64 = 1;

/// The members that are moments, wherever they stand.
const MOMENTS: [&str; 2] = ["at", "since"];

/// A line of the trail. It is shown as JSON, without a newline, and read from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Counts the lines of a trail from 0. What a [log](crate::AuditLog) has added has none.
    pub line: Option<u64>,
    /// What it says.
    pub entry: AuditEntry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEntry {
    /// A process keeps the trail from here on. Sessions before it were another's, or have no end.
    Began {
        /// When.
        at: Timestamp,
        /// The process.
        pid: u32,
    },
    /// Something has happened at a console.
    Console {
        /// At which.
        console: String,
        /// What.
        event: ConsoleEvent,
    },
    /// Something is missing from here.
    Lost {
        /// When that was known.
        at: Timestamp,
        /// What is missing are events of this console, by their numbers; otherwise they are lines of the trail.
        console: Option<String>,
        /// The first that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
        /// Why.
        because: LostBecause,
    },
}

/// Why something is missing from a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LostBecause {
    /// An observer of the console did not return for too long.
    Slow,
    /// It happened so often, and could be made to happen by somebody without any right at the console, that it would have driven
    /// everything else from the trail.
    Flood,
    /// What the trail is saved to took nothing for so long that the ring came round.
    Lapped,
    /// A reason that a later version has added.
    #[serde(other)]
    Unknown,
}

/// Why something is no line of a trail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditLineError {
    /// It is no such object, or lacks something, or its event is not known.
    #[error("no line of an audit trail: {0}")]
    Json(#[from] serde_json::Error),
    /// It has another version.
    #[error("a line of an audit trail of version {0}, which is not known")]
    Version(u64),
    /// Something else stands where a moment should.
    #[error("no line of an audit trail: {0} is no moment")]
    Moment(Value),
}

/// The members in their order.
#[derive(Serialize, Deserialize)]
struct Members {
    v: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    console: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    at: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    event: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// The events of the trail itself.
const BEGAN: &str = "began";
const LOST: &str = "lost";

#[derive(Serialize, Deserialize)]
struct Began {
    pid: u32,
}

#[derive(Serialize, Deserialize)]
struct Lost {
    from: u64,
    to: u64,
    because: LostBecause,
}

impl AuditLine {
    /// How many characters of a console's name there are in a line.
    pub const NAME_MAX: usize = 64;

    /// No line is longer, in bytes, newline included.
    pub const MAX: usize = 4096;

    fn members(&self) -> Result<Members, serde_json::Error> {
        let (console, number, at, offset, event, more) = match &self.entry {
            AuditEntry::Began { at, pid } => (None, None, at, None, BEGAN, object(&Began { pid: *pid })?),
            AuditEntry::Lost { at, console, from, to, because } => {
                let more = object(&Lost { from: *from, to: *to, because: *because })?;
                (console.clone(), None, at, None, LOST, more)
            }
            AuditEntry::Console { console, event } => {
                let more = object(&event.kind)?;
                (Some(console.clone()), Some(event.number), &event.at, Some(event.offset), "", more)
            }
        };
        let mut more = Value::Object(more);
        in_moments(&mut more, &|moment| Some(text_of(moment.as_u64()?)));
        let Value::Object(mut more) = more else { return Err(serde::ser::Error::custom("no object")) };
        let event = match more.remove("event") {
            Some(Value::String(event)) => event,
            _ => event.to_owned(),
        };
        let at = text_of(at.as_millis());
        Ok(Members { v: VERSION, line: self.line, console, number, at, offset, event, more })
    }
}

impl fmt::Display for AuditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.members().and_then(|members| serde_json::to_string(&members));
        f.write_str(&line.map_err(|_| fmt::Error)?)
    }
}

impl FromStr for AuditLine {
    type Err = AuditLineError;

    fn from_str(line: &str) -> Result<Self, AuditLineError> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u64,
        }
        // Before anything that another version could have otherwise.
        let Versioned { v } = serde_json::from_str(line)?;
        if v != VERSION {
            return Err(AuditLineError::Version(v));
        }
        let Members { line, console, number, at, offset, event, more, .. } = serde_json::from_str(line)?;
        let at: Timestamp = serde_json::from_value(millis_of(&at).ok_or(AuditLineError::Moment(at))?)?;
        let more = Value::Object(more);
        let entry = match (event.as_str(), console) {
            (BEGAN, None) => {
                let Began { pid } = serde_json::from_value(more)?;
                AuditEntry::Began { at, pid }
            }
            (LOST, console) => {
                let Lost { from, to, because } = serde_json::from_value(more)?;
                AuditEntry::Lost { at, console, from, to, because }
            }
            (_, console) => {
                let missing = <serde_json::Error as serde::de::Error>::missing_field;
                let console = console.ok_or_else(|| missing("console"))?;
                let number = number.ok_or_else(|| missing("number"))?;
                let offset = offset.ok_or_else(|| missing("offset"))?;
                let mut kind = more;
                in_moments(&mut kind, &millis_of);
                if let Value::Object(members) = &mut kind {
                    members.insert("event".to_owned(), event.into());
                }
                let kind = serde_json::from_value(kind)?;
                AuditEntry::Console { console, event: ConsoleEvent::new(number, at, offset, kind) }
            }
        };
        Ok(Self { line, entry })
    }
}

fn object(value: &impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::to_value(value)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde::ser::Error::custom("no object")),
    }
}

/// Puts another form in the place of each moment that has one.
fn in_moments(value: &mut Value, other: &impl Fn(&Value) -> Option<Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let form = MOMENTS.contains(&name.as_str()).then(|| other(value)).flatten();
                match form {
                    Some(form) => *value = form,
                    None => in_moments(value, other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| in_moments(value, other)),
        _ => {}
    }
}

/// A moment as people and programs read it: RFC 3339, UTC, milliseconds.
fn text_of(millis: u64) -> Value {
    humantime::format_rfc3339_millis(Timestamp::from_millis(millis).into()).to_string().into()
}

fn millis_of(moment: &Value) -> Option<Value> {
    let moment = humantime::parse_rfc3339(moment.as_str()?).ok()?;
    Some(Timestamp::from(moment).as_millis().into())
}

#[cfg(test)]
mod tests;
