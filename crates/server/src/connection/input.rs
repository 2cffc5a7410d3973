//! The input side of a connection: receiving, and offering input to the console.

use vuart_endpoint::{End, Session};
use vuart_wire::Request;

use super::protocol::Protocol;
use super::{Connection, Context, State};
use crate::pass::{BATCH, Pass};
use crate::ready::Ready;
use crate::transport::{Closed, Received};

/// The most bytes received at once.
const RECEIVE: usize = 16 << 10;

const _: () = assert!(RECEIVE <= BATCH);

/// The most bytes, of what a client had sent before it hung up, that are counted. More than a socket holds.
const COUNTED: usize = 1 << 20;

/// Input that the console has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Typed {
    bytes: Vec<u8>,
    /// The number of `bytes` that the console has taken.
    taken: usize,
    /// A break comes after the bytes.
    break_waits: bool,
}

impl Typed {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty() && !self.break_waits
    }

    /// Takes input. Call it only when all earlier input has been taken.
    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.taken = 0;
    }

    /// Takes input by copying it, and uses the same memory again.
    fn copy(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.taken = 0;
    }

    pub(super) fn put_break(&mut self) {
        self.break_waits = true;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
        self.break_waits = false;
    }

    /// Offers the input to the console. Fails when the session has ended.
    fn offer(&mut self, session: &mut Session) -> Result<(), End> {
        if !self.rest().is_empty() {
            self.taken += session.write(self.rest())?;
        }
        if self.break_waits && self.rest().is_empty() {
            self.break_waits = session.send_break().is_ok_and(|taken| !taken);
        }
        Ok(())
    }
}

impl Connection {
    /// Receives once. Returns whether there was something.
    pub(super) fn receive(&mut self, pass: &mut Pass) -> Result<bool, Closed> {
        if !self.may_receive() {
            return Ok(false);
        }
        let count = match self.transport.receive(pass.room(RECEIVE))? {
            Received::Bytes(count) => count,
            Received::Nothing => return Ok(false),
            Received::End => {
                self.read_closed = true;
                return Ok(false);
            }
        };
        match &mut self.protocol {
            Protocol::Raw { .. } => {
                self.typed.copy(pass.filled(count));
                if !self.may_type() {
                    self.idle_work += count;
                }
            }
            Protocol::Framed(framed) => framed.decoder.extend(pass.filled(count)),
        }
        Ok(true)
    }

    /// Offers the waiting input to the console.
    pub(super) fn offer_input(&mut self, context: &Context) {
        let may_type = self.may_type();
        let Some(session) = &mut self.session else {
            // What a client sends after its eviction, and before it knows of it, is dropped.
            return self.drop_input(context);
        };
        if !may_type {
            // A spectator's input goes nowhere, and does not hold its connection up.
            return self.typed.clear();
        }
        if self.typed.offer(session).is_err() {
            // The client is told of the end by `send_output`.
            self.drop_input(context);
        }
    }

    /// Whether the client types for the ownership that its session has. What it sent before it could know of that ownership
    /// is dropped.
    pub(super) fn may_type(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_owner() && session.epoch() == self.accepted)
    }

    /// A client without a protocol has waited for the console, and owns it now. What it sent before, it typed without knowing that.
    pub(super) fn come_to_own(&mut self) {
        self.accepted = self.session.as_ref().and_then(Session::epoch);
        self.typed.clear();
        // Also what has arrived and is not received: it may have rested, or the guest may have kept the server busy.
        let (mut buffer, mut discarded) = ([0; 4096], 0);
        while discarded < COUNTED {
            let Ok(Received::Bytes(count)) = self.transport.receive(&mut buffer) else { break };
            discarded += count;
        }
        self.say("the console is yours now");
    }

    /// Drops the waiting input, and counts it.
    fn drop_input(&mut self, context: &Context) {
        context.console.abandon(self.typed.rest().len() as u64);
        self.typed.clear();
    }

    /// Ends a session that waits until the guest has taken its input, if it has. Returns whether it ends now.
    ///
    /// The client gets the output up to that moment first, because it can't ask for it later. A session that has ended otherwise
    /// is told of that by `send_output`, behind all of its output.
    pub(super) fn end_if_drained(&mut self, context: &Context) -> bool {
        let State::Draining { until } = &mut self.state else { return false };
        if let Some(session) = &mut self.session {
            if session.end().is_some() || session.input_left() > 0 {
                return false;
            }
            let until = *until.get_or_insert_with(|| context.console.scrollback().end());
            if session.output().cursor() < until {
                return false;
            }
        }
        self.state = State::Open;
        self.detach();
        true
    }

    /// The connection of a client without a protocol is closed next. Discards what has arrived and is not read, and counts it: if
    /// something were left, the client would find a reset (`ECONNRESET`) in place of the end of the stream.
    pub(super) fn discard_unread(&mut self, context: &Context, pass: &mut Pass) {
        if !matches!(self.protocol, Protocol::Raw { .. }) || self.transport.is_pty() {
            return;
        }
        let mut discarded = 0;
        while discarded < COUNTED {
            let Ok(Received::Bytes(count)) = self.transport.receive(pass.room(BATCH)) else { break };
            discarded += count;
        }
        context.console.abandon(discarded as u64);
    }

    /// The client has hung up. Serves what it had sent before, as far as there is room, and counts the rest.
    pub(crate) fn drain(&mut self, context: &Context, pass: &mut Pass) {
        // No more than what its socket holds.
        self.resting = false;
        while !self.read_closed && !self.is_busy() {
            let waits = self.protocol.has_request();
            // This fails, and the session does not end here, at a pseudo-terminal that another program has opened meanwhile.
            let Ok(received) = self.receive(pass) else { break };
            if self.drive(Ready::WRITE, context, pass).is_err() || !(received || waits) {
                break;
            }
        }
        self.discard(context, pass);
    }

    /// The server goes: sends what the socket takes, and serves nothing any more.
    pub(crate) fn part(&mut self, context: &Context, pass: &mut Pass) {
        // If this fails, the client is gone.
        let _ = self.drive(Ready::WRITE, context, pass);
        self.discard(context, pass);
    }

    /// Drops and counts what has come and was not served. A connection that is closed while something is left to receive fails for the client,
    /// instead of ending.
    pub(crate) fn discard(&mut self, context: &Context, pass: &mut Pass) {
        self.drop_input(context);
        let (mut received, mut abandoned) = (0, 0);
        while received < COUNTED {
            let Ok(Received::Bytes(count)) = self.transport.receive(pass.room(BATCH)) else { break };
            received += count;
            match &mut self.protocol {
                Protocol::Raw { .. } => abandoned += count,
                Protocol::Framed(framed) => {
                    framed.decoder.extend(pass.filled(count));
                    while let Some(Ok(request)) = framed.decoder.next_frame() {
                        if let Request::Input(bytes) = request {
                            abandoned += bytes.len();
                        }
                    }
                }
            }
        }
        if self.owns() {
            context.console.abandon(abandoned as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use vuart_endpoint::{Attach, Cause, Identity, Mode};
    use vuart_test_support::{Guest, take};
    use vuart_wire::{AttachRequest, Decoder, DetachRequest, Event, Frame as _, Hello, VERSION};

    use super::*;
    use crate::access::{Own, Role};
    use crate::raw::{RawReplay, RawStart};
    use crate::transport::Transport;

    /// A client without a protocol waits in line. What it has sent up to the moment in which it comes to own the console is dropped,
    /// whether it was received before or not.
    #[test]
    fn e4_what_was_typed_while_waiting_is_not_typed_by_the_owner() {
        let mut guest = Guest::new(4096);
        let context =
            Context { console: guest.console.clone(), name: "test".into(), own: Own::now(), going: None };
        let alice = guest.console.attach(Attach::new(Identity::new("alice", 1000, None))).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let who = Identity::new("bob", 1000, None);
        let start = RawStart::new(Mode::Wait, RawReplay::None, true);
        let mut bob = Connection::raw(Transport::Socket(ours), who, Role::Owner, start, &context);
        bob.drive(Ready::BOTH, &context, &mut Pass::begin(1)).unwrap();
        assert!(!bob.owns());
        theirs.write_all(&vec![b'n'; 3 * RECEIVE]).unwrap();
        drop(alice);
        bob.drive(Ready::BOTH, &context, &mut Pass::begin(1)).unwrap();
        assert!(bob.owns());
        bob.drive(Ready::BOTH, &context, &mut Pass::begin(1)).unwrap();
        assert_eq!(take(&mut guest.input), b"");
        theirs.write_all(b"yes").unwrap();
        bob.drive(Ready::BOTH, &context, &mut Pass::begin(1)).unwrap();
        assert_eq!(take(&mut guest.input), b"yes");
        drop(bob);
        let mut told = String::new();
        theirs.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("\r\n[vuart: the console is held by alice (uid 1000) since "), "{told}");
        assert!(told.ends_with("\r\n[vuart: the console is yours now]\r\n"), "{told}");
    }

    /// A script that has sent some keys and drains, and the guest that has not read them.
    fn draining() -> (Connection, Context, Guest, UnixStream) {
        let guest = Guest::new(4096);
        let context =
            Context { console: guest.console.clone(), name: "test".into(), own: Own::now(), going: None };
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let who = Identity::new("test", 1000, None);
        let mut connection = Connection::framed(Transport::Socket(ours), who, Role::Owner);
        let mut requests = Vec::new();
        Request::Hello(Hello { version: VERSION, label: "script".to_owned() }).encode(&mut requests);
        Request::Attach(AttachRequest::default()).encode(&mut requests);
        Request::Input(b"abq".to_vec()).encode(&mut requests);
        Request::Detach(DetachRequest { drained: true }).encode(&mut requests);
        theirs.write_all(&requests).unwrap();
        connection.drive(Ready::BOTH, &context, &mut Pass::begin(1)).unwrap();
        assert!(connection.is_draining());
        (connection, context, guest, theirs)
    }

    /// What the script has received of its session.
    fn received(connection: Connection, theirs: &mut UnixStream) -> (Vec<u8>, Cause) {
        drop(connection);
        let mut bytes = Vec::new();
        theirs.read_to_end(&mut bytes).unwrap();
        let mut decoder = Decoder::default();
        decoder.extend(&bytes);
        let mut output = Vec::new();
        loop {
            match decoder.next_frame().unwrap().unwrap() {
                Event::Output { bytes, .. } => output.extend(bytes),
                Event::Ended(end) => return (output, end.cause),
                _ => {}
            }
        }
    }

    #[test]
    fn f14_a_session_that_drains_gets_the_output_up_to_then() {
        let (mut connection, context, mut guest, mut theirs) = draining();
        assert_eq!(take(&mut guest.input), b"abq");
        guest.writes(b"bye");
        connection.drive(Ready::NEITHER, &context, &mut Pass::begin(1)).unwrap();
        assert!(connection.session.is_none());
        assert_eq!(received(connection, &mut theirs), (b"bye".to_vec(), Cause::Detached));
    }

    #[test]
    fn f14_a_session_whose_guest_ends_while_it_drains_gets_its_last_output() {
        for taken in [true, false] {
            let (mut connection, context, mut guest, mut theirs) = draining();
            if taken {
                assert_eq!(take(&mut guest.input), b"abq");
            }
            guest.writes(b"bye");
            guest.console.end(&Cause::VmEnded);
            connection.drive(Ready::NEITHER, &context, &mut Pass::begin(1)).unwrap();
            assert_eq!(received(connection, &mut theirs), (b"bye".to_vec(), Cause::VmEnded));
        }
    }
}
