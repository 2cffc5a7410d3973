//! A thread that serves consoles, for a VMM without an event loop of its own.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Dispatch;
use crate::error::{FinishError, StartError};
use crate::waiter::{Waiter, Wake};

/// A thread that serves any number of parts: [`Dispatch`] says what a part is. While there is nothing to do, it makes no system call.
///
/// ```
/// # use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
/// # struct Server(OwnedFd);
/// # impl AsFd for Server { fn as_fd(&self) -> BorrowedFd<'_> { self.0.as_fd() } }
/// # impl Dispatch for Server {
/// #     fn dispatch(&mut self) -> std::io::Result<()> { Ok(()) }
/// #     fn is_settled(&self) -> bool { true }
/// # }
/// # let end = || std::os::unix::net::UnixStream::pair().map(|(end, _)| Server(end.into()));
/// # let (one, other) = (end()?, end()?);
/// use std::time::Duration;
/// use vuart_dispatch::{Dispatch, ServerThread};
///
/// let thread = ServerThread::builder()
///     .name("consoles")
///     .on_start(|| Ok::<(), std::io::Error>(())) // apply a seccomp filter here
///     .serve(one)
///     .serve(other)
///     .start()?;
/// thread.finish(Duration::from_secs(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it ends the service at once. Peers are told, as far as they take it without waiting.
#[derive(Debug)]
pub struct ServerThread {
    stop: Arc<Stop>,
    /// The thread, until the service ends.
    thread: Option<JoinHandle<Result<(), FinishError>>>,
}

/// A [`ServerThread`] that has not started.
#[must_use = "it does nothing until it is started"]
pub struct ServerThreadBuilder {
    name: String,
    on_start: Vec<Hook>,
    parts: Vec<Part>,
}

type Part = Box<dyn Dispatch + Send>;
type Failure = Box<dyn Error + Send + Sync>;
type Hook = Box<dyn FnOnce() -> Result<(), Failure> + Send>;

/// The request to stop. It can't be withdrawn.
#[derive(Debug)]
struct Stop {
    event: OwnedFd,
    /// When the thread stops waiting for peers to read; `None` if that is too far away for an [`Instant`].
    deadline: OnceLock<Option<Instant>>,
}

impl ServerThread {
    /// The name that a thread has by default.
    const NAME: &str = "vuart-server";

    /// Starts a thread that serves one part until [`finish`](Self::finish), or until this value is dropped.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor or thread left.
    pub fn start(part: impl Dispatch + Send + 'static) -> Result<Self, StartError> {
        Self::builder().serve(part).start()
    }

    /// Begins a thread that serves several parts, has a name, or does something first.
    pub fn builder() -> ServerThreadBuilder {
        ServerThreadBuilder { name: Self::NAME.to_owned(), on_start: Vec::new(), parts: Vec::new() }
    }

    /// Ends the service: lets peers read what they are owed, for at most `patience`, then drops the parts.
    ///
    /// End the consoles first, so that their clients are told why. Clients of a console that goes on are told that its server shuts down.
    ///
    /// # Errors
    ///
    /// When not every peer has received everything: why. The service has ended in any case, except that the thread can't wait for its own
    /// end: called there, by an observer perhaps, this fails at once with [`FinishError::Unread`], and the service ends afterwards.
    pub fn finish(mut self, patience: Duration) -> Result<(), FinishError> {
        self.end(patience)
    }

    fn end(&mut self, patience: Duration) -> Result<(), FinishError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // Only the code that takes the thread sets it, so it is not set yet.
        let _ = self.stop.deadline.set(Instant::now().checked_add(patience));
        // It is written once, so the counter has room.
        let _ = rustix::io::write(&self.stop.event, &1_u64.to_ne_bytes());
        if thread.thread().id() == thread::current().id() {
            return Err(FinishError::Unread);
        }
        // The panic hook has reported a panic of the thread, and unwinding has dropped the parts.
        thread.join().unwrap_or(Err(FinishError::Panicked))
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        // `finish` is the call that returns it.
        let _ = self.end(Duration::ZERO);
    }
}

impl ServerThreadBuilder {
    /// Names the thread. Linux shows the first 15 bytes. A name with a zero byte ends there. It is `vuart-server` by default.
    pub fn name(self, name: &str) -> Self {
        let name = name.split('\0').next().unwrap_or_default().to_owned();
        Self { name, ..self }
    }

    /// Calls this first on the thread: the place to apply a seccomp filter, to choose processors, or to enter a cgroup. All file
    /// descriptors of the event loop are open by then. Several are called in their order.
    ///
    /// If one fails, the thread serves nothing, and [`start`](Self::start) returns its error.
    pub fn on_start<E: Into<Box<dyn Error + Send + Sync>>>(
        mut self,
        first: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> Self {
        self.on_start.push(Box::new(|| first().map_err(Into::into)));
        self
    }

    /// Serves this part on the thread. It takes turns with the others.
    pub fn serve(mut self, part: impl Dispatch + Send + 'static) -> Self {
        self.parts.push(Box::new(part));
        self
    }

    /// Starts the thread. Returns when it has done what comes [first](Self::on_start).
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor or thread left, or what comes first has failed.
    pub fn start(self) -> Result<ServerThread, StartError> {
        let Self { name, on_start, parts } = self;
        let (waiter, event) = Waiter::new().map_err(StartError::EventLoop)?;
        for (number, part) in parts.iter().enumerate() {
            waiter.add(number, part.as_fd()).map_err(StartError::EventLoop)?;
        }
        let stop = Arc::new(Stop { event, deadline: OnceLock::new() });
        let (started, begun) = sync_channel(1);
        let thread = thread::Builder::new()
            .name(name)
            .spawn({
                let stop = Arc::clone(&stop);
                let parts = parts.into_iter().map(Some).collect();
                move || Service { parts, waiter, failure: None }.run(on_start, &started, &stop)
            })
            .map_err(StartError::Thread)?;
        match begun.recv() {
            Ok(Ok(())) => Ok(ServerThread { stop, thread: Some(thread) }),
            Ok(Err(failure)) => {
                let _ = thread.join();
                Err(StartError::OnStart(failure))
            }
            Err(_) => {
                let _ = thread.join();
                Err(StartError::Panicked)
            }
        }
    }
}

impl fmt::Debug for ServerThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, on_start: _, parts } = self;
        f.debug_struct("ServerThreadBuilder")
            .field("name", name)
            .field("parts", &parts.len())
            .finish_non_exhaustive()
    }
}

/// What the thread has.
struct Service {
    /// The parts by their numbers. One that has failed is `None`.
    parts: Vec<Option<Part>>,
    waiter: Waiter,
    /// The first failure of a part.
    failure: Option<FinishError>,
}

impl Service {
    fn run(
        mut self,
        on_start: Vec<Hook>,
        started: &SyncSender<Result<(), Failure>>,
        stop: &Stop,
    ) -> Result<(), FinishError> {
        let first = on_start.into_iter().try_for_each(|hook| hook());
        let goes_on = first.is_ok();
        // `start` waits for it.
        let _ = started.send(first);
        if !goes_on {
            return Ok(());
        }
        self.dispatch_all();
        while stop.deadline.get().is_none() {
            self.wait(None)?;
        }
        // Peers that have come by now get an answer.
        self.dispatch_all();
        for number in 0..self.parts.len() {
            self.attempt(number, |part| {
                part.shut_down();
                Ok(())
            });
        }
        self.dispatch_all();
        let deadline = stop.deadline.get().copied().flatten();
        while !self.parts.iter().flatten().all(Dispatch::is_settled) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(FinishError::Unread);
            }
            self.wait(left)?;
        }
        self.failure.map_or(Ok(()), Err)
    }

    fn dispatch_all(&mut self) {
        for number in 0..self.parts.len() {
            self.dispatch(number);
        }
    }

    /// Waits for so long (`None`: for ever) until there is something to do, and lets each part do its own.
    fn wait(&mut self, patience: Option<Duration>) -> Result<(), FinishError> {
        let woken = self.waiter.wait(patience).map_err(|error| {
            // At once: nobody may call `finish` for a long time.
            log::error!("the event loop of a console's server has failed: {error}");
            FinishError::EventLoop(error)
        })?;
        for wake in woken {
            if let Wake::Part(number) = wake {
                self.dispatch(number);
            }
        }
        Ok(())
    }

    /// Lets a part do what is due.
    fn dispatch(&mut self, number: usize) {
        self.attempt(number, Dispatch::dispatch);
    }

    /// Calls a part. One that fails or panics is dropped, and the others go on: an observer of one console is no affair of another's.
    fn attempt(&mut self, number: usize, call: impl FnOnce(&mut Part) -> io::Result<()>) {
        let Some(place) = self.parts.get_mut(number) else { return };
        let Some(part) = place else { return };
        // Nothing but its drop sees a part that has panicked.
        let failure = match catch_unwind(AssertUnwindSafe(|| call(part))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                log::error!("a console is served no more: {error}");
                FinishError::EventLoop(error)
            }
            Err(_) => {
                // The panic hook has said why.
                log::error!("a console is served no more: its server or an observer has panicked");
                FinishError::Panicked
            }
        };
        self.waiter.remove(part.as_fd());
        let gone = place.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(gone)));
        self.failure.get_or_insert(failure);
    }
}
