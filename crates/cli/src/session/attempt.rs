//! One attempt to find a console's server again, and to attach there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use vuart_endpoint::{Cause, End, Identity, Mode, Refused, Timestamp};
use vuart_scrollback::Position;
use vuart_wire::{AttachRequest, Attached, Client, ClientError, ErrorCode, Event, RuntimeDirError};

use super::options::Options;
use super::progress::Progress;
use crate::error::Error;
use crate::target::Target;

/// How to reach the console again.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// The console.
    pub(crate) target: Target,
    /// The user's label.
    pub(crate) label: String,
}

/// How to continue the session.
#[derive(Debug, Clone)]
pub(super) struct Resumption {
    /// The mode in which to attach.
    pub(super) mode: Mode,
    /// The options of the session.
    pub(super) options: Options,
    /// The position in the output.
    pub(super) progress: Progress,
}

/// What an attempt has found.
#[derive(Debug)]
pub(super) enum Found {
    /// A session.
    Session {
        /// The server's answer.
        attached: Attached,
        /// The holder of a console that this session owned before.
        held: Option<(Identity, Timestamp)>,
        /// Whether the output is not the one that was shown, so that it starts from its beginning.
        anew: bool,
    },
    /// A console that has ended. The rest of its output can be read.
    Over(End),
}

/// An attempt, on a thread of its own, so that the user can leave while a server hangs.
///
/// Its file descriptor is readable when the attempt is over.
pub(super) struct Attempt {
    found: Receiver<Result<(Client, Found), Error>>,
    /// The other end is closed when the attempt is over.
    over: UnixStream,
}

impl Attempt {
    /// Starts an attempt.
    pub(super) fn start(destination: &Destination, resumption: &Resumption) -> io::Result<Self> {
        let (over, guard) = UnixStream::pair()?;
        let (sender, found) = channel();
        let (destination, resumption) = (destination.clone(), resumption.clone());
        // The thread is not joined. If its result is not wanted any more, the session that it began ends with the channel.
        thread::Builder::new().name("vuart-reconnect".to_owned()).spawn(move || {
            let _ = sender.send(attempt(&destination, &resumption));
            drop(guard);
        })?;
        Ok(Self { found, over })
    }

    /// The result, if the attempt is over.
    pub(super) fn result(&self) -> Option<Result<(Client, Found), Error>> {
        match self.found.try_recv() {
            Ok(found) => Some(found),
            Err(TryRecvError::Empty) => None,
            // The thread has panicked, which is a bug. The panic's message is on standard error.
            Err(TryRecvError::Disconnected) => Some(Err(lost(io::ErrorKind::Other))),
        }
    }
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}

fn lost(kind: io::ErrorKind) -> Error {
    ClientError::Lost(kind.into()).into()
}

fn attempt(destination: &Destination, resumption: &Resumption) -> Result<(Client, Found), Error> {
    let Resumption { mode, options, progress } = resumption;
    let mut client = destination.target.connect(&destination.label)?;
    let anew = !continues(&mut client, progress)?;
    let replay = if anew { Position::Oldest } else { Position::Offset(progress.next()) };
    let request = |mode| AttachRequest { mode, replay, on_lag: options.on_lag, returning: options.returning };
    let mut held = None;
    let attached = match client.attach_with(request(*mode)) {
        Err(ClientError::Refused(Refused::Held { holder, since })) => {
            held = Some((holder, since));
            client.attach_with(request(Mode::Wait))
        }
        attached => attached,
    };
    match attached {
        // The output has begun anew between the check and the attach. The next attempt finds that.
        Ok(attached) if !anew && attached.offset < progress.next() => {
            Err(lost(io::ErrorKind::ConnectionReset))
        }
        Ok(attached) => Ok((client, Found::Session { attached, held, anew })),
        // This server is about to exit, and another will take its place.
        Err(ClientError::Refused(Refused::Ended { end: End { cause: Cause::ShutDown, .. } })) => {
            Err(lost(io::ErrorKind::ConnectionReset))
        }
        Err(ClientError::Refused(Refused::Ended { end })) => Ok((client, Found::Over(end))),
        Err(ClientError::Refused(refused)) => Err(Error::refused(refused, client.welcome().console.clone())),
        Err(error) => Err(error.into()),
    }
}

/// Whether the server's output continues what was shown. Another server may have another ring: the last bytes that were
/// shown must stand at the same offsets. If they are lost, that is taken for granted.
fn continues(client: &mut Client, progress: &Progress) -> Result<bool, Error> {
    let (next, tail) = (progress.next(), progress.tail());
    if client.status()?.end < next {
        return Ok(false);
    }
    if tail.is_empty() {
        return Ok(true);
    }
    client.log(Position::Offset(next.saturating_sub(tail.len() as u64)), Some(tail.len() as u64))?;
    let (mut read, mut lost) = (Vec::new(), false);
    loop {
        match client.recv()? {
            // More than was asked for is not what was shown, and a server that sends it may go on for ever.
            Event::Output { bytes, .. } if read.len() + bytes.len() > tail.len() => return Ok(false),
            Event::Output { bytes, .. } => read.extend(bytes),
            Event::Hole(_) => lost = true,
            Event::LogEnd(_) => return Ok(lost || read == tail),
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            other => return Err(ClientError::Unexpected(other.name()).into()),
        }
    }
}

/// Whether a later attempt may succeed after this error.
pub(crate) fn may_pass(error: &Error) -> bool {
    match error {
        Error::NoSuchConsole { .. } | Error::NoConsoleAt { .. } | Error::NotServed { .. } => true,
        Error::Directory(RuntimeDirError::Read { source, .. }) => source.kind() == io::ErrorKind::NotFound,
        Error::Client(error) => match error {
            ClientError::NotFound { .. }
            | ClientError::NotServed { .. }
            | ClientError::Connect { .. }
            | ClientError::Lost(_) => true,
            ClientError::Server(error) => error.code == ErrorCode::TooMany,
            _ => false,
        },
        _ => false,
    }
}
