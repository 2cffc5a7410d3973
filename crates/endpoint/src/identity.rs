//! Who somebody is: what the kernel says of a peer, and what the peer calls itself.

use std::fmt;

/// A person or program at a console.
///
/// `uid`, `gid` and `pid` come from the kernel (`SO_PEERCRED`) or from the embedder; `label` is what the peer calls itself and
/// proves nothing. It is shown on other people's terminals, so it is cut to [`Identity::LABEL_MAX`] printable characters
/// when it is made or deserialised.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(from = "RawIdentity"))]
pub struct Identity {
    label: String,
    uid: u32,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    gid: Option<u32>,
    pid: Option<u32>,
}

/// An identity as a peer claims it; the label is not trusted.
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

    /// An identity. `pid` is `None` for a peer that is no process of this machine.
    ///
    /// ```
    /// use vuart_endpoint::Identity;
    /// let alice = Identity::new("alice", 1000, Some(42));
    /// assert_eq!(alice.to_string(), "alice (uid 1000, pid 42)");
    /// // A label can't carry an escape sequence to somebody else's terminal.
    /// assert_eq!(Identity::new("\x1b[2Jeve", 1001, None).to_string(), "[2Jeve (uid 1001)");
    /// ```
    pub fn new(label: &str, uid: u32, pid: Option<u32>) -> Self {
        // Letters and digits of any script, and ASCII. Besides control characters that excludes invisible ones and those
        // that turn the direction of the text round, with which a name can be made to look like another. Four fillers of
        // Hangul are letters, and invisible.
        let filler = |c: char| matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
        let printable = |c: &char| *c == ' ' || c.is_ascii_graphic() || (c.is_alphanumeric() && !filler(*c));
        let label: String = label.chars().filter(printable).take(Self::LABEL_MAX).collect();
        let label = if label.trim().is_empty() { "somebody".to_owned() } else { label };
        Self { label, uid, gid: None, pid }
    }

    /// The same, of a peer whose primary group is known.
    #[must_use]
    pub fn with_gid(self, gid: u32) -> Self {
        Self { gid: Some(gid), ..self }
    }

    /// The same, by another name.
    #[must_use]
    pub fn with_label(self, label: &str) -> Self {
        Self { gid: self.gid, ..Self::new(label, self.uid, self.pid) }
    }

    /// Whether both are one person, as far as a console can tell: the same user by the same name. People who share a user
    /// differ by their labels; one who lies about the label is that user all the same.
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

    /// What the peer calls itself.
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

    /// The process that the peer is.
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
    fn a_label_is_what_it_looks_like() {
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
