//! A session whose connection was lost and that goes on when there is a server again.
//!
//! It never takes over: two sessions that did would evict each other for ever (E17). It goes on where its output stopped, and if
//! that is gone, the server says so.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use vuart_endpoint::{Cause, End, Identity, Mode, Refused, Replay, Standing, Timestamp};
use vuart_wire::{
    AttachRequest, Attached, Client, ClientError, ErrorCode, Event, LogRequest, Request, RuntimeDirError,
};

use super::{Outcome, Peer, Session, Wishes, standing};
use crate::error::Error;
use crate::target::Target;

/// How long it waits before it tries for the first time, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How to reach the console again.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) target: Target,
    pub(crate) label: String,
}

/// Where a session goes on, and as what.
#[derive(Debug, Clone)]
struct Place {
    mode: Mode,
    wishes: Wishes,
    next: u64,
    tail: Vec<u8>,
}

/// What has come of an attempt.
#[derive(Debug)]
enum Found {
    /// A session.
    Session {
        attached: Attached,
        /// Somebody else holds the console that was ours.
        held: Option<(Identity, Timestamp)>,
        /// The output is another than that which was shown: it begins anew.
        anew: bool,
    },
    /// A console that has ended, the rest of whose output can be read.
    Over(End),
}

/// An attempt, on a thread of its own: a server that hangs must not keep anybody from leaving.
struct Attempt {
    found: Receiver<Result<(Client, Found), Error>>,
    /// Closed at the other end when the attempt is over.
    over: UnixStream,
}

impl Attempt {
    fn start(way: &Way, place: &Place) -> io::Result<Self> {
        let (over, guard) = UnixStream::pair()?;
        let (sender, found) = mpsc::channel();
        let (way, place) = (way.clone(), place.clone());
        // It is not waited for. If nobody wants its session any more, that ends with the channel.
        thread::Builder::new().name("vuart-again".to_owned()).spawn(move || {
            let _ = sender.send(attempt(&way, &place));
            drop(guard);
        })?;
        Ok(Self { found, over })
    }
}

fn attempt(way: &Way, place: &Place) -> Result<(Client, Found), Error> {
    let mut client = way.target.connect(&way.label)?;
    let anew = !goes_on(&mut client, place)?;
    let replay = if anew { Replay::All } else { Replay::From(place.next) };
    let request =
        |mode| AttachRequest { mode, replay, on_lag: place.wishes.on_lag, returning: place.wishes.returning };
    let mut held = None;
    let attached = match client.attach_with(request(place.mode)) {
        Err(ClientError::Refused(Refused::Held { holder, since })) => {
            held = Some((holder, since));
            client.attach_with(request(Mode::Wait))
        }
        attached => attached,
    };
    match attached {
        // It began anew between question and answer.
        Ok(attached) if !anew && attached.offset < place.next => {
            Err(ClientError::Lost(io::ErrorKind::ConnectionReset.into()).into())
        }
        Ok(attached) => Ok((client, Found::Session { attached, held, anew })),
        // It has not gone yet, and another comes in its place.
        Err(ClientError::Refused(Refused::Ended { end: End { cause: Cause::ShutDown, .. } })) => {
            Err(ClientError::Lost(io::ErrorKind::ConnectionReset.into()).into())
        }
        Err(ClientError::Refused(Refused::Ended { end })) => Ok((client, Found::Over(end))),
        Err(ClientError::Refused(refused)) => Err(Error::refused(refused, client.welcome().console.clone())),
        Err(error) => Err(error.into()),
    }
}

/// Whether the server's output is what was shown, as far as it can be told: another server may have a ring of its own.
fn goes_on(client: &mut Client, place: &Place) -> Result<bool, Error> {
    if client.status()?.end < place.next {
        return Ok(false);
    }
    let tail = &place.tail;
    if tail.is_empty() {
        return Ok(true);
    }
    client.log(Replay::From(place.next.saturating_sub(tail.len() as u64)), Some(tail.len() as u64))?;
    let (mut read, mut gone) = (Vec::new(), false);
    loop {
        match client.recv()? {
            Event::Output { bytes, .. } => read.extend(bytes),
            Event::Hole(_) => gone = true,
            Event::LogEnd(_) => return Ok(gone || read == *tail),
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            other => return Err(ClientError::Unexpected(format!("{other:?}")).into()),
        }
    }
}

/// Whether another attempt may find what this one has not.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::NoSuchConsole { .. } | Error::NotServed { .. } => true,
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

impl Session<'_> {
    /// Whether this end is a connection that was lost, rather than somebody's wish.
    pub(crate) fn was_lost(&self, end: &Result<Outcome, Error>) -> bool {
        let lost = match end {
            Ok(Outcome::Ended(end)) => end.cause == Cause::ShutDown,
            Err(Error::Client(ClientError::Lost(_))) => true,
            _ => false,
        };
        // A script whose input was on its way can't know what became of it.
        lost && !self.detaching
    }

    /// Waits until there is a server again, and goes on there: then [`run`](Self::run) does. Or else how that has ended.
    pub(crate) fn reconnect(&mut self, way: &Way) -> Result<Option<Outcome>, Error> {
        let place = Place {
            mode: match self.standing {
                Standing::Owner { .. } => Mode::Exclusive,
                Standing::Waiting { .. } => Mode::Wait,
                _ => Mode::Spectate,
            },
            wishes: self.wishes,
            next: self.next,
            tail: self.tail.clone(),
        };
        let typed = if self.is_owner() { "; what was typed last may be lost" } else { "" };
        self.note(&format!("the connection was lost: waiting for the console to come back{typed}"));
        self.standing = Standing::Spectator;
        self.turn = None;
        self.told = true;
        let mut pause = FIRST_PAUSE;
        loop {
            let next = Instant::now() + pause;
            while Instant::now() < next {
                if let Some(outcome) = self.stand_by(&Peer::Nobody, Some(next))? {
                    return Ok(Some(outcome));
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            let host = |source| Error::Host { operation: "start a thread that connects", source };
            let attempt = Attempt::start(way, &place).map_err(host)?;
            let found = loop {
                if let Some(outcome) = self.stand_by(&Peer::Attempt(&attempt.over), None)? {
                    return Ok(Some(outcome));
                }
                match attempt.found.try_recv() {
                    Ok(found) => break found,
                    Err(mpsc::TryRecvError::Empty) => {}
                    // It has died of something that is a bug; it has said so.
                    Err(mpsc::TryRecvError::Disconnected) => {
                        return Err(ClientError::Lost(io::ErrorKind::Other.into()).into());
                    }
                }
            };
            match found {
                Ok((client, found)) => return self.found(client, found),
                Err(error) if may_pass(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on with what was found.
    fn found(&mut self, mut client: Client, found: Found) -> Result<Option<Outcome>, Error> {
        client.set_nonblocking(true)?;
        self.client = client;
        self.turn = None;
        self.told = false;
        self.window = None;
        match found {
            Found::Over(end) if end.cause == Cause::VmEnded => {
                // Its last words.
                self.client.queue(&Request::Log(LogRequest { from: Replay::From(self.next), max: None }));
                self.over = Some(end);
            }
            Found::Over(end) => return Ok(Some(Outcome::Ended(end))),
            Found::Session { attached, held, anew } => {
                self.standing = standing::of(&attached);
                self.tell_window();
                if anew {
                    self.next = attached.offset;
                    self.tail.clear();
                    self.note("the console has begun anew, and so does its output");
                }
                let now = match (self.standing, held) {
                    (Standing::Owner { .. }, _) => "the console is yours again".to_owned(),
                    (Standing::Waiting { ahead }, Some((holder, since))) => {
                        format!("back: {holder} holds the console since {since}; {}", standing::place(ahead))
                    }
                    (Standing::Waiting { ahead }, None) => format!("back: {}", standing::place(ahead)),
                    _ => "back: you are watching".to_owned(),
                };
                self.note(&now);
            }
        }
        Ok(None)
    }

    /// Waits without a connection, and sees to everything else meanwhile.
    fn stand_by(&mut self, peer: &Peer<'_>, until: Option<Instant>) -> Result<Option<Outcome>, Error> {
        let patience = until.map(|until| until.saturating_duration_since(Instant::now()));
        let (outcome, _) = self.look_around(peer, patience)?;
        // Nobody is there to let us go.
        let left = self.detaching.then_some(Outcome::Detached { unanswered: false });
        Ok(outcome.or(left))
    }
}
