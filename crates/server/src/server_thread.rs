//! A thread that serves a console, for an embedder who has no event loop of its own.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberOps as _};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use crate::server::{ServeError, Server};

/// Whatever shares the thread's event loop.
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
/// // When the guest is over:
/// console.end(&Cause::VmEnded);
/// assert!(server.finish(Duration::from_secs(1)), "a client has not read its last words");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it ends the service at once and removes the sockets.
#[derive(Debug)]
pub struct ServerThread {
    stop: Arc<Stop>,
    /// Taken only by what ends the service. `true` when every client has got all that it was owed.
    thread: Option<JoinHandle<bool>>,
}

/// The request that the thread leave. Once made it stays.
#[derive(Debug)]
struct Stop {
    event: EventFd,
    /// Until when clients may still be given what they are owed; `None` when that is beyond all time.
    deadline: OnceLock<Option<Instant>>,
}

impl ServerThread {
    /// Serves until [`finish`](Self::finish) or a drop.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor or thread left.
    pub fn start(server: Server) -> Result<Self, ServeError> {
        Self::start_with(server, Vec::new())
    }

    /// The same, with `others` in the event loop: the embedder's own, such as one that waits for the end of the guest.
    /// They must not block.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor or thread left.
    pub fn start_with(
        server: Server,
        others: Vec<Box<dyn MutEventSubscriber + Send>>,
    ) -> Result<Self, ServeError> {
        let event = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map_err(ServeError::Thread)?;
        let stop = Arc::new(Stop { event, deadline: OnceLock::new() });
        let mut events = EventManager::<Subscriber>::new()
            .map_err(|error| ServeError::Thread(io::Error::other(error.to_string())))?;
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

    /// Ends the service: lets clients read what they are owed, for at most as long as `patience`, closes every
    /// connection and removes the sockets. `true` when each client got everything.
    ///
    /// [End the console](vuart_endpoint::Console::end) first: as long as a session goes on, it is owed what the guest writes
    /// next.
    pub fn finish(mut self, patience: Duration) -> bool {
        self.end(patience)
    }

    fn end(&mut self, patience: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        // Only what takes the thread sets it, so it is not set yet.
        let _ = self.stop.deadline.set(Instant::now().checked_add(patience));
        // It fails only when the counter is full, and then the event is as readable as can be.
        let _ = self.stop.event.write(1);
        // A panic of the thread has been reported by the panic hook, and its unwinding has dropped the server.
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
            // Whoever has connected by now gets an answer.
            Some(_) if !std::mem::replace(&mut last_look, true) => 0,
            Some(deadline) => {
                if server.lock().unwrap_or_else(PoisonError::into_inner).is_settled() {
                    return true;
                }
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return false;
                }
                // Rounded up: a rest of less than a millisecond is no reason to spin.
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

/// Wakes the event loop when it is to stop.
struct Waker(Arc<Stop>);

impl MutEventSubscriber for Waker {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        if let Err(error) = ops.add(Events::new(&self.0.event, EventSet::IN)) {
            log::error!("a console's server can't be stopped: {error}");
        }
    }

    fn process(&mut self, _events: Events, _ops: &mut EventOps<'_>) {
        // Read, so that the loop does not spin while clients read their last words.
        let _ = self.0.event.read();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use vuart_scrollback::{Scrollback, Writer};

    use super::*;
    use vuart_endpoint::{Cause, Console, Mode, Replay};
    use vuart_wire::{Client, RuntimeDir};

    use crate::claim::Claim;

    /// Longer than any of this takes: a guard against hanging, not a measure.
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
    fn a_client_gets_its_last_words_and_the_sockets_go() {
        let mut rig = rig();
        let mut client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
        client.attach(Mode::Exclusive, Replay::All).unwrap();
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
    fn a_client_that_does_not_read_is_not_waited_for_longer_than_that() {
        let mut rig = rig();
        let mut client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
        client.attach(Mode::Exclusive, Replay::All).unwrap();
        // More than any socket's buffer takes.
        rig.writer.extend(&vec![b'x'; 1 << 20]);
        rig.console.end(&Cause::VmEnded);
        assert!(!rig.server.finish(Duration::from_millis(10)));
    }

    #[test]
    fn all_the_patience_there_is() {
        let rig = rig();
        rig.console.end(&Cause::ShutDown);
        assert!(rig.server.finish(Duration::MAX));
    }

    #[test]
    fn dropped_it_leaves_nothing_behind() {
        let rig = rig();
        let _client = Client::connect(&rig.socket("vm0.ctl"), "alice").unwrap();
        let Rig { dir, server, .. } = rig;
        drop(server);
        assert_eq!(std::fs::read_dir(dir.path().join("r")).unwrap().count(), 0);
    }
}
