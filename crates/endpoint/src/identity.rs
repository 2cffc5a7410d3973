//! Who somebody is: what the kernel says of a peer, and what the peer calls itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A person or program at a console.
///
/// `uid` and `pid` come from the kernel (`SO_PEERCRED`) or from the embedder; `label` is what the peer calls itself and
/// proves nothing. It is shown on other people's terminals, so it is cut to [`Identity::LABEL_MAX`] printable characters
/// when it is made or deserialised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawIdentity")]
pub struct Identity {
    label: String,
    uid: u32,
    pid: Option<u32>,
}

/// An identity as it comes over a socket: nothing about its label can be trusted.
#[derive(Deserialize)]
struct RawIdentity {
    label: String,
    uid: u32,
    pid: Option<u32>,
}

impl From<RawIdentity> for Identity {
    fn from(raw: RawIdentity) -> Self {
        Self::new(&raw.label, raw.uid, raw.pid)
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
        // Besides control characters: invisible ones and those that turn the direction of the text round, with which a
        // name can be made to look like another.
        let printable = |c: &char| {
            !c.is_control()
                && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        let label: String = label.chars().filter(printable).take(Self::LABEL_MAX).collect();
        let label = if label.trim().is_empty() { "somebody".to_owned() } else { label };
        Self { label, uid, pid }
    }

    /// What the peer calls itself.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The user that the peer runs as.
    pub fn uid(&self) -> u32 {
        self.uid
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
