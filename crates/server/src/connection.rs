//! One client's connection: what it has sent and the server has not served yet, and what it is owed.
//!
//! Everything here is bounded, whatever the client does. There is no queue of output: the ring is the queue, and a connection
//! holds at most the rest of a batch that its socket has taken in part. While input waits for the guest, the server reads no
//! more from the socket. The client's own writes then wait: that is back-pressure, and nothing is lost.
//!
//! | file | what it does |
//! |---|---|
//! | [`protocol`] | the two protocols, raw and framed |
//! | [`input`] | receives, and offers input to the console |
//! | [`requests`] | serves the requests of a framed client |
//! | [`output`] | sends the guest's output and the history |
//! | [`outbox`] | keeps what the socket has not taken |

mod input;
mod outbox;
mod output;
mod protocol;
mod requests;

use vuart_endpoint::{
    Attach, Cause, Change, Console, End, Epoch, Identity, Mode, Refused, Session, SessionId, SessionInfo,
    Standing,
};
use vuart_wire::{ErrorCode, ErrorMessage, Event};

use crate::access::{Own, Role};
use crate::pass::Pass;
use crate::raw::RawStart;
use crate::ready::Ready;
use crate::transport::{Closed, Transport};
use input::Typed;
use outbox::Outbox;
use protocol::{Framed, Protocol};

/// The console that a connection is at.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) console: Console,
    pub(crate) name: String,
    pub(crate) own: Own,
    /// The server goes, although the console has not ended: no more sessions begin.
    pub(crate) going: Option<End>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    peer: Identity,
    /// What the client may ask for.
    role: Role,
    protocol: Protocol,
    session: Option<Session>,
    /// The ownership that the client knows it types for.
    accepted: Option<Epoch>,
    state: State,
    /// Input that the console has not taken yet.
    typed: Typed,
    /// Output that the socket has not taken yet.
    outbox: Outbox,
    /// The socket is full, or the budget is spent: go on when the socket is writable.
    blocked: bool,
    /// The client sends nothing more.
    read_closed: bool,
    /// The client has caused too much [idle work](Self::take_idle_work), and is not served for a while.
    resting: bool,
    place: Place,
    /// See [`take_idle_work`](Self::take_idle_work).
    idle_work: usize,
}

/// The idle work of a request that is answered, refused or dropped, in the measure of bytes that are received and dropped.
mod work {
    /// Input or a break that is dropped, besides its bytes.
    pub(super) const DROPPED: usize = 64;
    /// A question, or the size of a window.
    pub(super) const SMALL: usize = 256;
    /// An error or a refusal.
    pub(super) const REFUSED: usize = 1024;
}

/// The kind of place that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Any session can be there.
    Open,
    /// All others are taken, and this one is kept for admins: no session can watch or wait there.
    Reserved,
}

/// How a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The session ends when the guest has taken all its input, and the client has the output up to that moment.
    Draining {
        /// The offset of the output at that moment, when it has come.
        until: Option<u64>,
    },
    /// The connection is closed when the client has taken what is in the outbox.
    Closing {
        /// Its session has ended because another took the console over.
        evicted: bool,
    },
}

impl Connection {
    fn new(transport: Transport, peer: Identity, role: Role, protocol: Protocol) -> Self {
        Self {
            transport,
            peer,
            role,
            protocol,
            session: None,
            accepted: None,
            state: State::Open,
            typed: Typed::default(),
            outbox: Outbox::default(),
            blocked: false,
            read_closed: false,
            resting: false,
            place: Place::Open,
            idle_work: 0,
        }
    }

    /// A client without a protocol. Its session begins at once, or the client is told why not.
    pub(crate) fn raw(
        transport: Transport,
        peer: Identity,
        role: Role,
        start: RawStart,
        context: &Context,
    ) -> Self {
        let RawStart { mode, replay, notices } = start;
        let mut connection = Self::new(transport, peer, role, Protocol::Raw { notices });
        let attach = Attach::new(connection.peer.clone()).with_mode(mode).with_replay(replay);
        match connection.admit(attach, context) {
            Ok(session) => {
                let waits = mode == Mode::Wait && !session.is_owner();
                connection.begin(session);
                if let Some(SessionInfo { identity, since, .. }) = context.console.owner().filter(|_| waits) {
                    let held = Refused::Held { holder: identity, since };
                    connection.say(&format!("{held}; you watch, and wait for it"));
                }
            }
            Err(refused) => connection.say_and_close(&refused.to_string()),
        }
        connection
    }

    /// A client of the control socket.
    pub(crate) fn framed(transport: Transport, peer: Identity, role: Role) -> Self {
        Self::new(transport, peer, role, Protocol::Framed(Framed::default()))
    }

    /// A client that is sent away at once. `notices` says whether one without a protocol is told why.
    pub(crate) fn refused(
        transport: Transport,
        peer: Identity,
        framed: bool,
        notices: bool,
        code: ErrorCode,
        message: &str,
    ) -> Self {
        let protocol = if framed { Protocol::Framed(Framed::default()) } else { Protocol::Raw { notices } };
        let mut connection = Self::new(transport, peer, Role::Spectator, protocol);
        connection.refuse(code, message);
        connection
    }

    /// Tells the client why it is sent away. The connection is closed afterwards.
    pub(crate) fn refuse(&mut self, code: ErrorCode, message: &str) {
        match self.protocol {
            Protocol::Raw { .. } => self.say_and_close(message),
            Protocol::Framed(_) => {
                self.error(code, message);
                self.state = State::Closing { evicted: false };
            }
        }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn uid(&self) -> u32 {
        self.peer.uid()
    }

    /// The client's session.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.info().id)
    }

    /// Sets the kind of place that the client has at the moment.
    pub(crate) fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// Sets whether the client rests: nothing that it sends is received or served.
    pub(crate) fn set_resting(&mut self, resting: bool) {
        self.resting = resting;
    }

    /// Takes the measure of what the client has asked for since the last call and what has come to nothing: input of somebody
    /// who does not own the console, errors, questions. What an owner types, output and sessions do not count.
    pub(crate) fn take_idle_work(&mut self) -> usize {
        std::mem::take(&mut self.idle_work)
    }

    /// Whether the client has been told why it is sent away, and the connection is closed when it has taken that.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Whether the client has no session and no request under way, or is sent away and does not read why. Such a client gives
    /// way when there are too many.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_closing() || (self.is_settled() && !self.is_busy() && !self.protocol.has_request())
    }

    /// Whether the connection is closed because another session took the console over.
    pub(crate) fn was_evicted(&self) -> bool {
        self.state == (State::Closing { evicted: true })
    }

    /// Whether the client must leave the pseudo-terminal. No other can have it until then.
    pub(crate) fn holds_pty_up(&self) -> bool {
        self.is_closing() && self.transport.is_pty()
    }

    /// Whether the client's session owns the console.
    pub(crate) fn owns(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_owner)
    }

    /// Whether the client has not introduced itself yet, and must.
    pub(crate) fn is_mute(&self) -> bool {
        self.protocol.is_mute()
    }

    /// Whether the client is owed nothing more.
    pub(crate) fn is_settled(&self) -> bool {
        !self.gets_output() && self.outbox.is_empty()
    }

    /// What the event loop should wait for.
    pub(crate) fn interest(&self) -> Ready {
        Ready { read: self.may_receive(), write: self.blocked }
    }

    /// Whether there is room for more: everything that was received has been served.
    fn may_receive(&self) -> bool {
        !self.read_closed && !self.resting && !self.is_busy() && !self.protocol.has_request()
    }

    /// Whether a request is under way that the next one must wait for.
    fn is_busy(&self) -> bool {
        self.is_closing()
            || self.input_waits()
            // Answers are small, but a client that asks and never reads must not fill the server's memory.
            || self.outbox.len() > vuart_wire::MAX_PAYLOAD
            || self.protocol.is_sending_history()
    }

    /// Whether the guest can have something for the client: output, or room for input. While the client's socket is full, only
    /// room for input counts.
    pub(crate) fn awaits_guest(&self) -> bool {
        self.session.is_some() && (!self.blocked || self.input_waits())
    }

    /// Whether the client is sent output, if it reads.
    pub(crate) fn gets_output(&self) -> bool {
        self.session.is_some() || self.protocol.is_sending_history()
    }

    fn input_waits(&self) -> bool {
        !self.typed.is_empty() || self.is_draining()
    }

    fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. })
    }

    fn begin(&mut self, session: Session) {
        self.accepted = session.epoch();
        self.session = Some(session);
    }

    /// Makes progress with everything that can: call it when the socket is ready, or the doorbell has rung. It does not try a
    /// socket that was full and is not reported as writable.
    pub(crate) fn drive(&mut self, ready: Ready, context: &Context, pass: &mut Pass) -> Result<(), Closed> {
        if ready.read {
            self.receive(pass)?;
        }
        self.blocked &= !ready.write;
        let mut budget = pass.budget();
        loop {
            self.notice_change();
            self.offer_input(context);
            self.end_if_drained(context);
            self.serve(&mut budget, context);
            self.send(&mut budget, context, pass)?;
            // What was just sent may have been the last that it waited for.
            if self.end_if_drained(context) {
                self.send(&mut budget, context, pass)?;
            }
            // The end of a history, or input that was taken, makes room for the next request. When the budget is spent, the
            // writable socket begins the next pass.
            if self.blocked || self.resting || self.is_busy() || !self.protocol.has_request() {
                break;
            }
        }
        // A framed client that has closed its half gets what it asked for before. A raw client may be a script that has sent
        // all its input and reads on.
        let framed = matches!(self.protocol, Protocol::Framed(_));
        if framed && self.read_closed && self.is_settled() && !self.is_busy() { Err(Closed) } else { Ok(()) }
    }

    /// Tells the client that its session has come to own the console, or has lost it and watches on. A client that does not
    /// read is told later, of the last change only.
    fn notice_change(&mut self) {
        if !self.outbox.is_empty() {
            return;
        }
        let Some(change) = self.session.as_mut().and_then(Session::changed) else { return };
        match (&self.protocol, change) {
            (Protocol::Framed(_), change) => self.tell(&Event::Standing(change)),
            (Protocol::Raw { .. }, Change { standing: Standing::Owner { .. }, .. }) => self.come_to_own(),
            // It can't be told in which way it watches: it could mistake that for output.
            (
                Protocol::Raw { .. },
                Change {
                    standing: Standing::Spectator | Standing::Waiting { .. },
                    evicted: Some(eviction),
                    ..
                },
            ) => {
                let end = End { cause: Cause::Evicted { by: eviction.by }, at: eviction.at };
                self.end(end);
            }
            (Protocol::Raw { .. }, _) => {}
        }
    }

    /// Ends the session and tells the client how. A raw connection is closed then.
    fn end(&mut self, end: End) {
        self.session = None;
        if self.is_draining() {
            self.state = State::Open;
        }
        match self.protocol {
            Protocol::Raw { .. } => {
                self.say(&end.to_string());
                self.state = State::Closing { evicted: matches!(end.cause, Cause::Evicted { .. }) };
            }
            Protocol::Framed(_) => self.tell(&Event::Ended(end)),
        }
    }

    fn tell(&mut self, event: &Event) {
        self.outbox.tell(event);
    }

    fn error(&mut self, code: ErrorCode, message: &str) {
        self.idle_work += work::REFUSED;
        self.tell(&Event::Error(ErrorMessage { code, message: message.into() }));
    }

    /// Tells a client without a protocol, if it may be told.
    fn say(&mut self, text: &str) {
        if let Protocol::Raw { notices: true } = self.protocol {
            self.outbox.say(text);
        }
    }

    /// Closes a connection without a protocol, and says why if it may.
    fn say_and_close(&mut self, text: &str) {
        self.say(text);
        self.state = State::Closing { evicted: false };
    }
}
