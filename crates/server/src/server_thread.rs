//! A thread that serves a console, for a VMM without an event loop of its own.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberOps as _};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use crate::error::ServeError;
use crate::server::Server;

/// A subscriber of the thread's event loop.
type Subscriber = Box<dyn MutEventSubscriber + Send>;

/// A [`Server`] on a thread of its own.
///
/// ```
/// # use std::time::Duration;
/// use vuart_endpoint::{Cause, Console};
/// use vuart_server::{Claim, Server, ServerThread};
/// use vuart_wire::RuntimeDir;
///
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path().join("vuart");
/// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
/// # let (console, _input) = Console::new(scrollback, || ());
/// let claim = Claim::new(&RuntimeDir::create(directory)?, "vm0")?;
/// let server = ServerThread::start(Server::bind(claim, console.clone())?)?;
///
/// // After the guest's end:
/// console.end(&Cause::VmEnded);
/// assert!(server.finish(Duration::from_secs(1)), "a client has not read the end of the output");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it ends the service at once, and removes the sockets.
#[derive(Debug)]
pub struct ServerThread {
    stop: Arc<Stop>,
    /// The thread, until the service ends. It returns whether every client has received everything.
    thread: Option<JoinHandle<bool>>,
}

/// The request to stop. It can't be withdrawn.
#[derive(Debug)]
struct Stop {
    event: EventFd,
    /// When the thread stops waiting for clients to read; `None` if that is too far away for an [`Instant`].
    deadline: OnceLock<Option<Instant>>,
}

impl ServerThread {
    /// Starts a thread that serves until [`finish`](Self::finish), or until this value is dropped.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor or thread left.
    pub fn start(server: Server) -> Result<Self, ServeError> {
        Self::start_with(server, Vec::new())
    }

    /// Starts a thread with further subscribers in its event loop, such as one that waits for the guest's end. They must not
    /// block.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor or thread left.
    pub fn start_with(
        server: Server,
        others: Vec<Box<dyn MutEventSubscriber + Send>>,
    ) -> Result<Self, ServeError> {
        let event = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map_err(ServeError::EventLoop)?;
        let stop = Arc::new(Stop { event, deadline: OnceLock::new() });
        let mut events = EventManager::<Subscriber>::new()
            .map_err(|error| ServeError::EventLoop(io::Error::other(error.to_string())))?;
        let server = Arc::new(Mutex::new(server));
        events.add_subscriber(Box::new(Arc::clone(&server)));
        events.add_subscriber(Box::new(Waker(Arc::clone(&stop))));
        for other in others {
            events.add_subscriber(other);
        }
        let thread = thread::Builder::new()
            .name("vuart-server".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || serve(events, &server, &stop)
            })
            .map_err(ServeError::Thread)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends the service: lets clients read what they are owed, for at most `patience`, then closes every connection and removes
    /// the sockets. Returns whether every client has received everything.
    ///
    /// [End the console](vuart_endpoint::Console::end) first: a session that goes on is owed further output.
    pub fn finish(mut self, patience: Duration) -> bool {
        self.end(patience)
    }

    fn end(&mut self, patience: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        // Only the code that takes the thread sets it, so it is not set yet.
        let _ = self.stop.deadline.set(Instant::now().checked_add(patience));
        // This fails only when the counter is full, and then the event is readable anyway.
        let _ = self.stop.event.write(1);
        // The panic hook has reported a panic of the thread, and unwinding has dropped the server.
        thread.join().unwrap_or(false)
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

fn serve(mut events: EventManager<Subscriber>, server: &Mutex<Server>, stop: &Stop) -> bool {
    let mut last_look = false;
    loop {
        let timeout = match stop.deadline.get() {
            None => -1,
            // Clients that have connected by now get an answer.
            Some(_) if !std::mem::replace(&mut last_look, true) => 0,
            Some(deadline) => {
                if server.lock().unwrap_or_else(PoisonError::into_inner).is_settled() {
                    return true;
                }
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return false;
                }
                // Rounded up: the loop must not spin for less than a millisecond.
                left.and_then(|left| i32::try_from(left.as_millis()).ok())
                    .map_or(-1, |millis| millis.saturating_add(1))
            }
        };
        if let Err(error) = events.run_with_timeout(timeout) {
            log::error!("the event loop of a console's server has failed: {error}");
            return false;
        }
    }
}

/// Wakes the event loop when it must stop.
struct Waker(Arc<Stop>);

impl MutEventSubscriber for Waker {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        if let Err(error) = ops.add(Events::new(&self.0.event, EventSet::IN)) {
            log::error!("a console's server can't be stopped: {error}");
        }
    }

    fn process(&mut self, _events: Events, _ops: &mut EventOps<'_>) {
        // Reading it keeps the loop from spinning while clients read the end of the output.
        let _ = self.0.event.read();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use vuart_scrollback::{Position, Scrollback, Writer};

    use super::*;
    use vuart_endpoint::{Cause, Console, Mode};
    use vuart_wire::{Client, RuntimeDir};

    use crate::claim::Claim;

    /// A guard against hanging: longer than any of this takes.
    const LONG: Duration = Duration::from_secs(60);

    struct Rig {
        dir: tempfile::TempDir,
        writer: Writer,
        console: Console,
        server: ServerThread,
    }

    fn rig() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let (writer, scrollback) = Scrollback::new(1 << 20).unwrap();
        let (console, _input) = Console::new(scrollback, || ());
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("r")).unwrap(), "vm0").unwrap();
        let server = ServerThread::start(Server::bind(claim, console.clone()).unwrap()).unwrap();
        Rig { dir, writer, console, server }
    }

    impl Rig {
        fn socket(&self, file: &str) -> std::path::PathBuf {
            self.dir.path().join("r").join(file)
        }

        fn files(&self) -> usize {
            std::fs::read_dir(self.dir.path().join("r")).unwrap().count()
        }
    }

    #[test]
    fn clients_get_the_last_output_and_the_sockets_are_removed() {
        let mut rig = rig();
        let mut client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
        client.attach(Mode::Exclusive, Position::Oldest).unwrap();
        let mut raw = UnixStream::connect(rig.socket("vm0.sock")).unwrap();
        rig.writer.extend(b"good bye");
        rig.console.end(&Cause::VmEnded);
        assert_eq!(rig.files(), 4);
        let dir = rig.dir;
        assert!(rig.server.finish(LONG));
        assert_eq!(std::fs::read_dir(dir.path().join("r")).unwrap().count(), 0);

        let output = client.recv().unwrap();
        assert_eq!(output, vuart_wire::Event::Output { offset: 0, bytes: b"good bye".to_vec() });
        let ended = client.recv().unwrap();
        assert!(matches!(&ended, vuart_wire::Event::Ended(end) if end.cause == Cause::VmEnded), "{ended:?}");
        let mut told = String::new();
        raw.read_to_string(&mut told).unwrap();
        assert!(told.contains("[vuart: "), "{told}");
    }

    #[test]
    fn finish_waits_no_longer_than_its_patience_for_a_client_that_does_not_read() {
        let mut rig = rig();
        let mut client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
        client.attach(Mode::Exclusive, Position::Oldest).unwrap();
        // More than a socket's buffer holds.
        rig.writer.extend(&vec![b'x'; 1 << 20]);
        rig.console.end(&Cause::VmEnded);
        assert!(!rig.server.finish(Duration::from_millis(10)));
    }

    #[test]
    fn finish_with_the_longest_patience_returns_when_clients_are_settled() {
        let rig = rig();
        rig.console.end(&Cause::ShutDown);
        assert!(rig.server.finish(Duration::MAX));
    }

    #[test]
    fn dropping_the_thread_removes_all_files() {
        let rig = rig();
        let _client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
        let Rig { dir, server, .. } = rig;
        drop(server);
        assert_eq!(std::fs::read_dir(dir.path().join("r")).unwrap().count(), 0);
    }
}
