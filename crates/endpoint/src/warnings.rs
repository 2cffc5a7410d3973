//! Warnings: what does not work around a console.

use std::sync::PoisonError;
use std::time::SystemTime;

use crate::console::Console;
use crate::printable::Printable;
use crate::sync::{Mutex, MutexGuard};
use crate::timestamp::Timestamp;

/// Something around a console that does not work at the moment, such as its audit trail. Whoever asks the server about the
/// console is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Warning {
    /// What it is about, as a word: there is one warning for each topic.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "topic"))]
    pub topic: String,
    /// Since when it does not work.
    pub since: Timestamp,
    /// What does not work, and why, for people.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "text"))]
    pub text: String,
}

impl Warning {
    /// The most warnings of a console.
    pub const MOST: usize = 8;

    /// The longest text, in characters.
    pub const TEXT_MAX: usize = 200;

    /// The longest topic, in characters.
    pub const TOPIC_MAX: usize = 32;
}

/// The warnings of a console. They have a lock of their own, because threads give them that have nothing to do with sessions.
#[derive(Debug)]
pub(crate) struct Warnings(Mutex<Vec<Warning>>);

impl Default for Warnings {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl Warnings {
    fn lock(&self) -> MutexGuard<'_, Vec<Warning>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Console {
    /// Warns whoever looks at the console that something around it does not work, until the warning is
    /// [withdrawn](Self::withdraw_warning). Any thread but a vCPU's may call it. A warning of the same topic is replaced, and
    /// keeps the time of the first.
    ///
    /// A console has at most [`Warning::MOST`] warnings; more are dropped. Topic and text are cut to their longest. Characters that
    /// are not [printable](crate::is_printable) are escaped, here and where a warning is deserialised: a server may be hostile.
    ///
    /// ```
    /// # use vuart_endpoint::Console;
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// # let (console, _input) = Console::new(scrollback, || ());
    /// console.warn("log", "can't write /var/log/vm0: no space left on device");
    /// assert_eq!(console.warnings()[0].topic, "log");
    /// console.withdraw_warning("log");
    /// assert!(console.warnings().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warn(&self, topic: &str, text: &str) {
        let (topic, text) = (cut(topic, Warning::TOPIC_MAX), cut(text, Warning::TEXT_MAX));
        let mut warnings = self.0.warnings().lock();
        if let Some(warning) = warnings.iter_mut().find(|warning| warning.topic == topic) {
            warning.text = text;
        } else if warnings.len() < Warning::MOST {
            warnings.push(Warning { topic, since: SystemTime::now().into(), text });
        }
    }

    /// Withdraws the [warning](Self::warn) of this topic, if there is one.
    pub fn withdraw_warning(&self, topic: &str) {
        let topic = cut(topic, Warning::TOPIC_MAX);
        self.0.warnings().lock().retain(|warning| warning.topic != topic);
    }

    /// The warnings at this moment, the oldest first.
    pub fn warnings(&self) -> Vec<Warning> {
        self.0.warnings().lock().clone()
    }
}

fn cut(text: &str, most: usize) -> String {
    Printable(text).to_string().chars().take(most).collect()
}

#[cfg(feature = "serde")]
fn topic<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let said: String = serde::Deserialize::deserialize(deserializer)?;
    Ok(cut(&said, Warning::TOPIC_MAX))
}

#[cfg(feature = "serde")]
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let said: String = serde::Deserialize::deserialize(deserializer)?;
    Ok(cut(&said, Warning::TEXT_MAX))
}
