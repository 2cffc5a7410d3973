//! One client's connection: what it has sent and not yet got through, and what it is owed.
//!
//! Everything here is bounded, whatever the client does. There is no queue of output: the ring is the queue, and a
//! connection holds at most the frame that its socket has taken a part of. While input waits for the guest, nothing more
//! is read from the socket, so that the client's own writes wait: back-pressure, and nothing is lost.

mod output;

use std::cell::Cell;

use event_manager::EventSet;
use vuart_scrollback::Reader;

use crate::access::Role;
use crate::transport::Transport;
use vuart_endpoint::{
    Attach, Cause, Change, Console, End, Epoch, Identity, Mode, Refused, Session, Standing,
};
use vuart_wire::{
    AcceptRequest, AttachRequest, Attached, Decoder, DetachRequest, ErrorCode, ErrorMessage, Event, Frame,
    Hole, KickRequest, LogRequest, Request, Status, Welcome,
};

/// How much output is sent at once, in bytes, in as many frames as that takes: enough for a client to have something to read while we
/// fetch more. One that is faster sleeps before each, and to wake it costs more than to copy the bytes.
/// And not more than a socket takes that is empty, or what is over is fetched twice.
const BATCH: usize = 160 << 10;

/// How much output the clients of a console get before other consoles of the thread have their turn, in bytes; they share it. A
/// request to another one waits for as long as that takes.
const TURN: usize = 256 << 10;

/// How much one gets at least, when there are more than sixteen: the system calls for less would cost more than the bytes.
const LEAST_TURN: usize = 16 << 10;

/// How many bytes are read from a socket at once.
const RECEIVE: usize = 16 << 10;

/// How much of what a client had sent before it hung up is counted, in bytes: more than a socket holds.
const DRAIN: usize = 1 << 20;

/// What a connection needs to know of where it is.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) console: Console,
    pub(crate) name: String,
    /// For bytes on their way between ring and socket, while connections are driven.
    buffer: Vec<u8>,
    /// How much output a connection gets in its turn, in bytes.
    turn: usize,
}

thread_local! {
    /// One for all consoles that a thread serves: it is large, and they have their turns one after another.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Context {
    pub(crate) fn new(console: Console, name: String) -> Self {
        const { assert!(BATCH >= RECEIVE) }
        Self { console, name, buffer: Vec::new(), turn: TURN }
    }

    /// Before connections are driven: has a buffer for them.
    pub(crate) fn borrow_buffer(&mut self) {
        self.buffer = BUFFER.take();
        self.buffer.resize(BATCH, 0);
    }

    /// After that: leaves it to others.
    pub(crate) fn return_buffer(&mut self) {
        BUFFER.set(std::mem::take(&mut self.buffer));
    }

    /// So many connections share a turn: those that [get output](Connection::gets_output).
    pub(crate) fn share_turn(&mut self, connections: usize) {
        self.turn = TURN.checked_div(connections).unwrap_or(TURN).max(LEAST_TURN);
    }
}

/// The connection is over, for the client's part or ours; it is dropped, and its session with it.
#[derive(Debug)]
pub(crate) struct Closed;

/// Which protocol the client speaks.
#[derive(Debug)]
enum Protocol {
    /// Bytes.
    Raw,
    /// Frames.
    Framed { decoder: Decoder, greeted: bool, log: Option<Log> },
}

/// A history that is being sent.
#[derive(Debug)]
struct Log {
    reader: Reader,
    /// The end, as it was when the request was served.
    until: u64,
    /// How many bytes may still be sent.
    left: u64,
}

#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "five independent facts about a socket and what waits for it"
)]
pub(crate) struct Connection {
    transport: Transport,
    peer: Identity,
    /// What it may ask for.
    role: Role,
    protocol: Protocol,
    session: Option<Session>,
    /// The ownership that the client knows it types for.
    accepted: Option<Epoch>,
    /// The session ends when the guest has taken all that it has typed.
    draining: bool,
    /// Input that the console has not taken yet, and how much of it it has.
    input: Vec<u8>,
    input_taken: usize,
    /// A break that waits behind that input.
    break_waits: bool,
    /// What the socket has not taken yet, and how much of it it has.
    output: Vec<u8>,
    output_sent: usize,
    /// The socket was full, or the turn was over: go on when it is writable.
    blocked: bool,
    /// The client sends nothing any more.
    read_closed: bool,
    /// Close when `output` is gone.
    closing: bool,
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
            draining: false,
            input: Vec::new(),
            input_taken: 0,
            break_waits: false,
            output: Vec::new(),
            output_sent: 0,
            blocked: false,
            read_closed: false,
            closing: false,
        }
    }

    /// A client of a raw socket or a pseudo-terminal: it is at the console from now on, or is told why not.
    pub(crate) fn raw(
        transport: Transport,
        peer: Identity,
        role: Role,
        mode: Mode,
        context: &Context,
    ) -> Self {
        let mut connection = Self::new(transport, peer, role, Protocol::Raw);
        let attach = Attach::new(connection.peer.clone()).with_mode(mode);
        match connection.admit(attach, context) {
            Ok(session) => connection.begin(session),
            Err(refused) => connection.say_and_close(&refused.to_string()),
        }
        connection
    }

    /// A client of a raw socket that is sent away at once; [`refuse`](Self::refuse) says why.
    pub(crate) fn raw_refused(transport: Transport, peer: Identity) -> Self {
        Self::new(transport, peer, Role::Spectator, Protocol::Raw)
    }

    /// A client of the control socket.
    pub(crate) fn framed(transport: Transport, peer: Identity, role: Role) -> Self {
        let protocol = Protocol::Framed { decoder: Decoder::default(), greeted: false, log: None };
        Self::new(transport, peer, role, protocol)
    }

    /// A client that is sent away.
    pub(crate) fn refuse(&mut self, code: ErrorCode, message: &str) {
        match self.protocol {
            Protocol::Raw => self.say_and_close(message),
            Protocol::Framed { .. } => {
                self.error(code, message);
                self.closing = true;
            }
        }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// It has been told why it is sent away, and goes when it has taken that.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// It has no session, and nothing that it has asked for is under way, or it is to go and does not read why: one that goes
    /// when there are too many.
    pub(crate) fn is_idle(&self) -> bool {
        self.closing || (self.is_settled() && !self.is_busy() && !self.has_request())
    }

    /// It is to go from the pseudo-terminal, which nobody else can have until then.
    pub(crate) fn holds_pty_up(&self) -> bool {
        self.closing && self.transport.is_pty()
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// It owns the console.
    pub(crate) fn owns(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_owner)
    }

    /// It has not said yet what it wants.
    pub(crate) fn is_mute(&self) -> bool {
        matches!(self.protocol, Protocol::Framed { greeted: false, .. })
    }

    /// Nothing more is owed to the client.
    pub(crate) fn is_settled(&self) -> bool {
        !self.gets_output() && self.output.is_empty()
    }

    /// What the event loop should wait for.
    pub(crate) fn interest(&self) -> EventSet {
        let mut interest = EventSet::empty();
        interest.set(EventSet::IN, self.may_receive());
        interest.set(EventSet::OUT, self.blocked);
        interest
    }

    /// There is room for more: what was received has been served.
    fn may_receive(&self) -> bool {
        !self.read_closed && !self.is_busy() && !self.has_request()
    }

    /// A request is being served that the next one must wait for.
    fn is_busy(&self) -> bool {
        self.closing
            || self.input_waits()
            // Answers are small, but a client that asks and never reads must not make us hoard them.
            || self.output.len() > vuart_wire::MAX_PAYLOAD
            || matches!(self.protocol, Protocol::Framed { log: Some(_), .. })
    }

    /// The guest can have something for it: output, or room for input. While its socket is full, output is looked for when
    /// there is room in it.
    pub(crate) fn awaits_guest(&self) -> bool {
        self.session.is_some() && (!self.blocked || self.input_waits())
    }

    /// It is sent output, if it reads it.
    pub(crate) fn gets_output(&self) -> bool {
        self.session.is_some() || matches!(self.protocol, Protocol::Framed { log: Some(_), .. })
    }

    fn input_waits(&self) -> bool {
        self.input_taken < self.input.len() || self.break_waits || self.draining
    }

    fn begin(&mut self, session: Session) {
        self.accepted = session.epoch();
        self.session = Some(session);
    }

    /// Goes on with everything that can go on: the socket is readable or writable, the doorbell has rung. Nothing is tried on a socket
    /// that was full and is not known to be writable.
    pub(crate) fn drive(&mut self, ready: EventSet, context: &mut Context) -> Result<(), Closed> {
        if ready.contains(EventSet::IN) {
            self.receive(context)?;
        }
        self.blocked &= !ready.contains(EventSet::OUT);
        let mut turn = context.turn;
        loop {
            self.notice_change();
            self.flush_input(context);
            self.drained();
            self.serve(&mut turn, context);
            self.send(&mut turn, context)?;
            // A log that has been sent, or input that has been taken, makes room for the next request. When the turn is
            // over, the socket's being writable begins the next one.
            if self.blocked || self.is_busy() || !self.has_request() {
                break;
            }
        }
        // A framed client that has closed its half gets what it asked for before; a raw one may be a script that has
        // sent all its input and reads on.
        let framed = matches!(self.protocol, Protocol::Framed { .. });
        if framed && self.read_closed && self.is_settled() && !self.is_busy() { Err(Closed) } else { Ok(()) }
    }

    /// The client has hung up: takes what it sent before that, as far as there is room for it, and counts the rest.
    pub(crate) fn drain(&mut self, context: &mut Context) {
        while !self.read_closed && !self.is_busy() {
            let waits = self.has_request();
            // Nothing is received, and nothing ends, at a pseudo-terminal that somebody else has opened meanwhile.
            let Ok(received) = self.receive(context) else { break };
            if self.drive(EventSet::OUT, context).is_err() || !(received || waits) {
                break;
            }
        }
        self.drop_input(context);
        let (mut received, mut abandoned) = (0, 0);
        while received < DRAIN {
            let Ok(count @ 1..) = self.transport.receive(&mut context.buffer) else { break };
            received += count;
            match &mut self.protocol {
                Protocol::Raw => abandoned += count,
                Protocol::Framed { decoder, .. } => {
                    decoder.extend(&context.buffer[..count]);
                    while let Some(Ok(request)) = decoder.next_frame() {
                        if let Request::Input(bytes) = request {
                            abandoned += bytes.len();
                        }
                    }
                }
            }
        }
        if self.session.as_ref().is_some_and(Session::is_owner) {
            context.console.abandon(abandoned as u64);
        }
    }

    /// The session has come to own the console, or has lost it and watches on. Whoever does not read is told when there is room:
    /// of the last change only.
    fn notice_change(&mut self) {
        if !self.output.is_empty() {
            return;
        }
        let Some(change) = self.session.as_mut().and_then(Session::changed) else { return };
        match (&self.protocol, change) {
            (Protocol::Framed { .. }, change) => self.tell(&Event::Standing(change)),
            // A raw client can't be told what it is now in a way that it could not mistake.
            (
                Protocol::Raw,
                Change {
                    standing: Standing::Spectator | Standing::Waiting { .. }, evicted: Some(by), ..
                },
            ) => {
                self.session = None;
                let end = End { cause: Cause::Evicted { by: by.by }, at: by.at };
                self.say_and_close(&end.to_string());
            }
            (Protocol::Raw, _) => {}
        }
    }

    /// Whether what the client sends is for the ownership that its session has: what it sent before it could know of that one
    /// is for nobody.
    fn may_type(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_owner() && session.epoch() == self.accepted)
    }

    /// Ends a session that was to end when the guest has taken all that it has typed, if that is so.
    fn drained(&mut self) {
        if self.draining && self.session.as_mut().is_none_or(|session| session.input_left() == 0) {
            self.draining = false;
            self.detach();
        }
    }

    /// Nobody types any more: what waits is dropped, and counted.
    fn drop_input(&mut self, context: &Context) {
        context.console.abandon((self.input.len() - self.input_taken) as u64);
        self.clear_input();
    }

    fn clear_input(&mut self) {
        self.input.clear();
        self.input_taken = 0;
        self.break_waits = false;
    }

    fn has_request(&self) -> bool {
        matches!(&self.protocol, Protocol::Framed { decoder, .. } if decoder.has_frame())
    }

    /// Whether there was something.
    fn receive(&mut self, context: &mut Context) -> Result<bool, Closed> {
        if !self.may_receive() {
            return Ok(false);
        }
        let buffer = &mut context.buffer[..RECEIVE];
        let received = loop {
            match self.transport.receive(buffer) {
                Ok(0) => {
                    self.read_closed = true;
                    return Ok(false);
                }
                Ok(received) => break &buffer[..received],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                // The client is gone (S14): that is its own affair.
                Err(_) => return Err(Closed),
            }
        };
        match &mut self.protocol {
            Protocol::Raw => {
                self.input.clear();
                self.input.extend_from_slice(received);
                self.input_taken = 0;
            }
            Protocol::Framed { decoder, .. } => decoder.extend(received),
        }
        Ok(true)
    }

    /// Offers the waiting input to the console.
    fn flush_input(&mut self, context: &Context) {
        let may_type = self.may_type();
        let Some(session) = &mut self.session else {
            // Nobody is there to type for: what a client sent after its eviction and before it knew is dropped.
            return self.drop_input(context);
        };
        if !may_type {
            // A spectator's typing goes nowhere, and does not hold up its connection.
            return self.clear_input();
        }
        if self.input_taken < self.input.len() {
            match session.write(&self.input[self.input_taken..]) {
                Ok(taken) => self.input_taken += taken,
                // The end is told in its turn; see `produce_output`.
                Err(_) => return self.drop_input(context),
            }
        }
        if self.break_waits && self.input_taken == self.input.len() {
            self.break_waits = session.send_break().is_ok_and(|taken| !taken);
        }
    }

    /// Serves the client's requests until one has to wait, or the turn is over.
    fn serve(&mut self, turn: &mut usize, context: &Context) {
        while !self.is_busy() && *turn > 0 {
            let Protocol::Framed { decoder, .. } = &mut self.protocol else { return };
            match decoder.next_frame::<Request>() {
                None => return,
                Some(Ok(request)) => {
                    // In bytes of output that are as much work, or less.
                    let work = match &request {
                        // All of the ring may be looked at.
                        request if searches(request) => context.console.scrollback().capacity(),
                        // Everybody's session is copied and written down.
                        Request::Status => TURN / 8,
                        _ => TURN / 1024,
                    };
                    *turn = turn.saturating_sub(work);
                    self.request(request, context);
                }
                Some(Err(error)) => {
                    let fatal = matches!(error, vuart_wire::WireError::TooLong(_));
                    self.error(error.code(), &error.to_string());
                    self.closing |= fatal;
                }
            }
        }
    }

    fn request(&mut self, request: Request, context: &Context) {
        let Protocol::Framed { greeted, log, .. } = &mut self.protocol else { return };
        match request {
            Request::Hello(hello) if !*greeted => {
                if hello.version < vuart_wire::VERSION {
                    let message = format!("this server speaks version {}", vuart_wire::VERSION);
                    self.error(ErrorCode::Version, &message);
                    self.closing = true;
                    return;
                }
                *greeted = true;
                self.peer = self.peer.clone().with_label(&hello.label);
                self.tell(&Event::Welcome(Welcome {
                    version: vuart_wire::VERSION,
                    console: context.name.clone(),
                    pid: std::process::id(),
                }));
            }
            Request::Hello(_) => self.error(ErrorCode::OutOfOrder, "hello has been said"),
            _ if !*greeted => self.error(ErrorCode::OutOfOrder, "say hello first"),
            Request::Attach(_) | Request::Log(_) if self.session.is_some() => {
                self.error(ErrorCode::OutOfOrder, "this connection has a session; detach first");
            }
            Request::Attach(request) => self.attach(request, context),
            Request::Input(bytes) => {
                self.input = bytes;
                self.input_taken = 0;
                self.flush_input(context);
            }
            Request::Break => {
                self.break_waits = true;
                self.flush_input(context);
            }
            Request::Detach(_) if self.session.is_none() => {
                self.error(ErrorCode::OutOfOrder, "there is no session to detach");
            }
            Request::Detach(DetachRequest { drained: true }) => {
                self.draining = true;
                self.drained();
            }
            Request::Detach(_) => self.detach(),
            Request::Window(window) => match &mut self.session {
                Some(session) => session.set_window(window),
                None => self.error(ErrorCode::OutOfOrder, "there is no session whose terminal that could be"),
            },
            Request::Accept(AcceptRequest { epoch }) => {
                // Of another ownership than the present one there is nothing to know.
                if self.session.as_ref().and_then(Session::epoch) == Some(epoch) {
                    self.accepted = Some(epoch);
                }
            }
            Request::Kick(_) if self.role < Role::Admin => {
                self.error(ErrorCode::Forbidden, "you may not end other people's sessions");
            }
            Request::Kick(KickRequest { session }) => {
                if context.console.kick(session, &self.peer) {
                    self.tell(&Event::Done);
                } else {
                    self.error(ErrorCode::NoSession, &format!("there is no session {session}"));
                }
            }
            Request::Status => self.tell(&Event::Status(status(context))),
            Request::Log(LogRequest { from, max }) => {
                let scrollback = context.console.scrollback();
                let from = from.offset(scrollback);
                let (oldest, until) = (scrollback.oldest(), scrollback.end());
                // What is gone is declared, also when nothing else is asked for.
                let start = from.max(oldest);
                let left = max.unwrap_or(u64::MAX);
                *log = Some(Log { reader: scrollback.reader_at(start), until, left });
                if from < start {
                    self.tell(&Event::Hole(Hole { from, to: start }));
                }
            }
        }
    }

    fn attach(&mut self, request: AttachRequest, context: &Context) {
        let attach = Attach::new(self.peer.clone())
            .with_mode(request.mode)
            .with_replay(request.replay)
            .with_on_lag(request.on_lag)
            .with_returning(request.returning);
        match self.admit(attach, context) {
            Ok(session) => {
                let attached = Attached {
                    session: session.info().id,
                    owner: session.info().owner,
                    epoch: session.epoch(),
                    ahead: session.ahead(),
                    offset: session.output().cursor(),
                    evicted: session.evicted().cloned(),
                    held_by: context.console.owner().map(|owner| owner.identity),
                };
                self.begin(session);
                self.tell(&Event::Attached(attached));
            }
            Err(refused) => self.tell(&Event::Refused(refused)),
        }
    }

    /// A session, if that is within the role.
    fn admit(&self, attach: Attach, context: &Context) -> Result<Session, Refused> {
        if attach.mode() != Mode::Spectate && self.role < Role::Owner {
            context.console.refuse(&self.peer, attach.mode(), &Refused::Forbidden);
            return Err(Refused::Forbidden);
        }
        context.console.attach(attach)
    }

    fn detach(&mut self) {
        let Some(session) = self.session.take() else { return };
        let end = session
            .end()
            .cloned()
            .unwrap_or_else(|| End { cause: Cause::Detached, at: std::time::SystemTime::now().into() });
        drop(session);
        self.tell(&Event::Ended(end));
    }

    fn tell(&mut self, event: &Event) {
        event.encode(&mut self.output);
    }

    fn error(&mut self, code: ErrorCode, message: &str) {
        self.tell(&Event::Error(ErrorMessage { code, message: message.to_owned() }));
    }

    /// A raw client's one clear line.
    fn say_and_close(&mut self, line: &str) {
        self.output.extend_from_slice(format!("\r\n[vuart: {line}]\r\n").as_bytes());
        self.closing = true;
    }
}

/// Whether the history is searched for where the answer begins.
fn searches(request: &Request) -> bool {
    match request {
        Request::Attach(request) => request.replay.searches(),
        Request::Log(request) => request.from.searches(),
        _ => false,
    }
}

fn status(context: &Context) -> Status {
    let console = &context.console;
    let scrollback = console.scrollback();
    let mut sessions = console.sessions();
    sessions.sort_by_key(|session| !session.owner);
    Status {
        console: context.name.clone(),
        pid: std::process::id(),
        more_sessions: (sessions.len().saturating_sub(Status::SESSIONS_MAX)) as u64,
        sessions: sessions.into_iter().take(Status::SESSIONS_MAX).collect(),
        oldest: scrollback.oldest(),
        end: scrollback.end(),
        capacity: scrollback.capacity() as u64,
        input_waiting: console.input_waiting(),
        counters: console.counters(),
        disabled: console.disabled(),
        ended: console.ended(),
    }
}
