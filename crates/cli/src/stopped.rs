//! A guest that has stopped its input: asking for it, and saying it.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::number::counted;
use crate::target::Target;

/// How long an answer may take. A server that is stopped gives none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks whether the guest of a console has stopped input. The connection of a session is no use for it: the server does not read from it
/// while its input waits. So each question has a connection of its own.
#[derive(Debug)]
pub(crate) struct Inquiry {
    target: Target,
    label: String,
}

impl Inquiry {
    pub(crate) fn new(target: Target, label: String) -> Self {
        Self { target, label }
    }

    /// How much input waits because the guest has stopped it. `None` if the guest has not, or if nobody says in time.
    pub(crate) fn ask(&self) -> Option<u64> {
        let (target, label) = (self.target.clone(), self.label.clone());
        let (answer, answers) = mpsc::channel();
        // A thread of its own, because a connection to a server that is stopped blocks. It ends with the process.
        thread::Builder::new()
            .spawn(move || {
                let status = target.connect(&label).and_then(|mut client| Ok(client.status()?));
                let stopped =
                    status.ok().and_then(|status| status.input_stopped.then_some(status.input_waiting));
                // Nobody listens if it came too late.
                let _ = answer.send(stopped);
            })
            .ok()?;
        answers.recv_timeout(PATIENCE).ok().flatten()
    }
}

/// Says that the guest has stopped input, and how much waits.
pub(crate) fn in_words(waiting: u64) -> String {
    match waiting {
        0 => "the guest has stopped input".to_owned(),
        _ => format!("the guest has stopped input, and {}", counted(waiting, "byte waits", "bytes wait")),
    }
}
