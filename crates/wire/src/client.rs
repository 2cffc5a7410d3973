//! A client of the control socket, for programs that are told when to read and write (`poll`) and for those that wait.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::wire::{
    self, AttachRequest, Attached, Decoder, ErrorMessage, Event, Frame as _, Hello, KickRequest, LogRequest,
    Request, Status, Welcome, WireError,
};
use vuart_endpoint::{Identity, Mode, Refused, Replay, SessionId};

/// What can go wrong between a client and a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no such socket.
    #[error("there is no console at {}; `vuart list` shows those that there are", path.display())]
    NotFound {
        /// Where it was sought.
        path: PathBuf,
    },
    /// There is a socket, and nobody listens.
    #[error("nobody serves {}: what served it has died", path.display())]
    NotServed {
        /// The socket.
        path: PathBuf,
    },
    /// The socket may not be used.
    #[error("no permission for {}: it belongs to another user", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// So many clients wait to be let in that there is no place to wait in: the server hangs, or is very busy.
    #[error("{} does not let anybody in; the process that serves it may be stopped", path.display())]
    Busy {
        /// The socket.
        path: PathBuf,
    },
    /// The connection can't be made.
    #[error("can't connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection was lost.
    #[error("the connection to the console was lost: {0}")]
    Lost(#[source] io::Error),
    /// The peer is no console, or speaks another version.
    #[error("the server is not understood: {0}")]
    NotUnderstood(#[from] WireError),
    /// The server did not do what was asked.
    #[error("the server says: {}", .0.message)]
    Server(ErrorMessage),
    /// The session was not begun.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The server answered something that is no answer to the question.
    #[error("the server answered out of order: {0}")]
    Unexpected(String),
}

/// A connection to a console's control socket.
///
/// [`send`](Self::send) and [`recv`](Self::recv) wait. A program with an event loop of its own uses
/// [`queue`](Self::queue), [`flush`](Self::flush), [`fill`](Self::fill) and [`next_event`](Self::next_event) instead, after
/// [`set_nonblocking`](Self::set_nonblocking).
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    decoder: Decoder,
    output: VecDeque<u8>,
    welcome: Welcome,
}

impl Client {
    /// How much is received at once, in bytes.
    pub const BUFFER: usize = 64 << 10;

    /// How long the server may take to answer while a connection is made.
    const HANDSHAKE: Duration = Duration::from_secs(5);

    /// Connects and introduces itself as `label`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn connect(path: &Path, label: &str) -> Result<Self, ClientError> {
        let stream = connect(path, Self::HANDSHAKE).map_err(|source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::NotFound => ClientError::NotFound { path },
                io::ErrorKind::ConnectionRefused => ClientError::NotServed { path },
                io::ErrorKind::PermissionDenied => ClientError::Forbidden { path },
                io::ErrorKind::WouldBlock => ClientError::Busy { path },
                _ => ClientError::Connect { path, source },
            }
        })?;
        stream.set_read_timeout(Some(Self::HANDSHAKE)).map_err(ClientError::Lost)?;
        let welcome = Welcome { version: 0, console: String::new(), pid: 0 };
        let mut client = Self { stream, decoder: Decoder::default(), output: VecDeque::new(), welcome };
        let label = label.chars().take(Identity::LABEL_MAX).collect();
        client.send(&Request::Hello(Hello { version: wire::VERSION, label }))?;
        match client.recv()? {
            Event::Welcome(welcome) if welcome.version == wire::VERSION => client.welcome = welcome,
            Event::Error(error) => return Err(ClientError::Server(error)),
            other => return Err(ClientError::Unexpected(format!("{other:?}"))),
        }
        client.stream.set_read_timeout(None).map_err(ClientError::Lost)?;
        Ok(client)
    }

    /// What the server said of itself.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Begins a session.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] when it is not begun; see [`ClientError`] for the rest.
    pub fn attach(&mut self, mode: Mode, replay: Replay) -> Result<Attached, ClientError> {
        self.attach_with(AttachRequest { mode, replay, ..AttachRequest::default() })
    }

    /// Begins a session, with all that can be asked for.
    ///
    /// One that comes to own the console later is told so by [`Event::Standing`], and [accepts](Request::Accept) that before it
    /// types.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] when it is not begun; see [`ClientError`] for the rest.
    pub fn attach_with(&mut self, request: AttachRequest) -> Result<Attached, ClientError> {
        self.send(&Request::Attach(request))?;
        match self.recv()? {
            Event::Attached(attached) => Ok(attached),
            Event::Refused(refused) => Err(refused.into()),
            Event::Error(error) => Err(ClientError::Server(error)),
            other => Err(ClientError::Unexpected(format!("{other:?}"))),
        }
    }

    /// Asks who is at the console. Not during a session: output would come between.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        self.send(&Request::Status)?;
        match self.recv()? {
            Event::Status(status) => Ok(status),
            Event::Error(error) => Err(ClientError::Server(error)),
            other => Err(ClientError::Unexpected(format!("{other:?}"))),
        }
    }

    /// Ends somebody's session. Not during a session of one's own: output would come between.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn kick(&mut self, session: SessionId) -> Result<(), ClientError> {
        self.send(&Request::Kick(KickRequest { session }))?;
        match self.recv()? {
            Event::Done => Ok(()),
            Event::Error(error) => Err(ClientError::Server(error)),
            other => Err(ClientError::Unexpected(format!("{other:?}"))),
        }
    }

    /// Asks for a part of the history; the answer comes as [`Event::Hole`]s and [`Event::Output`]s up to an
    /// [`Event::LogEnd`].
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn log(&mut self, from: Replay, max: Option<u64>) -> Result<(), ClientError> {
        self.send(&Request::Log(LogRequest { from, max }))
    }

    /// Sends a request and waits until the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`].
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        // An error that the server has sent before it closed is better than EPIPE: `recv` finds it.
        match self.stream.write_all(&bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(ClientError::Lost),
        }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the server is gone, [`ClientError::NotUnderstood`].
    pub fn recv(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.next_event()? {
                return Ok(event);
            }
            self.fill()?;
        }
    }

    /// The next event that has been received in full.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotUnderstood`]; frames of an unknown kind are from a newer server and are skipped.
    pub fn next_event(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            match self.decoder.next_frame() {
                None => return Ok(None),
                Some(Ok(event)) => return Ok(Some(event)),
                Some(Err(WireError::UnknownKind(_))) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Receives once; `false` when a non-blocking socket has nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the server is gone.
    pub fn fill(&mut self) -> Result<bool, ClientError> {
        loop {
            match self.decoder.receive(Self::BUFFER, |buffer| self.stream.read(buffer)) {
                Ok(0) => return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.welcome.version == 0 {
                        return Err(ClientError::Lost(io::ErrorKind::TimedOut.into()));
                    }
                    return Ok(false);
                }
                Err(error) => return Err(ClientError::Lost(error)),
            }
        }
    }

    /// Makes the socket non-blocking, for a program with an event loop.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`].
    pub fn set_nonblocking(&mut self, nonblocking: bool) -> Result<(), ClientError> {
        self.stream.set_nonblocking(nonblocking).map_err(ClientError::Lost)
    }

    /// Puts a request behind those that the socket has not taken yet; [`flush`](Self::flush) sends them.
    pub fn queue(&mut self, request: &Request) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        self.output.extend(bytes);
    }

    /// Bytes that are queued.
    pub fn queued(&self) -> usize {
        self.output.len()
    }

    /// Sends what is queued, as far as the socket takes it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the server is gone.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // What the server said before it closed can still be received.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.output.clear(),
                Err(error) => return Err(ClientError::Lost(error)),
            }
        }
        Ok(())
    }
}

/// Connects, and waits no longer than that for a place in the queue of those who are to be let in: without a limit, a server
/// that was stopped would hold everybody who comes.
fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // For connect(2) too (unix(7) does not say so, socket(7) does).
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(patience))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None)?;
    Ok(socket.into())
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
