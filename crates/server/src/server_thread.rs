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
/// if let Err(error) = server.finish(Duration::from_secs(1)) {
///     eprintln!("vm0: {error}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it ends the service at once, and removes the sockets.
#[derive(Debug)]
pub struct ServerThread {
    stop: Arc<Stop>,
    /// The thread, until the service ends.
    thread: Option<JoinHandle<Result<(), FinishError>>>,
}

/// Not every client has received everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// A client has not read everything in time.
    #[error("a client has not read the end of the output in time")]
    Unread,
    /// The event loop has failed, and the service has ended early.
    #[error("the event loop of the console's server has failed: {0}")]
    EventLoop(#[source] io::Error),
    /// The thread has panicked, and the service has ended early. This is a bug of the server, of a subscriber that was given to
    /// [`ServerThread::start_with`], or of an observer.
    #[error("the thread of the console's server has panicked")]
    Panicked,
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
    /// the sockets.
    ///
    /// [End the console](vuart_endpoint::Console::end) first: a session that goes on is owed further output.
    ///
    /// # Errors
    ///
    /// When not every client has received everything: why. The service has ended in any case.
    pub fn finish(mut self, patience: Duration) -> Result<(), FinishError> {
        self.end(patience)
    }

    fn end(&mut self, patience: Duration) -> Result<(), FinishError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // Only the code that takes the thread sets it, so it is not set yet.
        let _ = self.stop.deadline.set(Instant::now().checked_add(patience));
        // This fails only when the counter is full, and then the event is readable anyway.
        let _ = self.stop.event.write(1);
        // The panic hook has reported a panic of the thread, and unwinding has dropped the server.
        thread.join().unwrap_or(Err(FinishError::Panicked))
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        // `finish` is the call that returns it.
        let _ = self.end(Duration::ZERO);
    }
}

fn serve(
    mut events: EventManager<Subscriber>,
    server: &Mutex<Server>,
    stop: &Stop,
) -> Result<(), FinishError> {
    let mut last_look = false;
    loop {
        let timeout = match stop.deadline.get() {
            None => -1,
            // Clients that have connected by now get an answer.
            Some(_) if !std::mem::replace(&mut last_look, true) => 0,
            Some(deadline) => {
                if server.lock().unwrap_or_else(PoisonError::into_inner).is_settled() {
                    return Ok(());
                }
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return Err(FinishError::Unread);
                }
                // Rounded up: the loop must not spin for less than a millisecond.
                left.and_then(|left| i32::try_from(left.as_millis()).ok())
                    .map_or(-1, |millis| millis.saturating_add(1))
            }
        };
        if let Err(error) = events.run_with_timeout(timeout) {
            // At once: nobody may call `finish` for a long time.
            log::error!("the event loop of a console's server has failed: {error}");
            return Err(FinishError::EventLoop(io::Error::other(error.to_string())));
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
