//! The output side of a connection: the guest's output and the history, sent straight from the shared buffer.

use std::io::IoSlice;

use vuart_endpoint::{Cause, End};
use vuart_scrollback::Read;
use vuart_wire::{Event, Hole, LogEnd, OUTPUT_HEADER, OUTPUT_MAX, output_frame};

use super::protocol::{History, Protocol};
use super::{Connection, Context};
use crate::pass::{BATCH, Budget, Pass};
use crate::transport::Closed;

/// The most output in one frame, in bytes. A connection keeps at most this much for a client that does not read.
const CHUNK: usize = 32 << 10;

/// The most frames in a batch.
const FRAMES: usize = BATCH.div_ceil(CHUNK);

/// The most output fetched at once for a pseudo-terminal, in bytes. Linux takes less than 12 KiB when the terminal is empty,
/// and 4 or 6 KiB each time a program has read.
const PTY_BATCH: usize = 12 << 10;

const _: () = assert!(CHUNK <= OUTPUT_MAX && CHUNK <= BATCH);

/// The result of an attempt to send more.
enum Produced {
    /// So many bytes have been sent, or wait in the outbox.
    Bytes(usize),
    /// The socket has no room.
    Full,
}

impl Connection {
    /// Sends what the client is owed, as far as its socket and its budget reach.
    ///
    /// Output that the guest writes meanwhile is left for the next pass: otherwise this could go on for ever, with one byte for
    /// each call. The server makes sure that there is a next pass, by the clock or by being woken (`Server::watch_guest`).
    pub(super) fn send(
        &mut self,
        budget: &mut Budget,
        context: &Context,
        pass: &mut Pass,
    ) -> Result<(), Closed> {
        if self.blocked {
            return Ok(());
        }
        let seen = context.console.scrollback().end();
        loop {
            self.blocked = !self.outbox.flush(&self.transport)?;
            if self.blocked {
                return Ok(());
            }
            if self.is_closing() {
                self.discard_unread(context, pass);
                return Err(Closed);
            }
            if budget.is_spent() {
                self.blocked = true;
                return Ok(());
            }
            self.notice_change();
            if !self.outbox.is_empty() {
                continue;
            }
            let produced = if self.protocol.is_sending_history() {
                self.send_history(budget.left(), pass)?
            } else {
                self.send_output(budget.left(), pass)?
            };
            match produced {
                Produced::Full => {
                    self.blocked = true;
                    return Ok(());
                }
                Produced::Bytes(0) if self.outbox.is_empty() && !self.is_closing() => return Ok(()),
                Produced::Bytes(bytes) => budget.spend(bytes),
            }
            if self.outbox.is_empty() && self.has_sent(seen) {
                return Ok(());
            }
        }
    }

    /// Whether the session goes on, and has all output up to this offset.
    fn has_sent(&self, offset: u64) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.end().is_none() && session.output().cursor() >= offset)
    }

    /// Sends the next piece of output, at most `most` bytes, or puts a hole or the session's end into the outbox.
    fn send_output(&mut self, most: usize, pass: &mut Pass) -> Result<Produced, Closed> {
        let Some(session) = &mut self.session else { return Ok(Produced::Bytes(0)) };
        let end = session.end().cloned();
        // A client that is sent away gets nothing more of the earlier output.
        let sent_away = matches!(&end, Some(end) if end.cause.is_at_once());
        if !sent_away {
            // A session that has ended gets the output up to its end, also if the guest writes on.
            let from = session.output().cursor();
            let until = session.end_offset().unwrap_or(u64::MAX);
            let most = if self.transport.is_pty() { most.min(PTY_BATCH) } else { most };
            let read = cut(session.peek(pass.room(limit(most, from, until))), from, until);
            // The session may have ended by that. It gets nothing from behind the hole.
            let lagged = matches!(session.end(), Some(End { cause: Cause::Lagged { .. }, .. }));
            if lagged {
                return self.send_output(most, pass);
            }
            if read.missed > 0 {
                match self.protocol {
                    // It is counted, also if it may not be told.
                    Protocol::Raw { .. } => {
                        let are = if read.missed == 1 { "byte is" } else { "bytes are" };
                        self.say(&format!("{} {are} lost here", read.missed));
                    }
                    Protocol::Framed(_) => self.tell(&Event::Hole(Hole { from, to: read.start })),
                }
                if !self.outbox.is_empty() {
                    // The bytes behind the hole come next.
                    return Ok(Produced::Bytes(self.outbox.len()));
                }
            }
            if !read.is_empty() {
                let taken = self.send_batch(read.start, pass.filled(read.len()))?;
                if let Some(session) = &mut self.session {
                    session.advance(taken);
                }
                return Ok(self.produced(taken, read.len()));
            }
        }
        if let Some(end) = end {
            self.end(end);
        }
        Ok(Produced::Bytes(0))
    }

    /// Sends the next piece of the history, at most `most` bytes, or puts a hole or its end into the outbox.
    fn send_history(&mut self, most: usize, pass: &mut Pass) -> Result<Produced, Closed> {
        let Some(History { reader, until, left }) = self.history() else { return Ok(Produced::Bytes(0)) };
        let (from, until) = (reader.cursor(), *until);
        let most = limit(most.min(usize::try_from(*left).unwrap_or(usize::MAX)), from, until);
        // Without room for a byte nothing is read, and no hole is found.
        let read = if most == 0 {
            Read { start: from, next: from, missed: 0 }
        } else {
            cut(reader.peek(pass.room(most)), from, until)
        };
        if read.missed > 0 {
            // Bytes that are lost behind the range do not belong to the answer.
            reader.seek(read.start);
            self.tell(&Event::Hole(Hole { from, to: read.start }));
            return Ok(Produced::Bytes(self.outbox.len()));
        }
        let taken = if read.is_empty() { 0 } else { self.send_batch(read.start, pass.filled(read.len()))? };
        if let Some(History { reader, until, left }) = self.history() {
            reader.advance(taken);
            // Lost bytes do not count.
            *left -= taken as u64;
            let (next, over) = (reader.cursor(), *left == 0 || reader.cursor() >= *until);
            if over {
                self.end_history();
                self.tell(&Event::LogEnd(LogEnd { next }));
            }
        }
        Ok(self.produced(taken, read.len()))
    }

    fn history(&mut self) -> Option<&mut History> {
        match &mut self.protocol {
            Protocol::Framed(framed) => framed.history.as_mut(),
            Protocol::Raw { .. } => None,
        }
    }

    fn end_history(&mut self) {
        if let Protocol::Framed(framed) = &mut self.protocol {
            framed.history = None;
        }
    }

    fn produced(&self, taken: usize, offered: usize) -> Produced {
        if taken < offered || !self.outbox.is_empty() { Produced::Full } else { Produced::Bytes(taken) }
    }

    /// Sends output from the offset `start` on. Returns how much of it need not be sent again: what the socket has taken, and
    /// the rest of a frame that it has taken in part, which goes into the outbox. The outbox must be empty.
    fn send_batch(&mut self, start: u64, bytes: &[u8]) -> Result<usize, Closed> {
        if let Protocol::Raw { .. } = self.protocol {
            return self.transport.send(&[IoSlice::new(bytes)]);
        }
        let frames: [_; FRAMES] = std::array::from_fn(|n| {
            let from = (n * CHUNK).min(bytes.len());
            output_frame(start + from as u64, &bytes[from..(from + CHUNK).min(bytes.len())])
        });
        let frames = &frames[..bytes.len().div_ceil(CHUNK).min(FRAMES)];
        let mut pieces = [IoSlice::new(&[]); 2 * FRAMES];
        for ((header, chunk), pieces) in frames.iter().zip(pieces.chunks_exact_mut(2)) {
            pieces[0] = IoSlice::new(header);
            pieces[1] = IoSlice::new(chunk);
        }
        let sent = self.transport.send(&pieces[..2 * frames.len()])?;
        let (whole, part) = (sent / (OUTPUT_HEADER + CHUNK), sent % (OUTPUT_HEADER + CHUNK));
        let taken = (whole * CHUNK).min(bytes.len());
        match frames.get(whole) {
            Some((header, chunk)) if part > 0 => {
                self.outbox.add(header.get(part..).unwrap_or_default());
                self.outbox.add(chunk.get(part.saturating_sub(OUTPUT_HEADER)..).unwrap_or_default());
                Ok(taken + chunk.len())
            }
            _ => Ok(taken),
        }
    }
}

/// How much to read from `from`: at most `most` bytes, and nothing from `until` on.
fn limit(most: usize, from: u64, until: u64) -> usize {
    usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX).min(most)
}

/// Cuts a read that began at `from` off at `until`: a reader that was lapped may be behind it.
fn cut(read: Read, from: u64, until: u64) -> Read {
    if from >= until {
        Read { start: from, next: from, missed: 0 }
    } else if read.next > until {
        let start = read.start.min(until);
        Read { start, next: until, missed: start - from }
    } else {
        read
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use vuart_endpoint::{Console, Identity, Mode};
    use vuart_scrollback::{Scrollback, Writer};

    use super::*;
    use crate::access::{Own, Role};
    use crate::pass::{BUDGET, LEAST_BUDGET};
    use crate::raw::{RawReplay, RawStart};
    use crate::ready::Ready;
    use crate::transport::Transport;

    /// A raw client that watches, its console, the guest, and the client's end.
    fn watched() -> (Connection, Context, Writer, UnixStream) {
        let (writer, scrollback) = Scrollback::new(1 << 20).unwrap();
        let (console, input) = Console::new(scrollback, || ());
        // The guest's port stays.
        std::mem::forget(input);
        let context = Context { console, name: "test".into(), own: Own::now(), going: None };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let who = Identity::new("test", 1000, None);
        let start = RawStart::new(Mode::Spectate, RawReplay::None, true);
        let connection = Connection::raw(Transport::Socket(ours), who, Role::Owner, start, &context);
        (connection, context, writer, theirs)
    }

    /// Where the session is in the output.
    fn cursor(connection: &Connection) -> u64 {
        connection.session.as_ref().unwrap().output().cursor()
    }

    #[test]
    fn output_written_while_it_sends_is_left_for_the_next_pass() {
        let (mut connection, context, mut writer, mut theirs) = watched();
        writer.push(b'x');
        // The guest writes a byte as soon as one has arrived.
        let guest = thread::spawn(move || {
            theirs.set_nonblocking(true).unwrap();
            let mut byte = [0];
            loop {
                match theirs.read(&mut byte) {
                    Ok(0) => return,
                    Ok(_) => writer.push(b'x'),
                    Err(_) => thread::yield_now(),
                }
            }
        });
        for sent in 0..20_000 {
            while context.console.scrollback().end() == sent {
                thread::yield_now();
            }
            connection.drive(Ready::WRITE, &context, &mut Pass::begin(0)).unwrap();
            assert_eq!(cursor(&connection), sent + 1);
        }
        drop(connection);
        guest.join().unwrap();
    }

    #[test]
    fn a_connection_sends_no_more_than_its_share_of_the_budget() {
        for (connections, most) in
            [(0, BUDGET), (1, BUDGET), (4, BUDGET / 4), (BUDGET, LEAST_BUDGET), (usize::MAX, LEAST_BUDGET)]
        {
            let (mut connection, context, mut writer, mut theirs) = watched();
            let read = thread::spawn(move || theirs.read_to_end(&mut Vec::new()));
            writer.extend(&vec![b'x'; 2 * BUDGET]);
            connection.drive(Ready::WRITE, &context, &mut Pass::begin(connections)).unwrap();
            let sent = cursor(&connection);
            assert!(sent > 0 && sent <= most as u64, "{connections} connections: {sent} of {most} bytes");
            assert!(connection.interest().write, "the rest is sent when it is writable");
            drop(connection);
            assert_eq!(read.join().unwrap().unwrap() as u64, sent);
        }
    }
}
