//! A line of the trail: one JSON object. `docs/audit.md` is its specification, with an example of each event.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use vuart_endpoint::{ConsoleEvent, Timestamp};

/// The version of the lines. Members and events are added without another version.
const VERSION: u64 = 1;

/// The members whose values are times, at any depth.
const MOMENTS: [&str; 2] = ["at", "since"];

/// A line of the trail. `Display` writes it as JSON, without a newline, and `FromStr` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The line's number in the trail, from 0. `None` in a line that an [`AuditLog`](crate::AuditLog) has added.
    pub line: Option<u64>,
    /// The content.
    pub entry: AuditEntry,
}

/// The content of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEntry {
    /// A process keeps the trail from here on. Earlier sessions belong to another process, or have no recorded end.
    Began {
        /// The time.
        at: Timestamp,
        /// The process's number.
        pid: u32,
    },
    /// Something has happened at a console.
    Console {
        /// The console's name.
        console: String,
        /// The event.
        event: ConsoleEvent,
    },
    /// Events or lines are missing here.
    Lost {
        /// The time at which that was known.
        at: Timestamp,
        /// The console whose events are missing. `None` if lines of the trail are missing.
        console: Option<String>,
        /// The number of the first that is missing.
        from: u64,
        /// The number of the first that is there again.
        to: u64,
        /// The reason.
        because: LostBecause,
    },
}

/// The reason why something is missing from a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LostBecause {
    /// An observer of the console did not return for too long.
    Slow,
    /// It happened too often. It can be caused without any right at the console, and would have driven everything else from the trail.
    Flood,
    /// The file or pipe took nothing for so long that the ring came round.
    Lapped,
    /// A reason that a later version has added.
    #[serde(other)]
    Unknown,
}

/// A text is not a line of a trail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditLineError {
    /// It is not a JSON object, lacks a member, or has an unknown event.
    #[error("not a line of an audit trail: {0}")]
    Json(#[from] serde_json::Error),
    /// It has another version.
    #[error("a line of an audit trail of version {0}, which is unknown")]
    Version(u64),
    /// A member that should be a time is not.
    #[error("not a line of an audit trail: {0} is not a time")]
    Moment(Value),
}

/// The members of a line: those that any line may have, and those of its event.
struct Members {
    line: Option<u64>,
    console: Option<String>,
    number: Option<u64>,
    at: Value,
    offset: Option<u64>,
    event: Map<String, Value>,
}

/// In their order in the text. By hand, as reading is: `serde(flatten)` would take ten times as long to compile.
impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let some = |number: Option<u64>| number.map(Value::from);
        let first = [
            ("v", Some(VERSION.into())),
            ("line", some(self.line)),
            ("console", self.console.clone().map(Value::from)),
            ("number", some(self.number)),
            ("at", Some(self.at.clone())),
            ("offset", some(self.offset)),
            ("event", self.event.get("event").cloned()),
        ];
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &first {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in self.event.iter().filter(|(name, _)| *name != "event") {
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

impl AuditLine {
    /// The most characters of a console's name in a line.
    pub const NAME_MAX: usize = 64;

    /// The most bytes of a line, newline included.
    pub const MAX: usize = 4096;

    fn members(&self) -> Result<Members, serde_json::Error> {
        let (console, number, at, offset, event) = match &self.entry {
            AuditEntry::Began { at, pid } => (None, None, at, None, json!({"event": "began", "pid": pid})),
            AuditEntry::Lost { at, console, from, to, because } => {
                let because = serde_json::to_value(because)?;
                let event = json!({"event": "lost", "from": from, "to": to, "because": because});
                (console.clone(), None, at, None, event)
            }
            AuditEntry::Console { console, event } => {
                let kind = serde_json::to_value(&event.kind)?;
                (Some(console.clone()), Some(event.number), &event.at, Some(event.offset), kind)
            }
        };
        let mut event = event;
        in_moments(&mut event, &|moment| Some(text_of(moment.as_u64()?)));
        let (at, event) = (text_of(at.as_millis()), serde_json::from_value(event)?);
        Ok(Members { line: self.line, console, number, at, offset, event })
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

    // `#[inline]`: a VMM writes lines, and reads none. Then it does not compile this.
    #[inline]
    fn from_str(line: &str) -> Result<Self, AuditLineError> {
        let mut members: Map<String, Value> = serde_json::from_str(line)?;
        // First, because another version may differ in everything else.
        let v: u64 = need(&mut members, "v")?;
        if v != VERSION {
            return Err(AuditLineError::Version(v));
        }
        let line = take(&mut members, "line")?;
        let console: Option<String> = take(&mut members, "console")?;
        let at: Value = need(&mut members, "at")?;
        let at: Timestamp = serde_json::from_value(millis_of(&at).ok_or(AuditLineError::Moment(at))?)?;
        let entry = match members.get("event").and_then(Value::as_str) {
            Some("began") if console.is_none() => AuditEntry::Began { at, pid: need(&mut members, "pid")? },
            Some("lost") => {
                let (from, to) = (need(&mut members, "from")?, need(&mut members, "to")?);
                AuditEntry::Lost { at, console, from, to, because: need(&mut members, "because")? }
            }
            _ => {
                let console = console.ok_or_else(|| missing("console"))?;
                let (number, offset) = (need(&mut members, "number")?, need(&mut members, "offset")?);
                let mut event = Value::Object(members);
                in_moments(&mut event, &millis_of);
                let kind = serde_json::from_value(event)?;
                AuditEntry::Console { console, event: ConsoleEvent::new(number, at, offset, kind) }
            }
        };
        Ok(Self { line, entry })
    }
}

/// Takes a member that may be absent.
fn take<T: DeserializeOwned>(
    members: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, serde_json::Error> {
    members.remove(name).map_or(Ok(None), serde_json::from_value)
}

/// Takes a member that must be there.
fn need<T: DeserializeOwned>(
    members: &mut Map<String, Value>,
    name: &'static str,
) -> Result<T, serde_json::Error> {
    take(members, name)?.ok_or_else(|| missing(name))
}

fn missing(name: &'static str) -> serde_json::Error {
    serde::de::Error::missing_field(name)
}

/// Replaces each time in `value` by another form, where `other` has one.
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

/// A time as text: RFC 3339, UTC, milliseconds.
fn text_of(millis: u64) -> Value {
    humantime::format_rfc3339_millis(Timestamp::from_millis(millis).into()).to_string().into()
}

fn millis_of(moment: &Value) -> Option<Value> {
    let moment = humantime::parse_rfc3339(moment.as_str()?).ok()?;
    Some(Timestamp::from(moment).as_millis().into())
}
