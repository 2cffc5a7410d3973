//! A thread that follows a stream: it saves the stream, or sends it on.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Acquire, Ordering::Release},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use thiserror::Error;

use crate::{Doorbell, Pace, Sleeper, SleeperError};

/// The pause of a follower that cannot sleep on its doorbell, because there is too little memory.
const OUT_OF_MEMORY: Duration = Duration::from_secs(1);

/// The work of a [`Follower`].
pub trait Follow: Send + 'static {
    /// The error that ends the following.
    type Error: Send + 'static;

    /// Whether there is work, such as [`Reader::is_behind`](crate::Reader::is_behind). It is called around each sleep.
    fn is_behind(&self) -> bool;

    /// Does the work that there is, and returns what the thread does next.
    ///
    /// The `last` call comes after [`Follower::end`]. It must do all work that there was then. The thread ends after it, whatever it
    /// returns.
    ///
    /// # Errors
    ///
    /// The error ends the following, and [`Follower::finish`] returns it. To try again later, return [`Step::Pause`] instead.
    fn follow(&mut self, last: bool) -> Result<Step, Self::Error>;
}

/// The next step of a follower's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Sleep until the doorbell rings and there is work. The producer pays for the wake-up. So if there was work in this step, the thread
    /// first looks again after a [tick](Pace::TICK), and sleeps only when nothing has come meanwhile.
    Sleep,
    /// Call [`Follow::follow`] again after this time. The producer pays nothing for it.
    Pause(Duration),
    /// Call [`Follow::follow`] again at once.
    Again,
    /// End: no more work will come.
    Done,
}

/// A follower cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowerError {
    /// No more threads can sleep on the doorbell.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// The operating system refuses another thread.
    #[error("can't start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A follower has not done all its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FinishError<E> {
    /// The error that [`Follow::follow`] has returned.
    #[error(transparent)]
    Failed(E),
    /// The work took longer than the caller's patience. The thread goes on with it.
    #[error("the work is not done in time; it goes on")]
    TimedOut,
    /// The thread has panicked.
    #[error("the thread that follows the stream has panicked")]
    Panicked,
}

/// A thread that follows a stream and does some [work](Follow) with it. Use it to save the stream, or to send it on.
///
/// While data comes, the thread works in paced steps, and the producer need not wake it. It sleeps on the doorbell only when nothing has
/// come for a while. Dropping this leaves the thread alone: it goes on until [`end`](Self::end) was called or the work is done.
///
/// ```
/// use std::{convert::Infallible, sync::mpsc, time::Duration};
///
/// use vuart_scrollback::{Doorbell, Follow, Follower, Reader, Scrollback, Step};
///
/// struct Copy {
///     reader: Reader,
///     out: mpsc::Sender<Vec<u8>>,
/// }
///
/// impl Follow for Copy {
///     type Error = mpsc::SendError<Vec<u8>>;
///
///     fn is_behind(&self) -> bool {
///         self.reader.is_behind()
///     }
///
///     fn follow(&mut self, _last: bool) -> Result<Step, Self::Error> {
///         let mut buf = [0; 4096];
///         while self.reader.is_behind() {
///             let read = self.reader.read(&mut buf);
///             self.out.send(buf[..read.len()].to_vec())?;
///         }
///         Ok(Step::Sleep)
///     }
/// }
///
/// let (mut writer, scrollback) = Scrollback::new(4096)?;
/// let doorbell = Doorbell::new();
/// let (out, copies) = mpsc::channel();
/// let copy = Copy { reader: scrollback.reader_at(0), out };
/// let follower = Follower::start("copy", &doorbell, copy)?;
///
/// writer.extend(b"login: ");
/// doorbell.ring_if_armed();
/// follower.finish(Duration::from_secs(10))?;
/// assert_eq!(copies.iter().flatten().collect::<Vec<u8>>(), b"login: ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "without it the thread can't be ended"]
pub struct Follower<E> {
    over: Arc<AtomicBool>,
    doorbell: Doorbell,
    result: Receiver<Result<(), E>>,
}

impl<E: Send + 'static> Follower<E> {
    /// Starts a thread with this name, which the producers of the stream wake by `doorbell`.
    ///
    /// # Errors
    ///
    /// When the doorbell has no place left, or the process has no file descriptor or thread left.
    pub fn start(
        name: &str,
        doorbell: &Doorbell,
        mut work: impl Follow<Error = E>,
    ) -> Result<Self, FollowerError> {
        let mut sleeper = doorbell.sleeper()?;
        let over = Arc::new(AtomicBool::new(false));
        let (done, result) = mpsc::sync_channel(1);
        let run = {
            let over = Arc::clone(&over);
            move || {
                let result = follow(&mut work, &over, &mut sleeper);
                // So that files are closed before the result is known: they may be wanted again.
                drop(work);
                // The other end may be gone.
                let _ = done.send(result);
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(run).map_err(FollowerError::Thread)?;
        Ok(Self { over, doorbell: doorbell.clone(), result })
    }

    /// Lets the thread do all work that there is now, and end. It does not wait for that.
    pub fn end(&self) {
        // Release: the last call sees what happened before.
        self.over.store(true, Release);
        self.doorbell.ring();
    }

    /// [Ends](Self::end) it, and waits until the work is done, for `patience` at the most.
    ///
    /// # Errors
    ///
    /// The error of the work; [`TimedOut`](FinishError::TimedOut) after `patience`.
    pub fn finish(self, patience: Duration) -> Result<(), FinishError<E>> {
        self.end();
        match self.result.recv_timeout(patience) {
            Ok(result) => result.map_err(FinishError::Failed),
            Err(RecvTimeoutError::Timeout) => Err(FinishError::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(FinishError::Panicked),
        }
    }
}

/// The thread.
fn follow<F: Follow>(work: &mut F, over: &AtomicBool, sleeper: &mut Sleeper) -> Result<(), F::Error> {
    // Acquire: the last call sees what happened before the end.
    let is_over = || over.load(Acquire);
    loop {
        // Before the work: what happened before the end is part of it.
        let last = is_over();
        let behind = work.is_behind();
        let step = work.follow(last)?;
        if last {
            return Ok(());
        }
        let slept = match step {
            // Data comes: more may come soon.
            Step::Sleep if behind => sleeper.pause(is_over, Pace::TICK),
            Step::Sleep => sleeper.wait_at_once(|| is_over() || work.is_behind(), None),
            Step::Pause(time) => sleeper.pause(is_over, time),
            Step::Again => continue,
            Step::Done => return Ok(()),
        };
        if slept.is_err() {
            thread::sleep(OUT_OF_MEMORY);
        }
    }
}

impl<E> fmt::Debug for Follower<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}
