//! The requests of a framed client.

use std::time::SystemTime;

use vuart_endpoint::{Attach, Cause, End, Mode, Refused, Session};
use vuart_wire::{
    AcceptRequest, AttachRequest, Attached, DetachRequest, ErrorCode, Event, Hole, KickRequest, LogRequest,
    Request, Status, Welcome, WireError,
};

use super::protocol::{History, Protocol};
use super::{Connection, Context, Place, State, work};
use crate::access::Role;
use crate::pass::{BUDGET, Budget};

impl Connection {
    /// Serves the client's requests until one has to wait, or the budget is spent.
    pub(super) fn serve(&mut self, budget: &mut Budget, context: &Context) {
        while !self.is_busy() && !self.resting && !budget.is_spent() {
            let Protocol::Framed(framed) = &mut self.protocol else { return };
            match framed.decoder.next_frame::<Request>() {
                None => return,
                Some(Ok(request)) => {
                    budget.spend(cost(&request, context));
                    self.idle_work += self.idle_work_of(&request);
                    self.request(request, context);
                }
                Some(Err(error)) => {
                    self.error(error.code(), &error.to_string());
                    if matches!(error, WireError::TooLong(_)) {
                        self.state = State::Closing { evicted: false };
                    }
                }
            }
        }
    }

    fn request(&mut self, request: Request, context: &Context) {
        let Protocol::Framed(framed) = &mut self.protocol else { return };
        match request {
            Request::Hello(hello) if !framed.greeted => {
                if hello.version < vuart_wire::VERSION {
                    let message = format!("this server speaks version {}", vuart_wire::VERSION);
                    return self.refuse(ErrorCode::Version, &message);
                }
                framed.greeted = true;
                self.peer = self.peer.clone().with_label(&hello.label);
                self.tell(&Event::Welcome(Welcome {
                    version: vuart_wire::VERSION,
                    console: context.name.as_str().into(),
                    pid: context.own.pid,
                }));
            }
            Request::Hello(_) => self.error(ErrorCode::OutOfOrder, "hello has been said"),
            _ if !framed.greeted => self.error(ErrorCode::OutOfOrder, "say hello first"),
            Request::Attach(_) | Request::Log(_) if self.session.is_some() => {
                self.error(ErrorCode::OutOfOrder, "this connection has a session; detach first");
            }
            Request::Attach(request) => self.attach(request, context),
            Request::Input(bytes) => {
                self.typed.put(bytes);
                self.offer_input(context);
            }
            Request::Break => {
                self.typed.put_break();
                self.offer_input(context);
            }
            Request::Detach(_) if self.session.is_none() => {
                self.error(ErrorCode::OutOfOrder, "there is no session to detach");
            }
            Request::Detach(DetachRequest { drained: true }) => {
                self.state = State::Draining { until: None };
                self.end_if_drained(context);
            }
            Request::Detach(_) => self.detach(),
            Request::Window(window) => match &mut self.session {
                Some(session) => session.set_window(window),
                None => self.error(ErrorCode::OutOfOrder, "there is no session whose terminal that could be"),
            },
            Request::Accept(AcceptRequest { epoch }) => {
                // Another ownership than the present one is over, and needs no answer.
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
                let from = scrollback.offset(from);
                let (oldest, until) = (scrollback.oldest(), scrollback.end());
                // Lost bytes are declared, even if the client asks for none.
                let start = from.max(oldest);
                let left = max.unwrap_or(u64::MAX);
                framed.history = Some(History { reader: scrollback.reader_at(start), until, left });
                if from < start {
                    self.tell(&Event::Hole(Hole { from, to: start }));
                }
            }
        }
    }

    /// What a request counts as [idle work](Self::take_idle_work). Errors and refusals count when they are told.
    fn idle_work_of(&self, request: &Request) -> usize {
        match request {
            Request::Input(_) | Request::Break if self.may_type() => 0,
            Request::Input(bytes) => work::DROPPED.saturating_add(bytes.len()),
            Request::Break => work::DROPPED,
            Request::Status | Request::Window(_) | Request::Log(_) => work::SMALL,
            _ => 0,
        }
    }

    fn attach(&mut self, request: AttachRequest, context: &Context) {
        if self.place == Place::Reserved && matches!(request.mode, Mode::Spectate | Mode::Wait | Mode::Yield)
        {
            let message = "all places are taken, and this one is kept for an owner and for short requests; end a session first (vuart kick)";
            return self.refuse(ErrorCode::TooMany, message);
        }
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
            Err(refused) => {
                self.idle_work += work::REFUSED;
                self.tell(&Event::Refused(refused));
            }
        }
    }

    /// Begins a session, if the client's role allows it.
    pub(super) fn admit(&self, attach: Attach, context: &Context) -> Result<Session, Refused> {
        if attach.mode() != Mode::Spectate && self.role < Role::Owner {
            context.console.refuse(&self.peer, attach.mode(), &Refused::Forbidden);
            return Err(Refused::Forbidden);
        }
        if let Some(end) = &context.going {
            return Err(Refused::Ended { end: end.clone() });
        }
        context.console.attach(attach)
    }

    /// Ends the session as the client has asked, and tells it so.
    pub(super) fn detach(&mut self) {
        // One that has ended already is told how by `send_output`, behind all of its output.
        if self.session.take_if(|session| session.end().is_none()).is_some() {
            self.tell(&Event::Ended(End { cause: Cause::Detached, at: SystemTime::now().into() }));
        }
    }
}

/// The cost of a request: the bytes of output that are as much work, or less.
fn cost(request: &Request, context: &Context) -> usize {
    let searches = match request {
        Request::Attach(request) => request.replay.is_searched(),
        Request::Log(request) => request.from.is_searched(),
        _ => false,
    };
    match request {
        // All of the ring may be looked at.
        _ if searches => context.console.scrollback().capacity(),
        // Every session is copied and serialised.
        Request::Status => BUDGET / 8,
        _ => BUDGET / 1024,
    }
}

fn status(context: &Context) -> Status {
    let console = &context.console;
    let scrollback = console.scrollback();
    let mut sessions = console.sessions();
    sessions.sort_by_key(|session| !session.owner);
    Status {
        console: context.name.as_str().into(),
        pid: context.own.pid,
        more_sessions: (sessions.len().saturating_sub(Status::SESSIONS_MAX)) as u64,
        sessions: sessions.into_iter().take(Status::SESSIONS_MAX).collect(),
        oldest: scrollback.oldest(),
        end: scrollback.end(),
        capacity: scrollback.capacity() as u64,
        input_waiting: console.input_waiting(),
        input_stopped: console.input_stopped(),
        output_held: console.output_held(),
        counters: console.counters(),
        disabled: console.disabled(),
        ended: console.ended(),
        warnings: console.warnings(),
    }
}
