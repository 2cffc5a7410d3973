//! A client of the control socket, for programs that block and for programs with an event loop.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::client_error::ClientError;
use crate::connect::{at_path, in_directory};
use crate::decoder::Decoder;
use crate::error::WireError;
use crate::event::{Attached, Event, Status, Welcome};
use crate::frame::{Frame as _, VERSION};
use crate::request::{AttachRequest, Hello, KickRequest, LogRequest, Request};
use crate::runtime_dir::RuntimeDir;
use crate::said::Said;
use vuart_endpoint::{Identity, Mode, SessionId};
use vuart_scrollback::Position;

/// A connection to a console's control socket.
///
/// [`send`](Self::send) and [`recv`](Self::recv) block. A program with an event loop calls
/// [`set_nonblocking`](Self::set_nonblocking), waits on the client's file descriptor ([`AsFd`]), and then uses
/// [`queue`](Self::queue), [`flush`](Self::flush), [`fill`](Self::fill) and [`next_event`](Self::next_event).
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    decoder: Decoder,
    output: VecDeque<u8>,
    welcome: Welcome,
}

// `#[inline]` is for a VMM, which does not use the client and then does not compile it: see `frame.rs`.
impl Client {
    /// The most bytes received at once.
    pub const BUFFER: usize = 64 << 10;

    /// The longest wait for the server while a connection is made.
    const HANDSHAKE: Duration = Duration::from_secs(5);

    /// The longest wait for an answer. A server may search gigabytes of history for text lines before it answers.
    const ANSWER: Duration = Duration::from_secs(60);

    /// The most bytes that may wait in the output queue while more is received. A program sends at most as much as it reads
    /// from a person or a file, and bounds that itself. What a server makes it send is bounded here.
    const UNSENT: usize = 4 << 20;

    /// Connects to the control socket at `path`, and introduces the client as `label`. Waits at most 5 s for a place in the
    /// socket's queue, and at most 5 s for the server's introduction, whatever it sends meanwhile.
    ///
    /// The path is trusted to lead to the console. The server must be a process of this user, of root, or of the owner of the directory;
    /// or of the socket's owner, if not everybody may write the directory. [`RuntimeDir::connect`] trusts no path.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    #[inline]
    pub fn connect(path: &Path, label: &str) -> Result<Self, ClientError> {
        Self::introduce(at_path(path, Self::HANDSHAKE)?, label, Self::HANDSHAKE)
    }

    /// Connects to the socket `file` of a directory.
    #[inline]
    pub(crate) fn connect_in(dir: &RuntimeDir, file: &str, label: &str) -> Result<Self, ClientError> {
        Self::introduce(in_directory(dir, file, Self::HANDSHAKE)?, label, Self::HANDSHAKE)
    }

    /// Introduces the client on a new connection, and waits at most `patience` for the server's introduction.
    #[inline]
    fn introduce(stream: UnixStream, label: &str, patience: Duration) -> Result<Self, ClientError> {
        let welcome = Welcome { version: 0, console: Said::default(), pid: 0 };
        let mut client = Self { stream, decoder: Decoder::default(), output: VecDeque::new(), welcome };
        let label = label.chars().take(Identity::LABEL_MAX).collect();
        match client.ask_within(&Request::Hello(Hello { version: VERSION, label }), patience)? {
            Event::Welcome(welcome) if welcome.version == VERSION => client.welcome = welcome,
            Event::Welcome(welcome) => return Err(ClientError::Version(welcome.version)),
            other => return Err(ClientError::Unexpected(other.name())),
        }
        Ok(client)
    }

    /// Whether a process listens on the socket at `path`. It asks that process nothing and does not wait for it, so it is fit for a
    /// list of many sockets.
    pub fn is_served(path: &Path) -> bool {
        let connected = || {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
        };
        // EAGAIN means that others wait to be let in.
        matches!(connected(), Ok(()) | Err(Errno::AGAIN))
    }

    /// The server's introduction: version, console name, process.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Begins a session. See [`attach_with`](Self::attach_with) for further options.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] when the console is held, disabled or over; see [`ClientError`] for the rest.
    #[inline]
    pub fn attach(&mut self, mode: Mode, replay: Position) -> Result<Attached, ClientError> {
        self.attach_with(AttachRequest { mode, replay, ..AttachRequest::default() })
    }

    /// Begins a session with all options.
    ///
    /// A session that comes to own the console later receives [`Event::Standing`]. It must answer with
    /// [`Request::Accept`] before it types.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] when the console is held, disabled or over; see [`ClientError`] for the rest.
    #[inline]
    pub fn attach_with(&mut self, request: AttachRequest) -> Result<Attached, ClientError> {
        match self.ask(&Request::Attach(request))? {
            Event::Attached(attached) => Ok(attached),
            Event::Refused(refused) => Err(refused.into()),
            other => Err(ClientError::Unexpected(other.name())),
        }
    }

    /// Asks who is at the console. Do not call it during a session: output could come before the answer. Send
    /// [`Request::Status`] there instead.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    #[inline]
    pub fn status(&mut self) -> Result<Status, ClientError> {
        match self.ask(&Request::Status)? {
            Event::Status(status) => Ok(status),
            other => Err(ClientError::Unexpected(other.name())),
        }
    }

    /// Ends another session. Do not call it during a session: output could come before the answer. Send
    /// [`Request::Kick`] there instead.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    #[inline]
    pub fn kick(&mut self, session: SessionId) -> Result<(), ClientError> {
        match self.ask(&Request::Kick(KickRequest { session }))? {
            Event::Done => Ok(()),
            other => Err(ClientError::Unexpected(other.name())),
        }
    }

    /// Asks for a part of the history. The answer is any number of [`Event::Hole`] and [`Event::Output`], and then
    /// [`Event::LogEnd`].
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    #[inline]
    pub fn log(&mut self, from: Position, max: Option<u64>) -> Result<(), ClientError> {
        self.send(&Request::Log(LogRequest { from, max }))
    }

    #[inline]
    fn ask(&mut self, request: &Request) -> Result<Event, ClientError> {
        self.ask_within(request, Self::ANSWER)
    }

    /// Sends a request, and waits for the answer. The time is limited as a whole: a server can send frames that are skipped, or
    /// byte after byte, for ever.
    #[inline]
    fn ask_within(&mut self, request: &Request, patience: Duration) -> Result<Event, ClientError> {
        self.send(request)?;
        let deadline = Instant::now() + patience;
        let answer = loop {
            if let Some(answer) = self.next_event()? {
                break answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = "the server has not answered in time";
                return Err(ClientError::Lost(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            self.stream.set_read_timeout(Some(left)).map_err(ClientError::Lost)?;
            self.fill()?;
        };
        self.stream.set_read_timeout(None).map_err(ClientError::Lost)?;
        match answer {
            Event::Error(error) => Err(ClientError::Server(error)),
            answer => Ok(answer),
        }
    }

    /// Sends a request, and blocks until the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the connection is broken.
    #[inline]
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        // Not EPIPE: the server may have sent an error before it closed, which says more. `recv` finds it.
        match self.stream.write_all(&bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(ClientError::Lost),
        }
    }

    /// Blocks until the next event.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the server is gone; [`ClientError::NotUnderstood`] when it sends no valid frame.
    #[inline]
    pub fn recv(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.next_event()? {
                return Ok(event);
            }
            self.fill()?;
        }
    }

    /// The next event, if all of it has been received. Frames of an unknown kind come from a newer server, and are
    /// skipped.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotUnderstood`] when the server sends no valid frame.
    #[inline]
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

    /// Receives once. Returns `false` when a non-blocking socket has no data.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the server is gone; [`ClientError::Deaf`] when mebibytes wait in the output queue.
    pub fn fill(&mut self) -> Result<bool, ClientError> {
        if self.output.len() > Self::UNSENT {
            return Err(ClientError::Deaf);
        }
        loop {
            match self.decoder.receive(Self::BUFFER, |buffer| self.stream.read(buffer)) {
                Ok(0) => {
                    let text = "the server has closed it";
                    return Err(ClientError::Lost(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(ClientError::Lost(error)),
            }
        }
    }

    /// Makes the socket non-blocking (or blocking again), for a program with an event loop.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the socket does not allow it.
    pub fn set_nonblocking(&mut self, nonblocking: bool) -> Result<(), ClientError> {
        self.stream.set_nonblocking(nonblocking).map_err(ClientError::Lost)
    }

    /// Appends a request to the output queue. [`flush`](Self::flush) sends it.
    #[inline]
    pub fn queue(&mut self, request: &Request) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        self.output.extend(bytes);
    }

    /// The number of bytes in the output queue.
    pub fn queued(&self) -> usize {
        self.output.len()
    }

    /// Sends from the output queue, as much as the socket takes.
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
                // What the server sent before it closed can still be received.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.output.clear(),
                Err(error) => return Err(ClientError::Lost(error)),
            }
        }
        Ok(())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests;
