//! The identity of a person or program at a console: what the kernel says of it, and what it calls itself.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use rustix::process::{getegid, geteuid};

use crate::printable::is_printable;

/// A person or program at a console.
///
/// `uid`, `gid` and `pid` come from the kernel or from the embedder. `label` is what the peer calls itself and proves nothing.
/// Other people's terminals show the label, so it is reduced to at most [`Identity::LABEL_MAX`]
/// [printable](crate::is_printable) characters when an identity is made or deserialised.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(from = "RawIdentity"))]
pub struct Identity {
    label: String,
    uid: u32,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    gid: Option<u32>,
    pid: Option<u32>,
}

/// An identity as a peer claims it. The label is not trusted.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct RawIdentity {
    label: String,
    uid: u32,
    #[serde(default)]
    gid: Option<u32>,
    pid: Option<u32>,
}

#[cfg(feature = "serde")]
impl From<RawIdentity> for Identity {
    fn from(raw: RawIdentity) -> Self {
        Self { gid: raw.gid, ..Self::new(&raw.label, raw.uid, raw.pid) }
    }
}

impl Identity {
    /// The longest label, in characters.
    pub const LABEL_MAX: usize = 64;

    /// Makes an identity. `pid` is `None` for a peer that is not a process of this machine.
    ///
    /// A label without a printable character becomes "somebody".
    ///
    /// ```
    /// use vuart_endpoint::Identity;
    /// let alice = Identity::new("alice", 1000, Some(42));
    /// assert_eq!(alice.to_string(), "alice (uid 1000, pid 42)");
    /// // A label can't carry an escape sequence to another person's terminal.
    /// assert_eq!(Identity::new("\x1b[2Jeve", 1001, None).to_string(), "[2Jeve (uid 1001)");
    /// ```
    pub fn new(label: &str, uid: u32, pid: Option<u32>) -> Self {
        let label: String = label.chars().filter(|c| is_printable(*c)).take(Self::LABEL_MAX).collect();
        let label = if label.trim().is_empty() { "somebody".to_owned() } else { label };
        Self { label, uid, gid: None, pid }
    }

    /// The identity of this process, for the sessions that a VMM has itself: its effective user and group, its process ID, and the name that
    /// the program was started by.
    ///
    /// The first call asks the kernel (`geteuid`, `getegid`, `getpid`). No later one makes a system call, so a program with a filter makes
    /// the first call before it sets that. What changes after the first call (`setuid`, `fork`) is not seen.
    ///
    /// ```
    /// use vuart_endpoint::Identity;
    /// let here = Identity::this_process();
    /// assert_eq!(here.pid(), Some(std::process::id()));
    /// assert_eq!(here.with_label("my VMM").label(), "my VMM");
    /// ```
    pub fn this_process() -> Self {
        static HERE: OnceLock<Identity> = OnceLock::new();
        HERE.get_or_init(|| {
            let program = std::env::args_os().next().unwrap_or_default();
            let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
            Self::new(&name, geteuid().as_raw(), Some(std::process::id())).with_gid(getegid().as_raw())
        })
        .clone()
    }

    /// Sets the primary group of the user.
    #[must_use]
    pub fn with_gid(self, gid: u32) -> Self {
        Self { gid: Some(gid), ..self }
    }

    /// Sets the label.
    #[must_use]
    pub fn with_label(self, label: &str) -> Self {
        Self { gid: self.gid, ..Self::new(label, self.uid, self.pid) }
    }

    /// Whether both are the same person, as far as a console can tell: the same user with the same label. People who share a
    /// user differ by their labels. A person who lies about the label can only pass for another person of the same user.
    ///
    /// ```
    /// use vuart_endpoint::Identity;
    /// let alice = Identity::new("alice", 1000, Some(42));
    /// assert!(alice.is_same_person(&Identity::new("alice", 1000, Some(43))));
    /// assert!(!alice.is_same_person(&Identity::new("alice", 1001, None)));
    /// ```
    pub fn is_same_person(&self, other: &Self) -> bool {
        (&self.label, self.uid) == (&other.label, other.uid)
    }

    /// The name that the peer calls itself.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The user that the peer runs as.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The primary group of that user.
    pub fn gid(&self) -> Option<u32> {
        self.gid
    }

    /// The process ID of the peer.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (uid {}", self.label, self.uid)?;
        if let Some(pid) = self.pid {
            write!(f, ", pid {pid}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_no_invisible_characters() {
        for invisible in [
            "\u{202e}",
            "\u{200b}",
            "\u{061c}",
            "\u{00ad}",
            "\u{3164}",
            "\u{115f}",
            "\u{2800}",
            "\u{e0041}",
            "\n",
        ] {
            assert_eq!(
                Identity::new(&format!("al{invisible}ice"), 0, None).label(),
                "alice",
                "{invisible:?}"
            );
            assert_eq!(Identity::new(invisible, 0, None).label(), "somebody", "{invisible:?}");
        }
        assert_eq!(Identity::new("Zoë 李 <ops@vm-0>", 0, None).label(), "Zoë 李 <ops@vm-0>");
        assert_eq!(Identity::new(&"x".repeat(1000), 0, None).label().len(), Identity::LABEL_MAX);
    }
}
